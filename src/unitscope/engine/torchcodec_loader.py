"""Decode JPEG files with torchcodec: on the CPU, or a batch at a time on the GPU that runs the network.

In: image files. Out: the network's input on its device. Files that torchcodec can't decode are read with Pillow
(`unitscope.engine.loader.read_image`). Values differ from Pillow's by the rounding of each decoder.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock

import torch
from PIL import Image
from torch import Tensor

from unitscope.engine.loader import Phi, PreparedImage, failed_image, read_image
from unitscope.errors import ImageAccessError, ImageError, UnitscopeError, first_line
from unitscope.images import ImageSource
from unitscope.images.decoding import pixels_of_plain_jpeg
from unitscope.images.reading import open_row
from unitscope.networks import Preprocessing

MAX_PIXELS_AT_ONCE = 2**27
"""Maximum number of pixels that a GPU decodes at once (400 MB), however large the images are."""
_BYTES_PER_PIXEL, _MIN_FREE = 6, 2**26  # a decoded pixel and its copy; bytes that decoding needs in any case


def check_usable(device: torch.device) -> None:
    """Check that torchcodec decodes JPEG files on this device; otherwise Pillow would silently decode all of them.

    Raises:
        UnitscopeError: if torchcodec is not installed, is too old, lacks a library, or was built without nvJPEG.
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
    """A JPEG that torchcodec can decode: its row in the image set, its content, its number of pixels."""

    row: int
    content: bytes
    pixels: int


class Torchcodec:
    """Decodes JPEG files with torchcodec on a device; on a GPU in a separate stream, in parallel with the network."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._lock = Lock()

    def start(
        self, pool: ThreadPoolExecutor, images: ImageSource, rows: range, phi: Phi
    ) -> Callable[[], tuple[PreparedImage, ...]]:
        """See `Decoder.start`; on a GPU, threads read the files and then one of them decodes the batch."""
        if self._stream is None:
            singles = [pool.submit(self._decode_one, images, row, phi) for row in rows]
            return lambda: tuple(picture.result() for picture in singles)
        files = [pool.submit(_read, images, row, phi) for row in rows]
        # It is queued after its files, so all of them have been started when it waits for them.
        batch = pool.submit(self._decode_batch, images, phi, files, self._stream)
        return lambda: self._record_stream(batch.result())

    def _decode_batch(
        self, images: ImageSource, phi: Phi, files: Sequence[Future[_File | PreparedImage]], stream: torch.cuda.Stream
    ) -> tuple[PreparedImage, ...]:
        contents = [file.result() for file in files]
        pictures: list[PreparedImage] = []
        with self._lock, torch.cuda.stream(stream):  # keep the pixels of one batch in memory, not of several
            try:
                for group in pixel_groups([file.pixels if isinstance(file, _File) else 0 for file in contents]):
                    pictures += self._prepare(images, phi, contents[group])
            except torch.OutOfMemoryError as problem:
                raise self._too_little_memory() from problem
            stream.synchronize()  # blocks this thread only, not the network
        return tuple(pictures)

    def _record_stream(self, pictures: tuple[PreparedImage, ...]) -> tuple[PreparedImage, ...]:
        """Keep the memory of the images until the network's stream has used them."""
        for picture in pictures:
            if picture.prepared is not None:
                picture.prepared.record_stream(torch.cuda.current_stream(self.device))
        return pictures

    def _decode_one(self, images: ImageSource, row: int, phi: Phi) -> PreparedImage:
        return self._prepare(images, phi, [_read(images, row, phi)])[0]

    def _prepare(self, images: ImageSource, phi: Phi, files: Sequence[_File | PreparedImage]) -> list[PreparedImage]:
        pixels = iter(self._decode_all([file for file in files if isinstance(file, _File)]))
        return [
            self._fit(images, phi, file, next(pixels)) if isinstance(file, _File) else self._to_device(file)
            for file in files
        ]

    def _decode_all(self, files: list[_File]) -> list[Tensor | None]:
        """Return each file's pixels ``[3, H, W]``; None for broken files, which make a whole batch fail."""
        try:
            return [*self._decode(files)] if files else []
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            if len(files) > 1:
                return [pixels for file in files for pixels in self._decode_all([file])]
            return [self._retry(files[0]) if self.device.type == "cuda" else None]

    def _decode(self, files: list[_File]) -> list[Tensor]:
        from torchcodec.decoders import decode_jpeg  # type: ignore[attr-defined]

        return list(decode_jpeg([file.content for file in files], device=self.device))

    def _retry(self, file: _File) -> Tensor | None:
        """Decode a file again, and raise if memory is short: torchcodec raises the same error as for a broken file.

        Falling back to Pillow in that case would make the numbers depend on the free memory.
        """
        torch.cuda.empty_cache()
        try:
            return self._decode([file])[0]
        except RuntimeError as problem:
            if torch.cuda.mem_get_info(self.device)[0] < max(_MIN_FREE, _BYTES_PER_PIXEL * file.pixels):
                raise self._too_little_memory() from problem
            return None

    def _too_little_memory(self) -> UnitscopeError:
        return UnitscopeError(
            f"'{self.device}' has too little free memory to decode images; give a smaller --batch-size, "
            "use --decoder pillow, or free some"
        )

    def _fit(self, images: ImageSource, phi: Phi, file: _File, pixels: Tensor | None) -> PreparedImage:
        if pixels is None:
            return self._to_device(read_image(images, file.row, phi))
        assert isinstance(phi, Preprocessing)
        height, width = pixels.shape[-2:]
        try:
            return PreparedImage(file.row, phi.fit(pixels), width, height, "")
        except UnitscopeError as problem:
            return failed_image(file.row, problem)

    def _to_device(self, picture: PreparedImage) -> PreparedImage:
        """Return an image that Pillow decoded, on the device."""
        return picture if picture.prepared is None else replace(picture, prepared=picture.prepared.to(self.device))


def pixel_groups(pixels: Sequence[int]) -> Iterator[slice]:
    """Yield slices of images to decode together: at most `MAX_PIXELS_AT_ONCE` pixels, or a single larger image.

    Args:
        pixels: number of pixels of each image.
    """
    start = total = 0
    for number, count in enumerate(pixels):
        if total and total + count > MAX_PIXELS_AT_ONCE:
            yield slice(start, number)
            start, total = number, 0
        total += count
    yield slice(start, len(pixels))


def _read(images: ImageSource, row: int, phi: Phi) -> _File | PreparedImage:
    """Read a file if torchcodec can decode it for this preprocessing; otherwise decode it with Pillow."""
    supported = isinstance(phi, Preprocessing) and phi.interpolation != "lanczos"
    try:
        if supported:
            with open_row(images, row) as file:
                if pixels := pixels_of_plain_jpeg(file):
                    file.seek(0)
                    return _File(row, file.read(), pixels)
    except ImageAccessError as problem:  # Pillow might read it a moment later, and its values differ
        return failed_image(row, problem)
    except (OSError, ImageError):
        pass  # `read_image` reports the error
    return read_image(images, row, phi)
