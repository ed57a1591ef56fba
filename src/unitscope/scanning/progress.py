"""Callbacks for the progress of a scan.

In: events of a scan and its workers. Out: whatever an implementation does with them: a progress bar, or nothing.
"""

from contextlib import ExitStack
from typing import Protocol

from unitscope.atlas.storage import StoragePath
from unitscope.progress import progress_bar
from unitscope.scanning.plan import Plan


class Progress(Protocol):
    """Callbacks that a scan calls; `BarProgress` is the default."""

    def on_plan(self, plan: Plan, *, done: int, target: StoragePath) -> None:
        """Called once before the first image, with the number of images whose parts exist already."""

    def on_message(self, what: str) -> None:
        """Called with messages for the user, for example that workers start or that one died."""

    def on_batch(self, images: int) -> None:
        """Called after each batch, with its number of images."""

    def on_merge(self) -> None:
        """Called after the last image, before the parts are merged into the atlas."""


class NullProgress:
    """Ignores all events."""

    def on_plan(self, plan: Plan, *, done: int, target: StoragePath) -> None:
        """See `Progress`."""

    def on_message(self, what: str) -> None:
        """See `Progress`."""

    def on_batch(self, images: int) -> None:
        """See `Progress`."""

    def on_merge(self) -> None:
        """See `Progress`."""


class BarProgress(NullProgress):
    """Shows a progress bar in a notebook or on a terminal, until the stack of contexts ends."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack

    def on_plan(self, plan: Plan, *, done: int, target: StoragePath) -> None:
        """Show the bar."""
        self.advance = self.stack.enter_context(progress_bar("scanning", len(plan.images)))
        self.advance(done)

    def on_batch(self, images: int) -> None:
        """Advance the bar."""
        self.advance(images)
