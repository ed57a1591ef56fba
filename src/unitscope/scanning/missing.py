"""Images that a scan could not open or read: they are missing, as opposed to damaged.

In: the missing images of each shard. Out: `MissingShard` values, and the error that ends an unfinished scan. A shard
with missing images is not written, so that the next scan runs it again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from unitscope.analyses.scan_summary import ScanSummary
from unitscope.errors import ImageAccessError
from unitscope.images.stamps import reason_missing
from unitscope.results import Values
from unitscope.scanning.plan import Plan
from unitscope.text import count_noun

_SHOWN = 5
_SKIP = "To finish without them, add --skip-missing (ScanOptions(skip_missing=True) in Python)"


@dataclass(frozen=True, slots=True)
class MissingShard:
    """The missing images of one shard.

    Attributes:
        shard: the shard's number.
        images: number of missing images.
        first: the id of the first one.
        reason: why that one could not be read.
    """

    shard: int
    images: int
    first: str
    reason: str

    @classmethod
    def of(cls, plan: Plan, shard: int, reasons: Mapping[int, str]) -> "MissingShard":
        """Return the missing images of a shard; ``reasons`` by row."""
        row = min(reasons)
        return cls(shard, len(reasons), plan.images.ids[row], reasons[row])

    def values(self) -> Values:
        """Return plain values."""
        return {"shard": self.shard, "images": self.images, "first": self.first, "reason": self.reason}


class MissingImagesError(ImageAccessError):
    """Images of a scan are missing, so that it is not finished; the parts of the other shards are kept.

    Attributes:
        shards: the shards with missing images.
        summary: the scan so far, in numbers.
    """

    def __init__(self, message: str, shards: Sequence[MissingShard], summary: ScanSummary) -> None:
        super().__init__(message)
        self.shards, self.summary = tuple(shards), summary

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.shards, self.summary)


def missing_at_start(plan: Plan) -> tuple[MissingShard, ...]:
    """Return the images that are missing before the scan begins."""
    if plan.stamps is None:
        return ()
    rows = (int(row) for row in plan.stamps.missing.nonzero()[0])
    reasons = {row: reason for row in rows if (reason := reason_missing(plan.images, row))}
    by_shard = groupby(reasons, key=lambda row: row // plan.options.shard_size)
    return tuple(MissingShard.of(plan, shard, {row: reasons[row] for row in rows}) for shard, rows in by_shard)


def message(plan: Plan, shards: Sequence[MissingShard], *, kept: str, stopped: bool = False) -> str:
    """Return the message for an unfinished scan; ``kept`` is the folder of the finished shards, if there are any."""
    count = sum(shard.images for shard in shards)
    parts = [
        f"{count:,} of {count_noun(len(plan.images), 'image')} can't be read, {_where(shards)}, so the scan is not "
        f"finished; the first: {shards[0].reason}."
    ]
    if stopped:
        parts.append("It stopped, since nothing could be read any more.")
    goes_on = f": finished shards are kept in '{kept}'" if kept else ""
    return " ".join([*parts, f"Make them readable and give the same command again{goes_on}. {_SKIP}"])


def _where(shards: Sequence[MissingShard]) -> str:
    numbers = ", ".join(str(shard.shard) for shard in shards[:_SHOWN])
    more = f" and {len(shards) - _SHOWN} more" if len(shards) > _SHOWN else ""
    return f"in shard{'s' * (len(shards) > 1)} {numbers}{more}"
