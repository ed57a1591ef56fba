"""Check the values of a manifest: an atlas is data from somebody else, and may be damaged or hostile.

In: the values of manifest.json. Out: nothing, or a `ValueError` that names the key.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Check = Callable[[Any, str], None]


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from ``least`` to ``most``."""

    least: int = 0
    most: int = 2**63 - 1

    def __call__(self, value: Any, where: str) -> None:
        """Raise ValueError for another value."""
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value <= self.most:
            raise ValueError(f"{where} is {_brief(value)}, not a whole number from {self.least} to {self.most}")


@dataclass(frozen=True, slots=True)
class Text:
    """A text, or one of some texts."""

    allowed: tuple[str, ...] = ()

    def __call__(self, value: Any, where: str) -> None:
        """Raise ValueError for another value."""
        if not isinstance(value, str) or (self.allowed and value not in self.allowed):
            raise ValueError(f"{where} is {_brief(value)}, not {' or '.join(self.allowed) or 'a text'}")


@dataclass(frozen=True, slots=True)
class Maybe:
    """A value or null."""

    check: Check

    def __call__(self, value: Any, where: str) -> None:
        """Raise ValueError for another value."""
        if value is not None:
            self.check(value, where)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values."""

    check: Check

    def __call__(self, value: Any, where: str) -> None:
        """Raise ValueError for another value."""
        if not isinstance(value, list):
            raise ValueError(f"{where} is {_brief(value)}, not a list")
        for number, one in enumerate(value):
            self.check(one, f"{where}[{number}]")


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose values of known keys are checked; other keys are allowed unless it is ``closed``."""

    needed: Mapping[str, Check]
    optional: Mapping[str, Check] | None = None
    closed: bool = False

    def __call__(self, value: Any, where: str) -> None:
        """Raise ValueError for another value."""
        known = {**self.needed, **(self.optional or {})}
        if not isinstance(value, dict):
            raise ValueError(f"{where} is {_brief(value)}, not a table")
        if missing := self.needed.keys() - value.keys():
            raise ValueError(f"{where} has no '{min(missing)}'")
        if self.closed and (others := value.keys() - known.keys()):
            raise ValueError(f"{where} has an unknown key '{min(others)}'")
        for key, check in known.items():
            if key in value:
                check(value[key], f"{where}.{key}" if where else key)


@dataclass(frozen=True, slots=True)
class TableOf:
    """A table with any keys, whose values are alike."""

    check: Check

    def __call__(self, value: Any, where: str) -> None:
        """Raise ValueError for another value."""
        if not isinstance(value, dict):
            raise ValueError(f"{where} is {_brief(value)}, not a table")
        for key, one in value.items():
            self.check(one, f"{where}.{key}")


@dataclass(frozen=True, slots=True)
class Either:
    """A value that passes one of some checks."""

    checks: Sequence[Check]

    def __call__(self, value: Any, where: str) -> None:
        """Raise ValueError for another value, as the last check does."""
        for check in self.checks[:-1]:
            try:
                check(value, where)
            except ValueError:
                continue
            return
        self.checks[-1](value, where)


class Flag:
    """True or false."""

    def __call__(self, value: Any, where: str) -> None:
        """Raise ValueError for another value."""
        if not isinstance(value, bool):
            raise ValueError(f"{where} is {_brief(value)}, not true or false")


class Number:
    """A number."""

    def __call__(self, value: Any, where: str) -> None:
        """Raise ValueError for another value."""
        if not isinstance(value, int | float) or isinstance(value, bool) or not -1e300 < value < 1e300:
            raise ValueError(f"{where} is {_brief(value)}, not a number")


