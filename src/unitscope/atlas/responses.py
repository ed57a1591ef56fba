"""Some rows of the response matrix, straight from the files: no more of them is touched than the answer needs.

In: the stored array, rows, a span of the unit axis. Out: responses ``[image, unit]``.
zarr reads and copies whole chunks, 512 images each; for one class of an unsorted image set that is most of a layer.
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

_ABSENT = np.iinfo(np.uint64).max  # the place of a chunk that holds nothing but the fill value
_CHECKSUM = 4
_FEW = 16  # a row in so many, or fewer, is read by itself


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """The stored matrix of responses ``[image, unit]``, read when asked."""

    folder: StoragePath
    array: Any

    @classmethod
    def open(cls, arrays: StoragePath) -> "Responses":
        """Open the matrix in an atlas's arrays.

        Raises:
            KeyError: if they have none.
        """
        return cls(arrays / "responses", zarr.open_group(zarr_store(arrays), mode="r")["responses"])

    def read(self, rows: NDArray[np.int64], units: slice) -> NDArray[np.float32]:
        """Return rows in the order given, at a span of units; NaN where nothing is stored.

        Raises:
            AtlasError: if a file is damaged.
        """
        if not self._plain:
            return np.asarray(self.array.oindex[rows, units], np.float32)
        size = self.array.shards[0]
        out = np.full((len(rows), units.stop - units.start), np.nan, np.float32)
        shards = rows // size
        for shard in np.unique(shards):
            at = np.flatnonzero(shards == shard)
            path = Path(str(self.folder), "c", str(shard), "0")
            try:
                self._copy(path, rows[at] - shard * size, units, out=out, at=at)
            except FileNotFoundError:
                continue  # a shard that holds nothing but the fill value is not written
            except (OSError, ValueError, IndexError) as problem:
                raise AtlasError(f"'{path}' is damaged ({problem}); scan again into a new folder") from problem
        return out

    @property
    def _plain(self) -> bool:
        """Whether it is stored as a scan stores it: uncompressed, in shards of all units. Others may store it anew."""
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
        self, path: Path, rows: NDArray[np.int64], units: slice, *, out: NDArray[np.float32], at: NDArray[np.int64]
    ) -> None:
        """Copy rows of one shard to places of the answer, chunk by chunk."""
        count, width = self.array.chunks
        chunks = self.array.shards[1] // width
        stored = np.frombuffer(_mapped(path, few=_FEW * len(rows) < count), np.uint8)
        places = stored[-(16 * chunks + _CHECKSUM) : -_CHECKSUM].view("<u8").reshape(-1, 2)
        rows, at = _run(rows), _run(at)
        for chunk in range(units.start // width, -(-units.stop // width)):
            start, length = (int(number) for number in places[chunk])
            if start == _ABSENT:
                continue
            low, high = max(units.start, chunk * width), min(units.stop, (chunk + 1) * width)
            block = stored[start : start + length].view(self.array.dtype.newbyteorder("<")).reshape(count, width)
            out[at, low - units.start : high - units.start] = block[rows, low - chunk * width : high - chunk * width]


def _mapped(path: Path, *, few: bool) -> mmap.mmap:
    """A file in memory; where only few rows are wanted, the system is told not to read on behind each."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if few:
        mapped.madvise(mmap.MADV_RANDOM)
    return mapped


def _run(numbers: NDArray[np.int64]) -> Any:
    """Numbers that follow one another as a slice, which is copied faster."""
    if len(numbers) and (np.diff(numbers) == 1).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers
