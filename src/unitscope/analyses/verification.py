"""The result of checking an atlas.

In: values of an atlas, and the same computed by brute force (`unitscope.experiments.verify`). Out: `Verification`.
"""

from dataclasses import asdict, dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from unitscope.results import Result, Values


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A value of the atlas that differs from the one computed by brute force."""

    what: str
    unit: str
    image: str
    stored: float
    recomputed: float


@dataclass(frozen=True, slots=True)
class Verification(Result):
    """The number of compared values, and those that differ."""

    kind: ClassVar[str] = "verification"

    checked: int
    mismatches: tuple[Mismatch, ...]

    def values(self) -> Values:
        """Return plain values; docs/commands/verify.md lists the keys."""
        details = [asdict(mismatch) for mismatch in self.mismatches]
        return {"checked": self.checked, "mismatches": len(details), "details": details}

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        details: list[Values] = [
            row | {name: np.nan for name in ("stored", "recomputed") if row[name] is None} for row in values["details"]
        ]
        return cls(values["checked"], tuple(Mismatch(**row) for row in details))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the counts, and the mismatches if there are any."""
        values = self.values()
        counts = pd.DataFrame([{name: values[name] for name in ("checked", "mismatches")}])
        mismatches = {"Mismatches": pd.DataFrame(values["details"])} if self.mismatches else {}
        return {"Verification": counts} | mismatches
