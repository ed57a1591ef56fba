"""An atlas and what its pages ask for again and again, read once and held in memory.

In: an `Atlas`. Out: `Shelf`: the small arrays whole, the large ones a layer or a unit at a time.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.sampling import sample
from unitscope.atlas import Atlas
from unitscope.units import Layer

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ranked:
    """An image among a unit's extremes: its row in the atlas, its id, α, its labels."""

    rank: int
    row: int
    image: str
    response: float
    label: str


@dataclass(frozen=True, eq=False)
class Shelf:
    """An atlas, and its parts that many pages need."""

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
    def counts(self) -> dict[str, int]:
        """How many images each label has."""
        found = self.atlas.images["labels"].explode().value_counts()
        return {str(label): int(count) for label, count in found.items()}

    @cached_property
    def class_means(self) -> Floats:
        """Mean α of each unit over the images of each label, float32 ``[label, unit]``; NaN where there is none."""
        if not self.atlas.manifest.labels:
            return np.empty((0, len(self.atlas.index)), np.float32)
        sums, counts = (self.atlas.dataset[name].to_numpy() for name in ("class_sums", "class_counts"))
        means: Floats = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0).astype(np.float32)
        return means

    def units(self, layer: Layer) -> pd.DataFrame:
        """Return the rows of a layer in the table of units."""
        return self.atlas.units.iloc[self.atlas.index.span(layer)]

    def sample(self, layer: Layer) -> tuple[NDArray[np.int64], Floats]:
        """Return rows and responses ``[image, unit]`` of about a thousand images; see `sampling.sample`."""
        return self._sample(layer)

    def extreme_rows(self, layer: Layer, *, lowest: bool = False) -> NDArray[np.int64]:
        """Return the rows of each unit's extreme images, int64 ``[rank, unit]``; -1 where there are too few."""
        end = "bottom" if lowest else "top"
        return self._extremes[f"{end}_images"][:, self.atlas.index.span(layer)]

    def extremes(self, layer: Layer, channel: int, *, lowest: bool = False) -> tuple[Ranked, ...]:
        """Return a unit's images of greatest (or least) response, the most extreme first."""
        position, end = self.atlas.index.flat(layer, channel), "bottom" if lowest else "top"
        rows = self._extremes[f"{end}_images"][:, position]
        values = self._extremes[f"{end}_values"][:, position]
        return tuple(
            Ranked(rank, int(row), self.ids[row], float(value), self.label_names[row])
            for rank, (row, value) in enumerate(zip(rows, values, strict=True), 1)
            if row >= 0
        )

    def responses(self, layer: Layer, channel: int) -> Floats:
        """Return one unit's responses to all images that could be read, float32 ``[image]``."""
        column = self.atlas.responses(layer, units=slice(channel, channel + 1))[:, 0]
        return column[np.isfinite(column)]

    def named(self, rows: Iterable[int]) -> tuple[tuple[int, str, str], ...]:
        """Return row, id and labels of images."""
        return tuple((int(row), self.ids[row], self.label_names[row]) for row in rows)

    @cached_property
    def _extremes(self) -> dict[str, NDArray[Any]]:
        names = [f"{end}_{what}" for end in ("top", "bottom") for what in ("values", "images")]
        return {name: self.atlas.dataset[name].to_numpy() for name in names}

    @cached_property
    def _sample(self) -> Callable[[Layer], tuple[NDArray[np.int64], Floats]]:
        return lru_cache(maxsize=8)(partial(sample, self.atlas))
