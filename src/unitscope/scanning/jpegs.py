"""JPEG files decoded by torchcodec: on the CPU, or a batch at a time on the GPU that runs the network.

In: image files. Out: the network's input, on the device. Whatever is no plain JPEG, or can't be decoded so, goes the
ordinary way (`unitscope.scanning.stream.read`). Values differ from Pillow's by the rounding of each decoder.
"""

import io
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from unitscope.errors import UnitscopeError, first_line
from unitscope.images import ImageSet
from unitscope.images.decoding import is_plain_jpeg
from unitscope.networks import Preprocessing
from unitscope.scanning.stream import Phi, Picture, read


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


class Torchcodec:
    """Decodes JPEG files by torchcodec on a device; a GPU does so beside the network, in a stream of its own."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._beside = torch.cuda.Stream(device) if device.type == "cuda" else None

    def start(
        self, pool: ThreadPoolExecutor, images: ImageSet, rows: range, phi: Phi
    ) -> Callable[[], tuple[Picture, ...]]:
        """See `Decoder.start`; for a GPU the threads read the files, then one of them has the batch decoded."""
        if self._beside is None:
            alone = [pool.submit(self._alone, images, row, phi) for row in rows]
            return lambda: tuple(picture.result() for picture in alone)
        files = [pool.submit(_bytes_of, images.path(row), phi) for row in rows]
        # It comes after its files in the pool's queue, so all of them are under way when it waits for them.
        batch = pool.submit(self._batch, images, rows, phi, files, self._beside)
        return lambda: self._handed_over(batch.result())

    def _batch(
        self, images: ImageSet, rows: range, phi: Phi, files: Sequence[Future[bytes | None]], beside: torch.cuda.Stream
    ) -> tuple[Picture, ...]:
        read_ = [file.result() for file in files]
        with torch.cuda.stream(beside):
            pictures = self._together(images, rows, phi, read_)
        beside.synchronize()  # this thread only; the network goes on
        return pictures

    def _handed_over(self, pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
        """Their memory is not given to the next batch before the network's stream is done with it."""
        for picture in pictures:
            if picture.prepared is not None:
                picture.prepared.record_stream(torch.cuda.current_stream(self.device))
        return pictures

    def _alone(self, images: ImageSet, row: int, phi: Phi) -> Picture:
        return self._together(images, range(row, row + 1), phi, [_bytes_of(images.path(row), phi)])[0]

    def _together(self, images: ImageSet, rows: range, phi: Phi, files: Sequence[bytes | None]) -> tuple[Picture, ...]:
        decoded = iter(self._decoded([file for file in files if file is not None]))
        pixels = [None if file is None else next(decoded) for file in files]
        return tuple(self._picture(images, row, phi, each) for row, each in zip(rows, pixels, strict=True))

    def _decoded(self, files: list[bytes]) -> list[Tensor | None]:
        """Each file's pixels ``[3, H, W]``; None for one that is broken, which fails a whole batch."""
        from torchcodec.decoders import decode_jpeg  # type: ignore[attr-defined]

        try:
            return list(decode_jpeg(files, device=self.device)) if files else []
        except torch.OutOfMemoryError:
            raise  # another decoder would make the numbers depend on the memory that is free
        except RuntimeError:
            return [None] if len(files) == 1 else [pixels for file in files for pixels in self._decoded([file])]

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


def _bytes_of(path: Path, phi: Phi) -> bytes | None:
    """A file, if it is a JPEG that torchcodec can decode for this φ."""
    fits = isinstance(phi, Preprocessing) and phi.interpolation != "lanczos"
    try:
        return path.read_bytes() if fits and is_plain_jpeg(path) else None
    except OSError:  # `read` tells it
        return None