_SIDES = Maybe(Either([Whole(1), ListOf(Whole(1))]))
_LAYER = Table(
    {
        "index": Whole(),
        "name": Text(),
        "aliases": ListOf(Text()),
        "kind": Text(),
        "units": Whole(1),
        "shape": ListOf(Whole(1)),
        "unit_axis": Whole(1),
    },
    closed=True,
)
_EXTENT = Table({"start": Number(), "step": Number(), "size": Number()}, closed=True)
_SOURCE = Table(
    {},
    {
        "network": Text(),
        "weights": Maybe(Text()),
        "seed": Maybe(Whole()),
        "preprocess": Maybe(Either([Text(), Table({})])),
        "classes": ListOf(Text()),
    },
    closed=True,
)
MANIFEST = Table(
    {
        "network": Table(
            {"reference": Text(), "fingerprint": Text(), "source": Maybe(_SOURCE)},
            {"weights": Text(), "parameters": Whole(), "class_layers": ListOf(Text())},
        ),
        "preprocessing": Table(
            {},
            {
                "resize": _SIDES,
                "crop": _SIDES,
                "size": _SIDES,
                "interpolation": Text(),
                "order": Text(("RGB", "BGR")),
                "mean": ListOf(Number()),
                "std": ListOf(Number()),
                "function": Text(),
            },
        ),
        "layers": ListOf(_LAYER),
        "all_layers": ListOf(_LAYER),
        "classes": ListOf(Text()),
        "labels": ListOf(Table({"label": Text(), "name": Text(), "network_class": Maybe(Whole())}, closed=True)),
        "images": Table(
            {"root": Text(), "layout": Text(), "count": Whole()}, {"failed": Whole(), "fingerprint": Text()}
        ),
        "scan": Table(
            {"shard_size": Whole(1), "top": Whole(1, most=10**6)},
            {
                "responses": Text(("float32", "float16", "none")),
                "batch_size": Whole(1),
                "engine": Text(),
                "precision": Text(),
                "device": Text(),
                "peaks": Flag(),
                "plan": Table({}),
            },
        ),
    },
    {
        "accuracy": Table({}, {"images": Whole(1), "top1_correct": Whole(), "top5_correct": Whole()}, closed=True),
        "versions": TableOf(Text()),
        "command": Text(),
        "receptive_fields": TableOf(Table({"rows": _EXTENT, "columns": _EXTENT}, closed=True)),
        "files": TableOf(Either([Whole(), Table({"bytes": Whole()}, {"crc32c": Text()}, closed=True)])),
    },
    closed=True,
)


def check_manifest(values: Any) -> None:
    """Check the types and ranges of a manifest's values, and that they agree with each other.

    Raises:
        ValueError: if they don't; the message names the key.
    """
    MANIFEST(values, "")
    for key in ("layers", "all_layers"):
        _check_layers(values[key], key)
    if others := values.get("receptive_fields", {}).keys() - {layer["name"] for layer in values["layers"]}:
        raise ValueError(f"receptive_fields has '{min(others)}', which is no tapped layer")
    classes, images, accuracy = len(values["classes"]), values["images"], values.get("accuracy")
    for number, label in enumerate(values["labels"]):
        if classes and (label["network_class"] or 0) >= classes:
            raise ValueError(f"labels[{number}].network_class is {label['network_class']} of {classes} classes")
    if images.get("failed", 0) > images["count"]:
        raise ValueError(f"images.failed is {images['failed']} of {images['count']} images")
    if accuracy:
        if len(accuracy) != 3:
            raise ValueError("accuracy lacks a number")
        if not accuracy["top1_correct"] <= accuracy["top5_correct"] <= accuracy["images"] <= images["count"]:
            raise ValueError("accuracy has more correct predictions than images")


def _check_layers(layers: list[dict[str, Any]], key: str) -> None:
    last = -1
    for number, layer in enumerate(layers):
        where, axis = f"{key}[{number}]", layer["unit_axis"] - 1
        if layer["index"] <= last:
            raise ValueError(f"{where}.index is {layer['index']} after {last}")
        if axis >= len(layer["shape"]) or layer["shape"][axis] != layer["units"]:
            raise ValueError(f"{where} has {layer['units']} units and the shape {layer['shape']}")
        last = layer["index"]
    if len({layer["name"] for layer in layers}) < len(layers):
        raise ValueError(f"{key} has two layers of one name")


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
