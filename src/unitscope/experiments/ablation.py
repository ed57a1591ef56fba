"""The removal lab: what units are worth, by taking them away (paper, algorithm 4).

In: a network, images, which units go. Out: an `Ablation`.
Each image runs through the prefix once; every setting is a variant of what it brings to the cut.
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

from unitscope.analyses.ablation import TOP5, Ablation, Answers, Outcome, Removed, Score
from unitscope.analyses.predictions import best_classes
from unitscope.atlas import Atlas
from unitscope.engine import tune_allocator
from unitscope.engine.session import Session
from unitscope.engine.split_runs import CutBatch, SplitRun
from unitscope.experiments.ablation_grid import AblationGrid
from unitscope.experiments.run_options import Counting, RunOptions, truth_of
from unitscope.experiments.unit_ranking import UnitRanking
from unitscope.graph.split import SplitNetwork
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
    running: RunOptions | None = None,
) -> Ablation:
    """Return what a network answers without some of its units, for every setting.

    Args:
        network: from `unitscope.load`, left as found, or a session of it.
        images: a folder in any layout, or an opened set.
        grid: layers, scopes, orders, how many units.
        atlas: where means over the data set come from; without one they are those of these images.
        running: batch size, device, limit, progress.

    Raises:
        LayerError: if the network has no such layer, or it has fewer units than are to go.
        NetworkError: if the network returns no logits, or the layer has no path to them; if the atlas is of another.
        AtlasError: if the atlas lacks the layer.
        ImageError: if no image can be read.
    """
    running = running or RunOptions()
    image_set = running.chosen(images)
    session = Session.of(network, device=running.device)
    if atlas is not None:
        check_same(atlas, session.network)
    tune_allocator()
    layers = dict.fromkeys(session.layers.find(address) for address in grid.layers)
    removed = [grid.of(layer) for layer in layers]
    means = [None if atlas is None else _means_of(atlas, layer) for layer in layers]
    # One after the other, as each has weights of its own.
    splits = (SplitRun(session, layer, image_set, running.batch_size) for layer in layers)
    with session.inference():
        runs = [
            _run(_Lab(split, gone, grid, running.counting), known)
            for split, gone, known in zip(splits, removed, means, strict=True)
        ]
    return _ablation(session.network, image_set, runs)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One layer's answers, ``[image, rank]`` for each setting, and for which images; units as in `Outcome`."""

    removed: tuple[Removed, ...]
    units: tuple[tuple[int, ...] | None, ...]
    rows: NDArray[np.int64]
    before: Answers
    after: Answers


@dataclass(frozen=True, slots=True, eq=False)
class _Lab:
    """One layer's experiment."""

    split: SplitRun
    removed: tuple[Removed, ...]
    grid: AblationGrid
    counting: Counting

    def counted(self, title: str) -> AbstractContextManager[Callable[[int], None]]:
        """Show how far one pass over the images is."""
        return self.counting(f"{title} {self.split.layer.name}", len(self.split.images))

    def fill(self, means: NDArray[np.float64] | None) -> Tensor:
        """What the maps of removed units become, float32 ``[unit]``."""
        if self.grid.value == "mean":
            assert means is not None
            return torch.from_numpy(means.astype(np.float32))
        return torch.zeros(self.split.layer.units)


def _run(lab: _Lab, means: NDArray[np.float64] | None) -> _Run:
    """Run the images once; twice where means are wanted, not known, and the first pass is too large to keep."""
    layer, rows, answers = lab.split.layer, [], []
    # The untouched network is one variant among the others, so that nothing but the removal tells them apart.
    variants = [Removed(layer.name, "image", "low", 0, layer.units), *lab.removed]
    batches, means = _batches(lab, means)
    fill, ranking = lab.fill(means), UnitRanking(means)
    with lab.counted("removing from") as on_batch:
        for batch in batches:
            rows.append(batch.rows)
            answers.append(_answers(lab.split.halves, batch, _masks(variants, ranking, batch), fill))
            on_batch(len(batch.rows))
    together = np.concatenate(answers, 1)
    units = tuple(_units(gone, ranking) for gone in lab.removed)
    return _Run(lab.removed, units, np.concatenate(rows), together[0], together[1:])


def _units(gone: Removed, ranking: UnitRanking) -> tuple[int, ...] | None:
    """The units that all images lose, in the order of the queue; None where each loses its own."""
    if gone.scope == "image":
        return None
    (queue,) = ranking(gone, torch.empty(1, gone.units), ())
    return tuple(queue.argsort()[: gone.count].tolist())


def _batches(lab: _Lab, means: NDArray[np.float64] | None) -> tuple[Iterable[CutBatch], NDArray[np.float64] | None]:
    """What the images bring to the cut, and the means, for which they run up to it once more or are kept."""
    if means is not None or not lab.grid.needs_means:
        return lab.split.batches(), means
    with lab.counted("means of") as on_batch:
        kept, means = lab.split.kept(on_batch)
    return kept or lab.split.batches(), means


def _answers(halves: SplitNetwork, batch: CutBatch, masks: list[Tensor], fill: Tensor) -> Answers:
    """The first classes, ``[variant, image, rank]``."""
    logits = [halves.suffix(batch.halfway.live, torch.stack(chunk), fill) for chunk in _chunks(masks, batch)]
    best = [best_classes(some.float().cpu().numpy(), TOP5) for some in logits]
    return np.concatenate(best)[:, : len(batch.rows)]


def _masks(variants: Sequence[Removed], ranking: UnitRanking, batch: CutBatch) -> list[Tensor]:
    """Which units go, bool ``[image, unit]`` for each variant; a queue that several variants share is made once."""
    responses, rows = batch.halfway.responses, batch.filled_rows
    queues: dict[tuple[str, str, int | None], Tensor] = {}
    masks = []
    for gone in variants:
        queue = (gone.scope, gone.order, gone.seed)
        if queue not in queues:
            queues[queue] = ranking(gone, responses, rows)
        masks.append((queues[queue] < gone.count).expand(len(responses), -1))
    return masks


def _chunks(masks: list[Tensor], batch: CutBatch) -> list[list[Tensor]]:
    """Some variants at a time, all chunks alike in length within one."""
    count = -(-len(masks) // batch.variants_at_once)
    edges = np.linspace(0, len(masks), count + 1).round().astype(int)
    return [masks[start:end] for start, end in itertools.pairwise(edges)]


def _means_of(atlas: Atlas, layer: Layer) -> NDArray[np.float64]:
    return np.array(atlas.units_of(layer.name)["mean"])


def _ablation(network: Network, images: ImageSource, runs: Sequence[_Run]) -> Ablation:
    rows = runs[0].rows
    truth = truth_of(network, images, rows.tolist())
    outcomes = tuple(
        Outcome(gone, answers, run.before, truth, units)
        for run in runs
        for gone, units, answers in zip(run.removed, run.units, run.after, strict=True)
    )
    failed, data, before = len(images) - len(rows), images.fingerprint(), runs[0].before
    baseline = Score.of(before, truth)
    return Ablation(network.reference, len(rows), baseline, before, outcomes, network.classes, failed, data)
