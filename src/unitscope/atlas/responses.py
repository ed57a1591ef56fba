"""The files of the response matrix: write shards, and read single rows directly from them.

In: responses ``[image, unit]``, or row numbers and a slice of the unit axis. Out: a zarr shard, or responses.
zarr itself reads whole chunks of 512 images; for one class of an unsorted image set that is most of a layer. What is
read is checked: whole chunks by zarr's checksum of each chunk, single rows by a table that zarr skips.

A file has the chunks (rows of 256 units each, then their CRC-32C), the CRC-32C of each row of each chunk, the index of
the chunks (offset and length), and the CRC-32C of the index.
"""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec

from unitscope.atlas.checksums import crc32c, no_permission
from unitscope.atlas.storage import StoragePath, zarr_store
from unitscope.errors import AtlasError, DamagedAtlasError

CHUNK_CODECS = (BytesCodec(), Crc32cCodec())
_NO_CHUNK = np.iinfo(np.uint64).max  # offset of a chunk that contains only the fill value
_CHECKSUM_BYTES = 4
_SPARSE = 16  # turn off read-ahead if at most one row in 16 is read


def encode_shard(responses: NDArray[Any], *, rows: int, width: int) -> bytes:
    """Return a zarr shard of responses ``[image, unit]``, padded with NaN to ``rows``, in chunks of ``width`` units."""
    count, units = responses.shape
    chunks = -(-units // width)
    blocks = np.full((chunks, rows, width), np.nan, responses.dtype.newbyteorder("<"))
    for number, block in enumerate(blocks):
        some = responses[:, number * width : (number + 1) * width]
        block[:count, : some.shape[1]] = some
    by_row = np.fromiter(map(crc32c, blocks.reshape(chunks * rows, width)), "<u4", chunks * rows)
    parts = [part for block in blocks for part in (block.data, _stored(crc32c(block)))]
    length = blocks[0].nbytes + _CHECKSUM_BYTES
    index = np.array([(number * length, length) for number in range(chunks)], "<u8").tobytes()
    return b"".join([*parts, by_row.data, index, _stored(crc32c(index))])


def _stored(checksum: int) -> bytes:
    return checksum.to_bytes(_CHECKSUM_BYTES, "little")


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
        return cls(arrays / "responses", _group(arrays)["responses"])

    def read(self, rows: NDArray[np.int64], units: slice) -> NDArray[np.float32]:
        """Return rows in the order given, for a slice of units; NaN where nothing is stored.

        Raises:
            DamagedAtlasError: if a file is damaged.
        """
        if not self._has_scan_layout:
            return self._read_with_zarr(rows, units)
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
                raise _damaged(path, problem) from problem
        return out

    def _read_with_zarr(self, rows: NDArray[np.int64], units: slice) -> NDArray[np.float32]:
        try:
            return np.asarray(self.array.oindex[rows, units], np.float32)
        except Exception as problem:  # a wrong checksum, or what the store or a codec raises
            raise _damaged(self.folder, problem) from problem

    @property
    def _has_scan_layout(self) -> bool:
        """Whether it is stored as by a scan: uncompressed, in shards of all units. Other tools may rewrite it."""
        array = self.array
        codecs = [ShardingCodec(chunk_shape=array.chunks, codecs=inner) for inner in (CHUNK_CODECS, CHUNK_CODECS[:1])]
        return bool(
            isinstance(self.folder, Path)
            and array.metadata.codecs in [(codec,) for codec in codecs]
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
        chunks, dtype = self.array.shards[1] // width, self.array.dtype.newbyteorder("<")
        sparse = _SPARSE * len(rows) < count
        file = np.frombuffer(_mapped(path, sparse=sparse), np.uint8)
        end = len(file) - 16 * chunks - _CHECKSUM_BYTES
        index, checksums = file[end:-_CHECKSUM_BYTES].view("<u8").reshape(-1, 2), self._row_checksums(file, end)
        _check(index, file[-_CHECKSUM_BYTES:].tobytes(), "the index of its chunks")
        rows, positions = _as_slice(rows), _as_slice(positions)
        for chunk in range(units.start // width, -(-units.stop // width)):
            start, length = (int(number) for number in index[chunk])
            if start == _NO_CHUNK:
                continue
            stored, data = file[start : start + length], count * width * dtype.itemsize
            block = stored[:data].view(dtype).reshape(count, width)
            if checksums is not None and sparse:
                if list(map(crc32c, block[rows])) != checksums[chunk, rows].tolist():
                    raise ValueError(f"rows of chunk {chunk} have other checksums than when they were written")
            elif length > data:
                _check(block, stored[data:].tobytes(), f"chunk {chunk}")
            low, high = max(units.start, chunk * width), min(units.stop, (chunk + 1) * width)
            out[positions, low - units.start : high - units.start] = block[
                rows, low - chunk * width : high - chunk * width
            ]

    def _row_checksums(self, file: NDArray[np.uint8], end: int) -> NDArray[np.uint32] | None:
        """Return the checksums of rows, ``[chunk, row]``, which end where the index begins; None if there are none."""
        (count, width), chunks = self.array.chunks, self.array.shards[1] // self.array.chunks[1]
        before = end - chunks * (count * width * self.array.dtype.itemsize + _CHECKSUM_BYTES)
        if before != 4 * chunks * count:
            return None
        return file[end - before : end].view("<u4").reshape(chunks, count)


def _check(values: NDArray[Any], checksum: bytes, what: str) -> None:
    if _stored(crc32c(values)) != checksum:
        raise ValueError(f"{what} has another checksum than when it was written")


def _damaged(path: StoragePath, problem: Exception) -> AtlasError:
    if isinstance(problem, PermissionError):
        return no_permission(path)
    return DamagedAtlasError(f"'{path}' is damaged ({problem}); copy it again, or scan again into a new folder")


def _group(arrays: StoragePath) -> Any:
    return zarr.open_group(zarr_store(arrays), mode="r", zarr_format=3, use_consolidated=False)


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
