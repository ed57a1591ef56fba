"""What a scan did, in numbers.

In: counts and times of a scan (`unitscope.scanning`). Out: `ScanSummary`.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import pandas as pd

from unitscope.results import Result, Values

_NAMES = ("atlas", "images", "failed", "layers", "units", "seconds", "scanned")


@dataclass(frozen=True, slots=True)
class ScanSummary(Result):
    """What a scan did.

    Attributes:
        atlas: where the atlas is.
        images: how many it has, the failed ones among them.
        failed: how many could not be read.
        layers: how many layers were tapped.
        units: how many units they have.
        seconds: how long the scan took.
        scanned: how many images it ran now; those of an earlier, stopped scan are not counted.
        waiting_for_images: the share of the time in which the network waited for decoded images.
        accuracy: Top-1 and Top-5 where the labels are classes of the network.
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
