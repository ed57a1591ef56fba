"""An atlas with the arrays that its pages need often, read once and kept in memory.

In: an `Atlas`. Out: `AtlasCache`: small arrays whole, large ones one layer or unit at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.class_contrast import ReferenceSample, reference_rows
from unitscope.analyses.class_units import class_unit_note
from unitscope.analyses.contrast import RESPONSE, Baseline
from unitscope.analyses.distinctive_units import DistinctiveUnit, distinctive_units
from unitscope.analyses.exemplars import count_tied
from unitscope.analyses.image_groups import group_means, is_selection
from unitscope.analyses.selectivity import SELECTIVITY, significant_selectivity
from unitscope.analyses.shuffled_labels import LabelledGroups
from unitscope.analyses.sparsity_by_layer import sparsity_by_layer
from unitscope.analyses.unit_correlation import standardized_responses
from unitscope.atlas import Atlas
from unitscope.atlas.extremes import Activity, without_silent
from unitscope.atlas.peaks import PEAK_ARRAYS
from unitscope.display.exemplar_sheet import Exemplar, ExemplarSheet
from unitscope.display.thumbnails import input_size
from unitscope.units import Layer
from unitscope.web.image_columns import ImageColumns

Floats = NDArray[np.float32]

SHUFFLED_RESPONSES = 10_000_000  # of a layer, to shuffle their labels for its page: about half a second

_BLOCK = 64  # units whose responses are read at once; reading a single unit takes as long


@dataclass(frozen=True, slots=True)
class RankedImage:
    """An image among a unit's extremes: its row in the atlas, its id, α, its labels."""

    rank: int
    row: int
    image: str
    response: float
    label: str


@dataclass(frozen=True, slots=True)
class PeakImage:
    """An image among a unit's peaks.

    Attributes:
        rank: 1 for the greatest value.
        row: the image's row in the atlas.
        image: its id.
        value: the greatest value in the unit's map.
        label: its labels.
        box: left, top, width and height of what the place sees, in pixels of the network's input.
    """

    rank: int
    row: int
    image: str
    value: float
    label: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class AtlasCache:
    """An atlas, with the parts that many pages need kept in memory."""

    atlas: Atlas

    @cached_property
    def ids(self) -> list[str]:
        """Image ids by row."""
        return list(self.atlas.images["image"])

    @cached_property
    def label_names(self) -> list[str]:
        """Each image's labels, joined by commas, by row."""
        return [", ".join(names) for names in self.atlas.images["label_names"]]

    @cached_property
    def labels(self) -> list[tuple[tuple[str, str], ...]]:
        """Each image's labels, with their names, by row."""
        images = self.atlas.images
        both = zip(images["labels"], images["label_names"], strict=True)
        return [tuple(zip(labels, names, strict=True)) for labels, names in both]

    @cached_property
    def columns(self) -> ImageColumns:
        """Predictions and labels of the images, as columns."""
        return ImageColumns.of(self.atlas)

    @cached_property
    def label_of_class(self) -> dict[int | None, str]:
        """The label of each class of the network that readable images have, by the number of the class."""
        labels = self.atlas.manifest.labels
        return {one.network_class: one.label for one in labels if one.label in self.atlas.label_counts}

    @cached_property
    def baseline(self) -> Baseline | None:
        """What contrasts compare with; None if no unit's responses deviate from their mean."""
        found = Baseline(self.atlas)
        return found if found.exists else None

    def baseline_for(self, rank: str) -> Baseline | None:
        """Return the baseline of a ranking by contrast, which is the default; None if ``rank`` is ``response``."""
        return None if rank == RESPONSE else self.baseline

    def means(self, name: str) -> NDArray[np.float64]:
        """Return the mean response of every unit to an image or a class (``class:NAME``); see `group_means`.

        Saved selections (``@NAME``) may change, so they are not kept.
        """
        return group_means(self.atlas, name) if is_selection(self.atlas, name) else self._means(name)

    def extreme_rows(self, layer: Layer, *, lowest: bool = False) -> NDArray[np.int64]:
        """Return the rows of each unit's extreme images, int64 ``[rank, unit]``; -1 where there are too few."""
        end = "bottom" if lowest else "top"
        return self._extremes[f"{end}_images"][:, self.atlas.index.span(layer)]

    def extremes(self, layer: Layer, channel: int, *, lowest: bool = False) -> tuple[RankedImage, ...]:
        """Return a unit's images of highest (or lowest) response, the most extreme first."""
        position, end = self.atlas.index.flat(layer, channel), "bottom" if lowest else "top"
        rows = self._extremes[f"{end}_images"][:, position]
        values = self._extremes[f"{end}_values"][:, position]
        return tuple(
            RankedImage(rank, int(row), self.ids[row], float(value), self.label_names[row])
            for rank, (row, value) in enumerate(zip(rows, values, strict=True), 1)
            if row >= 0
        )

    def exemplar_note(self, layer: Layer, channel: int) -> str:
        """Return what a unit's exemplars don't show, in sentences; see `ExemplarSheet.note`."""
        position = self.atlas.index.flat(layer, channel)
        found = Activity(*(self._activity[name][position].item() for name in ("count", "zeros", "min")))
        shown = self.extremes(layer, channel)
        responses = np.array([one.response for one in shown], np.float32)
        compared = len(shown) and self.atlas.manifest.scan.get("responses", "float32") == "float32"
        sheet = ExemplarSheet(
            "",
            layer,
            channel,
            tuple(Exemplar(one.rank, one.image, one.response, one.label) for one in shown),
            dead=found.dead,
            above_zero=found.too_few(len(shown), int(self.atlas.manifest.scan["top"])),
            tied=count_tied(self.responses(layer, channel), responses) if compared else None,
            class_note=class_unit_note(self.atlas, layer, channel),
        )
        return sheet.note

    @cached_property
    def input_size(self) -> tuple[int, int] | None:
        """Rows and columns of the network's input, as pictures show it; None if they show other pixels."""
        return input_size(self.atlas.manifest.preprocessing)

    def peaks(self, layer: Layer, channel: int) -> tuple[PeakImage, ...]:
        """Return a unit's peaks, the greatest first; empty if they are unknown or what a place sees can't be shown."""
        if not self.atlas.has_peaks_of(layer) or self.input_size is None:
            return ()
        found = self.atlas.peaks_in(layer, channel, self._peaks)
        return tuple(
            PeakImage(
                rank, one.image, self.ids[one.image], one.value, self.label_names[one.image], self._shown(one.box)
            )
            for rank, one in enumerate(found, 1)
        )

    def _shown(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """Return left, top, width and height of the part of a box that is inside the network's input."""
        (top, left, tall, wide), (height, width) = box, self.input_size or (0, 0)
        first, start = min(max(top, 0), height - 1), min(max(left, 0), width - 1)
        last, end = min(max(top + tall, 1), height), min(max(left + wide, 1), width)
        return start, first, end - start, last - first

    @cached_property
    def sparsity(self) -> pd.DataFrame:
        """The sparsity of each layer, one row per layer; see `SparsityByLayer`."""
        return sparsity_by_layer(self.atlas).table

    @cached_property
    def distinctive(self) -> dict[str, tuple[DistinctiveUnit, ...]]:
        """The most distinctive units of each layer, by its name; see `distinctive_units`."""
        return {layer.name: self._distinctive(layer) for layer in self.atlas.layers}

    def _distinctive(self, layer: Layer) -> tuple[DistinctiveUnit, ...]:
        span = self.atlas.index.span(layer)
        values, rows = (self._extremes[name][:, span] for name in ("top_values", "top_images"))
        moments = self.atlas.units_of(layer)[["count", "mean", "std"]].to_numpy(np.float64)
        return distinctive_units(values, rows, moments)

    def standardized(self, layer: Layer) -> NDArray[np.float64]:
        """Return the standardized responses of a layer, float64 ``[image, unit]``; see `standardized_responses`."""
        return self._standardized(layer)

    def reference_sample(self, layer: Layer) -> ReferenceSample:
        """Return the responses of a layer that classes are compared with."""
        return self._reference_sample(layer)

    @cached_property
    def labelled_groups(self) -> LabelledGroups:
        """The images in groups of near-duplicates with equal labels."""
        return LabelledGroups.of(self.atlas)

    def selectivity(self, layer: Layer) -> pd.DataFrame | None:
        """Return the selective class, index and d′ of a layer's units, where shuffled labels do not reach the index.

        None if there are fewer than two classes. In large atlases, shuffling would delay the page; then the columns
        are those of the atlas.
        """
        return self._selectivity(layer)

    def responses(self, layer: Layer, channel: int) -> Floats:
        """Return the responses of one unit, float32 ``[image]``; NaN for images that could not be read."""
        column: Floats = self._block(layer, channel // _BLOCK)[channel % _BLOCK]
        return column

    @cached_property
    def _activity(self) -> dict[str, NDArray[Any]]:
        return {name: self.atlas.array(name).to_numpy() for name in ("count", "zeros", "min")}

    @cached_property
    def _peaks(self) -> dict[str, NDArray[Any]]:
        return {name: self.atlas.array(name).to_numpy() for name in PEAK_ARRAYS}

    @cached_property
    def _extremes(self) -> dict[str, NDArray[Any]]:
        """Values and rows of the extremes, without images that a unit is silent for; see `without_silent`."""
        low, high = (self.atlas.array(name).to_numpy() for name in ("min", "max"))
        found: dict[str, NDArray[Any]] = {}
        for end in ("top", "bottom"):
            values = self.atlas.array(f"{end}_values").to_numpy() + np.float32(0)  # the first atlases have -0
            rows = self.atlas.array(f"{end}_images").to_numpy()
            found[f"{end}_values"] = values
            found[f"{end}_images"] = without_silent(rows, values, low, high, lowest=end == "bottom")
        return found

    @cached_property
    def _means(self) -> Callable[[str], NDArray[np.float64]]:
        """Takes 0.2 MB per name for ResNet-50."""
        return lru_cache(maxsize=64)(partial(group_means, self.atlas))

    @cached_property
    def _standardized(self) -> Callable[[Layer], NDArray[np.float64]]:
        return lru_cache(maxsize=4)(partial(standardized_responses, self.atlas))

    @cached_property
    def _reference_rows(self) -> NDArray[np.int64]:
        return reference_rows(self.atlas)

    @cached_property
    def _reference_sample(self) -> Callable[[Layer], ReferenceSample]:
        return lru_cache(maxsize=2)(lambda layer: ReferenceSample.of(self.atlas, layer, rows=self._reference_rows))

    @cached_property
    def _selectivity(self) -> Callable[[Layer], pd.DataFrame | None]:
        def read(layer: Layer) -> pd.DataFrame | None:
            units = self.atlas.units_of(layer)
            if "selectivity" not in units:
                return None
            if not self.atlas.has_responses or len(self.ids) * layer.units > SHUFFLED_RESPONSES:
                return units[list(SELECTIVITY)]
            return significant_selectivity(self.atlas, layer, self.labelled_groups)

        return lru_cache(maxsize=64)(read)

    @cached_property
    def _block(self) -> Callable[[Layer, int], Floats]:
        """Reads ``[unit, image]`` of `_BLOCK` neighbouring units; 13 MB per block of 50,000 images."""

        def read(layer: Layer, number: int) -> Floats:
            start = number * _BLOCK
            units = slice(start, min(start + _BLOCK, layer.units))
            return np.ascontiguousarray(self.atlas.responses(layer, units=units).T)

        return lru_cache(maxsize=8)(read)
