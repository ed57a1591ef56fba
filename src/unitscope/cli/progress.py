"""How far a long command is, shown on stderr.

In: a number of images. Out: a function to be told of each batch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counted(title: str, images: int) -> Iterator[Callable[[int], None]]:
    """Show a bar while the context lasts; it gives what is told the number of images done, after each batch."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=images)
        yield lambda done: bar.advance(task, done)
