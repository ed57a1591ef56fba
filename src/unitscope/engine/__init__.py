"""Run networks fast: `Session`, engines, precision, batch sizes, loading of images.

In: a network and images. Out: logits, responses, activation maps and gradients. Results must not depend on the batch or
on timing. Independent of atlases and figures.
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
