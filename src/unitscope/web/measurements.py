"""What was measured before, as `unitscope ablate --json` and `unitscope perturb --json` printed it, read for the pages.

In: JSON files. Out: `Measurements`: charts, and what removal of one unit did.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unitscope.errors import UnitscopeError
from unitscope.web.curves import Chart, Setting, changed, images_of, removal

_ORDERS = {"low": "lowest", "high": "highest"}
_NEEDED = {"network", "images", "data"}
_REMOVED = {"layer", "scope", "order", "removed", "units", "agreement", "agreement_interval"}
_CHANGED = {"perturbation", "value", "prediction_flips", "flips_interval", "units"}


@dataclass(frozen=True, slots=True)
class Measurements:
    """Settings and what came of each, as plain values; docs/commands/ablate.md and perturb.md list the keys.

    Each tells besides what its file tells of all: over how many ``images`` it was measured, whether those ``of_atlas``.

    Attributes:
        removals: units removed.
        changes: pictures changed, the settings of each file together.
    """

    removals: tuple[Setting, ...] = ()
    changes: tuple[tuple[Setting, ...], ...] = ()

    @classmethod
    def read(cls, files: Sequence[Path], *, network: str, data: str) -> "Measurements":
        """Return what files say.

        Args:
            files: what the commands printed.
            network: reference of the atlas's network.
            data: fingerprint of the atlas's images.

        Raises:
            UnitscopeError: if one can't be read, is from neither command, or is of another network.
        """
        found = cls()
        for file in files:
            told = _read(file)
            if told["network"] != network:
                raise UnitscopeError(f"'{file}' is about {told['network']}, but the atlas is of {network}")
            over = {"images": told["images"], "of_atlas": told["data"] == data}
            removals, changes = (
                tuple(setting | over for setting in told.get(key, ())) for key in ("results", "settings")
            )
            found = cls((*found.removals, *removals), (*found.changes, changes) if changes else found.changes)
            found._try(file)
        return found

    def _try(self, file: Path) -> None:
        """Say all that will be asked for once, so that a file whose values make no sense is refused at the start."""
        try:
            self.charts()
            for one in self.removals:
                self.told_of(one["layer"], next(iter(one["units"] or ()), -1))
        except (TypeError, ValueError, KeyError, AttributeError, IndexError):
            raise _not_ours(file) from None

    def told_of(self, layer: str, channel: int) -> tuple[str, ...]:
        """Return what removal of the same units for every image did when a unit was among them, in words."""
        return tuple(
            _told(one)
            for one in self.removals
            if one["layer"] == layer and one["order"] in _ORDERS and channel in (one["units"] or ())
        )

    def charts(self) -> tuple[Chart, ...]:
        """Return all that was measured: removal layer by layer, then changed pictures."""
        layers = dict.fromkeys(one["layer"] for one in self.removals)
        removals = [removal(layer, [one for one in self.removals if one["layer"] == layer]) for layer in layers]
        return (*removals, *(chart for settings in self.changes for chart in changed(settings)))


def _told(setting: Setting) -> str:
    value = f", maps made {'their mean' if setting.get('value') == 'mean' else 'zero'}"
    units = f"the {setting['removed']} {_ORDERS[setting['order']]} units of its layer"
    said = f"removed with {units}{value}, on {images_of(setting)}"
    if setting.get("top1") is None:
        return f"{said}: {setting['agreement']:.1%} of the answers stay the same"
    low, high = setting["top1_interval"]
    return f"{said}: Top-1 {setting['top1']:.1%} ({low:.1%} to {high:.1%}), p = {setting['p_value']:.2g}"


def _read(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text("utf-8"))
        key, needed = ("results", _REMOVED) if "results" in told else ("settings", _CHANGED)
        good = set(told) >= _NEEDED and all(set(setting) >= needed for setting in told[key])
    except FileNotFoundError:
        raise UnitscopeError(f"no file '{file}'; make it with `unitscope ablate … --json > {file}`") from None
    except (OSError, ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise _not_ours(file)
    return told  # type: ignore[no-any-return]


def _not_ours(file: Path) -> UnitscopeError:
    return UnitscopeError(
        f"'{file}' is not what `unitscope ablate --json` or `perturb --json` prints; make it with one of them"
    )
