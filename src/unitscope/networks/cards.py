"""The network card: a TOML file with all that a colleague needs to load a network.

In: a card's path. Out: a `Recipe`, the arguments of `load`, its paths made absolute.
Knows nothing of networks; what a reference or a preprocessing means is for others to say.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from unitscope.errors import NetworkError, closest, require_file
from unitscope.networks.preprocessing import Wanted
from unitscope.networks.weights import Weights, parse_weights

_KINDS: dict[str, tuple[type, ...]] = {
    "network": (str,),
    "factory": (str,),
    "weights": (str,),
    "classes": (list, str),
    "seed": (int,),
    "preprocess": (str, dict),
    "trained": (bool,),
}
_WORDS = {str: "text", list: "a list", int: "a whole number", dict: "a table", bool: "true or false"}


@dataclass(frozen=True)
class Recipe:
    """What to load and how; None where nothing was said."""

    network: str
    weights: str | None = None
    seed: int | None = None
    preprocess: Wanted | None = None
    classes: tuple[str, ...] | None = None
    trained: bool | None = None

    @property
    def chosen_weights(self) -> Weights:
        """Which weights are meant: the origin's own, random ones, or a file."""
        return parse_weights(self.weights, self.seed or 0)

    def on(self, card: "Recipe") -> "Recipe":
        """Return the card's recipe with what this one says put over it; other weights are not those the card knows."""
        said = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "network"}
        known = vars(card) if self.weights is None else {**vars(card), "trained": None}
        return Recipe(**{**known, **{name: value for name, value in said.items() if value is not None}})


def read_card(path: Path) -> Recipe:
    """Return what a network card says.

    Raises:
        NetworkError: if the card is missing, is no TOML, or has keys or values that mean nothing.
    """
    try:
        values = tomllib.loads(require_file(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NetworkError(f"'{path}' is no TOML: {error}") from error
    _check(path, values)
    folder = path.resolve().parent
    return Recipe(
        network=_network(values, folder),
        weights=_beside(values.get("weights"), folder),
        seed=values.get("seed"),
        preprocess=values.get("preprocess"),
        classes=_classes(values.get("classes"), folder),
        trained=values.get("trained"),
    )


def _check(path: Path, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if key not in _KINDS:
            hint = closest(key, _KINDS) or f"known keys: {', '.join(_KINDS)}"
            raise NetworkError(f"'{path}' has an unknown key '{key}'; {hint}")
        if not isinstance(value, _KINDS[key]) or (isinstance(value, bool) and bool not in _KINDS[key]):
            wanted = " or ".join(_WORDS[kind] for kind in _KINDS[key])
            raise NetworkError(f"'{path}' has {key} = {value!r}; it must be {wanted}")
    if ("network" in values) == ("factory" in values):
        raise NetworkError(f"'{path}' needs either network = 'torchvision:NAME' or factory = 'file.py:function'")
    if values.get("network", "").endswith(".toml"):
        raise NetworkError(f"'{path}' names another card, '{values['network']}'; name the network itself")


def _network(values: Mapping[str, Any], folder: Path) -> str:
    return str(folder / values["factory"]) if "factory" in values else str(values["network"])


def _beside(weights: str | None, folder: Path) -> str | None:
    return weights if weights in (None, "none") else str(folder / weights)


def _classes(classes: list[Any] | str | None, folder: Path) -> tuple[str, ...] | None:
    """The names in a list, or in a text file with one on each line."""
    if isinstance(classes, str):
        classes = require_file(folder / classes).read_text(encoding="utf-8").splitlines()
    return None if classes is None else tuple(str(name).strip() for name in classes if str(name).strip())
