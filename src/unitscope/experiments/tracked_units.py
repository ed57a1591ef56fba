"""Track layers and units of a network while its input changes.

In: a session, layers and units. Out: a `TrackedNetwork`, which compares two runs of the same images.
Independent of the kind of change and of files.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unitscope.analyses.ablation_counts import TOP5
from unitscope.analyses.perturbation import PerturbationStats, map_correlations, paired_cosines, selection_overlap
from unitscope.analyses.predictions import best_classes
from unitscope.engine.outputs import Outputs
from unitscope.engine.session import Session
from unitscope.errors import LayerError
from unitscope.graph.spatial_maps import plane
from unitscope.units import Layer, Unit, UnitIndex


@dataclass(frozen=True, slots=True, eq=False)
class TrackedOutputs:
    """The outputs of a batch.

    Attributes:
        classes: classes, most probable first, int32 ``[image, rank]``; no ranks if the network is not a classifier.
        responses: α of all tapped layers, float32 ``[image, unit]``.
        maps: maps of each tracked unit, float32 ``[image, row, column]``.
    """

    classes: NDArray[np.int32]
    responses: NDArray[np.float32]
    maps: list[NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class TrackedNetwork:
    """A network with tapped layers and units.

    Attributes:
        layers: layers whose selections and response vectors are tracked.
        units: layers and channels whose maps and responses are tracked.
        index: unit index of all tapped layers, including those of the units.
        mapped: layers of the units.
        top: number of units in a selection.
        note: what the user should know of the network; see `Trace.notes`.
    """

    layers: tuple[Layer, ...]
    units: tuple[tuple[Layer, int], ...]
    index: UnitIndex
    mapped: tuple[Layer, ...]
    top: int
    note: str

    def outputs(self, run: Outputs) -> TrackedOutputs:
        """Return what is tracked of a run with the responses of all layers in the index and the maps of `mapped`."""
        by_layer = dict(zip(self.mapped, run.maps, strict=True))
        classes = np.empty((len(run.responses), 0), np.int32) if run.logits is None else best_classes(run.logits, TOP5)
        planes = [np.stack([plane(one, layer, [unit])[0] for one in by_layer[layer]]) for layer, unit in self.units]
        return TrackedOutputs(classes, run.responses, planes)

    def clean(self, outputs: TrackedOutputs) -> PerturbationStats:
        """Return the statistics of clean images, without comparisons."""
        empty = np.empty((1, len(outputs.responses), 0))
        return PerturbationStats(empty, empty, empty, self._tracked(outputs)[None], outputs.classes[None])

    def compare(self, before: TrackedOutputs, after: TrackedOutputs) -> PerturbationStats:
        """Return the statistics of one draw."""
        spans = [(layer, self.index.span(layer)) for layer in self.layers]
        pairs = [(layer, before.responses[:, span], after.responses[:, span]) for layer, span in spans]
        return PerturbationStats(
            _columns([selection_overlap(layer, a, b, top=self.top) for layer, a, b in pairs], len(after.responses)),
            _columns([paired_cosines(a, b) for _, a, b in pairs], len(after.responses)),
            _columns(list(map(map_correlations, before.maps, after.maps)), len(after.responses)),
            self._tracked(after)[None],
            after.classes[None],
        )

    def _tracked(self, outputs: TrackedOutputs) -> NDArray[np.float32]:
        return outputs.responses[:, [self.index.flat(layer, unit) for layer, unit in self.units]]


def track(session: Session, layers: Sequence[str], units: Iterable[str | Unit], *, top: int) -> TrackedNetwork:
    """Return the network with these layers (by default all activation calls) and these units tapped.

    Raises:
        LayerError: if a layer or unit does not exist, or the network has no activation calls.
    """
    table, reference = session.layers, session.network.reference
    chosen = table.match(layers) if layers else table.activations
    if not chosen:
        raise LayerError(
            f"{reference} has no activation calls to track; give layers with --layer "
            f"(list them with `unitscope layers {reference}`)"
        )
    pairs = tuple(dict.fromkeys(table.unit(unit) for unit in units))
    mapped = tuple(dict.fromkeys(layer for layer, _ in pairs))
    tapped = tuple(sorted({*chosen, *mapped}, key=lambda layer: layer.index))
    return TrackedNetwork(chosen, pairs, UnitIndex(tapped), mapped, top, "; ".join(session.trace.notes))


def _columns(values: list[NDArray[np.float64]], images: int) -> NDArray[np.float64]:
    """Return columns as one draw, ``[1, image, column]``."""
    return np.stack(values, 1)[None] if values else np.empty((1, images, 0))
