"""Names of layers along an axis: all names where they fit, otherwise numbers of calls, as many as fit.

In: layers, and the length of an axis in pixels. Out: which layers are named, and how.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from matplotlib.axes import Axes

from unitscope.figures import theme
from unitscope.figures.text_layout import shorten, widest
from unitscope.figures.tile_layout import GAP
from unitscope.units import Layer

NAME_ROOM = 260
TICK = 12  # pixels between an axis and its names
_STEPS = tuple(digit * 10**power for power in range(5) for digit in (1, 2, 5))


@dataclass(frozen=True, slots=True)
class LayerAxis:
    """The layers named on an axis: their positions and names, upright or not."""

    positions: list[int]
    names: list[str]
    upright: bool

    @classmethod
    def of(cls, layers: Sequence[Layer], length: int) -> "LayerAxis":
        """Return upright names if all fit on an axis of ``length`` pixels, else ``act:N`` or every k-th name."""
        names = [shorten(layer.name, theme.SMALL, NAME_ROOM, keep_end=True) for layer in layers]
        calls = [layer.call for layer in layers]
        if len(layers) * theme.line(theme.SMALL) <= length or not all(calls):
            step = ceil(len(layers) * theme.line(theme.SMALL) / max(1, length))
            shown = list(range(0, len(layers), max(1, step)))
            return cls(shown, [names[position] for position in shown], upright=True)
        shown = thinned(calls, length)
        return cls(shown, [calls[position] for position in shown], upright=False)

    @property
    def height(self) -> int:
        """The room in pixels below a horizontal axis."""
        return TICK + (ceil(widest(self.names, theme.SMALL)) if self.upright else theme.line(theme.SMALL))

    def mark(self, axes: Axes) -> None:
        """Name the layers below axes on which layer k lies at k."""
        axes.set_xticks(self.positions, self.names, rotation=90 if self.upright else 0)


def thinned(calls: Sequence[str], length: float) -> list[int]:
    """Return the positions of calls ``act:N`` whose N is 1 or a multiple of a step, as many as fit side by side."""
    numbers = [int(call.removeprefix("act:")) for call in calls]
    most = max(1, int(length // (widest(calls, theme.SMALL) + GAP)))
    for step in _STEPS:
        shown = [position for position, number in enumerate(numbers) if number % step == 0]
        if len(shown) < most:
            break
    first = [] if shown and shown[0] * length < len(calls) * (widest(calls, theme.SMALL) + GAP) else [0]
    return [*first, *shown]
