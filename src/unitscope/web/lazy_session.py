"""What pages need the network for, as this side knows it; `unitscope.inspection.studio` is one, with torch.

In: image files or pictures. Out: the plain arrays of `unitscope.display.sheets`.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unitscope.display.sheets import Change, Structure
from unitscope.errors import NetworkError, UnitscopeError, first_line
from unitscope.units import Layer


class Studio(Protocol):
    """A network ready to look at pictures."""

    @property
    def missing(self) -> str:
        """Why there is no network, and how to get one; empty where there is one, or it is not known yet."""
        ...

    def maps(self, files: Sequence[Path], layer: Layer, channel: int) -> list[NDArray[np.float32] | None]:
        """Return a unit's map over each file, float32 ``[row, column]``; None for a file that can't be read."""
        ...

    def all_maps(
        self, files: Sequence[Path], layers: Sequence[Layer]
    ) -> Iterator[tuple[NDArray[np.float32], ...] | None]:
        """Yield each file's maps of all units, float32 ``[unit, row, column]`` a layer; None if it can't be read."""
        ...

    def structure(
        self,
        picture: Path | Image.Image,
        *,
        layers: Sequence[Layer] | None = None,
        change: Change | None = None,
        top: int = 9,
    ) -> Structure:
        """Return a picture's structure at some layers, or at about 13 of the atlas's, from one pass."""
        ...


class LateStudio:
    """A network that is made ready when it is first asked for, or by `warm_up`; others wait while it is."""

    def __init__(self, make: Callable[[], Studio]) -> None:
        self.missing = ""
        self._make = make
        self._made: Studio | None = None
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Make it ready now; why that failed is kept in `missing`."""
        try:
            self._ready()
        except UnitscopeError:
            return

    def maps(self, files: Sequence[Path], layer: Layer, channel: int) -> list[NDArray[np.float32] | None]:
        """See `Studio.maps`."""
        return self._ready().maps(files, layer, channel)

    def all_maps(
        self, files: Sequence[Path], layers: Sequence[Layer]
    ) -> Iterator[tuple[NDArray[np.float32], ...] | None]:
        """See `Studio.all_maps`."""
        return self._ready().all_maps(files, layers)

    def structure(
        self,
        picture: Path | Image.Image,
        *,
        layers: Sequence[Layer] | None = None,
        change: Change | None = None,
        top: int = 9,
    ) -> Structure:
        """See `Studio.structure`."""
        return self._ready().structure(picture, layers=layers, change=change, top=top)

    def _ready(self) -> Studio:
        with self._lock:
            if self._made is None and not self.missing:
                try:
                    self._made = self._make()
                except UnitscopeError as problem:
                    self.missing = str(problem)
                except Exception as problem:  # whatever stops it, the other pages still work
                    self.missing = f"The network could not be loaded: {first_line(problem)}"
            if self._made is None:
                raise NetworkError(self.missing)
            return self._made


@dataclass(frozen=True, slots=True)
class NoStudio:
    """No network, and the reason."""

    missing: str

    def maps(self, files: Sequence[Path], layer: Layer, channel: int) -> NoReturn:
        """See `Studio.maps`."""
        raise NetworkError(self.missing)

    def all_maps(self, files: Sequence[Path], layers: Sequence[Layer]) -> NoReturn:
        """See `Studio.all_maps`."""
        raise NetworkError(self.missing)

    def structure(
        self,
        picture: Path | Image.Image,
        *,
        layers: Sequence[Layer] | None = None,
        change: Change | None = None,
        top: int = 9,
    ) -> NoReturn:
        """See `Studio.structure`."""
        raise NetworkError(self.missing)
