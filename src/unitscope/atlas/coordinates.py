"""Names along the axes of an atlas's arrays, so that xarray selects by them.

In: the arrays of an atlas and its names. Out: the same Dataset with the coordinates ``image``, ``unit``, ``layer``,
``channel``, ``class`` and ``rank``. Reads no array.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from xarray.indexes import PandasIndex

from unitscope.units import Layer, LayerTable, Unit


class AddressIndex(PandasIndex):
    """An index of layers or units that finds each by any of its addresses: its name, ``act:3``, an alias.

    Attributes:
        name_of: returns the name of an address as it stands in the index; None after operations that lose it.
    """

    name_of: Callable[[str], str] | None = None

    @classmethod
    def of(cls, names: Iterable[str], coordinate: str, name_of: Callable[[str], str]) -> "AddressIndex":
        """Return the index of a coordinate along the unit axis."""
        index = cls(pd.Index(list(names), dtype=object, name=coordinate), "unit")
        index.name_of = name_of
        return index

    def sel(self, labels: dict[Any, Any], method: str | None = None, tolerance: Any = None) -> Any:
        """Return the positions of labels; see `xarray.Index.sel`.

        Raises:
            LayerError: if there is no such layer or unit.
        """
        return super().sel({name: self._named(label) for name, label in labels.items()}, method, tolerance)

    def _named(self, label: Any) -> Any:
        """Return the name in the index of an address, or of each one in a list or slice."""
        if self.name_of is None:
            return label
        if isinstance(label, str | Unit):
            return self.name_of(str(label))
        if isinstance(label, list | tuple):
            return [self._named(one) for one in label]
        if isinstance(label, slice):
            return slice(self._named(label.start), self._named(label.stop), label.step)
        return label

    def _replace(self, *args: Any, **options: Any) -> "AddressIndex":
        """Keep the addresses in what xarray makes of this index."""
        index: AddressIndex = super()._replace(*args, **options)
        index.name_of = self.name_of
        return index


def with_coordinates(arrays: xr.Dataset, layers: LayerTable, names: Mapping[str, Iterable[str]]) -> xr.Dataset:
    """Return arrays with the coordinates of their axes.

    A unit is written as ``act:3:68`` if its layer is an activation call, otherwise as ``features.12:68``. Both ways of
    writing select it, as do other addresses. The coordinate ``layer`` selects all units of a layer.

    Args:
        arrays: the arrays of an atlas.
        layers: the tapped layers.
        names: the names along ``image`` and ``class``.
    """
    units = [f"{layer.call or layer.name}:{channel}" for layer in layers for channel in range(layer.units)]
    homes = [layer.name for layer in layers for _ in range(layer.units)]
    channels = np.concatenate([np.arange(layer.units) for layer in layers])
    plain = {name: pd.Index(list(values), dtype=object) for name, values in names.items() if name in arrays.dims}
    return (
        arrays.assign_coords(plain | {"rank": np.arange(1, arrays.sizes["rank"] + 1)})
        .assign_coords(xr.Coordinates.from_xindex(AddressIndex.of(units, "unit", partial(_unit, layers))))
        .assign_coords(xr.Coordinates.from_xindex(AddressIndex.of(homes, "layer", partial(_layer, layers))))
        .assign_coords(channel=("unit", channels))
    )


def _layer(layers: LayerTable, address: str) -> str:
    """Return a layer as it stands in the index."""
    return str(layers.find(address).name)


def _unit(layers: LayerTable, address: str) -> str:
    """Return a unit as it stands in the index."""
    layer: Layer
    layer, channel = layers.unit(address)
    return f"{layer.call or layer.name}:{channel}"
