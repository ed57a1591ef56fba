"""What the scan found in each image, as columns: to filter, sort and count images.

In: an `Atlas`. Out: `ImageColumns`, and its most frequent mistakes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.atlas import Atlas

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A label, the class predicted instead, and for how many images."""

    label: str
    name: str
    predicted: str
    images: int


@dataclass(frozen=True)
class ImageColumns:
    """Facts about each image, by row.

    Attributes:
        predicted: the name of the most probable class; empty where there is none.
        confidence: its probability; NaN where there is none.
        wrong: whether it is known to be wrong.
        labels: one row per image and label, indexed by the image's row: label, name.
    """

    predicted: NDArray[np.object_]
    confidence: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    labels: pd.DataFrame

    @classmethod
    def of(cls, atlas: Atlas) -> "ImageColumns":
        """Return the columns of an atlas."""
        images = atlas.images
        labels = images[["labels", "label_names"]].explode(["labels", "label_names"]).dropna()
        return cls(
            images["prediction"].to_numpy(object),
            np.array([row[0] if len(row) else np.nan for row in images["top5_probabilities"]], np.float64),
            (~images["correct"].astype("boolean").fillna(value=True)).to_numpy(bool),
            labels.set_axis(["label", "name"], axis=1),
        )

    @cached_property
    def predictions(self) -> dict[str, int]:
        """How many images each predicted class has, the most frequent first."""
        counts = pd.Series(self.predicted[self.predicted != ""]).value_counts()
        return {str(name): int(count) for name, count in counts.items()}

    @cached_property
    def mistakes(self) -> tuple[Mistake, ...]:
        """The pairs of a label and a wrong prediction, the most frequent first; ties by name."""
        pairs = self.labels[self.wrong[self.labels.index]]
        pairs = pairs.assign(predicted=self.predicted[pairs.index])
        counts = pairs.value_counts(["label", "name", "predicted"], sort=False).reset_index()
        ranked = counts.sort_values(["count", "name", "label", "predicted"], ascending=[False, True, True, True])
        return tuple(Mistake(*row) for row in ranked.itertuples(index=False, name=None))

    def with_label(self, word: str) -> NDArray[np.bool_]:
        """Return which images have a label of this name, or without such a label one whose name contains it."""
        found = self.labels.isin(matching([*self.labels["label"], *self.labels["name"]], word)).any(axis=1)
        return np.isin(np.arange(len(self.predicted)), self.labels.index[found])

    def with_prediction(self, word: str) -> NDArray[np.bool_]:
        """Return which images have a prediction of this name, or without one of those that contain it."""
        return np.isin(self.predicted, sorted(matching(self.predictions, word)))


def matching(names: Iterable[str], word: str) -> set[str]:
    """Return the names that equal a word, else those that contain it, ignoring case."""
    wanted = word.strip().casefold()
    folded = {name: name.casefold() for name in dict.fromkeys(names)}
    return {name for name, text in folded.items() if text == wanted} or {
        name for name, text in folded.items() if wanted in text
    }
