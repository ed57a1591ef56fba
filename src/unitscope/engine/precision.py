"""How finely a network is run: float32 throughout, or coarser where that was asked for.

The caller's own settings of PyTorch are given back afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from unitscope.engine.options import Precision
from unitscope.networks import float32_matmul_precision


@contextmanager
def at_precision(precision: Precision, device: torch.device) -> Iterator[None]:
    """Run at a precision while the context lasts.

    ``float32`` keeps NVIDIA GPUs from rounding factors to TF32, which PyTorch lets them do in convolutions; ``tf32``
    lets them, in matrix products too; ``bf16`` runs convolutions and matrix products in bfloat16 (autocast), and
    leaves sums such as the responses and softmax in float32.
    """
    multiplied = (
        float32_matmul_precision("tf32" if precision == "tf32" else "ieee") if device.type == "cuda" else nullcontext()
    )
    with multiplied, torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        yield
