"""A network whose chosen layers and units are followed through changes of its input.

In: a network, its trace, layers and units. Out: `TrackedNetwork`, which runs batches and compares two runs of the same
images. Knows nothing of what was changed, or of files.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unitscope.analyses.ablation import TOP5
from unitscope.analyses.perturbation import PerturbationStats, map_correlations, paired_cosines, selection_overlap
from unitscope.analyses.predictions import best_classes
from unitscope.engine import Executor
from unitscope.engine.session import Session
from unitscope.errors import LayerError
from unitscope.graph.spatial_maps import plane
from unitscope.units import Layer, Unit, UnitIndex


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What a batch of pictures calls up.

    Attributes:
        classes: the most probable first, int32 ``[image, rank]``; no rank for what is no classifier.
        responses: α of all tapped layers, float32 ``[image, unit]``.
        maps: one a followed unit, float32 ``[image, row, column]``.
    """

    classes: NDArray[np.int32]
    responses: NDArray[np.float32]
    maps: list[NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class TrackedNetwork:
    """A network with its chosen layers and units tapped.

    Attributes:
        layers: whose selections and response vectors are followed.
        units: layers and channels whose maps and responses are followed.
        index: of all tapped layers, those of the units among them.
        mapped: the layers of the units.
        top: how many units a selection holds.
        runner: gives logits, responses and maps.
        note: what the network can't do, where it is followed with hooks.
    """

    layers: tuple[Layer, ...]
    units: tuple[tuple[Layer, int], ...]
    index: UnitIndex
    mapped: tuple[Layer, ...]
    top: int
    executor: Executor
    note: str

    def forward(self, pictures: Tensor) -> Outputs:
        """Return what prepared pictures ``[image, 3, H, W]`` call up, on the 0–255 scale."""
        logits, responses, maps = self.executor.with_maps(pictures)
        by_layer = dict(zip(self.mapped, maps, strict=True))
        classes = np.empty((len(pictures), 0), np.int32) if logits is None else best_classes(logits, TOP5)
        planes = [np.stack([plane(one, layer, [unit])[0] for one in by_layer[layer]]) for layer, unit in self.units]
        return Outputs(classes, responses, planes)

    def clean(self, outputs: Outputs) -> PerturbationStats:
        """Return the numbers of the clean images, which have nothing to be compared with."""
        nothing = np.empty((1, len(outputs.responses), 0))
        return PerturbationStats(nothing, nothing, nothing, self._followed(outputs)[None], outputs.classes[None])

    def compare(self, before: Outputs, after: Outputs) -> PerturbationStats:
        """Return the numbers of one draw."""
        spans = [(layer, self.index.span(layer)) for layer in self.layers]
        pairs = [(layer, before.responses[:, span], after.responses[:, span]) for layer, span in spans]
        return PerturbationStats(
            _columns([selection_overlap(layer, a, b, top=self.top) for layer, a, b in pairs], len(after.responses)),
            _columns([paired_cosines(a, b) for _, a, b in pairs], len(after.responses)),
            _columns(list(map(map_correlations, before.maps, after.maps)), len(after.responses)),
            self._followed(after)[None],
            after.classes[None],
        )

    def _followed(self, outputs: Outputs) -> NDArray[np.float32]:
        return outputs.responses[:, [self.index.flat(layer, unit) for layer, unit in self.units]]


def track(
    session: Session, layers: Sequence[str], units: Iterable[str | Unit], *, top: int, batch_size: int
) -> TrackedNetwork:
    """Return the network with those layers, or every activation call, and those units tapped.

    Raises:
        LayerError: if one does not exist, or there is no activation call.
    """
    table, reference = session.layers, session.network.reference
    chosen = table.match(layers) if layers else table.activations
    if not chosen:
        raise LayerError(
            f"{reference} has no activation calls to follow; name layers with --layer "
            f"(list them with `unitscope layers {reference}`)"
        )
    pairs = tuple(dict.fromkeys(table.unit(unit) for unit in units))
    mapped = tuple(dict.fromkeys(layer for layer, _ in pairs))
    tapped = tuple(sorted({*chosen, *mapped}, key=lambda layer: layer.index))
    executor = session.executor(tapped, maps=mapped, batch_size=batch_size)
    return TrackedNetwork(chosen, pairs, UnitIndex(tapped), mapped, top, executor, session.trace.fallback_reason)


def _columns(values: list[NDArray[np.float64]], images: int) -> NDArray[np.float64]:
    """Columns side by side as one draw, ``[1, image, column]``."""
    return np.stack(values, 1)[None] if values else np.empty((1, images, 0))
