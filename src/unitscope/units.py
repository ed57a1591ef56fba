"""Layers, units and their addresses, as frozen values.

In: names and numbers. Out: `Layer`, `Unit`, `LayerTable`, and `UnitIndex`, each unit's position on the flat unit axis.
Imports neither torch nor files nor figures, so that every other module can use it.
"""

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from unitscope.errors import LayerError, closest
from unitscope.notebook import facts_html, rows_html
from unitscope.text import count_noun

ACTIVATION = "activation"
_COLUMNS = ("index", "layer", "aliases", "kind", "units", "shape")


@dataclass(frozen=True, slots=True)
class Layer:
    """One call in a network, in execution order.

    Attributes:
        index: position among all layers of the network, 0-based.
        name: module path plus ``_k`` for the k-th repeated call, or parent path plus op (``layer1.0.add``).
        kind: the kind of call: ``activation``, ``convolution``, ``norm``, ``linear``, ``pool``, ``add``, …
        units: number of units (channels).
        shape: shape of the output for one image, without the batch axis, for example ``(256, 56, 56)``.
        unit_axis: the unit axis of the *batched* output (1 for ``[B, C, H, W]``).
        aliases: other addresses, such as ``act:10`` or ``conv5_3``.
    """

    index: int
    name: str
    kind: str
    units: int
    shape: tuple[int, ...]
    unit_axis: int = 1
    aliases: tuple[str, ...] = ()

    @property
    def call(self) -> str:
        """The activation call's number as ``act:13``; empty for other kinds of call."""
        return next((alias for alias in self.aliases if alias.startswith("act:")), "")

    @property
    def display_name(self) -> str:
        """The name and the other names that a user may use: ``features.42 (conv5_3, act:13)``."""
        return f"{self.name} ({', '.join(self.other_names)})" if self.other_names else self.name

    @property
    def other_names(self) -> tuple[str, ...]:
        """The first conventional name, such as ``conv5_3``, and the number of the activation call, if there are any."""
        conventional = [alias for alias in self.aliases if alias != self.call][:1]
        return tuple(filter(None, [*conventional, self.call]))

    def to_dict(self) -> dict[str, Any]:
        """Return the layer as a dict that JSON can hold."""
        return {
            "index": self.index,
            "name": self.name,
            "aliases": list(self.aliases),
            "kind": self.kind,
            "units": self.units,
            "shape": list(self.shape),
            "unit_axis": self.unit_axis,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Layer":
        """Return the layer from the dict of `to_dict`."""
        return cls(**{**values, "shape": tuple(values["shape"]), "aliases": tuple(values["aliases"])})

    def _repr_html_(self) -> str:
        return facts_html(f"Layer {self.name}", zip(_COLUMNS[2:], self._row()[2:], strict=True))

    def _row(self) -> tuple[int | str, ...]:
        """Return the layer as a row of `LayerTable`'s table."""
        shape = "×".join(map(str, self.shape))
        return self.index, self.name, ", ".join(self.aliases), self.kind, self.units, shape


@dataclass(frozen=True, slots=True)
class Extent:
    """The input pixels along one axis that place n of a map can depend on: ``size`` from ``start + n * step`` on."""

    start: float
    step: float
    size: float


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """The input pixels that a place of an activation map can depend on, in pixels of the network's input.

    They may lie outside of the input, where it is padded.
    """

    rows: Extent
    columns: Extent

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Return top, left, height and width of a place's pixels."""
        rows, columns = self.rows, self.columns
        return rows.start + row * rows.step, columns.start + column * columns.step, rows.size, columns.size


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """One channel of a layer, 0-based; written ``LAYER:UNIT``."""

    layer: str
    channel: int

    def __str__(self) -> str:
        return f"{self.layer}:{self.channel}"

    def _repr_html_(self) -> str:
        return facts_html(f"Unit {self}", (("layer", self.layer), ("channel", self.channel)))

    @classmethod
    def parse(cls, text: str) -> "Unit":
        """Return the unit written as ``LAYER:UNIT``; the layer can be any address (``act:46:68``).

        Raises:
            LayerError: if the text after the last colon is not a whole number.

        Examples:
            >>> Unit.parse("act:46:68")
            Unit(layer='act:46', channel=68)
        """
        layer, _, channel = text.rpartition(":")
        if layer == "act":
            raise LayerError(f"'{text}' is a layer; write one of its units as LAYER:UNIT, for example '{text}:12'")
        if not layer or not re.fullmatch(r"\d{1,9}", channel):
            raise LayerError(f"'{text}' is not a unit; write LAYER:UNIT, for example 'act:3:68'")
        return cls(layer, int(channel))


@dataclass(frozen=True)
class LayerTable(Sequence[Layer]):
    """The layers of one network in execution order, with lookup by address."""

    layers: tuple[Layer, ...]
    network: str

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, item: Any) -> Any:
        return self.layers[item]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __repr__(self) -> str:
        units = count_noun(sum(layer.units for layer in self.layers), "unit")
        return f"LayerTable({self.network}: {count_noun(len(self.layers), 'layer')}, {units})"

    def _repr_html_(self) -> str:
        title = f"{count_noun(len(self.layers), 'layer')} of {self.network}"
        return rows_html(_COLUMNS, [layer._row() for layer in self.layers], title=title, rest=".layers")

    @cached_property
    def activations(self) -> tuple[Layer, ...]:
        """The activation calls, which a scan taps by default."""
        return tuple(layer for layer in self.layers if layer.kind == ACTIVATION)

    @cached_property
    def _by_address(self) -> dict[str, Layer]:
        table = {alias: layer for layer in self.layers for alias in layer.aliases}
        return table | {layer.name: layer for layer in self.layers}

    def find(self, address: str) -> Layer:
        """Return the layer with this name, alias, or number ``act:N`` (1-based; ``act:-1`` is the last).

        Raises:
            LayerError: if there is no such layer; the message names the closest matches.
        """
        if layer := self._by_address.get(address):
            return layer
        if match := re.fullmatch(r"act:(-?\d{1,9})", address):
            return self._activation(int(match[1]), address)
        raise LayerError(self._miss(address))

    def match(self, patterns: Iterable[str]) -> tuple[Layer, ...]:
        """Return the layers that match any address or pattern (``layer4.*``, ``act:*``), in execution order.

        Raises:
            LayerError: if an address or pattern matches no layer.
        """
        found: set[Layer] = set()
        for pattern in patterns:
            found |= set(self._match_one(pattern))
        return tuple(sorted(found, key=lambda layer: layer.index))

    def unit(self, address: str | Unit) -> tuple[Layer, int]:
        """Return the layer and channel of a unit, written ``LAYER:UNIT`` with any address of the layer.

        Raises:
            LayerError: if the layer or the unit does not exist.
        """
        unit = address if isinstance(address, Unit) else Unit.parse(address)
        layer = self.find(unit.layer)
        if not 0 <= unit.channel < layer.units:
            raise LayerError(
                f"layer '{layer.name}' has units 0 to {layer.units - 1}, so there is no unit {unit.channel}"
            )
        return layer, int(unit.channel)

    def _match_one(self, pattern: str) -> Iterable[Layer]:
        if not any(character in pattern for character in "*?["):
            return (self.find(pattern),)
        found = {layer for address, layer in self._by_address.items() if fnmatch.fnmatchcase(address, pattern)}
        if not found:
            raise LayerError(self._miss(pattern))
        return found

    def _activation(self, number: int, address: str) -> Layer:
        count = len(self.activations)
        if not 1 <= abs(number) <= count:
            raise LayerError(f"no layer '{address}': {self.network} has activation calls 1 to {count}")
        return self.activations[number - 1 if number > 0 else number]

    def _miss(self, address: str) -> str:
        near = closest(address, self._by_address)
        hint = f"List them with `unitscope layers {self.network}`."
        return f"no layer '{address}'" + (f"; {near}. {hint}" if near else f". {hint}")


@dataclass(frozen=True)
class UnitIndex:
    """Positions of the tapped layers' units on the flat unit axis.

    Layers are concatenated in execution order: unit ``c`` of layer ``l`` is at ``start(l) + c``.
    """

    layers: tuple[Layer, ...]

    def __repr__(self) -> str:
        return f"UnitIndex({count_noun(len(self), 'unit')} of {count_noun(len(self.layers), 'layer')})"

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The flat position of each layer's unit 0, followed by the total number of units."""
        return (0, *accumulate(layer.units for layer in self.layers))

    def __len__(self) -> int:
        return self.starts[-1]

    def span(self, layer: Layer) -> slice:
        """Return the slice of a layer's units on the flat axis."""
        position = self.layers.index(layer)
        return slice(self.starts[position], self.starts[position + 1])

    def flat(self, layer: Layer, channel: int) -> int:
        """Return the flat position of one unit."""
        return self.starts[self.layers.index(layer)] + channel
