"""What removal did to the answers: right and wrong before and after, with intervals and a paired test.

In: predictions with and without the units, and the right classes where they are known. Out: `Ablation`, and tables.
Knows nothing of how the units were removed (`experiments.removal` does) or of what draws the curves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.statistics import Interval, mcnemar, wilson

TOP5 = 5
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

    def to_dict(self) -> dict[str, Any]:
        """Return counts, shares and Wilson intervals; shares are None without labels."""
        values: dict[str, Any] = {"top1_correct": self.top1_correct, "top5_correct": self.top5_correct}
        for name, right in (("top1", self.top1_correct), ("top5", self.top5_correct)):
            values[name] = right / self.images if self.images else None
            values[f"{name}_interval"] = list(wilson(right, self.images)) if self.images else None
        return values if self.images else values | {"top1_correct": None, "top5_correct": None}


@dataclass(frozen=True, eq=False)
class Outcome:
    """One setting: which units went, and what the network answered without them.

    Attributes:
        removed: the setting.
        answers: classes by descending logit, int32 ``[image, rank]``, five ranks or as many as there are classes.
        before: the untouched network's, likewise.
        truth: the right classes.
        units: those that all images lost, the first to go first; None where each image loses its own.
    """

    removed: Removed
    answers: Answers
    before: Answers
    truth: Truth
    units: tuple[int, ...] | None = None

    @cached_property
    def score(self) -> Score:
        """Right answers without the units."""
        return Score.of(self.answers, self.truth)

    @cached_property
    def gained(self) -> NDArray[np.bool_]:
        """Which images' Top-1 was wrong and is right now."""
        return self.truth.has(self.answers[:, :1]) & ~self.truth.has(self.before[:, :1]) & self.truth.known  # type: ignore[no-any-return]

    @cached_property
    def lost(self) -> NDArray[np.bool_]:
        """Which images' Top-1 was right and is wrong now."""
        return self.truth.has(self.before[:, :1]) & ~self.truth.has(self.answers[:, :1])  # type: ignore[no-any-return]

    @cached_property
    def p_value(self) -> float | None:
        """McNemar's exact test of Top-1 before and after, on the same images; None without labels."""
        return mcnemar(int(self.gained.sum()), int(self.lost.sum())) if self.score.images else None

    @cached_property
    def changed(self) -> int:
        """How many images' Top-1 class is another than before, right or wrong."""
        return int((self.answers[:, 0] != self.before[:, 0]).sum())

    @property
    def agreement(self) -> float:
        """The share of images whose Top-1 class is that of the untouched network."""
        return 1 - self.changed / len(self.answers)

    @property
    def agreement_interval(self) -> Interval:
        """Wilson's interval of the agreement."""
        return wilson(len(self.answers) - self.changed, len(self.answers))

    def to_dict(self) -> dict[str, Any]:
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
            **self.score.to_dict(),
            "p_value": self.p_value,
            "gained": int(self.gained.sum()) if self.score.images else None,
            "lost": int(self.lost.sum()) if self.score.images else None,
            "changed": self.changed,
            "agreement": self.agreement,
            "agreement_interval": list(self.agreement_interval),
        }


@dataclass(frozen=True, eq=False)
class Ablation:
    """Removal at one or several layers, every setting against the untouched network (paper, algorithm 4).

    Attributes:
        network: its reference.
        images: ids of the images that could be read.
        truth: their right classes.
        before: the untouched network's answers, int32 ``[image, rank]``, cut at the first layer. An outcome is compared
            with its own ``before``, as a network cut elsewhere may round otherwise.
        outcomes: one a setting, in the order asked for.
        classes: class names; may be empty.
        failed: how many files could not be read.
        data: fingerprint of the images, as an atlas has it.
    """

    network: str
    images: tuple[str, ...]
    truth: Truth
    before: Answers
    outcomes: tuple[Outcome, ...]
    classes: tuple[str, ...] = ()
    failed: int = 0
    data: str = ""

    @cached_property
    def baseline(self) -> Score:
        """Right answers of the untouched network."""
        return Score.of(self.before, self.truth)

    def table(self) -> pd.DataFrame:
        """Return one row a setting, with the columns of `Outcome.to_dict`."""
        return pd.DataFrame([outcome.to_dict() for outcome in self.outcomes])

    def class_changes(self, outcome: Outcome) -> pd.DataFrame:
        """Return the classes that a setting changes: class, name, images, before, after, change; most lost first.

        Columns before and after count the class's images whose Top-1 is right. Classes that break even are left out.
        """
        right = self.truth.classes
        was_right, is_right = self.truth.has(outcome.before[:, :1]), self.truth.has(outcome.answers[:, :1])
        rows = []
        for number in np.unique(right[right >= 0]):
            of_class = (right == number).any(1)
            before = int((of_class & was_right).sum())
            after = int((of_class & is_right).sum())
            if before != after:
                rows.append((int(number), self._name(int(number)), int(of_class.sum()), before, after, after - before))
        table = pd.DataFrame(rows, columns=["class", "name", "images", "before", "after", "change"])
        return table.sort_values(["change", "class"], ignore_index=True)

    def _name(self, number: int) -> str:
        return self.classes[number] if number < len(self.classes) else str(number)
