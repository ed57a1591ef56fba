"""Summary of a scan in numbers.

In: counts and times of a scan (`unitscope.scanning`). Out: `ScanSummary`.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import pandas as pd

from unitscope.results import Result, Values

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

    def values(self) -> Values:
        """Return plain values; docs/commands/scan.md lists the keys."""
        return {
            **{name: getattr(self, name) for name in _NAMES},
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.scanned / self.seconds, 3) if self.seconds else 0.0,
            "waiting_for_images": round(self.waiting_for_images, 3),
            **self.accuracy,
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        known = {*_NAMES, "images_per_second", "waiting_for_images", "kind", "version"}
        accuracy = {name: value for name, value in values.items() if name not in known}
        counts: Values = {name: values[name] for name in (*_NAMES, "waiting_for_images")}
        return cls(**counts, accuracy=accuracy)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return one row of numbers."""
        return {"Scan": pd.DataFrame([self.values()])}
