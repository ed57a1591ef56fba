"""Read single rows of the response matrix directly from its files.

In: the stored array, row numbers, a slice of the unit axis. Out: responses ``[image, unit]``.
zarr itself reads whole chunks of 512 images; for one class of an unsorted image set that is most of a layer.
"""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BytesCodec, ShardingCodec

from unitscope.atlas.storage import StoragePath, zarr_store
from unitscope.errors import AtlasError

_NO_CHUNK = np.iinfo(np.uint64).max  # offset of a chunk that contains only the fill value
_CHECKSUM_BYTES = 4
_SPARSE = 16  # turn off read-ahead if at most one row in 16 is read


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """The stored matrix of responses ``[image, unit]``, read on demand."""

    folder: StoragePath
    array: Any

    @classmethod
    def open(cls, arrays: StoragePath) -> "Responses":
        """Open the matrix among an atlas's arrays.

        Raises:
            KeyError: if the atlas has no responses.
        """
        return cls(arrays / "responses", zarr.open_group(zarr_store(arrays), mode="r")["responses"])

    def read(self, rows: NDArray[np.int64], units: slice) -> NDArray[np.float32]:
        """Return rows in the order given, for a slice of units; NaN where nothing is stored.

        Raises:
            AtlasError: if a file is damaged.
        """
        if not self._has_scan_layout:
            return np.asarray(self.array.oindex[rows, units], np.float32)
        size = self.array.shards[0]
        out = np.full((len(rows), units.stop - units.start), np.nan, np.float32)
        shards = rows // size
        for shard in np.unique(shards):
            positions = np.flatnonzero(shards == shard)
            path = Path(str(self.folder), "c", str(shard), "0")
            try:
                self._copy(path, rows[positions] - shard * size, units, out=out, positions=positions)
            except FileNotFoundError:
                continue  # zarr writes no file for a shard that contains only the fill value
            except (OSError, ValueError, IndexError) as problem:
                raise AtlasError(f"'{path}' is damaged ({problem}); scan again into a new folder") from problem
        return out

    @property
    def _has_scan_layout(self) -> bool:
        """Whether it is stored as by a scan: uncompressed, in shards of all units. Other tools may rewrite it."""
        array = self.array
        codec = ShardingCodec(chunk_shape=array.chunks, codecs=(BytesCodec(),))
        return bool(
            isinstance(self.folder, Path)
            and array.metadata.codecs == (codec,)
            and array.dtype in (np.float32, np.float16)
            and array.shards[0] == array.chunks[0]
            and array.shards[1] >= array.shape[1]
        )

    def _copy(
        self,
        path: Path,
        rows: NDArray[np.int64],
        units: slice,
        *,
        out: NDArray[np.float32],
        positions: NDArray[np.int64],
    ) -> None:
        """Copy rows of one shard to these positions of the output, chunk by chunk."""
        count, width = self.array.chunks
        chunks = self.array.shards[1] // width
        stored = np.frombuffer(_mapped(path, sparse=_SPARSE * len(rows) < count), np.uint8)
        index = stored[-(16 * chunks + _CHECKSUM_BYTES) : -_CHECKSUM_BYTES].view("<u8").reshape(-1, 2)
        rows, positions = _as_slice(rows), _as_slice(positions)
        for chunk in range(units.start // width, -(-units.stop // width)):
            start, length = (int(number) for number in index[chunk])
            if start == _NO_CHUNK:
                continue
            low, high = max(units.start, chunk * width), min(units.stop, (chunk + 1) * width)
            block = stored[start : start + length].view(self.array.dtype.newbyteorder("<")).reshape(count, width)
            out[positions, low - units.start : high - units.start] = block[
                rows, low - chunk * width : high - chunk * width
            ]


def _mapped(path: Path, *, sparse: bool) -> mmap.mmap:
    """Map a file into memory, without read-ahead if only few rows are needed."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if sparse:
        mapped.madvise(mmap.MADV_RANDOM)
    return mapped


def _as_slice(numbers: NDArray[np.int64]) -> Any:
    """Return consecutive numbers as a slice, which copies faster, and others unchanged."""
    if len(numbers) and (np.diff(numbers) == 1).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers
