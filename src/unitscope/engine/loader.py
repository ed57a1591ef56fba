"""Load batches of images: threads decode while the network runs, or in turns with it if both use the CPU.

In: an image source and the shards to read. Out: prepared batches, in order; a file that can't be decoded becomes an
error in its batch, and one that can't be read is tried again first. Uses threads, since Pillow and torch release the
GIL while they decode and resize.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from unitscope.errors import ImageAccessError, ImageError, UnitscopeError, first_line
from unitscope.images import ImageSource, decode_row
from unitscope.images.bit_depth import BITS
from unitscope.networks import CustomPreprocessing, Preprocessing

_BATCHES_AHEAD = 4
_MAX_THREADS = 32
_RETRY_AFTER = (0.1, 0.4, 1.0)  # seconds before each further try to read the missing images of a batch
MAX_WAIT = 10.0
"""Seconds spent waiting for missing images in all: if a folder is away, waiting for each batch would take hours."""

Phi = Preprocessing | CustomPreprocessing


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImage:
    """One image, prepared for the network, or the error that prevented it; width and height are those of the file.

    A ``missing`` image could not be opened or read, as opposed to one that could not be decoded. ``bits`` is the number
    of bits that a deep image uses; 0 for others.
    """

    image: int
    prepared: Tensor | None
    width: int
    height: int
    error: str
    missing: bool = False
    bits: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some images of one shard, in order."""

    shard: int
    pictures: tuple[PreparedImage, ...]

    @property
    def good(self) -> list[PreparedImage]:
        """The images that could be read and decoded."""
        return [picture for picture in self.pictures if picture.prepared is not None]

    @property
    def missing(self) -> list[PreparedImage]:
        """The images that could not be opened or read."""
        return [picture for picture in self.pictures if picture.missing]

    def failures(self, images: ImageSource) -> dict[str, str]:
        """Return why images could not be read or decoded, by id."""
        return {images.ids[picture.image]: picture.error for picture in self.pictures if picture.error}

    def tensor(self) -> Tensor:
        """Return the images that could be read, prepared, ``[image, channel, H, W]``; there must be at least one."""
        return torch.stack([picture.prepared for picture in self.good if picture.prepared is not None])


class Decoder(Protocol):
    """Decodes and prepares images."""

    def start(
        self, pool: ThreadPoolExecutor, images: ImageSource, rows: range, phi: Phi
    ) -> Callable[[], tuple[PreparedImage, ...]]:
        """Start decoding a batch; return a function that waits for it and returns the prepared images."""
        ...


@dataclass(frozen=True, slots=True)
class Pillow:
    """Decodes all formats of `unitscope.images.decode`, one image per thread."""

    def start(
        self, pool: ThreadPoolExecutor, images: ImageSource, rows: range, phi: Phi
    ) -> Callable[[], tuple[PreparedImage, ...]]:
        """See `Decoder.start`."""
        running = [pool.submit(read_image, images, row, phi) for row in rows]
        return lambda: tuple(picture.result() for picture in running)


def batches(
    images: ImageSource,
    shards: Iterable[tuple[int, range]],
    *,
    phi: Phi,
    batch_size: int,
    device: torch.device,
    decoder: Decoder | None = None,
    threads: int | None = None,
    retries: "Retries | None" = None,
) -> Iterator[Batch]:
    """Yield the batches of the shards, in order; a batch never spans two shards.

    A few batches are decoded ahead by ``threads`` threads, by default one per processor. They are decoded while the
    network runs, unless its ``device`` is the CPU. There they are decoded before it runs, since a delay in one of the
    network's threads would delay all of them. Images that can't be read are tried again a few times before their batch
    is yielded.
    """
    how, in_parallel = decoder or Pillow(), device.type != "cpu"
    retries = retries or Retries(MAX_WAIT)
    wanted = (
        (shard, rows[start : start + batch_size]) for shard, rows in shards for start in range(0, len(rows), batch_size)
    )
    with ThreadPoolExecutor(
        threads or decoding_threads(),
        thread_name_prefix="decode",
        initializer=_limit_openmp,
        initargs=(ThreadpoolController(),),
    ) as pool:
        running: deque[tuple[int, Callable[[], tuple[PreparedImage, ...]]]] = deque()
        try:
            while True:
                if in_parallel or not running:
                    for shard, rows in islice(wanted, _BATCHES_AHEAD - len(running)):
                        running.append((shard, how.start(pool, images, rows, phi)))
                    if not in_parallel:
                        for _, pictures in running:
                            pictures()
                if not running:
                    return
                shard, pictures = running.popleft()
                yield Batch(
                    shard,
                    retries.read_missing(pictures(), lambda row: how.start(pool, images, range(row, row + 1), phi)()),
                )
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class Retries:
    """Tries again to read missing images, and waits before each try, ``seconds`` in all."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def read_missing(
        self, pictures: tuple[PreparedImage, ...], read: Callable[[int], tuple[PreparedImage, ...]]
    ) -> tuple[PreparedImage, ...]:
        """Return the pictures, with missing ones read again."""
        for seconds in _RETRY_AFTER:
            if self.left <= 0 or not any(picture.missing for picture in pictures):
                break
            time.sleep(seconds)
            self.left -= seconds
            pictures = tuple(read(picture.image)[0] if picture.missing else picture for picture in pictures)
        return pictures


def _limit_openmp(libraries: ThreadpoolController) -> None:
    """Keep this thread's tensor ops from starting OpenMP threads.

    With more OpenMP threads than processors, those of the network would sleep after each op, and waking them takes a
    tenth of a scan.
    """
    torch.get_num_threads()  # PyTorch sets the number of threads on a thread's first query
    libraries.limit(limits=1, user_api="openmp")


def decoding_threads() -> int:
    """Return the default number of threads that decode and summarise: one per processor, 2 to 32."""
    return min(max(processors(), 2), _MAX_THREADS)


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_image(images: ImageSource, row: int, phi: Phi) -> PreparedImage:
    """Return one image, prepared for the network, or with the error that prevented it."""
    try:
        image = decode_row(images, row)
        width, height = image.size
        return PreparedImage(row, phi.prepare(image), width, height, "", bits=int(image.info.get(BITS, 0)))
    except UnitscopeError as problem:
        return failed_image(row, problem)
    except Exception as problem:  # a custom preprocessing can raise anything
        return PreparedImage(row, None, 0, 0, first_line(problem))


def failed_image(row: int, problem: UnitscopeError) -> PreparedImage:
    """Return the image of a row that could not be read or decoded."""
    return PreparedImage(row, None, 0, 0, str(problem), missing=isinstance(problem, ImageAccessError))


def no_readable_images_error(images: ImageSource, first: str) -> ImageError:
    """Return the error for images of which none could be read; ``first`` is the error of the first one."""
    if len(images) == 1:
        return ImageError(first)
    return ImageError(f"none of the {len(images)} files in '{images.root}' could be read; the first: {first}")
