"""Removal that was measured before, as `unitscope ablate --json` printed it, read for the pages.

In: JSON files. Out: `Results`: curves of accuracy by layer, and what they say of one unit.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unitscope.errors import UnitscopeError

_NEEDED = {"layer", "scope", "order", "removed", "agreement", "changed"}


@dataclass(frozen=True, slots=True)
class Results:
    """Settings of removal and what came of each, as plain values (docs/commands/ablate.md lists the keys)."""

    settings: tuple[dict[str, Any], ...] = ()
    baselines: tuple[dict[str, Any], ...] = ()

    @classmethod
    def read(cls, files: Sequence[Path], *, network: str) -> "Results":
        """Return what files say.

        Raises:
            UnitscopeError: if one can't be read, is not from `ablate --json`, or is of another network.
        """
        settings, baselines = [], []
        for file in files:
            told = _read(file)
            if told["network"] != network:
                raise UnitscopeError(f"'{file}' is about {told['network']}, but the atlas is of {network}")
            settings += [{**setting, "images": told["images"]} for setting in told["results"]]
            baselines.append(told["baseline"])
        return cls(tuple(settings), tuple(baselines))

    def of(self, layer: str) -> tuple[dict[str, Any], ...]:
        """Return the settings of a layer."""
        return tuple(setting for setting in self.settings if setting["layer"] == layer)

    def told_of(self, layer: str, rank: int, units: int) -> tuple[str, ...]:
        """Return what removal of the same units for every image did when a unit was among them, in words.

        Args:
            layer: the unit's.
            rank: how many units of the layer have a lower mean response.
            units: how many the layer has.
        """
        gone = {"low": rank, "high": units - 1 - rank}
        return tuple(
            _told(setting)
            for setting in self.of(layer)
            if setting["scope"] == "dataset" and setting["removed"] > gone.get(setting["order"], units)
        )

    def curves(self) -> tuple[dict[str, Any], ...]:
        """Return what charts draw: for each layer, curves of accuracy (or agreement) over the share removed."""
        charts = []
        for layer in dict.fromkeys(setting["layer"] for setting in self.settings):
            settings = self.of(layer)
            scored = all(setting.get("top1") is not None for setting in settings)
            what = "top1" if scored else "agreement"
            x = "removed" if any(setting.get("fraction") is None for setting in settings) else "fraction"
            curves = [_curve(name, each, what, x) for name, each in _by_curve(settings).items()]
            charts.append({"layer": layer, "what": "Top-1" if scored else "answers that stay", "curves": curves})
        return tuple(charts)


def _by_curve(settings: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for setting in sorted(settings, key=lambda one: one["removed"]):
        seed = "" if setting.get("seed") is None else f" {setting['seed']}"
        found.setdefault(f"{setting['order']}{seed}, by {setting['scope']}", []).append(setting)
    return found


def _curve(name: str, settings: Sequence[dict[str, Any]], what: str, x: str) -> dict[str, Any]:
    y = [setting[what] for setting in settings]
    edges = [setting[f"{what}_interval"] for setting in settings]
    return {
        "name": name,
        "x": [setting[x] for setting in settings],
        "y": y,
        "above": [high - value for value, (_, high) in zip(y, edges, strict=True)],
        "below": [value - low for value, (low, _) in zip(y, edges, strict=True)],
    }


def _told(setting: dict[str, Any]) -> str:
    which = {"low": "lowest", "high": "highest"}[setting["order"]]
    value = f", maps made {'their mean' if setting.get('value') == 'mean' else 'zero'}"
    said = f"removed with the {setting['removed']} {which} units of its layer{value}, on {setting['images']:,} images"
    if setting.get("top1") is None:
        return f"{said}: {setting['agreement']:.1%} of the answers stay the same"
    low, high = setting["top1_interval"]
    return f"{said}: Top-1 {setting['top1']:.1%} ({low:.1%} to {high:.1%}), p = {setting['p_value']:.2g}"


def _read(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text("utf-8"))
        good = all(set(setting) >= _NEEDED for setting in told["results"]) and {"network", "baseline", "images"} <= set(
            told
        )
    except FileNotFoundError:
        raise UnitscopeError(f"no file '{file}'; make it with `unitscope ablate … --json > {file}`") from None
    except (OSError, ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise UnitscopeError(f"'{file}' is not what `unitscope ablate --json` prints; make it with that command")
    return told  # type: ignore[no-any-return]
