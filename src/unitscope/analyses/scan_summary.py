"""Summary of a scan in numbers.

In: counts and times of a scan (`unitscope.scanning`). Out: `ScanSummary`.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import pandas as pd

from unitscope.results import Result, Values

_LISTS = ("missing_shards", "skipped")
_SHOWN = 10  # shards with missing images in a table
_NAMES = ("atlas", "images", "failed", "layers", "units", "seconds", "scanned")


@dataclass(frozen=True, slots=True)
class ScanSummary(Result):
    """Summary of a scan in numbers.

    Attributes:
        atlas: path of the atlas.
        images: number of images, including failed ones.
        failed: number of images that could not be read.
        layers: number of tapped layers.
        units: number of units in these layers.
        seconds: time taken.
        scanned: number of images run now, without those of an earlier, stopped scan.
        waiting_for_images: fraction of the time spent waiting for decoded images.
        accuracy: Top-1 and Top-5 accuracy, if labels are classes of the network.
        missing_shards: shards with images that could not be opened or read now: ``shard``, ``images`` (their number),
            ``first`` (the id of the first) and ``reason``. The atlas is not finished, unless they were skipped on
            purpose.
        skipped: what the folder has beside these images and could not be listed, with the reason.
    """

    kind: ClassVar[str] = "scan"

    atlas: str
    images: int
    failed: int
    layers: int
    units: int
    seconds: float
    scanned: int
    waiting_for_images: float
    accuracy: dict[str, float]
    missing_shards: tuple[Values, ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """Number of images that could not be opened or read now."""
        return sum(shard["images"] for shard in self.missing_shards)

    def values(self) -> Values:
        """Return plain values; docs/commands/scan.md lists the keys."""
        return {
            **{name: getattr(self, name) for name in _NAMES},
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.scanned / self.seconds, 3) if self.seconds else 0.0,
            "waiting_for_images": round(self.waiting_for_images, 3),
            "missing": self.missing,
            "missing_shards": list(self.missing_shards),
            "skipped": list(self.skipped),
            **self.accuracy,
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        known = {*_NAMES, "images_per_second", "waiting_for_images", "missing", *_LISTS, "kind", "version"}
        accuracy = {name: value for name, value in values.items() if name not in known}
        counts: Values = {name: values[name] for name in (*_NAMES, "waiting_for_images")}
        missing, skipped = (tuple(values.get(name, ())) for name in _LISTS)
        return cls(**counts, accuracy=accuracy, missing_shards=missing, skipped=skipped)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return one row of numbers, and the first shards with missing images, if there are any."""
        numbers = {name: value for name, value in self.values().items() if name not in _LISTS}
        tables = {"Scan": pd.DataFrame([numbers])}
        if self.missing_shards:
            tables["Missing images"] = pd.DataFrame(list(self.missing_shards[:_SHOWN]))
        return tables
