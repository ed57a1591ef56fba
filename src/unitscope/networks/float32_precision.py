"""Precision of float32 products on NVIDIA GPUs: full float32, or factors rounded to TF32.

In: the precision. Out: a context in which PyTorch's settings have this value; the caller's are restored afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch


@contextmanager
def float32_matmul_precision(how: Literal["ieee", "tf32"]) -> Iterator[None]:
    """Set the precision of convolutions and matrix products within the context, for the whole process.

    By default, PyTorch rounds to TF32 in convolutions. cuDNN's benchmark mode, which chooses algorithms by timing, is
    turned off within the context, since results would vary between runs.
    """
    cudnn: Any = torch.backends.cudnn
    kinds: tuple[Any, ...] = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)
    before, benchmark = [kind.fp32_precision for kind in kinds], cudnn.benchmark
    cudnn.benchmark = False
    for kind in kinds:
        kind.fp32_precision = how
    try:
        yield
    finally:
        cudnn.benchmark = benchmark
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision
