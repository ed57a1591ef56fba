"""The outcome of one setting of an ablation: predictions with and without the units.

In: predictions, the true classes, what was removed. Out: `Outcome`, of which `ablation.Ablation` has one per setting.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.ablation_counts import AblationSetting, PredictionChanges, Predictions, Score, Truth
from unitscope.analyses.ablation_removed import Removed
from unitscope.notebook import short_repr
from unitscope.results import Values

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
        removed: what was removed; None in results of earlier versions.
    """

    setting: AblationSetting
    predictions: Predictions
    before: Predictions
    truth: Truth
    units: tuple[int, ...] | None = None
    stored: "tuple[PredictionChanges, pd.DataFrame] | None" = None
    removed: Removed | None = None

    __repr__ = short_repr

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
        """McNemar's exact test of Top-1 before and after, on the same images.

        None without labels, and if nothing was removed: there is nothing to test then.
        """
        return None if self.nothing_removed else self.counts.p_value

    @property
    def nothing_removed(self) -> bool:
        """Whether all removed maps were zero already, so that the predictions can't differ."""
        return self.removed is not None and self.removed.nothing

    @property
    def units_removed(self) -> float:
        """Number of removed units; their mean over the images where it differs between them."""
        setting, removed = self.setting, self.removed
        if removed is None or setting.among == "all":
            return setting.count
        return int(removed.units) if removed.units.is_integer() else removed.units

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
            "among": setting.among,
            "value": setting.value,
            "seed": setting.seed,
            "fraction": setting.fraction,
            "removed": self.units_removed,
            **(self.removed.to_dict() if self.removed else {}),
            **self.counts.to_dict(),
            "p_value": self.p_value,
        }

    @classmethod
    def from_values(cls, values: Values, images: int, labelled: int) -> Self:
        """Return an outcome of a stored result over ``images`` images, of which ``labelled`` have labels."""
        share = values["fraction"]
        units = values.get("layer_units") or (round(values["removed"] / share) if share else values["removed"])
        required: Any = {name: values[name] for name in ("layer", "scope", "order", "fraction")}
        optional: Any = {name: values[name] for name in ("value", "seed", "among") if name in values}
        setting = AblationSetting(count=math.ceil(values["removed"]), units=units, **required, **optional)
        score = Score.from_values(values, labelled)
        gained, lost = values.get("gained") or 0, values.get("lost") or 0
        changed = values.get("changed")
        changed = round((1 - values["agreement"]) * images) if changed is None else changed
        rows = [*values.get("classes_lost", ()), *reversed(values.get("classes_gained", ()))]
        counts = PredictionChanges(images, score, gained, lost, changed)
        changes = pd.DataFrame(rows, columns=CHANGES)
        none, lists = np.empty((0, 1), np.int32), values["units"]
        given, removed = None if lists is None else tuple(lists), Removed.from_values(values, images)
        return cls(setting, none, none, Truth.of([]), given, (counts, changes), removed)
