"""The removal lab: what units are worth, by taking them away (paper, algorithm 4).

In: a network, images, which units go. Out: an `Ablation`.
Each image runs through the prefix once; every setting is a variant of what it brings to the cut.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unitscope.analyses.ablation import TOP5, Ablation, Answers, Outcome, Removed
from unitscope.atlas import Atlas
from unitscope.engine import keep_memory
from unitscope.errors import AtlasError
from unitscope.experiments.halfway import Journey, Stop
from unitscope.experiments.running import Running, truth_of
from unitscope.experiments.settings import Places, Settings
from unitscope.graph import trace_of
from unitscope.images import ImageSet
from unitscope.networks import Network
from unitscope.scanning.scan import ready
from unitscope.units import Layer


def ablate(
    network: Network,
    images: str | Path | ImageSet,
    settings: Settings,
    *,
    atlas: Atlas | None = None,
    running: Running | None = None,
) -> Ablation:
    """Return what a network answers without some of its units, for every setting.

    Args:
        network: from `unitscope.load`; it is left as found.
        images: a folder in any layout, or an opened set.
        settings: layers, scopes, orders, how many units.
        atlas: where means over the data set come from; without one they are those of these images.
        running: batch size, device, limit, progress.

    Raises:
        LayerError: if the network has no such layer, or it has fewer units than are to go.
        NetworkError: if the network gives no logits, or the layer does not bear on them.
        AtlasError: if the atlas is of another network, or lacks the layer.
        ImageError: if no image can be read.
    """
    running = running or Running()
    image_set = running.chosen(images)
    keep_memory()
    with ready(network, running.device) as prepared:
        traced = trace_of(prepared)
        layers = [traced.layers.find(address) for address in settings.layers]
        removed = [settings.of(layer) for layer in layers]
        means = [None if atlas is None else _means_of(atlas, network, layer) for layer in layers]
        batch_size = 1 if traced.loss else running.batch_size
        journeys = [Journey(prepared, traced, layer, image_set, batch_size) for layer in layers]
        runs = [
            _run(_Lab(journey, gone, settings, running.advanced), known)
            for journey, gone, known in zip(journeys, removed, means, strict=True)
        ]
    return _ablation(network, image_set, runs)


def best_classes(logits: Tensor, count: int = TOP5) -> Tensor:
    """Return the classes of the greatest logits, int64 ``[…, rank]``; of equals the lower class comes first."""
    left = logits.float().clone()
    ranks = []
    for _ in range(min(count, logits.shape[-1])):
        ranks.append(left.argmax(-1, keepdim=True))
        left.scatter_(-1, ranks[-1], -torch.inf)
    return torch.cat(ranks, -1)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One layer's answers, ``[image, rank]`` for each setting, and for which images."""

    removed: tuple[Removed, ...]
    rows: NDArray[np.int64]
    before: Answers
    after: Answers


@dataclass(frozen=True, slots=True, eq=False)
class _Lab:
    """One layer's experiment."""

    journey: Journey
    removed: tuple[Removed, ...]
    settings: Settings
    advanced: Callable[[int], None]

    def fill(self, means: NDArray[np.float64] | None) -> Tensor:
        """What the maps of removed units become, float32 ``[unit]``."""
        if self.settings.value == "mean":
            assert means is not None
            return torch.from_numpy(means.astype(np.float32))
        return torch.zeros(self.journey.layer.units)


def _run(lab: _Lab, means: NDArray[np.float64] | None) -> _Run:
    """Run the images once; twice where means are wanted, not known, and the first pass is too large to keep."""
    journey, halves = lab.journey, lab.journey.halves
    # The untouched network is one variant among the others, so that nothing but the removal tells them apart.
    variants = [Removed(journey.layer.name, "image", "low", 0, journey.layer.units), *lab.removed]
    rows, answers = [], []
    with torch.inference_mode():
        stops: Iterable[Stop] | None = None
        if means is None and lab.settings.needs_means:
            stops, means = journey.kept()
        fill = lab.fill(means)
        for stop in journey.stops() if stops is None else stops:
            chunks = _chunks(_masks(variants, Places(means), stop), stop)
            best = [best_classes(halves.suffix(stop.halfway.live, torch.stack(chunk), fill)) for chunk in chunks]
            rows.append(stop.rows)
            answers.append(torch.cat(best)[:, : len(stop.rows)].cpu().numpy().astype(np.int32))
            lab.advanced(len(stop.rows))
    together = np.concatenate(answers, 1)
    return _Run(lab.removed, np.concatenate(rows), together[0], together[1:])


def _masks(variants: Sequence[Removed], places: Places, stop: Stop) -> list[Tensor]:
    """Which units go, bool ``[image, unit]`` for each variant; a queue that several variants share is made once."""
    responses, rows = stop.halfway.responses, stop.filled_rows
    queues: dict[tuple[str, str, int | None], Tensor] = {}
    masks = []
    for gone in variants:
        queue = (gone.scope, gone.order, gone.seed)
        if queue not in queues:
            queues[queue] = places(gone, responses, rows)
        masks.append((queues[queue] < gone.count).expand(len(responses), -1))
    return masks


def _chunks(masks: list[Tensor], stop: Stop) -> list[list[Tensor]]:
    """Some variants at a time, all chunks alike in length within one."""
    count = -(-len(masks) // stop.variants_at_once)
    edges = np.linspace(0, len(masks), count + 1).round().astype(int)
    return [masks[start:end] for start, end in itertools.pairwise(edges)]


def _means_of(atlas: Atlas, network: Network, layer: Layer) -> NDArray[np.float64]:
    made_with = atlas.manifest
    if made_with.network["fingerprint"] != network.fingerprint:
        raise AtlasError(
            f"atlas '{atlas.path}' was made with {made_with.network['reference']} and other weights than those of "
            f"{network.reference}; scan with this network, or leave --atlas out"
        )
    if made_with.preprocessing != network.preprocessing.to_dict():
        raise AtlasError(f"atlas '{atlas.path}' was made with another preprocessing than that of {network.reference}")
    return np.array(atlas.units["mean"])[atlas.index.span(atlas.find(layer.name))]


def _ablation(network: Network, images: ImageSet, runs: Sequence[_Run]) -> Ablation:
    rows, before = runs[0].rows, runs[0].before
    truth = truth_of(network, images, rows.tolist())
    outcomes = tuple(
        Outcome(gone, answers, before, truth)
        for run in runs
        for gone, answers in zip(run.removed, run.after, strict=True)
    )
    ids = tuple(images.ids[row] for row in rows)
    return Ablation(network.reference, ids, truth, before, outcomes, network.classes, len(images) - len(ids))
