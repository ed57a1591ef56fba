"""The words of the field as frozen values: layers, units, and where they lie side by side.

In: names and numbers. Out: `Layer`, `Unit`, `LayerTable`, `UnitIndex`.
This room knows no torch, no files and no figures; both columns of the house stand on it.
"""

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from unitscope.errors import LayerError, closest

ACTIVATION = "activation"


@dataclass(frozen=True, slots=True)
class Layer:
    """One call in a network, in execution order.

    Attributes:
        index: position among all layers of the network, 0-based.
        name: module path plus ``_k`` for the k-th repeated call, or parent path plus op (``layer1.0.add``).
        kind: what the call does: ``activation``, ``convolution``, ``norm``, ``linear``, ``pool``, ``add``, …
        units: how many units (channels) it has.
        shape: of the output for one image, the batch axis left out, for example ``(256, 56, 56)``.
        unit_axis: the axis of the *batched* output along which units lie (1 for ``[B, C, H, W]``).
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
        """The number of its activation call, as ``act:13``; empty if it is none."""
        return next((alias for alias in self.aliases if alias.startswith("act:")), "")

    @property
    def shown(self) -> str:
        """The name, and the number of its activation call if it has one, as ``features.12 (act:13)``."""
        return f"{self.name} ({self.call})" if self.call else self.name

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
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
        """Return the layer that `to_dict` described."""
        return cls(**{**values, "shape": tuple(values["shape"]), "aliases": tuple(values["aliases"])})


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """One channel of a layer, 0-based; written ``LAYER:UNIT``."""

    layer: str
    channel: int

    def __str__(self) -> str:
        return f"{self.layer}:{self.channel}"

    @classmethod
    def parse(cls, text: str) -> "Unit":
        """Return the unit written as ``LAYER:UNIT``; the layer may be any address (``act:46:68``).

        Raises:
            LayerError: if there is no whole number behind the last colon.
        """
        layer, _, channel = text.rpartition(":")
        if layer == "act":
            raise LayerError(f"'{text}' is a layer; for a unit of it write LAYER:UNIT, for example '{text}:12'")
        if not layer or not re.fullmatch(r"\d{1,9}", channel):
            raise LayerError(f"'{text}' is not a unit; write LAYER:UNIT, for example 'act:3:68'")
        return cls(layer, int(channel))


@dataclass(frozen=True)
class LayerTable(Sequence[Layer]):
    """The layers of one network in execution order, and the ways to address them."""

    layers: tuple[Layer, ...]
    network: str

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, item: Any) -> Any:
        return self.layers[item]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    @cached_property
    def activations(self) -> tuple[Layer, ...]:
        """The activation calls: what a scan taps unless told otherwise."""
        return tuple(layer for layer in self.layers if layer.kind == ACTIVATION)

    @cached_property
    def _by_address(self) -> dict[str, Layer]:
        table = {alias: layer for layer in self.layers for alias in layer.aliases}
        return table | {layer.name: layer for layer in self.layers}

    def find(self, address: str) -> Layer:
        """Return the one layer at a name, an alias, or ``act:N`` (1-based; ``act:-1`` is the last).

        Raises:
            LayerError: if there is none; the message names the nearest matches.
        """
        if layer := self._by_address.get(address):
            return layer
        if match := re.fullmatch(r"act:(-?\d{1,9})", address):
            return self._activation(int(match[1]), address)
        raise LayerError(self._miss(address))

    def match(self, patterns: Iterable[str]) -> tuple[Layer, ...]:
        """Return the layers that any address or pattern (``layer4.*``, ``act:*``) names, in network order.

        Raises:
            LayerError: if a pattern names no layer.
        """
        found: set[Layer] = set()
        for pattern in patterns:
            found |= set(self._match_one(pattern))
        return tuple(sorted(found, key=lambda layer: layer.index))

    def unit(self, address: str | Unit) -> tuple[Layer, int]:
        """Return the layer and channel of a unit, ``LAYER:UNIT`` with any address of the layer.

        Raises:
            LayerError: if the layer or the unit does not exist.
        """
        unit = address if isinstance(address, Unit) else Unit.parse(address)
        layer = self.find(unit.layer)
        if unit.channel >= layer.units:
            raise LayerError(
                f"layer '{layer.name}' has units 0 to {layer.units - 1}, so there is no unit {unit.channel}"
            )
        return layer, unit.channel

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
    """Where each unit of the tapped layers lies on the one flat unit axis.

    The layers lie side by side in network order: unit ``c`` of layer ``l`` is at ``start(l) + c``.
    """

    layers: tuple[Layer, ...]

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The flat position of each layer's unit 0, and the number of units in all at the end."""
        return (0, *accumulate(layer.units for layer in self.layers))

    def __len__(self) -> int:
        return self.starts[-1]

    def span(self, layer: Layer) -> slice:
        """Return where a layer's units lie on the flat axis."""
        position = self.layers.index(layer)
        return slice(self.starts[position], self.starts[position + 1])

    def flat(self, layer: Layer, channel: int) -> int:
        """Return the flat position of one unit."""
        return self.starts[self.layers.index(layer)] + channel
