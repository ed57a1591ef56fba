"""Who is told how a scan goes.

In: what the scan and its workers come to. Out: whatever is made of it; the command line shows a bar.
"""

from typing import Protocol

from unitscope.atlas.places import Place
from unitscope.scanning.plan import Plan


class Progress(Protocol):
    """Is told how a scan goes. The default, `Silent`, says nothing."""

    def planned(self, plan: Plan, *, done: int, target: Place) -> None:
        """Called once, before the first image: what will be done; ``done`` images are in parts already."""

    def noted(self, what: str) -> None:
        """Called with what people may want to know: that workers start, that one died and is replaced."""

    def advanced(self, images: int) -> None:
        """Called after each batch, with its number of images."""

    def merging(self) -> None:
        """Called when all images are done and the atlas is put together."""


class Silent:
    """Says nothing."""

    def planned(self, plan: Plan, *, done: int, target: Place) -> None:
        """See `Progress`."""

    def noted(self, what: str) -> None:
        """See `Progress`."""

    def advanced(self, images: int) -> None:
        """See `Progress`."""

    def merging(self) -> None:
        """See `Progress`."""
