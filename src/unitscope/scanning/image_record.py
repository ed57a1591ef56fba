"""The images of a running scan, kept beside its parts: the scan continues although some of them are gone.

In: the plan of a scan. Out: a table of its images with their stamps; on resuming, the same images again. Without it, a
folder with one file less would be another set of images, for which the finished shards are no good.
"""

import io
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from unitscope.atlas.storage import StoragePath
from unitscope.images import ImageSource
from unitscope.images.stamps import MISSING, Stamps
from unitscope.scanning.plan import Plan
from unitscope.text import count_noun

_LAYOUT = b"layout"


@dataclass(frozen=True, slots=True, eq=False)
class ImageRecord:
    """The images that a scan began with.

    Attributes:
        layout: layout of their folder.
        ids: their ids.
        labels: labels of each image.
        stamps: their sizes and times.
    """

    layout: str
    ids: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    stamps: Stamps

    def restore(self, images: ImageSource) -> ImageSource | None:
        """Return all images of the record if those found now are some of them, and the others gone; otherwise None."""
        found = set(images.ids)
        if len(found) >= len(self.ids) or not found <= set(self.ids):
            return None
        every = replace(images, layout=self.layout, ids=self.ids, labels=self.labels)
        gone = (row for row, name in enumerate(self.ids) if name not in found)
        return every if all(every.stamp(row) == MISSING for row in gone) else None

    def continued(self, plan: Plan, data: str) -> Plan:
        """Return the plan with the fingerprint ``data`` of the record's images, unless one of them has changed."""
        assert plan.stamps is not None
        if len(self.stamps.changed(plan.stamps, slice(None))):
            return plan
        return replace(plan, data=data, stamps=self.stamps)


def record_bytes(plan: Plan) -> bytes:
    """Return the record of a plan's images, as a Parquet file."""
    assert plan.stamps is not None
    columns = {
        "image": pa.array(plan.images.ids, pa.string()),
        "labels": pa.array([list(names) for names in plan.images.labels], pa.list_(pa.string())),
        "size": pa.array(plan.stamps.sizes),
        "hash": pa.array(plan.stamps.hashes),
    }
    file = io.BytesIO()
    table: Any = pa.table(columns).replace_schema_metadata({_LAYOUT: plan.images.layout.encode()})
    parquet.write_table(table, file)
    return file.getvalue()


def read_record(content: bytes) -> ImageRecord | None:
    """Return the record in a file; None if it is damaged."""
    try:
        table = parquet.read_table(io.BytesIO(content))
        stamps = Stamps(table["size"].to_numpy(), table["hash"].to_numpy())
        labels = tuple(tuple(names) for names in table["labels"].to_pylist())
        layout = table.schema.metadata[_LAYOUT].decode()
        return ImageRecord(layout, tuple(table["image"].to_pylist()), labels, stamps)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return None


def gone_message(plan: Plan, images: ImageSource, folder: StoragePath) -> str:
    """Return the note that some of a plan's images are not among those found now; ``folder`` holds the parts."""
    gone = sorted(set(plan.images.ids) - set(images.ids))
    return (
        f"note: {count_noun(len(gone), 'image')} of this scan {'is' if len(gone) == 1 else 'are'} gone, such as "
        f"'{gone[0]}'; to scan the folder as it is now, remove '{folder}' first"
    )
