"""JPEG files decoded by torchcodec: on the CPU, or a batch at a time on the GPU that runs the network.

In: image files. Out: the network's input, on the device. Whatever is no plain JPEG, or can't be decoded so, goes the
ordinary way (`unitscope.scanning.stream.read`). Values differ from Pillow's by the rounding of each decoder.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import torch
from PIL import Image
from torch import Tensor

from unitscope.errors import UnitscopeError, first_line
from unitscope.images import ImageSet
from unitscope.images.decoding import pixels_of_plain_jpeg
from unitscope.networks import Preprocessing
from unitscope.scanning.stream import Phi, Picture, read

PIXELS_AT_ONCE = 2**27
"""Pixels that a GPU decodes together, 400 MB of them, however large the pictures are."""
_BYTES = 6  # a pixel, as it is decoded and as it is given


def refuse_unusable(device: torch.device) -> None:
    """Check that torchcodec decodes JPEG files on this device; else all of them would quietly go the ordinary way.

    Raises:
        UnitscopeError: if it is not installed, too old, lacks a library, or was built without nvJPEG.
    """
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG")
    try:
        from torchcodec.decoders import decode_jpeg  # type: ignore[attr-defined]

        decode_jpeg([file.getvalue()], device=device)
    except (ImportError, OSError, RuntimeError, TypeError, ValueError) as problem:
        raise UnitscopeError(
            f"torchcodec can't decode JPEG files on '{device}' ({first_line(problem)}); install it with "
            "pip install 'torchcodec>=0.16', or use --decoder pillow"
        ) from problem


@dataclass(frozen=True, slots=True)
class _File:
    """A JPEG that torchcodec can decode."""

    content: bytes
    pixels: int


class Torchcodec:
    """Decodes JPEG files by torchcodec on a device; a GPU does so beside the network, in a stream of its own."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._beside = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._turns = Lock()

    def start(
        self, pool: ThreadPoolExecutor, images: ImageSet, rows: range, phi: Phi
    ) -> Callable[[], tuple[Picture, ...]]:
        """See `Decoder.start`; for a GPU the threads read the files, then one of them has the batch decoded."""
        if self._beside is None:
            alone = [pool.submit(self._alone, images, row, phi) for row in rows]
            return lambda: tuple(picture.result() for picture in alone)
        files = [pool.submit(_read, images.path(row), phi) for row in rows]
        # It comes after its files in the pool's queue, so all of them are under way when it waits for them.
        batch = pool.submit(self._batch, images, rows, phi, files, self._beside)
        return lambda: self._handed_over(batch.result())

    def _batch(
        self, images: ImageSet, rows: range, phi: Phi, files: Sequence[Future[_File | None]], beside: torch.cuda.Stream
    ) -> tuple[Picture, ...]:
        read_ = [file.result() for file in files]
        with self._turns, torch.cuda.stream(beside):  # one batch's pixels in memory, not several
            try:
                pictures = self._together(images, rows, phi, read_)
            except torch.OutOfMemoryError as problem:
                raise self._too_little_memory() from problem
            beside.synchronize()  # this thread only; the network goes on
        return pictures

    def _handed_over(self, pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
        """Their memory is not given to the next batch before the network's stream is done with it."""
        for picture in pictures:
            if picture.prepared is not None:
                picture.prepared.record_stream(torch.cuda.current_stream(self.device))
        return pictures

    def _alone(self, images: ImageSet, row: int, phi: Phi) -> Picture:
        return self._together(images, range(row, row + 1), phi, [_read(images.path(row), phi)])[0]

    def _together(self, images: ImageSet, rows: range, phi: Phi, files: Sequence[_File | None]) -> tuple[Picture, ...]:
        pictures: list[Picture] = []
        for few in in_turn([0 if file is None else file.pixels for file in files]):
            decoded = iter(self._decoded([file for file in files[few] if file is not None]))
            pixels = [None if file is None else next(decoded) for file in files[few]]
            pictures += [self._picture(images, row, phi, each) for row, each in zip(rows[few], pixels, strict=True)]
        return tuple(pictures)

    def _decoded(self, files: list[_File]) -> list[Tensor | None]:
        """Each file's pixels ``[3, H, W]``; None for one that is broken, which fails all that are decoded with it."""
        from torchcodec.decoders import decode_jpeg  # type: ignore[attr-defined]

        try:
            return list(decode_jpeg([file.content for file in files], device=self.device)) if files else []
        except RuntimeError as problem:
            if len(files) > 1:
                return [pixels for file in files for pixels in self._decoded([file])]
            # It doesn't say so. Another decoder would make the numbers depend on the memory that is free.
            if self.device.type == "cuda" and torch.cuda.mem_get_info(self.device)[0] < _BYTES * files[0].pixels:
                raise self._too_little_memory() from problem
            return [None]

    def _too_little_memory(self) -> UnitscopeError:
        return UnitscopeError(
            f"'{self.device}' has too little memory free to decode pictures; give a smaller --batch-size, "
            "use --decoder pillow, or free some"
        )

    def _picture(self, images: ImageSet, row: int, phi: Phi, pixels: Tensor | None) -> Picture:
        if pixels is None:
            picture = read(images, row, phi)
            there = None if picture.prepared is None else picture.prepared.to(self.device)
            return Picture(row, there, picture.width, picture.height, picture.error)
        assert isinstance(phi, Preprocessing)
        height, width = pixels.shape[-2:]
        try:
            return Picture(row, phi.fit(pixels), width, height, "")
        except UnitscopeError as problem:
            return Picture(row, None, 0, 0, str(problem))


def in_turn(pixels: Sequence[int]) -> Iterator[slice]:
    """Yield which of some pictures are decoded together: neighbours of `PIXELS_AT_ONCE` at most, or a larger one."""
    start = taken = 0
    for place, more in enumerate(pixels):
        if taken and taken + more > PIXELS_AT_ONCE:
            yield slice(start, place)
            start, taken = place, 0
        taken += more
    yield slice(start, len(pixels))


def _read(path: Path, phi: Phi) -> _File | None:
    """A file, if it is a JPEG that torchcodec can decode for this φ."""
    if (
        not isinstance(phi, Preprocessing)
        or phi.interpolation == "lanczos"
        or not (count := pixels_of_plain_jpeg(path))
    ):
        return None
    try:
        return _File(path.read_bytes(), count)
    except OSError:  # `read` of the stream tells it
        return None
