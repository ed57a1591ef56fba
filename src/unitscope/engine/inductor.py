"""Compile a tapped network with `torch.compile`.

In: a module from prepared batches to logits and responses. Out: the same as a compiled function.
"""

import logging
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from unitscope.errors import UnitscopeError, first_line
from unitscope.graph.passes.fuse_conv import is_finite

_MAX_COMPILED = 256  # networks in one process

# From a batch to logits, responses and the requested maps.
Run = Callable[[Tensor], tuple[Tensor | None, Tensor, *tuple[Tensor, ...]]]


def compiled(whole: nn.Module) -> Run:
    """Return a module compiled with frozen weights, so that convolutions are fused with the ops after them.

    Freezing has to be set while the graph is traced; as an option of `torch.compile` it comes too late.
    """
    from torch._dynamo import config as dynamo
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException
    from torch._inductor import config as inductor
    from torch._inductor.exc import InductorError

    # It warns about CUDA's compiler on machines without a GPU, although CUDA is not used.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    fast = torch.compile(whole, dynamic=False, fullgraph=True)
    fused = is_finite(whole)

    def run(batch: Tensor) -> tuple[Tensor | None, Tensor, *tuple[Tensor, ...]]:
        try:
            # PyTorch counts all networks as one function, and by default compiles a function eight times at most.
            with (
                inductor.patch({"freezing": fused, **_deterministic(batch)}),
                dynamo.patch(recompile_limit=_MAX_COMPILED),
            ):
                return fast(batch)  # type: ignore[no-any-return]
        except FailOnRecompileLimitHit as problem:
            raise UnitscopeError(
                f"this process has already compiled {_MAX_COMPILED} networks, the maximum; "
                "use engine 'eager', or start a new process"
            ) from problem
        except TorchDynamoException as problem:
            if isinstance(problem, InductorError) and isinstance(problem.inner_exception, torch.OutOfMemoryError):
                raise problem.inner_exception from problem
            raise UnitscopeError(
                f"torch.compile can't compile this network ({first_line(problem)}); use --engine eager"
            ) from problem

    return run


def _deterministic(batch: Tensor) -> dict[str, bool]:
    """Turn off autotuning of reductions on GPUs, so that results don't depend on timing."""
    from torch._inductor import config as inductor

    return {"deterministic": True} if batch.is_cuda and hasattr(inductor, "deterministic") else {}


@cache
def register_order_op() -> bool:
    """Make Inductor lower the ordering op of `graph.passes.tap_order` to a no-op; return whether that worked."""
    try:
        from torch._inductor.lowering import register_lowering

        register_lowering(torch.ops.unitscope.after.default, type_promotion_kind=None)(lambda x, _: x)
    except (ImportError, AttributeError, TypeError):  # not part of PyTorch's public interface
        return False
    return True
