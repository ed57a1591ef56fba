"""Runs a tapped network fast: which engine, at which precision, in batches of which size.

In: a network, its trace, the layers to tap. Out: a `Runner` from batches of prepared images to logits and responses.
Knows nothing of files; that the answers do not depend on how fast they come is its first duty.
"""

from unitscope.engine.batch_sizes import batch_size_for
from unitscope.engine.choosing import (
    ENGINES,
    IMAGES_WORTH_COMPILING,
    PRECISIONS,
    Engine,
    Precision,
    choose_engine,
    choose_precision,
    refuse_unknown,
)
from unitscope.engine.memory import keep_memory
from unitscope.engine.running import Runner, for_eager, runner

__all__ = [
    "ENGINES",
    "IMAGES_WORTH_COMPILING",
    "PRECISIONS",
    "Engine",
    "Precision",
    "Runner",
    "batch_size_for",
    "choose_engine",
    "choose_precision",
    "for_eager",
    "keep_memory",
    "refuse_unknown",
    "runner",
]
