"""The explorer's network: loaded when it is first needed, or the reason why there is none.

In: a function that makes an `Inspector`, or a reason. Out: one inspector, shared by all threads. Never imports torch:
the function comes from `unitscope.inspection.inspector`, by way of the code that starts the server.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unitscope.analyses.contrast import Baseline
from unitscope.display.structure import Change, Structure
from unitscope.errors import NetworkError, UnitscopeError, first_line
from unitscope.images import ImageSource
from unitscope.units import Layer


class Inspector(Protocol):
    """Runs a network on images; see `unitscope.inspection.inspector.Inspector`."""

    def maps(self, images: ImageSource, layer: Layer, channel: int) -> list[NDArray[np.float32] | None]:
        """Return a unit's map over each image, float32 ``[row, column]``; None for one that can't be read."""
        ...

    def all_maps(
        self, images: ImageSource, layers: Sequence[Layer]
    ) -> Iterator[tuple[NDArray[np.float32], ...] | None]:
        """Yield each image's maps of all units, float32 ``[unit, row, column]`` a layer; None if it can't be read."""
        ...

    def structure(
        self,
        picture: Image.Image,
        *,
        layers: Sequence[Layer] | None = None,
        change: Change | None = None,
        top: int = 9,
        contrast_with: Baseline | None = None,
    ) -> Structure:
        """Return a picture's structure at some layers, or at about 13 of the atlas's, from one pass."""
        ...


class LazyInspector:
    """A network that is loaded on first use, or by `load`; other threads wait meanwhile.

    Attributes:
        missing: why there is no network, and how to get one; empty where there is one, or it is not known yet.
    """

    def __init__(self, make: Callable[[], Inspector] | None = None, *, missing: str = "") -> None:
        self.missing = missing
        self._make = make
        self._inspector: Inspector | None = None
        self._lock = threading.Lock()

    def load(self) -> None:
        """Load the network now; `missing` says why that failed."""
        try:
            self.get()
        except UnitscopeError:
            return

    def get(self) -> Inspector:
        """Return the inspector, loading the network if necessary.

        Raises:
            NetworkError: if there is no network, with the reason.
        """
        with self._lock:
            if self._inspector is None and self._make is not None and not self.missing:
                try:
                    self._inspector = self._make()
                except UnitscopeError as problem:
                    self.missing = str(problem)
                except Exception as problem:  # whatever the error, the other pages must still work
                    self.missing = f"The network could not be loaded: {first_line(problem)}"
            if self._inspector is None:
                raise NetworkError(self.missing)
            return self._inspector
