"""Who is told how a scan goes.

In: what the scan and its workers come to. Out: whatever is made of it; the command line shows a bar.
"""

from typing import Protocol

from unitscope.atlas.storage import StoragePath
from unitscope.scanning.plan import Plan


class Progress(Protocol):
    """Is told how a scan goes. The default, `NullProgress`, says nothing."""

    def on_plan(self, plan: Plan, *, done: int, target: StoragePath) -> None:
        """Called once, before the first image: what will be done; ``done`` images are in parts already."""

    def on_message(self, what: str) -> None:
        """Called with what people may want to know: that workers start, that one died and is replaced."""

    def on_batch(self, images: int) -> None:
        """Called after each batch, with its number of images."""

    def on_merge(self) -> None:
        """Called when all images are done and the atlas is put together."""


class NullProgress:
    """Says nothing."""

    def on_plan(self, plan: Plan, *, done: int, target: StoragePath) -> None:
        """See `Progress`."""

    def on_message(self, what: str) -> None:
        """See `Progress`."""

    def on_batch(self, images: int) -> None:
        """See `Progress`."""

    def on_merge(self) -> None:
        """See `Progress`."""
