"""Progress bars of long calls: in notebooks, in terminals, or none.

In: a title and a number of images. Out: a context that yields a function to call with the number of images of each
batch. In notebooks it is plain HTML, so that it needs no widgets; in terminals `rich` draws it on stderr.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from html import escape
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from unitscope.text import count_noun

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

OnBatch = Callable[[int], None]
ProgressFactory = Callable[[str, int], AbstractContextManager[OnBatch]]
"""Takes a title and a number of images; returns a context that yields a function to call with each batch's images."""

_EVERY = 0.2  # seconds between two updates in a notebook


@contextmanager
def no_progress(title: str, images: int) -> Iterator[OnBatch]:
    """Show no progress."""
    yield lambda done: None


def progress_bar(title: str, images: int) -> AbstractContextManager[OnBatch]:
    """Show a progress bar within the context, in a notebook or on a terminal; show nothing elsewhere."""
    if (shell := _notebook()) is not None:
        return _notebook_bar(shell, title, images)
    return terminal_bar(title, images) if sys.stderr is not None and sys.stderr.isatty() else no_progress(title, images)


def rich_bar(*columns: "ProgressColumn") -> "Progress":
    """Return a progress bar on stderr with a description, a count, more columns, and the remaining time."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    before = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*before, *columns, TimeRemainingColumn(), console=Console(stderr=True))


@contextmanager
def terminal_bar(title: str, images: int) -> Iterator[OnBatch]:
    """Show a progress bar on stderr within the context; it ends complete, also where files failed."""
    with rich_bar() as shown:
        task = shown.add_task(title, total=images)
        yield lambda done: shown.advance(task, done)
        shown.update(task, completed=images)


@contextmanager
def _notebook_bar(shell: Any, title: str, images: int) -> Iterator[OnBatch]:
    """Show a progress bar below the running cell within the context."""
    bar = _NotebookBar(shell, title, images)
    bar.publish(update=False)
    try:
        yield bar.advance
    except BaseException:
        bar.publish(end=" (stopped)")
        raise
    bar.done = images
    bar.publish(end=f" in {time.perf_counter() - bar.started:.1f} s")


class _NotebookBar:
    """A progress bar as HTML, which replaces itself."""

    def __init__(self, shell: Any, title: str, images: int) -> None:
        self.shell, self.title, self.images = shell, title, images
        self.done, self.started, self.published = 0, time.perf_counter(), 0.0
        self.place = {"display_id": uuid4().hex}

    def advance(self, images: int) -> None:
        """Count images, and show them unless the bar has just been drawn."""
        self.done = min(self.done + images, self.images)
        if time.perf_counter() - self.published > _EVERY:
            self.publish()

    def publish(self, *, end: str = "", update: bool = True) -> None:
        """Show the bar, or replace the one shown; ``end`` says how it ended."""
        self.published = time.perf_counter()
        count = f"{self.done:,} of {count_noun(self.images, 'image')}" + (end or self._left())
        data = {
            "text/plain": f"{self.title}: {count}",
            "text/html": f'<div>{escape(self.title)} <progress value="{self.done}" max="{max(self.images, 1)}">'
            f"</progress> {count}</div>",
        }
        self.shell.display_pub.publish(data, transient=self.place, update=update)

    def _left(self) -> str:
        """Return the remaining time, estimated from the images so far."""
        if not self.done:
            return ""
        seconds = (time.perf_counter() - self.started) / self.done * (self.images - self.done)
        return f", about {seconds:.0f} s left"


def _notebook() -> Any | None:
    """Return IPython's shell if it has a kernel, as in Jupyter, VS Code and Colab; otherwise None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if getattr(shell, "kernel", None) is not None else None
