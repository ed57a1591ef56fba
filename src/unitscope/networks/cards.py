"""Read network cards: TOML files with everything that is needed to load a network.

In: a card's path. Out: `LoadOptions`, the arguments of `load`, with absolute paths. Does not interpret references or
preprocessing.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from unitscope.errors import NetworkError, closest, require_file
from unitscope.networks.preprocessing import PreprocessingLike
from unitscope.networks.weights import Weights, parse_weights

_KINDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "network": (str,),
    "factory": (str,),
    "weights": (str,),
    "classes": (list, str),
    "seed": (int,),
    "preprocess": (str, dict),
    "trained": (bool,),
}
_TYPE_NAMES = {str: "text", list: "a list", int: "a whole number", dict: "a table", bool: "true or false"}


@dataclass(frozen=True)
class LoadOptions:
    """The arguments of `load`, and the name in a card; None for what is not given."""

    network: str
    weights: str | None = None
    seed: int | None = None
    preprocess: PreprocessingLike | None = None
    classes: tuple[str, ...] | None = None
    trained: bool | None = None
    name: str | None = None

    @property
    def weights_choice(self) -> Weights:
        """Which weights are meant: the origin's own, random ones, or a file."""
        return parse_weights(self.weights, self.seed or 0)

    def merged_with(self, card: "LoadOptions") -> "LoadOptions":
        """Return the card's options, updated with these; other weights make the card's ``trained`` unknown."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "network"}
        base = vars(card) if self.weights is None else {**vars(card), "trained": None}
        return LoadOptions(**{**base, **{name: value for name, value in given.items() if value is not None}})


def read_card(path: Path) -> LoadOptions:
    """Return the options in a network card.

    Raises:
        NetworkError: if the card is missing or not valid TOML, or has unknown keys or invalid values.
    """
    try:
        values = tomllib.loads(require_file(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NetworkError(f"'{path}' is not valid TOML: {error}") from error
    except OSError as error:
        raise NetworkError(f"'{path}' can't be read: {error.strerror or error}") from error
    _check(path, values)
    folder = path.resolve().parent
    return LoadOptions(
        network=_network(values, folder),
        weights=_weights(values.get("weights"), folder),
        seed=values.get("seed"),
        preprocess=values.get("preprocess"),
        classes=_classes(values.get("classes"), folder),
        trained=values.get("trained"),
        name=values.get("name"),
    )


def _check(path: Path, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if key not in _KINDS:
            hint = closest(key, _KINDS) or f"known keys: {', '.join(_KINDS)}"
            raise NetworkError(f"'{path}' has an unknown key '{key}'; {hint}")
        if not isinstance(value, _KINDS[key]) or (isinstance(value, bool) and bool not in _KINDS[key]):
            wanted = " or ".join(_TYPE_NAMES[kind] for kind in _KINDS[key])
            raise NetworkError(f"'{path}' has {key} = {value!r}; it must be {wanted}")
    if ("network" in values) == ("factory" in values):
        raise NetworkError(f"'{path}' needs either network = 'torchvision:NAME' or factory = 'file.py:function'")
    if values.get("factory") == "":
        raise NetworkError(f"'{path}' has an empty factory; write factory = 'file.py:function'")
    if values.get("network", "").endswith(".toml"):
        raise NetworkError(f"'{path}' refers to another card, '{values['network']}'; name the network directly")


def _network(values: Mapping[str, Any], folder: Path) -> str:
    return str(folder / values["factory"]) if "factory" in values else str(values["network"])


def _weights(weights: str | None, folder: Path) -> str | None:
    return weights if weights in (None, "none") else str(folder / weights)


def _classes(classes: list[Any] | str | None, folder: Path) -> tuple[str, ...] | None:
    """Return the class names from a list, or from a text file with one name per line."""
    if isinstance(classes, str):
        classes = require_file(folder / classes).read_text(encoding="utf-8").splitlines()
    return None if classes is None else tuple(str(name).strip() for name in classes if str(name).strip())
