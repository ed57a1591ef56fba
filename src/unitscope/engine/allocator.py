"""Tune the memory allocator: keep freed memory for the next batch, in huge pages where the system supports them.

In: nothing. Out: settings of glibc for the whole process.
"""

import ctypes
import mmap
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # options of mallopt
_RESERVED = 2 << 30  # bytes of address space, more than a batch of VGG-16 needs; only used pages take memory


@cache
def tune_allocator() -> None:
    """Make glibc keep freed memory for the rest of the process; do nothing on other systems.

    By default, the memory of large tensors is returned to the system and its pages are zeroed again for each layer of
    each batch, which takes a quarter of a forward pass.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, -1)
        _advise_huge_pages(libc)


def _advise_huge_pages(libc: ctypes.CDLL) -> None:
    """Advise the kernel to use 2 MiB pages for the heap's next addresses; it may ignore this.

    While the heap grows, each new page of 4 KiB costs some microseconds. Do nothing where address space is limited
    (``ulimit -v`` or ``-d``).
    """
    import resource  # not on Windows

    if any(
        resource.getrlimit(kind)[0] != resource.RLIM_INFINITY for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    ):
        return
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.free.argtypes = [ctypes.c_void_p]
    if block := libc.malloc(_RESERVED):
        start = -(-block // mmap.PAGESIZE) * mmap.PAGESIZE  # whole pages only
        libc.madvise(start, _RESERVED - mmap.PAGESIZE, mmap.MADV_HUGEPAGE)
        libc.free(block)
