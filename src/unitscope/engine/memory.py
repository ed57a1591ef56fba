"""The allocator: memory that one batch frees is kept for the next."""

import ctypes
import sys


def keep_memory() -> None:
    """Tell glibc to keep the memory that one batch frees for the next; elsewhere do nothing.

    Large tensors are otherwise returned to the system and their pages zeroed again for each layer of each batch,
    which costs a quarter of a forward pass.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        trim_threshold, mmap_max = -1, -4
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
