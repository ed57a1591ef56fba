"""A tapped network as `torch.compile` makes it fast.

In: a module from prepared batches to logits and responses. Out: the same as a function.
"""

import logging
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from unitscope.errors import UnitscopeError, first_line
from unitscope.graph.passes.fuse_conv import is_finite

_MOST_RUNNERS = 256  # compiled ones in one process

# Logits, responses, and the maps that were asked for.
Run = Callable[[Tensor], tuple[Tensor | None, Tensor, *tuple[Tensor, ...]]]


def compiled(whole: nn.Module) -> Run:
    """Compile with weights as constants, so that convolutions are fused with what follows them.

    That has to be set while the graph is traced; as an option of `torch.compile` it comes too late for the weights.
    """
    from torch._dynamo import config as dynamo
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException
    from torch._inductor import config as inductor
    from torch._inductor.exc import InductorError

    # It warns of CUDA's compiler where there is no GPU, though nothing here asks for it.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    fast = torch.compile(whole, dynamic=False, fullgraph=True)
    fused = is_finite(whole)

    def run(batch: Tensor) -> tuple[Tensor | None, Tensor, *tuple[Tensor, ...]]:
        try:
            # All runners count as one function, which PyTorch else compiles eight times only.
            with inductor.patch({"freezing": fused, **_untimed(batch)}), dynamo.patch(recompile_limit=_MOST_RUNNERS):
                return fast(batch)  # type: ignore[no-any-return]
        except FailOnRecompileLimitHit as problem:
            raise UnitscopeError(
                f"this process has compiled {_MOST_RUNNERS} networks already, and PyTorch takes no more; "
                "use engine 'eager', or start another process"
            ) from problem
        except TorchDynamoException as problem:
            if isinstance(problem, InductorError) and isinstance(problem.inner_exception, torch.OutOfMemoryError):
                raise problem.inner_exception from problem
            raise UnitscopeError(
                f"torch.compile can't compile this network ({first_line(problem)}); use --engine eager"
            ) from problem

    return run


def _untimed(batch: Tensor) -> dict[str, bool]:
    """On a GPU kernels of sums are else chosen by timing some, and answers would depend on which was fastest."""
    from torch._inductor import config as inductor

    return {"deterministic": True} if batch.is_cuda and hasattr(inductor, "deterministic") else {}


@cache
def register_order_op() -> bool:
    """Teach Inductor to lower the ordering op of `graph.passes.tap_order` to nothing; return whether it could."""
    try:
        from torch._inductor.lowering import register_lowering

        register_lowering(torch.ops.unitscope.after.default, type_promotion_kind=None)(lambda x, _: x)
    except (ImportError, AttributeError, TypeError):  # no public part of PyTorch
        return False
    return True
