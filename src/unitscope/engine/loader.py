"""Load batches of images: threads decode while the network runs, or in turns with it if both use the CPU.

In: an image source and the shards to read. Out: prepared batches, in order; a file that can't be read becomes an error
in its batch. Uses threads, since Pillow and torch release the GIL while they decode and resize.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from unitscope.errors import ImageError, UnitscopeError, first_line
from unitscope.images import ImageSource, decode_row
from unitscope.networks import CustomPreprocessing, Preprocessing

_BATCHES_AHEAD = 4
_MAX_THREADS = 32

Phi = Preprocessing | CustomPreprocessing


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImage:
    """One image, prepared for the network, or the error that prevented it; width and height are those of the file."""

    image: int
    prepared: Tensor | None
    width: int
    height: int
    error: str


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some images of one shard, in order."""

    shard: int
    pictures: tuple[PreparedImage, ...]

    @property
    def good(self) -> list[PreparedImage]:
        """The images that could be read."""
        return [picture for picture in self.pictures if picture.prepared is not None]

    def tensor(self) -> Tensor:
        """Return the images that could be read, prepared, ``[image, 3, H, W]``; there must be at least one."""
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
) -> Iterator[Batch]:
    """Yield the batches of the shards, in order; a batch never spans two shards.

    A few batches are decoded ahead by ``threads`` threads, by default one per processor. They are decoded while the
    network runs, unless its ``device`` is the CPU. There they are decoded before it runs, since a delay in one of the
    network's threads would delay all of them.
    """
    how, in_parallel = decoder or Pillow(), device.type != "cpu"
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
                yield Batch(shard, pictures())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


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
        return PreparedImage(row, phi.prepare(image), width, height, "")
    except UnitscopeError as problem:
        return PreparedImage(row, None, 0, 0, str(problem))
    except Exception as problem:  # a custom preprocessing can raise anything
        return PreparedImage(row, None, 0, 0, first_line(problem))


def no_readable_images_error(images: ImageSource, first: str) -> ImageError:
    """Return the error for images of which none could be read; ``first`` is the error of the first one."""
    if len(images) == 1:
        return ImageError(first)
    return ImageError(f"none of the {len(images)} files in '{images.root}' could be read; the first: {first}")
