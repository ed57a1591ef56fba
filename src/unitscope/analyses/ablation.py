"""The effect of removing units on predictions: accuracy before and after, with intervals and a paired test.

In: predictions with and without the units, and the true classes if they are known. Out: `Ablation`.
`experiments.ablation` removes the units.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.ablation_counts import AblationSetting, PredictionChanges, Predictions, Score, Truth
from unitscope.results import Result, Values
from unitscope.text import count_noun

MAX_CLASSES = 5
CHANGES = ["class", "name", "images", "before", "after", "change"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """One setting: the removed units, and the predictions without them.

    Attributes:
        setting: which units were removed.
        predictions: classes by descending logit, int32 ``[image, rank]``, up to five; no images in a stored result.
        before: predictions of the unmodified network, likewise.
        truth: the true classes.
        units: the removed units in their order of removal; None if they differ between images.
        stored: the counts of a stored result, and the classes that changed most; None otherwise.
    """

    setting: AblationSetting
    predictions: Predictions
    before: Predictions
    truth: Truth
    units: tuple[int, ...] | None = None
    stored: "tuple[PredictionChanges, pd.DataFrame] | None" = None

    @cached_property
    def counts(self) -> PredictionChanges:
        """The effect of the removal, as counts."""
        if self.stored is not None:
            return self.stored[0]
        changed = int((self.predictions[:, 0] != self.before[:, 0]).sum())
        gained, lost = int(self.gained.sum()), int(self.lost.sum())
        score = Score.of(self.predictions, self.truth)
        return PredictionChanges(len(self.predictions), score, gained, lost, changed)

    @property
    def score(self) -> Score:
        """Correct predictions without the units."""
        return self.counts.score

    @cached_property
    def gained(self) -> NDArray[np.bool_]:
        """Images whose Top-1 was wrong before and is correct after, bool ``[image]``."""
        return self.truth.has(self.predictions[:, :1]) & ~self.truth.has(self.before[:, :1]) & self.truth.known  # type: ignore[no-any-return]

    @cached_property
    def lost(self) -> NDArray[np.bool_]:
        """Images whose Top-1 was correct before and is wrong after, bool ``[image]``."""
        return self.truth.has(self.before[:, :1]) & ~self.truth.has(self.predictions[:, :1])  # type: ignore[no-any-return]

    @property
    def p_value(self) -> float | None:
        """McNemar's exact test of Top-1 before and after, on the same images; None without labels."""
        return self.counts.p_value

    @property
    def changed(self) -> int:
        """Number of images whose Top-1 class differs, correct or not."""
        return self.counts.changed

    @property
    def agreement(self) -> float:
        """The fraction of images whose Top-1 class is that of the unmodified network."""
        return self.counts.agreement

    def to_dict(self) -> Values:
        """Return the setting and its effect as plain values."""
        setting = self.setting
        return {
            "layer": setting.layer,
            "scope": setting.scope,
            "order": setting.order,
            "value": setting.value,
            "seed": setting.seed,
            "fraction": setting.fraction,
            "removed": setting.count,
            **self.counts.to_dict(),
        }

    @classmethod
    def from_values(cls, values: Values, images: int, labelled: int) -> Self:
        """Return an outcome of a stored result over ``images`` images, of which ``labelled`` have labels."""
        share = values["fraction"]
        units = values.get("layer_units") or (round(values["removed"] / share) if share else values["removed"])
        required: Any = {name: values[name] for name in ("layer", "scope", "order", "fraction")}
        optional: Any = {name: values[name] for name in ("value", "seed") if name in values}
        setting = AblationSetting(count=values["removed"], units=units, **required, **optional)
        score = Score.from_values(values, labelled)
        gained, lost = values.get("gained") or 0, values.get("lost") or 0
        changed = values.get("changed")
        changed = round((1 - values["agreement"]) * images) if changed is None else changed
        rows = [*values.get("classes_lost", ()), *reversed(values.get("classes_gained", ()))]
        counts = PredictionChanges(images, score, gained, lost, changed)
        changes = pd.DataFrame(rows, columns=CHANGES)
        none, lists = np.empty((0, 1), np.int32), values["units"]
        return cls(setting, none, none, Truth.of([]), None if lists is None else tuple(lists), (counts, changes))


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
            "baseline": self.baseline.to_dict(),
            "results": [self._values_of(outcome) for outcome in self.outcomes],
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
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return correct predictions with and without removals, and the classes that change most."""
        settings = pd.DataFrame([self._row(outcome) for outcome in self.outcomes])
        if not self.baseline.images:
            return {f"{self.network}: agreement with the unmodified network": settings}
        before = {"images": self.baseline.images} | _accuracy(self.baseline.to_dict())
        hardest = min(self.outcomes, key=lambda outcome: outcome.score.top1_correct)
        setting, rows = hardest.setting, self._values_of(hardest)
        title = (
            f"Classes that change most with {count_noun(setting.count, 'unit')} removed from {setting.layer} "
            f"({setting.scope}, {setting.order})"
        )
        changes = pd.DataFrame([*rows["classes_lost"], *rows["classes_gained"]])
        tables = {f"{self.network}, unmodified": pd.DataFrame([before]), "With units removed": settings}
        return tables if changes.empty else tables | {title: changes}

    def _row(self, outcome: Outcome) -> Values:
        values = outcome.to_dict()
        order = values["order"] if values["seed"] is None else f"random, seed {values['seed']}"
        row = {name: values[name] for name in ("layer", "scope")} | {"order": order}
        row |= {name: values[name] for name in ("fraction", "removed")}
        if not self.baseline.images:
            return row | _share(values, "agreement", "agreement") | {"changed": values["changed"]}
        return row | _accuracy(values) | {name: values[name] for name in ("gained", "lost")} | {"p": values["p_value"]}

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


def _accuracy(values: Values) -> Values:
    """Return Top-1 with its interval, and Top-5."""
    return _share(values, "top1", "Top-1") | {"correct": values["top1_correct"]} | {"Top-5": values["top5"]}


def _share(values: Values, name: str, title: str) -> Values:
    low, high = values[f"{name}_interval"]
    return {title: values[name], "95% low": low, "95% high": high}
