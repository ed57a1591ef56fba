"""Numerical precision of forward passes: float32, TF32 or bfloat16.

In: a precision and a device. Out: a context with PyTorch's settings; the caller's are restored afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from unitscope.engine.options import Precision
from unitscope.networks import float32_matmul_precision


@contextmanager
def at_precision(precision: Precision, device: torch.device) -> Iterator[None]:
    """Run at a precision within the context.

    ``float32`` turns off TF32 on NVIDIA GPUs, which PyTorch uses in convolutions by default. ``tf32`` turns it on, in
    matrix products too. ``bf16`` runs convolutions and matrix products in bfloat16 (autocast); sums, such as responses
    and softmax, stay in float32.
    """
    multiplied = (
        float32_matmul_precision("tf32" if precision == "tf32" else "ieee") if device.type == "cuda" else nullcontext()
    )
    with multiplied, torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        yield
