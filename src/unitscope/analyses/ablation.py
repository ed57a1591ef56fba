"""What removal did to the answers: right and wrong before and after, with intervals and a paired test.

In: predictions with and without the units, and the right classes where they are known. Out: `Ablation`.
How units are removed is the job of `experiments.ablation`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.statistics import Interval, mcnemar, wilson
from unitscope.results import Result, Values
from unitscope.text import count_noun

TOP5 = 5
MOST_CLASSES = 5
CHANGES = ["class", "name", "images", "before", "after", "change"]
Answers = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Removed:
    """Which units went.

    Attributes:
        layer: name of the layer.
        scope: ``image``, each image's own units by its responses; ``dataset``, the same units for every image.
        order: ``low`` (least responses first), ``high``, ``random``.
        count: how many units.
        units: how many the layer has.
        fraction: the share that was asked for; None where a count was.
        value: what their maps became: ``zero``, or ``mean`` (each unit's mean response over the images).
        seed: of a random order, else None.
    """

    layer: str
    scope: str
    order: str
    count: int
    units: int
    fraction: float | None = None
    value: str = "zero"
    seed: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The right classes of each image, int64 ``[image, answer]``, padded with -1; all -1 where none is known."""

    classes: NDArray[np.int64]

    @classmethod
    def of(cls, right: Sequence[Sequence[int]]) -> "Truth":
        """Return the truth of images whose right classes are listed."""
        width = max((len(classes) for classes in right), default=0)
        padded = np.full((len(right), max(width, 1)), -1, np.int64)
        for row, classes in zip(padded, right, strict=True):
            row[: len(classes)] = classes
        return cls(padded)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which images have a right class, bool ``[image]``."""
        return np.asarray((self.classes >= 0).any(1))

    def has(self, answers: Answers) -> NDArray[np.bool_]:
        """Tell for each image whether a right class is among its answers ``[image, rank]``."""
        found = (answers[:, :, None] == self.classes[:, None, :]) & (self.classes >= 0)[:, None, :]
        return np.asarray(found.any((1, 2)))


@dataclass(frozen=True, slots=True)
class Score:
    """How many of the labelled images are answered rightly, as whole numbers."""

    images: int
    top1_correct: int
    top5_correct: int

    @classmethod
    def of(cls, answers: Answers, truth: Truth) -> "Score":
        """Return the score of answers ``[image, rank]``, most probable first."""
        return cls(
            int(truth.known.sum()), int(truth.has(answers[:, :1]).sum()), int(truth.has(answers[:, :TOP5]).sum())
        )

    @classmethod
    def from_values(cls, values: Values, images: int) -> Self:
        """Return the score that `to_dict` described, over so many labelled images."""
        return cls(images, values.get("top1_correct") or 0, values.get("top5_correct") or 0)

    def to_dict(self) -> Values:
        """Return counts, shares and Wilson intervals; shares are None without labels."""
        values: Values = {"top1_correct": self.top1_correct, "top5_correct": self.top5_correct}
        for name, right in (("top1", self.top1_correct), ("top5", self.top5_correct)):
            values[name] = right / self.images if self.images else None
            values[f"{name}_interval"] = list(wilson(right, self.images)) if self.images else None
        return values if self.images else values | {"top1_correct": None, "top5_correct": None}


@dataclass(frozen=True, slots=True)
class Counts:
    """What removal did to the answers, as whole numbers.

    Attributes:
        images: how many images were run.
        score: right answers without the units.
        gained: images whose Top-1 was wrong and is right now.
        lost: images whose Top-1 was right and is wrong now.
        changed: images whose Top-1 class is another than before, right or wrong.
    """

    images: int
    score: Score
    gained: int
    lost: int
    changed: int

    @property
    def p_value(self) -> float | None:
        """McNemar's exact test of Top-1 before and after, on the same images; None without labels."""
        return mcnemar(self.gained, self.lost) if self.score.images else None

    @property
    def agreement(self) -> float:
        """The share of images whose Top-1 class is that of the untouched network."""
        return 1 - self.changed / self.images

    @property
    def agreement_interval(self) -> Interval:
        """Wilson's interval of the agreement."""
        return wilson(self.images - self.changed, self.images)

    def to_dict(self) -> Values:
        """Return counts, shares, intervals and the test as plain values."""
        labelled = bool(self.score.images)
        return {
            **self.score.to_dict(),
            "p_value": self.p_value,
            "gained": self.gained if labelled else None,
            "lost": self.lost if labelled else None,
            "changed": self.changed,
            "agreement": self.agreement,
            "agreement_interval": list(self.agreement_interval),
        }


@dataclass(frozen=True, eq=False)
class Outcome:
    """One setting: which units were removed, and what the network answered without them.

    Attributes:
        removed: the setting.
        answers: classes by descending logit, int32 ``[image, rank]``, five ranks or as many as there are classes; no
            image in a stored result.
        before: the untouched network's, likewise.
        truth: the right classes.
        units: those that all images lost, the first to go first; None where each image loses its own.
        stored: the numbers of a stored result, and its classes that changed most; None otherwise.
    """

    removed: Removed
    answers: Answers
    before: Answers
    truth: Truth
    units: tuple[int, ...] | None = None
    stored: "tuple[Counts, pd.DataFrame] | None" = None

    @cached_property
    def counts(self) -> Counts:
        """What removal did, as whole numbers."""
        if self.stored is not None:
            return self.stored[0]
        changed = int((self.answers[:, 0] != self.before[:, 0]).sum())
        gained, lost = int(self.gained.sum()), int(self.lost.sum())
        return Counts(len(self.answers), Score.of(self.answers, self.truth), gained, lost, changed)

    @property
    def score(self) -> Score:
        """Right answers without the units."""
        return self.counts.score

    @cached_property
    def gained(self) -> NDArray[np.bool_]:
        """Which images' Top-1 was wrong and is right now."""
        return self.truth.has(self.answers[:, :1]) & ~self.truth.has(self.before[:, :1]) & self.truth.known  # type: ignore[no-any-return]

    @cached_property
    def lost(self) -> NDArray[np.bool_]:
        """Which images' Top-1 was right and is wrong now."""
        return self.truth.has(self.before[:, :1]) & ~self.truth.has(self.answers[:, :1])  # type: ignore[no-any-return]

    @property
    def p_value(self) -> float | None:
        """McNemar's exact test of Top-1 before and after, on the same images; None without labels."""
        return self.counts.p_value

    @property
    def changed(self) -> int:
        """How many images' Top-1 class is another than before, right or wrong."""
        return self.counts.changed

    @property
    def agreement(self) -> float:
        """The share of images whose Top-1 class is that of the untouched network."""
        return self.counts.agreement

    def to_dict(self) -> Values:
        """Return the setting and what came of it, as plain values."""
        gone = self.removed
        return {
            "layer": gone.layer,
            "scope": gone.scope,
            "order": gone.order,
            "value": gone.value,
            "seed": gone.seed,
            "fraction": gone.fraction,
            "removed": gone.count,
            **self.counts.to_dict(),
        }

    @classmethod
    def from_values(cls, values: Values, images: int, labelled: int) -> Self:
        """Return an outcome of a stored result over so many images, of which some are labelled."""
        share = values["fraction"]
        units = values.get("layer_units") or (round(values["removed"] / share) if share else values["removed"])
        setting: Any = {name: values[name] for name in ("layer", "scope", "order", "fraction")}
        chosen: Any = {name: values[name] for name in ("value", "seed") if name in values}
        removed = Removed(count=values["removed"], units=units, **setting, **chosen)
        score = Score.from_values(values, labelled)
        gained, lost = values.get("gained") or 0, values.get("lost") or 0
        changed = values.get("changed")
        changed = round((1 - values["agreement"]) * images) if changed is None else changed
        rows = [*values.get("classes_lost", ()), *reversed(values.get("classes_gained", ()))]
        counts, changes = Counts(images, score, gained, lost, changed), pd.DataFrame(rows, columns=CHANGES)
        none, lists = np.empty((0, 1), np.int32), values["units"]
        return cls(removed, none, none, Truth.of([]), None if lists is None else tuple(lists), (counts, changes))


@dataclass(frozen=True, eq=False)
class Ablation(Result):
    """Removal at one or several layers, every setting against the untouched network (paper, algorithm 4).

    Attributes:
        network: its reference.
        images: how many images could be read and were run.
        baseline: right answers of the untouched network.
        before: its answers, int32 ``[image, rank]``, cut at the first layer; none in a stored result. An outcome is
            compared with its own ``before``, as a network cut elsewhere may round otherwise.
        outcomes: one a setting, in the order asked for.
        classes: class names; may be empty.
        failed: how many files could not be read.
        data: fingerprint of the images, as an atlas has it.
    """

    kind: ClassVar[str] = "ablation"

    network: str
    images: int
    baseline: Score
    before: Answers
    outcomes: tuple[Outcome, ...]
    classes: tuple[str, ...] = ()
    failed: int = 0
    data: str = ""

    def values(self) -> Values:
        """Return plain values; docs/commands/ablate.md lists the keys."""
        names = list(dict.fromkeys(outcome.removed.layer for outcome in self.outcomes))
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
        lost = [row for row in rows if row["change"] < 0][:MOST_CLASSES]
        gained = [row for row in reversed(rows) if row["change"] > 0][:MOST_CLASSES]
        units = {"units": outcome.units and list(outcome.units), "layer_units": outcome.removed.units}
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
        """Return the untouched network's right answers, each setting's, and the classes that change most in one."""
        settings = pd.DataFrame([self._row(outcome) for outcome in self.outcomes])
        if not self.baseline.images:
            return {f"{self.network}: agreement with the untouched network": settings}
        before = {"images": self.baseline.images} | _right(self.baseline.to_dict())
        hardest = min(self.outcomes, key=lambda outcome: outcome.score.top1_correct)
        gone, rows = hardest.removed, self._values_of(hardest)
        title = (
            f"Classes that change most with {count_noun(gone.count, 'unit')} removed from {gone.layer} "
            f"({gone.scope}, {gone.order})"
        )
        changes = pd.DataFrame([*rows["classes_lost"], *rows["classes_gained"]])
        tables = {f"{self.network}, untouched": pd.DataFrame([before]), "With units removed": settings}
        return tables if changes.empty else tables | {title: changes}

    def _row(self, outcome: Outcome) -> Values:
        values = outcome.to_dict()
        order = values["order"] if values["seed"] is None else f"random, seed {values['seed']}"
        row = {name: values[name] for name in ("layer", "scope")} | {"order": order}
        row |= {name: values[name] for name in ("fraction", "removed")}
        if not self.baseline.images:
            return row | _share(values, "agreement", "agreement") | {"changed": values["changed"]}
        return row | _right(values) | {name: values[name] for name in ("gained", "lost")} | {"p": values["p_value"]}

    def table(self) -> pd.DataFrame:
        """Return one row a setting, with the columns of `Outcome.to_dict`."""
        return pd.DataFrame([outcome.to_dict() for outcome in self.outcomes])

    def class_changes(self, outcome: Outcome) -> pd.DataFrame:
        """Return the classes that a setting changes: class, name, images, before, after, change; most lost first.

        Columns before and after count the class's images whose Top-1 is right. Classes that break even are left out.
        A stored result has only the classes that change most.
        """
        if outcome.stored is not None:
            return outcome.stored[1]
        right = outcome.truth.classes
        was_right, is_right = (outcome.truth.has(each[:, :1]) for each in (outcome.before, outcome.answers))
        rows = []
        for number in np.unique(right[right >= 0]):
            of_class = (right == number).any(1)
            before = int((of_class & was_right).sum())
            after = int((of_class & is_right).sum())
            if before != after:
                rows.append((int(number), self._name(int(number)), int(of_class.sum()), before, after, after - before))
        table = pd.DataFrame(rows, columns=CHANGES)
        return table.sort_values(["change", "class"], ignore_index=True)

    def _name(self, number: int) -> str:
        return self.classes[number] if number < len(self.classes) else str(number)


def _right(values: Values) -> Values:
    """Top-1 with its interval, and Top-5."""
    return _share(values, "top1", "Top-1") | {"right": values["top1_correct"]} | {"Top-5": values["top5"]}


def _share(values: Values, name: str, title: str) -> Values:
    low, high = values[f"{name}_interval"]
    return {title: values[name], "from": low, "to": high}
