"""Run a network on perturbed images, and measure how maps, responses, selections and predictions change.

In: a network, images, perturbations. Out: a `PerturbResult`. Each image is read once and runs clean, then once for each
perturbation and seed. Maps are reduced batch by batch, so that only a few numbers per image are kept.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from unitscope.analyses.ablation_counts import TOP5, Truth
from unitscope.analyses.perturb_result import Effect, PerturbResult
from unitscope.analyses.perturbation import (
    PerturbationStats,
    correct_predictions,
    flips,
    layer_effects,
    mcnemar_by_draw,
    strongest,
    unit_effects,
)
from unitscope.analyses.predictions import check_predicted
from unitscope.engine import tune_allocator
from unitscope.engine.loader import Batch, no_readable_images_error, read_image
from unitscope.engine.outputs import Outputs
from unitscope.engine.session import Session
from unitscope.errors import NetworkError, UnitscopeError, check_seeds
from unitscope.experiments.corruptions import Noise, Perturbation, name_and_value
from unitscope.experiments.run_options import RunOptions, truth_of
from unitscope.experiments.tracked_units import TrackedNetwork, TrackedOutputs, track
from unitscope.images import ImageSource
from unitscope.networks import CustomPreprocessing, Network
from unitscope.units import Unit

STRONGEST = 9
"""Number of a unit's images in the result, as many as in the paper."""

Draws = dict[Perturbation, tuple[int, ...]]


def perturb(
    network: Network | Session,
    images: str | Path | ImageSource,
    perturbations: Iterable[Perturbation],
    *,
    units: Iterable[str | Unit] = (),
    layers: Sequence[str] = (),
    seeds: Iterable[int] = (0,),
    top: int = 9,
    options: RunOptions | None = None,
) -> PerturbResult:
    """Return how maps, responses, selections and predictions change when images are perturbed.

    Images are perturbed at the network's input size, after resizing and before normalization. Deterministic
    perturbations run once, regardless of the seeds.

    Args:
        network: from `unitscope.load`, or a session of it; it is not modified.
        images: a folder in any layout, an image file, or an opened source.
        perturbations: `Noise`, `Blur`, `Brightness`, `Jpeg`.
        units: units whose maps and responses are tracked, ``LAYER:UNIT``.
        layers: names, aliases or patterns of the layers whose selections are tracked; all activation calls if empty.
        seeds: seeds of the noise; results are averaged over them.
        top: number of units in a selection; all units of smaller layers.
        options: batch size, device, limit, progress.

    Raises:
        LayerError: if a layer or unit does not exist.
        NetworkError: if the preprocessing is a function, since the scale of its values is unknown.
        ImageError: if an image can't be read, or none can be decoded.
        UnitscopeError: if there is no perturbation or no seed, or ``top`` is less than 1.
    """
    options, draws = options or RunOptions(), _draws(perturbations, seeds)
    _check(network.network if isinstance(network, Session) else network, draws, top)
    session = Session.of(network, device=options.device)
    image_set = options.select_images(images)
    experiment = _Experiment(session, image_set, track(session, layers, units, top=top), draws)
    with options.progress("perturbing", len(image_set)) as on_batch:
        batches = list(experiment.batches(options.batch_size, on_batch))
    return experiment.result(batches)


def changed_batch(perturbation: Perturbation, prepared: Tensor, rows: Sequence[int], seed: int) -> Tensor:
    """Return a batch of prepared images with row numbers ``rows``, perturbed, ``[image, channel, H, W]``."""
    pairs = zip(prepared, rows, strict=True)
    return torch.stack([perturbation.apply(image, row, seed) for image, row in pairs])


def check_known_scale(network: Network) -> None:
    """Check that images can be perturbed between resizing and normalization.

    Raises:
        NetworkError: if the preprocessing is a function.
    """
    if isinstance(network.preprocessing, CustomPreprocessing):
        raise NetworkError(
            f"the preprocessing of {network.reference} is a function, so the scale of its values is unknown and images "
            "can't be perturbed; give a preset's name or a table (size, mean, std) instead"
        )


