"""Counts of correct predictions, before and after a removal of units.

In: predicted classes and the true ones. Out: `Score` and `PredictionChanges`, with intervals and tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from unitscope.analyses.statistics import Interval, mcnemar, wilson
from unitscope.notebook import short_repr
from unitscope.results import Values

TOP5 = 5
Predictions = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class AblationSetting:
    """One setting: the units to remove, and how.

    Attributes:
        layer: name of the layer.
        scope: ``image``: units ranked by each image's responses; ``dataset``: the same units for every image.
        order: ``low`` (lowest responses first), ``high``, ``low-abs`` (lowest ``|α|`` first), ``high-abs``, ``random``.
        count: number of removed units; with ``among="active"``, at most.
        units: number of units in the layer.
        fraction: the requested fraction of units; None if a count was given.
        value: value of removed maps: ``zero``, or ``mean`` (each unit's mean response over the images).
        seed: seed of a random order, otherwise None.
        among: ``all`` units, or those ``active``, whose response is not zero: for the image, or for at least one image.
    """

    layer: str
    scope: str
    order: str
    count: int
    units: int
    fraction: float | None = None
    value: str = "zero"
    seed: int | None = None
    among: str = "all"


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The true classes of each image, int64 ``[image, class]``, padded with -1; all -1 if none is known."""

    classes: NDArray[np.int64]

    __repr__ = short_repr

    @classmethod
    def of(cls, true_classes: Sequence[Sequence[int]]) -> "Truth":
        """Return the truth for lists of true classes, one list per image."""
        width = max((len(classes) for classes in true_classes), default=0)
        padded = np.full((len(true_classes), max(width, 1)), -1, np.int64)
        for row, classes in zip(padded, true_classes, strict=True):
            row[: len(classes)] = classes
        return cls(padded)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether each image has a true class, bool ``[image]``."""
        return np.asarray((self.classes >= 0).any(1))

    def has(self, predictions: Predictions) -> NDArray[np.bool_]:
        """Return for each image whether a true class is among its predictions ``[image, rank]``."""
        found = (predictions[:, :, None] == self.classes[:, None, :]) & (self.classes >= 0)[:, None, :]
        return np.asarray(found.any((1, 2)))


@dataclass(frozen=True, slots=True)
class Score:
    """Numbers of labelled images and of correct predictions."""

    images: int
    top1_correct: int
    top5_correct: int

    @classmethod
    def of(cls, predictions: Predictions, truth: Truth) -> "Score":
        """Return the score of predictions ``[image, rank]``, most probable first."""
        return cls(
            int(truth.known.sum()),
            int(truth.has(predictions[:, :1]).sum()),
            int(truth.has(predictions[:, :TOP5]).sum()),
        )

    @classmethod
    def from_values(cls, values: Values, images: int) -> Self:
        """Return the score from the values of `to_dict`, over ``images`` labelled images."""
        return cls(images, values.get("top1_correct") or 0, values.get("top5_correct") or 0)

    def to_dict(self) -> Values:
        """Return counts, accuracies and Wilson intervals; accuracies are None without labels."""
        values: Values = {"top1_correct": self.top1_correct, "top5_correct": self.top5_correct}
        for name, correct in (("top1", self.top1_correct), ("top5", self.top5_correct)):
            values[name] = correct / self.images if self.images else None
            values[f"{name}_interval"] = list(wilson(correct, self.images)) if self.images else None
        return values if self.images else values | {"top1_correct": None, "top5_correct": None}


@dataclass(frozen=True, slots=True)
class PredictionChanges:
    """The effect of a removal on predictions, as counts.

    Attributes:
        images: number of images.
        score: correct predictions without the units.
        gained: number of images whose Top-1 was wrong before and is correct after.
        lost: number of images whose Top-1 was correct before and is wrong after.
        changed: number of images whose Top-1 class differs, correct or not.
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
        """The fraction of images whose Top-1 class is that of the unmodified network."""
        return 1 - self.changed / self.images

    @property
    def agreement_interval(self) -> Interval:
        """Wilson's interval of the agreement."""
        return wilson(self.images - self.changed, self.images)

    def to_dict(self) -> Values:
        """Return counts, fractions, intervals and the test as plain values."""
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
