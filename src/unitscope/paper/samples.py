"""Images of an atlas whose pairs are compared, with what they show.

In: an atlas. Out: `Sample`: row numbers, which pairs share a class, which show a cat or a dog.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unitscope.atlas import Atlas

Rows = NDArray[np.int64]
Pairs = NDArray[np.bool_]

MAX_OF_A_KIND, MAX_OTHERS = 60, 200
_CATS_OF_IMAGENET, _DOGS_OF_IMAGENET = slice(281, 286), slice(151, 269)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Some readable images of an atlas.

    Attributes:
        rows: row numbers.
        labels: whether an image has a label, bool ``[image, label]``.
        cats: whether an image shows a cat and no dog, bool ``[image]``.
        dogs: whether an image shows a dog and no cat, bool ``[image]``.
    """

    rows: Rows
    labels: Pairs
    cats: Pairs
    dogs: Pairs

    @property
    def one_class(self) -> Pairs:
        """Pairs of different images with a common label, or of one kind, cats or dogs, bool ``[image, image]``."""
        common = (self.labels.astype(np.float32) @ self.labels.T.astype(np.float32)) > 0
        kinds = np.outer(self.cats, self.cats) | np.outer(self.dogs, self.dogs)
        return (common | kinds) & ~np.eye(len(self.rows), dtype=bool)

    @property
    def cat_and_dog(self) -> Pairs:
        """Pairs of a cat's image and a dog's."""
        pairs = np.outer(self.cats, self.dogs)
        return pairs | pairs.T

    @property
    def other(self) -> Pairs:
        """Pairs of images of two classes, other than those of a cat and a dog."""
        return ~(self.one_class | self.cat_and_dog | np.eye(len(self.rows), dtype=bool))

    @property
    def groups(self) -> NDArray[np.int64]:
        """The kind of each image, 1 for cats, 2 for dogs and 0 for others, whose numbers are the same in all draws."""
        return self.cats + 2 * self.dogs.astype(np.int64)


def kinds_of(atlas: Atlas, classes: Sequence[str], *, imagenet: bool) -> tuple[set[str], set[str]]:
    """Return the names of the labels that are cats, and dogs."""
    named = tuple(classes) if imagenet else ()
    return {"cat", *named[_CATS_OF_IMAGENET]}, {"dog", *named[_DOGS_OF_IMAGENET]}


def sample_of(atlas: Atlas, cats: set[str], dogs: set[str]) -> Sample:
    """Return the first images of cats and of dogs, at most 60 of each, and at most 200 others, evenly spaced."""
    names = [set(map(str, each)) for each in atlas.images["label_names"]]
    readable = atlas.readable
    is_cat, is_dog = (np.array([bool(names[row] & kind) for row in readable], bool) for kind in (cats, dogs))
    kept = [readable[is_cat & ~is_dog][:MAX_OF_A_KIND], readable[is_dog & ~is_cat][:MAX_OF_A_KIND]]
    kept.append(spaced(readable[~is_cat & ~is_dog], MAX_OTHERS))
    rows = np.sort(np.concatenate(kept))
    known = sorted(set().union(*(names[row] for row in rows))) if len(rows) else []
    number = {name: index for index, name in enumerate(known)}
    labels = np.zeros((len(rows), len(known)), bool)
    for index, row in enumerate(rows):
        labels[index, [number[name] for name in names[row]]] = True
    return Sample(rows, labels, np.isin(rows, kept[0]), np.isin(rows, kept[1]))


def spaced(rows: Rows, count: int) -> Rows:
    """Return at most ``count`` rows, evenly spaced."""
    return rows if len(rows) <= count else rows[np.arange(count) * len(rows) // count]