def _draws(perturbations: Iterable[Perturbation], seeds: Iterable[int]) -> Draws:
    """Return each perturbation once, with its seeds; deterministic ones need only one seed."""
    each = tuple(dict.fromkeys(seeds))
    return {change: each if isinstance(change, Noise) else each[:1] for change in perturbations}


def _check(network: Network, draws: Draws, top: int) -> None:
    check_known_scale(network)
    if not draws:
        raise UnitscopeError("no perturbation was given; give one or more, such as Noise(0.1)")
    for seeds in draws.values():
        check_seeds(seeds)
    if top < 1:
        raise UnitscopeError(f"top must be at least 1, not {top}")


@dataclass(frozen=True, slots=True, eq=False)
class _BatchStats:
    """The statistics of one batch, for the images that could be read."""

    rows: tuple[int, ...]
    clean: PerturbationStats
    changed: dict[Perturbation, PerturbationStats]


@dataclass(frozen=True, slots=True, eq=False)
class _Experiment:
    """A network, images, and their perturbations."""

    session: Session
    images: ImageSource
    tracked: TrackedNetwork
    draws: Draws
    failures: dict[str, str] = field(default_factory=dict)

    def batches(self, batch_size: int | None, on_batch: Callable[[int], None]) -> Iterator[_BatchStats]:
        """Yield the statistics of each batch, in the order of the images."""
        tune_allocator()
        layers, maps = self.tracked.index.layers, self.tracked.mapped
        for batch, outputs in self.session.stream(self.images, responses=layers, maps=maps, batch_size=batch_size):
            if outputs is not None:
                yield self._batch_stats(batch, outputs)
            self.failures.update(batch.failures(self.images))
            on_batch(len(batch.pictures))

    def _batch_stats(self, batch: Batch, outputs: Outputs) -> _BatchStats:
        prepared, rows = batch.tensor(), tuple(picture.image for picture in batch.good)
        before = self.tracked.outputs(outputs)
        changed = {}
        for change, seeds in self.draws.items():
            runs = (self._run(changed_batch(change, prepared, rows, seed)) for seed in seeds)
            changed[change] = PerturbationStats.stacked([self.tracked.compare(before, after) for after in runs])
        return _BatchStats(rows, self.tracked.clean(before), changed)

    def _run(self, prepared: Tensor) -> TrackedOutputs:
        layers, maps = self.tracked.index.layers, self.tracked.mapped
        return self.tracked.outputs(self.session.run(prepared, responses=layers, maps=maps, batch_size=len(prepared)))

    def result(self, batches: list[_BatchStats]) -> PerturbResult:
        """Return the result over all batches."""
        network = self.session.network
        if not batches:
            raise no_readable_images_error(self.images, read_image(self.images, 0, network.preprocessing).error)
        rows = [row for batch in batches for row in batch.rows]
        truth = truth_of(network, self.images, rows)
        clean = PerturbationStats.joined([batch.clean for batch in batches])
        check_predicted(clean.classes[0], network.reference)
        greatest = [strongest(responses, STRONGEST) for responses in clean.responses[0].T]
        return PerturbResult(
            network.name,
            len(rows),
            len(self.images) - len(rows),
            self.images.fingerprint(),
            max(self.draws.values(), key=len),
            self.tracked.top,
            correct_predictions(clean, truth, among=1),
            correct_predictions(clean, truth, among=TOP5),
            tuple(self._effect(change, clean, batches, truth) for change in self.draws),
            self.tracked.note,
            tuple(self.draws),
            self.images,
            tuple(tuple(rows[index] for index in indices) for indices in greatest),
            self.failures,
        )

    def _effect(
        self, change: Perturbation, clean: PerturbationStats, batches: list[_BatchStats], truth: Truth
    ) -> Effect:
        changed = PerturbationStats.joined([batch.changed[change] for batch in batches])
        return Effect(
            *name_and_value(change),
            self.draws[change],
            flips(clean, changed),
            mcnemar_by_draw(clean, changed, truth),
            correct_predictions(changed, truth, among=1),
            correct_predictions(changed, truth, among=TOP5),
            layer_effects(changed, self.tracked.layers, top=self.tracked.top),
            unit_effects(clean, changed, self.tracked.units),
        )
