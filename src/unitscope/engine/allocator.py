"""The allocator: memory that one batch frees is kept for the next, in huge pages where the system lends them."""

import ctypes
import mmap
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # options of mallopt
_ROOM = 2 << 30  # bytes of addresses, more than a batch of VGG-16 takes; only what is used becomes memory


@cache
def tune_allocator() -> None:
    """Tell glibc to keep the memory that one batch frees for the next; elsewhere do nothing.

    Large tensors are otherwise returned to the system and their pages zeroed again for each layer of each batch,
    which costs a quarter of a forward pass. For as long as the process lives.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, -1)
        _ask_for_huge_pages(libc)


def _ask_for_huge_pages(libc: ctypes.CDLL) -> None:
    """Mark the heap's next addresses, so that pages come by 2 MiB; a refusal does no harm.

    Until the heap has grown as far as the batches need, each new page of 4 KiB would cost some microseconds.
    Where addresses are counted (``ulimit -v`` or ``-d``), nothing is asked for.
    """
    import resource  # not on Windows

    if any(
        resource.getrlimit(kind)[0] != resource.RLIM_INFINITY for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    ):
        return
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.free.argtypes = [ctypes.c_void_p]
    if room := libc.malloc(_ROOM):
        start = -(-room // mmap.PAGESIZE) * mmap.PAGESIZE  # whole pages only
        libc.madvise(start, _ROOM - mmap.PAGESIZE, mmap.MADV_HUGEPAGE)
        libc.free(room)
