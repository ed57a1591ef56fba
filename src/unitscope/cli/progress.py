"""How far a long command is, shown on stderr.

In: a number of images. Out: a bar, and a function to be told of each batch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


def bar(*columns: "ProgressColumn") -> "Progress":
    """Return a bar that tells what is done, how much of it, what more columns say, and how long the rest will take."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    before = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*before, *columns, TimeRemainingColumn(), console=Console(stderr=True))


@contextmanager
def counted(title: str, images: int) -> Iterator[Callable[[int], None]]:
    """Show a bar while the context lasts; it gives what is told the number of images done, after each batch."""
    with bar() as shown:
        task = shown.add_task(title, total=images)
        yield lambda done: shown.advance(task, done)
