"""How an NVIDIA GPU multiplies float32: as it stands, or with factors rounded to TF32.

In: which of the two. Out: PyTorch's switches set so while a context lasts; the caller's own come back afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch


@contextmanager
def float32_matmul_precision(how: Literal["ieee", "tf32"]) -> Iterator[None]:
    """Multiply so in convolutions and matrix products while the context lasts.

    Unless told otherwise PyTorch rounds to TF32 in convolutions. A convolution's algorithm is never chosen by timing
    some: the same input would give another answer on another day. These settings are of the whole process.
    """
    cudnn: Any = torch.backends.cudnn
    kinds: tuple[Any, ...] = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)
    before, timed = [kind.fp32_precision for kind in kinds], cudnn.benchmark
    cudnn.benchmark = False
    for kind in kinds:
        kind.fp32_precision = how
    try:
        yield
    finally:
        cudnn.benchmark = timed
        for kind, was in zip(kinds, before, strict=True):
            kind.fp32_precision = was
