"""JPEG files decoded by torchcodec: on the CPU, or a batch at a time on the GPU that runs the network.

In: image files. Out: the network's input, on the device. Whatever is no plain JPEG, or can't be decoded so, goes the
ordinary way (`unitscope.engine.loader.read_image`). Values differ from Pillow's by the rounding of each decoder.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock

import torch
from PIL import Image
from torch import Tensor

from unitscope.engine.loader import Phi, PreparedImage, read_image
from unitscope.errors import ImageError, UnitscopeError, first_line
from unitscope.images import ImageSource
from unitscope.images.decoding import pixels_of_plain_jpeg
from unitscope.networks import Preprocessing

PIXELS_AT_ONCE = 2**27
"""Pixels that a GPU decodes together, 400 MB of them, however large the pictures are."""
_BYTES, _LEAST_FREE = 6, 2**26  # of a pixel, as it is decoded and as it is given; what decoding needs besides


def check_usable(device: torch.device) -> None:
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
            "`pip install 'unitscope[torchcodec]'`, or use --decoder pillow"
        ) from problem


@dataclass(frozen=True, slots=True)
class _File:
    """A JPEG that torchcodec can decode: its place in the set, what is in it, how many pixels that makes."""

    row: int
    content: bytes
    pixels: int


class Torchcodec:
    """Decodes JPEG files by torchcodec on a device; a GPU does so beside the network, in a stream of its own."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._beside = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._turns = Lock()

    def start(
        self, pool: ThreadPoolExecutor, images: ImageSource, rows: range, phi: Phi
    ) -> Callable[[], tuple[PreparedImage, ...]]:
        """See `Decoder.start`; for a GPU the threads read the files, then one of them has the batch decoded."""
        if self._beside is None:
            alone = [pool.submit(self._alone, images, row, phi) for row in rows]
            return lambda: tuple(picture.result() for picture in alone)
        files = [pool.submit(_read, images, row, phi) for row in rows]
        # It comes after its files in the pool's queue, so all of them are under way when it waits for them.
        batch = pool.submit(self._batch, images, phi, files, self._beside)
        return lambda: self._handed_over(batch.result())

    def _batch(
        self, images: ImageSource, phi: Phi, files: Sequence[Future[_File | PreparedImage]], beside: torch.cuda.Stream
    ) -> tuple[PreparedImage, ...]:
        read_ = [file.result() for file in files]
        pictures: list[PreparedImage] = []
        with self._turns, torch.cuda.stream(beside):  # one batch's pixels in memory, not several
            try:
                for few in in_turn([file.pixels if isinstance(file, _File) else 0 for file in read_]):
                    pictures += self._together(images, phi, read_[few])
            except torch.OutOfMemoryError as problem:
                raise self._too_little_memory() from problem
            beside.synchronize()  # this thread only; the network goes on
        return tuple(pictures)

    def _handed_over(self, pictures: tuple[PreparedImage, ...]) -> tuple[PreparedImage, ...]:
        """Their memory is not given to the next batch before the network's stream is done with it."""
        for picture in pictures:
            if picture.prepared is not None:
                picture.prepared.record_stream(torch.cuda.current_stream(self.device))
        return pictures

    def _alone(self, images: ImageSource, row: int, phi: Phi) -> PreparedImage:
        return self._together(images, phi, [_read(images, row, phi)])[0]

    def _together(self, images: ImageSource, phi: Phi, files: Sequence[_File | PreparedImage]) -> list[PreparedImage]:
        pixels = iter(self._decoded([file for file in files if isinstance(file, _File)]))
        return [
            self._fitted(images, phi, file, next(pixels)) if isinstance(file, _File) else self._there(file)
            for file in files
        ]

    def _decoded(self, files: list[_File]) -> list[Tensor | None]:
        """Each file's pixels ``[3, H, W]``; None for one that is broken, which fails all that are decoded with it."""
        try:
            return [*self._decode(files)] if files else []
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            if len(files) > 1:
                return [pixels for file in files for pixels in self._decoded([file])]
            return [self._once_more(files[0]) if self.device.type == "cuda" else None]

    def _decode(self, files: list[_File]) -> list[Tensor]:
        from torchcodec.decoders import decode_jpeg  # type: ignore[attr-defined]

        return list(decode_jpeg([file.content for file in files], device=self.device))

    def _once_more(self, file: _File) -> Tensor | None:
        """Torchcodec says the same of a GPU's full memory; another decoder would make numbers depend on that."""
        torch.cuda.empty_cache()
        try:
            return self._decode([file])[0]
        except RuntimeError as problem:
            if torch.cuda.mem_get_info(self.device)[0] < max(_LEAST_FREE, _BYTES * file.pixels):
                raise self._too_little_memory() from problem
            return None

    def _too_little_memory(self) -> UnitscopeError:
        return UnitscopeError(
            f"'{self.device}' has too little memory free to decode pictures; give a smaller --batch-size, "
            "use --decoder pillow, or free some"
        )

    def _fitted(self, images: ImageSource, phi: Phi, file: _File, pixels: Tensor | None) -> PreparedImage:
        if pixels is None:
            return self._there(read_image(images, file.row, phi))
        assert isinstance(phi, Preprocessing)
        height, width = pixels.shape[-2:]
        try:
            return PreparedImage(file.row, phi.fit(pixels), width, height, "")
        except UnitscopeError as problem:
            return PreparedImage(file.row, None, 0, 0, str(problem))

    def _there(self, picture: PreparedImage) -> PreparedImage:
        """What went the ordinary way, on the device."""
        return picture if picture.prepared is None else replace(picture, prepared=picture.prepared.to(self.device))


def in_turn(pixels: Sequence[int]) -> Iterator[slice]:
    """Yield which of some pictures are decoded together: neighbours of `PIXELS_AT_ONCE` at most, or a larger one."""
    start = taken = 0
    for place, more in enumerate(pixels):
        if taken and taken + more > PIXELS_AT_ONCE:
            yield slice(start, place)
            start, taken = place, 0
        taken += more
    yield slice(start, len(pixels))


def _read(images: ImageSource, row: int, phi: Phi) -> _File | PreparedImage:
    """A file that torchcodec can decode for this φ; any other is decoded here."""
    fits = isinstance(phi, Preprocessing) and phi.interpolation != "lanczos"
    try:
        if fits:
            with images.open(row) as file:
                if pixels := pixels_of_plain_jpeg(file):
                    file.seek(0)
                    return _File(row, file.read(), pixels)
    except (OSError, ImageError):
        pass  # which the ordinary way reports
    return read_image(images, row, phi)
