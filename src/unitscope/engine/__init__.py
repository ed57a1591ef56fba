"""Runs a tapped network fast: which engine, at which precision, in batches of which size.

In: a network, its trace, the layers to tap. Out: a `Executor` from batches of prepared images to logits and responses.
Knows nothing of files; that the answers do not depend on how fast they come is its first duty.
"""

from unitscope.engine.allocator import tune_allocator
from unitscope.engine.batch_sizes import batch_size_for
from unitscope.engine.executor import Executor, make_executor, optimize_for_eager
from unitscope.engine.options import (
    ENGINES,
    IMAGES_WORTH_COMPILING,
    PRECISIONS,
    Engine,
    Precision,
    check_known,
    choose_engine,
    choose_precision,
)

__all__ = [
    "ENGINES",
    "IMAGES_WORTH_COMPILING",
    "PRECISIONS",
    "Engine",
    "Executor",
    "Precision",
    "batch_size_for",
    "check_known",
    "choose_engine",
    "choose_precision",
    "make_executor",
    "optimize_for_eager",
    "tune_allocator",
]
