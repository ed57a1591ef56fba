"""Ablation: remove units and measure the effect on predictions (paper, algorithm 4).

In: a network, images, the units to remove. Out: an `Ablation`.
Each image runs through the prefix once; each setting is a variant of its activations at the cut.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unitscope.analyses.ablation import Ablation, Outcome
from unitscope.analyses.ablation_counts import TOP5, AblationSetting, Predictions, Score
from unitscope.analyses.predictions import best_classes
from unitscope.atlas import Atlas
from unitscope.engine import tune_allocator
from unitscope.engine.session import Session
from unitscope.engine.split_runs import SplitBatch, SplitRun
from unitscope.experiments.ablation_grid import AblationGrid
from unitscope.experiments.run_options import ProgressFactory, RunOptions, truth_of
from unitscope.experiments.unit_ranking import UnitRanking
from unitscope.images import ImageSource
from unitscope.networks import Network
from unitscope.scanning.atlas_network import check_same
from unitscope.units import Layer


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
        AtlasError: if the atlas does not have the layer.
        ImageError: if no image can be read.
    """
    options = options or RunOptions()
    image_set = options.select_images(images)
    session = Session.of(network, device=options.device)
    if atlas is not None:
        check_same(atlas, session)
    tune_allocator()
    layers = dict.fromkeys(session.layers.find(address) for address in grid.layers)
    settings = [grid.settings(layer) for layer in layers]
    means = [None if atlas is None else _means_of(atlas, layer) for layer in layers]
    # Split one layer at a time, since each split has its own copy of the weights.
    splits = (SplitRun(session, layer, image_set, options.batch_size) for layer in layers)
    with session.inference():
        runs = [
            _run(_LayerExperiment(split, of_layer, grid, options.progress), known)
            for split, of_layer, known in zip(splits, settings, means, strict=True)
        ]
    return _ablation(session.network, image_set, runs)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Predictions for one layer, ``[image, rank]`` for each setting, and row numbers; units as in `Outcome`."""

    settings: tuple[AblationSetting, ...]
    units: tuple[tuple[int, ...] | None, ...]
    rows: NDArray[np.int64]
    before: Predictions
    after: Predictions


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

    def fill(self, means: NDArray[np.float64] | None) -> Tensor:
        """Return the values of removed units' maps, float32 ``[unit]``."""
        if self.grid.value == "mean":
            assert means is not None
            return torch.from_numpy(means.astype(np.float32))
        return torch.zeros(self.split.layer.units)


def _run(experiment: _LayerExperiment, means: NDArray[np.float64] | None) -> _Run:
    """Run the images once, or twice if unknown means are needed and the activations are too large to cache."""
    layer, rows, predictions = experiment.split.layer, [], []
    # The unmodified network is one of the variants, so that it differs from the others by the removal only.
    variants = [AblationSetting(layer.name, "image", "low", 0, layer.units), *experiment.settings]
    batches, means = _batches(experiment, means)
    fill, ranking = experiment.fill(means), UnitRanking(means)
    with experiment.track("removing from") as on_batch:
        for batch in batches:
            rows.append(batch.rows)
            predictions.append(_predict(experiment.split, batch, _masks(variants, ranking, batch), fill))
            on_batch(len(batch.rows))
    joined = np.concatenate(predictions, 1)
    units = tuple(_units(setting, ranking) for setting in experiment.settings)
    return _Run(experiment.settings, units, np.concatenate(rows), joined[0], joined[1:])


def _units(setting: AblationSetting, ranking: UnitRanking) -> tuple[int, ...] | None:
    """Return the removed units in their order of removal; None if they differ between images."""
    if setting.scope == "image":
        return None
    (ranks,) = ranking(setting, torch.empty(1, setting.units), ())
    return tuple(ranks.argsort()[: setting.count].tolist())


def _batches(
    experiment: _LayerExperiment, means: NDArray[np.float64] | None
) -> tuple[Iterable[SplitBatch], NDArray[np.float64] | None]:
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
    ranks: dict[tuple[str, str, int | None], Tensor] = {}
    masks = []
    for setting in variants:
        key = (setting.scope, setting.order, setting.seed)
        if key not in ranks:
            ranks[key] = ranking(setting, responses, rows)
        masks.append((ranks[key] < setting.count).expand(len(responses), -1))
    return masks


def _chunks(masks: list[Tensor], batch: SplitBatch) -> list[list[Tensor]]:
    """Return the variants in chunks of almost equal size."""
    count = -(-len(masks) // batch.variants_at_once)
    edges = np.linspace(0, len(masks), count + 1).round().astype(int)
    return [masks[start:end] for start, end in itertools.pairwise(edges)]


def _means_of(atlas: Atlas, layer: Layer) -> NDArray[np.float64]:
    return np.array(atlas.units_of(layer.name)["mean"])


def _ablation(network: Network, images: ImageSource, runs: Sequence[_Run]) -> Ablation:
    rows = runs[0].rows
    truth = truth_of(network, images, rows.tolist())
    outcomes = tuple(
        Outcome(setting, predictions, run.before, truth, units)
        for run in runs
        for setting, units, predictions in zip(run.settings, run.units, run.after, strict=True)
    )
    failed, data, before = len(images) - len(rows), images.fingerprint(), runs[0].before
    baseline = Score.of(before, truth)
    return Ablation(network.name, len(rows), baseline, before, outcomes, network.classes, failed, data)
