"""Silence for what exports and converts networks: it talks a lot about things that users can't act on.

In: nothing. Out: a context in which nothing is logged, warned of or written to stderr. It holds for the whole process.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Return a context in which nobody talks."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
