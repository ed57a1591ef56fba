"""The effect of removing units on predictions: accuracy before and after, with intervals and a paired test.

In: predictions with and without the units, and the true classes if they are known. Out: `Ablation`.
`experiments.ablation` removes the units.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from unitscope.analyses.ablation_counts import Predictions, Score
from unitscope.analyses.ablation_outcome import CHANGES, Outcome
from unitscope.notebook import failure_notes, notes_html, tables_html
from unitscope.results import Result, Values, layer_table
from unitscope.text import count_noun
from unitscope.units import Layer

MAX_CLASSES = 5
_SETTING = ("layer", "scope", "order", "among")


@dataclass(frozen=True, eq=False)
class Ablation(Result):
    """Removal of units from one or several layers: each setting, compared with the unmodified network.

    See the paper, algorithm 4.

    Attributes:
        network: the network's name.
        images: number of images that could be read and were run.
        baseline: correct predictions of the unmodified network.
        before: predictions of the unmodified network, int32 ``[image, rank]``, split at the first layer; empty in a
            stored result. Each outcome has its own ``before``, since rounding may differ between splits.
        outcomes: one per setting, in the order of the settings.
        classes: class names; may be empty.
        failed: number of files that could not be read.
        data: fingerprint of the images, as in an atlas.
        layers: the layers of the settings; those of results of earlier versions have only a name.
        failures: why files could not be read, by image.
    """

    kind: ClassVar[str] = "ablation"

    network: str
    images: int
    baseline: Score
    before: Predictions
    outcomes: tuple[Outcome, ...]
    classes: tuple[str, ...] = ()
    failed: int = 0
    data: str = ""
    layers: tuple[Layer, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)

    def values(self) -> Values:
        """Return plain values; docs/commands/ablate.md lists the keys."""
        names = list(dict.fromkeys(outcome.setting.layer for outcome in self.outcomes))
        return {
            "network": self.network,
            "layer": names[0] if len(names) == 1 else names,
            "images": self.images,
            "data": self.data,
            "labelled": self.baseline.images,
            "failed": self.failed,
            "failures": dict(self.failures),
            "baseline": self.baseline.to_dict(),
            "results": [self._values_of(outcome) for outcome in self.outcomes],
            "layer_table": layer_table(self.layers),
        }

    def _values_of(self, outcome: Outcome) -> Values:
        rows: list[Any] = self.class_changes(outcome).to_dict("records")
        lost = [row for row in rows if row["change"] < 0][:MAX_CLASSES]
        gained = [row for row in reversed(rows) if row["change"] > 0][:MAX_CLASSES]
        units = {"units": outcome.units and list(outcome.units), "layer_units": outcome.setting.units}
        return outcome.to_dict() | units | {"classes_lost": lost, "classes_gained": gained}

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        images, labelled = values["images"], values["labelled"]
        return cls(
            values["network"],
            images,
            Score.from_values(values["baseline"], labelled),
            np.empty((0, 1), np.int32),
            tuple(Outcome.from_values(each, images, labelled) for each in values["results"]),
            failed=values["failed"],
            data=values["data"],
            layers=tuple(Layer.from_dict(each) for each in values.get("layer_table", ())),
            failures=values.get("failures", {}),
        )

    def _repr_html_(self) -> str:
        return tables_html(self.tables()) + notes_html(failure_notes(self.failures))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return correct predictions with and without removals, and the classes that change most."""
        # As objects, so that whole numbers stay whole beside missing ones.
        settings = pd.DataFrame([self._row(outcome) for outcome in self.outcomes], dtype=object)
        if not self.baseline.images:
            return {f"{self.network}: agreement with the unmodified network": settings}
        before = {"images": self.baseline.images} | _accuracy(self.baseline.to_dict())
        hardest = min(self.outcomes, key=lambda outcome: outcome.score.top1_correct)
        setting, rows = hardest.setting, self._values_of(hardest)
        where = f"{self.display_name(setting.layer)} ({setting.scope}, {setting.order})"
        title = f"Classes that change most with {_units(hardest.units_removed)} removed from {where}"
        changes = pd.DataFrame([*rows["classes_lost"], *rows["classes_gained"]])
        tables = {f"{self.network}, unmodified": pd.DataFrame([before]), "With units removed": settings}
        return tables if changes.empty else tables | {title: changes}

    def summary(self) -> dict[str, pd.DataFrame]:
        """Return the tables, with what is the same in all settings in the title instead of a column."""
        found = {}
        for title, table in self.tables().items():
            same = [name for name in _SETTING if name in table and table[name].nunique() == 1]
            where = [title, *(f"{name} {table[name].iloc[0]}" for name in same)]
            found[", ".join(where)] = table.drop(columns=same)
        return found

    def _row(self, outcome: Outcome) -> Values:
        values = outcome.to_dict()
        order = values["order"] if values["seed"] is None else f"random, seed {values['seed']}"
        row = {"layer": self.display_name(values["layer"]), "scope": values["scope"], "order": order}
        row |= {"among": values["among"], "fraction": values["fraction"], "removed": round(values["removed"])}
        row |= {"zero already": values.get("already_zero"), "Σ|α| removed": values.get("activation_removed")}
        note = {"note": values.get("note", "")}
        if not self.baseline.images:
            return row | _share(values, "agreement", "agreement") | {"changed": values["changed"]} | note
        # Without a removal, "gained 0, lost 0, p = 1" would look like evidence.
        tested = {} if outcome.nothing_removed else {"gained": values["gained"], "lost": values["lost"]}
        row |= _accuracy(values) | {"gained": None, "lost": None} | tested | {"p": values["p_value"]}
        return row | note

    def display_name(self, layer: str) -> str:
        """Return a layer's name with its other names, if they are known."""
        return next((one.display_name for one in self.layers if one.name == layer), layer)

    def table(self) -> pd.DataFrame:
        """Return one row per setting, with the columns of `Outcome.to_dict`."""
        return pd.DataFrame([outcome.to_dict() for outcome in self.outcomes])

    def class_changes(self, outcome: Outcome) -> pd.DataFrame:
        """Return the classes that a setting changes: class, name, images, before, after, change; largest loss first.

        The columns before and after count the class's images with a correct Top-1. Classes without a change are left
        out. A stored result has only the classes that change most.
        """
        if outcome.stored is not None:
            return outcome.stored[1]
        true_classes = outcome.truth.classes
        was_correct, is_correct = (outcome.truth.has(each[:, :1]) for each in (outcome.before, outcome.predictions))
        rows = []
        for number in np.unique(true_classes[true_classes >= 0]):
            of_class = (true_classes == number).any(1)
            before = int((of_class & was_correct).sum())
            after = int((of_class & is_correct).sum())
            if before != after:
                rows.append((int(number), self._name(int(number)), int(of_class.sum()), before, after, after - before))
        table = pd.DataFrame(rows, columns=CHANGES)
        return table.sort_values(["change", "class"], ignore_index=True)

    def _name(self, number: int) -> str:
        return self.classes[number] if number < len(self.classes) else str(number)


def _units(count: float) -> str:
    return count_noun(count, "unit") if isinstance(count, int) else f"{count:.1f} units on average"


def _accuracy(values: Values) -> Values:
    """Return Top-1 with its interval, and Top-5."""
    return _share(values, "top1", "Top-1") | {"correct": values["top1_correct"]} | {"Top-5": values["top5"]}


def _share(values: Values, name: str, title: str) -> Values:
    low, high = values[f"{name}_interval"]
    return {title: values[name], "95% low": low, "95% high": high}
