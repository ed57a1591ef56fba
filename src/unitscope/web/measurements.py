"""Stored results of the atlas's network, for the pages.

In: files that commands printed with ``--json`` or `unitscope.results.Result.save` wrote. Out: `Measurements`: charts,
tables, and the effect of removing a unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unitscope.analyses.ablation import Ablation
from unitscope.analyses.perturb_result import PerturbResult
from unitscope.analyses.stored_results import load_result
from unitscope.errors import UnitscopeError
from unitscope.plugins import network_name
from unitscope.results import Result, Values
from unitscope.web.curves import Chart, Setting, changed, images_of, removal
from unitscope.web.number_format import number

_ORDERS = {
    "low": "lowest responses",
    "high": "highest responses",
    "low-abs": "lowest |α|",
    "high-abs": "highest |α|",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a result, as text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Measurements:
    """Stored results, grouped by how the pages show them.

    Each setting also has the number of ``images`` it was measured on, and ``of_atlas``: whether these are the atlas's.

    Attributes:
        removals: the settings of ablations.
        changes: the settings of perturbations, one tuple per result.
        tables: the tables of results that have no chart.
    """

    removals: tuple[Setting, ...] = ()
    changes: tuple[tuple[Setting, ...], ...] = ()
    tables: tuple[Table, ...] = ()

    @classmethod
    def read(cls, files: Sequence[Path], *, network: str, data: str, reference: str = "") -> "Measurements":
        """Read results from files.

        Args:
            files: files with results.
            network: name of the atlas's network.
            data: fingerprint of the atlas's images.
            reference: the network's reference, by which results of earlier versions name it.

        Raises:
            UnitscopeError: if a file can't be read, has no result, or is of another network.
        """
        found, names = cls(), {network, network_name(reference)}
        for file in files:
            result = load_result(file)
            of = getattr(result, "network", "")
            if of and network_name(of) not in names:
                raise UnitscopeError(f"'{file}' has results of {of}, but the atlas is of {network}")
            try:
                found = found._with(result, data)
                found._make_all()
            except (TypeError, ValueError, KeyError, AttributeError, IndexError):
                raise UnitscopeError(f"'{file}' contains invalid values; create the result again") from None
        return found

    def _with(self, result: Result, data: str) -> "Measurements":
        values = result.to_dict()
        over = {"images": values.get("images"), "of_atlas": values.get("data") == data}
        if isinstance(result, Ablation):
            return Measurements((*self.removals, *_settings(values["results"], over)), self.changes, self.tables)
        if isinstance(result, PerturbResult):
            changes = (*self.changes, _settings(values["settings"], over))
            return Measurements(self.removals, changes, self.tables)
        return Measurements(self.removals, self.changes, (*self.tables, *_tables_of(result)))

    def _make_all(self) -> None:
        """Compute everything the pages show once, so that a file with invalid values is refused at the start."""
        self.charts()
        for one in self.removals:
            self.removal_notes(one["layer"], next(iter(one["units"] or ()), -1))

    def removal_notes(self, layer: str, channel: int) -> tuple[str, ...]:
        """Return a sentence for each setting that removed this unit from all images, with the effect."""
        return tuple(
            _in_words(one)
            for one in self.removals
            if one["layer"] == layer and one["order"] in _ORDERS and channel in (one["units"] or ())
        )

    def charts(self) -> tuple[Chart, ...]:
        """Return the charts: one per layer with removed units, then the perturbations."""
        layers = dict.fromkeys(one["layer"] for one in self.removals)
        removals = [removal(layer, [one for one in self.removals if one["layer"] == layer]) for layer in layers]
        return (*removals, *(chart for settings in self.changes for chart in changed(settings)))


def _settings(rows: Sequence[Values], over: Values) -> tuple[Setting, ...]:
    return tuple(row | over for row in rows)


def _tables_of(result: Result) -> tuple[Table, ...]:
    return tuple(
        Table(title, tuple(map(str, table)), tuple(tuple(map(_cell, row)) for row in table.itertuples(index=False)))
        for title, table in result.tables().items()
    )


def _cell(value: Any) -> str:
    return number(value) if value is None or isinstance(value, float) else str(value)


def _in_words(setting: Setting) -> str:
    value = "their mean" if setting.get("value") == "mean" else "zero"
    units = "unit" if setting["removed"] == 1 else f"{setting['removed']} units"
    removal = f"Removing the {units} with the {_ORDERS[setting['order']]} (maps set to {value})"
    start = f"{removal}, on {images_of(setting)}"
    if setting.get("nothing_removed"):
        return f"{start}: {setting['note']}"
    if setting.get("top1") is None:
        return f"{start}: {setting['agreement']:.1%} of the predictions stay the same"
    low, high = setting["top1_interval"]
    return f"{start}: Top-1 {setting['top1']:.1%} ({low:.1%} to {high:.1%}), p = {setting['p_value']:.2g}"
