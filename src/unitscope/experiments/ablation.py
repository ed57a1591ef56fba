"""Ablation: remove units and measure the effect on predictions (paper, algorithm 4).

In: a network, images, the units to remove. Out: an `Ablation`.
Each image runs through the prefix once; each setting is a variant of its activations at the cut.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unitscope.analyses.ablation import Ablation
from unitscope.analyses.ablation_counts import TOP5, AblationSetting, Predictions, Score
from unitscope.analyses.ablation_outcome import Outcome
from unitscope.analyses.ablation_removed import BatchMaps, Removed, RemovedByImage
from unitscope.analyses.predictions import best_classes, check_predicted
from unitscope.atlas import Atlas
from unitscope.engine import tune_allocator
from unitscope.engine.session import Session
from unitscope.engine.split_runs import SplitBatch, SplitRun
from unitscope.engine.unit_means import UnitMeans, UnitSums
from unitscope.errors import AtlasError
from unitscope.experiments.ablation_grid import AblationGrid
from unitscope.experiments.run_options import RunOptions, truth_of
from unitscope.experiments.unit_ranking import Ranked, UnitRanking
from unitscope.images import ImageSource
from unitscope.networks import Network
from unitscope.progress import ProgressFactory
from unitscope.scanning.atlas_network import check_same
from unitscope.units import Layer

_ROWS = 4096  # of an atlas, read at once


def ablate(
    network: Network | Session,
    images: str | Path | ImageSource,
    grid: AblationGrid,
    *,
    atlas: Atlas | None = None,
    options: RunOptions | None = None,
) -> Ablation:
    """Return a network's predictions with some of its units removed, for each setting.

    Args:
        network: from `unitscope.load`, or a session of it; it is not modified.
        images: a folder in any layout, or an opened source.
        grid: layers, scopes, orders, numbers of units.
        atlas: provides the units' means over the data set; by default they are computed over these images.
        options: batch size, device, limit, progress.

    Raises:
        LayerError: if the network has no such layer, or the layer has fewer units than are to be removed.
        NetworkError: if the network returns no logits, or the layer has no path to them; if the atlas is from another
            network.
        AtlasError: if the atlas does not have the layer, or no responses where the grid needs the means of ``|α|``.
        ImageError: if an image can't be read, or none can be decoded.
    """
    options = options or RunOptions()
    image_set = options.select_images(images)
    session = Session.of(network, device=options.device)
    if atlas is not None:
        check_same(atlas, session)
    tune_allocator()
    layers = dict.fromkeys(session.layers.find(address) for address in grid.layers)
    settings = [grid.settings(layer) for layer in layers]
    means = [None if atlas is None else _means_of(atlas, layer, grid) for layer in layers]
    # Split one layer at a time, since each split has its own copy of the weights.
    splits = (SplitRun(session, layer, image_set, options.batch_size) for layer in layers)
    with session.inference():
        runs = [
            _run(_LayerExperiment(split, of_layer, grid, options.progress), known)
            for split, of_layer, known in zip(splits, settings, means, strict=True)
        ]
    return replace(_ablation(session.network, image_set, runs), layers=tuple(layers))


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Predictions for one layer, ``[image, rank]`` for each setting, and row numbers; units as in `Outcome`.

    ``failures`` tells why images could not be decoded, by id.
    """

    settings: tuple[AblationSetting, ...]
    units: tuple[tuple[int, ...] | None, ...]
    removed: tuple[Removed, ...]
    rows: NDArray[np.int64]
    before: Predictions
    after: Predictions
    failures: dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class _LayerExperiment:
    """The settings at one layer."""

    split: SplitRun
    settings: tuple[AblationSetting, ...]
    grid: AblationGrid
    progress: ProgressFactory

    def track(self, title: str) -> AbstractContextManager[Callable[[int], None]]:
        """Show the progress of one pass over the images."""
        return self.progress(f"{title} {self.split.layer.name}", len(self.split.images))

    def fill(self, means: UnitMeans | None) -> Tensor:
        """Return the values of removed units' maps, float32 ``[unit]``."""
        if self.grid.value == "mean":
            assert means is not None
            return torch.from_numpy(means.response.astype(np.float32))
        return torch.zeros(self.split.layer.units)


def _run(experiment: _LayerExperiment, means: UnitMeans | None) -> _Run:
    """Run the images once, or twice if unknown means are needed and the activations are too large to cache."""
    layer, rows, predictions, removed = experiment.split.layer, [], [], []
    # The unmodified network is one of the variants, so that it differs from the others by the removal only.
    variants = [AblationSetting(layer.name, "image", "low", 0, layer.units), *experiment.settings]
    batches, means = _batches(experiment, means)
    fill, ranking = experiment.fill(means), UnitRanking(means)
    with experiment.track("removing from") as on_batch:
        for batch in batches:
            rows.append(batch.rows)
            masks = _masks(variants, ranking, batch)
            predictions.append(_predict(experiment.split, batch, masks, fill))
            removed.append(_removed(batch, masks[1:], fill))
            on_batch(len(batch.rows))
    joined = np.concatenate(predictions, 1)
    check_predicted(joined[0], experiment.split.session.network.reference)
    units = tuple(_units(setting, ranking) for setting in experiment.settings)
    sums = tuple(Removed.sum(parts) for parts in zip(*removed, strict=True))
    return _Run(
        experiment.settings, units, sums, np.concatenate(rows), joined[0], joined[1:], experiment.split.failures
    )


