"""From files to batches: threads decode beside the network, or in turns with it where both want the same processors.

In: an image set and the shards to read. Out: prepared batches, in order; a file that can't be read is an error in its
batch. Pillow and torch let go of Python's lock while they decode and resize, so threads do.
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
_MOST_THREADS = 32

Phi = Preprocessing | CustomPreprocessing


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImage:
    """One image's input to the network, or why there is none; width and height are the file's."""

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
        """Those that could be read."""
        return [picture for picture in self.pictures if picture.prepared is not None]

    def tensor(self) -> Tensor:
        """Return the prepared images that could be read, ``[image, 3, H, W]``; there must be one."""
        return torch.stack([picture.prepared for picture in self.good if picture.prepared is not None])


class Decoder(Protocol):
    """Makes pictures of files."""

    def start(
        self, pool: ThreadPoolExecutor, images: ImageSource, rows: range, phi: Phi
    ) -> Callable[[], tuple[PreparedImage, ...]]:
        """Set the images of a batch going; calling the answer waits for them."""
        ...


@dataclass(frozen=True, slots=True)
class Pillow:
    """Decodes every format that `unitscope.images.decode` reads, one image a thread."""

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

    A few batches are decoded ahead, by so many threads, if not told by one for each processor: while the network runs,
    unless its ``device`` is the CPU. There they are decoded first, as one of its threads that is delayed delays all.
    """
    how, beside = decoder or Pillow(), device.type != "cpu"
    wanted = (
        (shard, rows[start : start + batch_size]) for shard, rows in shards for start in range(0, len(rows), batch_size)
    )
    with ThreadPoolExecutor(
        threads or decoding_threads(),
        thread_name_prefix="decode",
        initializer=_start_no_others,
        initargs=(ThreadpoolController(),),
    ) as pool:
        running: deque[tuple[int, Callable[[], tuple[PreparedImage, ...]]]] = deque()
        try:
            while True:
                if beside or not running:
                    for shard, rows in islice(wanted, _BATCHES_AHEAD - len(running)):
                        running.append((shard, how.start(pool, images, rows, phi)))
                    if not beside:
                        for _, pictures in running:
                            pictures()
                if not running:
                    return
                shard, pictures = running.popleft()
                yield Batch(shard, pictures())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _start_no_others(libraries: ThreadpoolController) -> None:
    """Let this thread's tensor ops start no threads of OpenMP.

    Once these are more than the processors, those of the network go to sleep after each of its ops, and waking them
    takes a tenth of a scan.
    """
    torch.get_num_threads()  # PyTorch sets its own number when a thread first asks
    libraries.limit(limits=1, user_api="openmp")


def decoding_threads() -> int:
    """Return how many threads decode, and later summarise, if not told otherwise: one for each processor."""
    return min(max(processors(), 2), _MOST_THREADS)


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_image(images: ImageSource, row: int, phi: Phi) -> PreparedImage:
    """Return one image as the network's input; whatever is wrong with its file is told in it."""
    try:
        image = decode_row(images, row)
        width, height = image.size
        return PreparedImage(row, phi.prepare(image), width, height, "")
    except UnitscopeError as problem:
        return PreparedImage(row, None, 0, 0, str(problem))
    except Exception as problem:  # the user's own φ may raise anything
        return PreparedImage(row, None, 0, 0, first_line(problem))


def nothing_readable(images: ImageSource, first: str) -> ImageError:
    """Return the error of images none of which could be read; ``first`` is what is wrong with the first one."""
    if len(images) == 1:
        return ImageError(first)
    return ImageError(f"none of the {len(images)} files in '{images.root}' could be read; the first: {first}")