def _units(setting: AblationSetting, ranking: UnitRanking) -> tuple[int, ...] | None:
    """Return the removed units in their order of removal; None if they differ between images."""
    if setting.scope == "image":
        return None
    ranked = ranking(setting, torch.empty(1, setting.units), ())
    return tuple(ranked.ranks[0].argsort()[: int(ranked.first(setting).sum())].tolist())


def _batches(experiment: _LayerExperiment, means: UnitMeans | None) -> tuple[Iterable[SplitBatch], UnitMeans | None]:
    """Return the images' activations at the cut, and the means if they are needed."""
    if means is not None or not experiment.grid.needs_means:
        return experiment.split.batches(), means
    with experiment.track("means of") as on_batch:
        kept, means = experiment.split.kept(on_batch)
    return kept or experiment.split.batches(), means


def _predict(split: SplitRun, batch: SplitBatch, masks: list[Tensor], fill: Tensor) -> Predictions:
    """Return the most probable classes, ``[variant, image, rank]``."""
    logits = [split.logits(batch, torch.stack(chunk), fill) for chunk in _chunks(masks, batch)]
    best = [best_classes(some.float().cpu().numpy(), TOP5) for some in logits]
    return np.concatenate(best)[:, : len(batch.rows)]


def _masks(variants: Sequence[AblationSetting], ranking: UnitRanking, batch: SplitBatch) -> list[Tensor]:
    """Return a mask of removed units for each variant, bool ``[image, unit]``; equal rankings are computed once."""
    responses, rows = batch.activations.responses, batch.filled_rows
    ranks: dict[tuple[str, str, int | None, str], Ranked] = {}
    masks = []
    for setting in variants:
        key = (setting.scope, setting.order, setting.seed, setting.among)
        if key not in ranks:
            ranks[key] = ranking(setting, responses, rows)
        masks.append(ranks[key].first(setting).expand(len(responses), -1))
    return masks


def _removed(batch: SplitBatch, masks: list[Tensor], fill: Tensor) -> list[RemovedByImage]:
    """Return what each mask removes from each image of a batch, without padding."""
    found, images = batch.activations, len(batch.rows)
    maps = BatchMaps(*(each.cpu().numpy() for each in (found.nonzero[:images], found.responses[:images], fill)))
    return [maps.remove(mask[:images].cpu().numpy()) for mask in masks]


def _chunks(masks: list[Tensor], batch: SplitBatch) -> list[list[Tensor]]:
    """Return the variants in chunks of almost equal size."""
    count = -(-len(masks) // batch.variants_at_once)
    edges = np.linspace(0, len(masks), count + 1).round().astype(int)
    return [masks[start:end] for start, end in itertools.pairwise(edges)]


def _means_of(atlas: Atlas, layer: Layer, grid: AblationGrid) -> UnitMeans:
    means = np.array(atlas.units_of(layer.name)["mean"])
    if not grid.needs_magnitudes:
        return UnitMeans(means, None)
    if not atlas.has_responses:
        raise AtlasError(
            "'--order low-abs', '--order high-abs' and '--among active' need the mean of |α| over all images, but "
            f"atlas '{atlas.path}' stores no responses; leave out --atlas, or scan with --store-responses float32"
        )
    sums, images = UnitSums(layer.units), len(atlas.images)
    for start in range(0, images, _ROWS):
        sums.add(atlas.responses(layer.name, np.arange(start, min(start + _ROWS, images))))
    sizes, dead = np.asarray(sums.means.magnitude), np.array(atlas.units_of(layer.name)["dead"], bool)
    # In float16, small responses can be stored as zero.
    return UnitMeans(means, np.where(dead, 0, np.maximum(sizes, np.finfo(np.float64).tiny)))


def _ablation(network: Network, images: ImageSource, runs: Sequence[_Run]) -> Ablation:
    rows = runs[0].rows
    truth = truth_of(network, images, rows.tolist())
    outcomes = tuple(
        Outcome(setting, predictions, run.before, truth, units, removed=removed)
        for run in runs
        for setting, units, removed, predictions in zip(run.settings, run.units, run.removed, run.after, strict=True)
    )
    failed, data, before = len(images) - len(rows), images.fingerprint(), runs[0].before
    baseline = Score.of(before, truth)
    return Ablation(
        network.name,
        len(rows),
        baseline,
        before,
        outcomes,
        network.classes,
        failed,
        data,
        failures=runs[0].failures,
    )
