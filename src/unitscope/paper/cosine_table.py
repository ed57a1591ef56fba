"""Table 3: cosines between classes, as the mean and spread over all pairs of their images.

In: a network's atlas. Out: a table, its spread, a heat map, and how much more alike images of one class are.
The paper has one image of each class; another image can give another number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.cosines import cosines
from unitscope.analyses.image_groups import ImageGroup
from unitscope.analyses.similarity import Similarity, similarity
from unitscope.errors import UnitscopeError
from unitscope.figures.heatmap import HeatMap, draw
from unitscope.paper import published_values as values
from unitscope.paper.networks import ReportNetwork
from unitscope.paper.overlap import pair_sample
from unitscope.paper.report_items import Picture, Table
from unitscope.paper.resampling import ImageDraws, interval_of
from unitscope.paper.samples import spaced
from unitscope.paper.verdicts import Measured

CLASSES, MAX_IMAGES = 12, 200
"""Number of classes, as in the paper, and of images of each at most."""

_CAPTION = (
    "Mean cosine over all pairs of images; 1 means identical direction. On the diagonal, grey: pairs of different "
    "images of the class, – if it has one image. Colours span the values off the diagonal."
)


@dataclass(frozen=True, slots=True, eq=False)
class Cosines:
    """Cosines of pairs of images, with the names of their classes: mean, standard deviation and number of pairs."""

    names: tuple[str, ...]
    images: tuple[int, ...]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    count: NDArray[np.int64]


def cosine_items(case: ReportNetwork) -> tuple[Table | Picture, ...]:
    """Return Table 3, the standard deviations beside it if a class has several images, and a heat map of the means.

    Raises:
        UnitscopeError: if there are no images, or images of fewer than two classes.
    """
    found, title = _cosines(case), title_of_cosines(case)
    name = f"table-3-{case.name}"
    note = f"{case.last.name}, {case.last.units} units. {_pairs(found)} {_compared(found)}"
    spread = "Standard deviation over the pairs: how much a cosine depends on the two images; a dash for a single pair."
    drawn = draw(HeatMap(found.mean, found.names, title, _CAPTION, "cosine"))
    several = [Table(f"{name}-spread", f"{title}, spread", _frame(found.names, found.std), spread)]
    return (
        Table(name, title, _frame(found.names, found.mean), note),
        *(several if max(found.images) > 1 else ()),
        Picture(f"{name}-map", f"{title}, as a heat map", drawn),
    )


def title_of_cosines(case: ReportNetwork) -> str:
    """Return the title of a network's Table 3."""
    return f"Table 3. Cosine between images: {case.name}"


def more_alike_within(case: ReportNetwork) -> Measured:
    """Return the mean cosine of images of one class minus that of two classes, with its interval over the images."""
    sample = case.once(pair_sample)
    return contrast_of(case.atlas.responses(case.last, sample.rows), sample.one_class)


def contrast_of(responses: NDArray[np.float32], one_class: NDArray[np.bool_]) -> Measured:
    """Return the mean cosine of the pairs of one class minus that of the others.

    Args:
        responses: ``[image, unit]``.
        one_class: the pairs of images of one class, bool ``[image, image]``.
    """
    matrix, draws = cosines(responses), ImageDraws.of(np.zeros(len(responses)))
    different = ~(one_class | np.eye(len(responses), dtype=bool))
    return interval_of(draws.means(matrix, one_class) - draws.means(matrix, different), len(responses))


def _cosines(case: ReportNetwork) -> Cosines:
    chosen = _classes(case)
    if len(chosen) < 2:
        raise UnitscopeError(f"the readable images in '{case.atlas.root}' have fewer than two classes")
    ids = case.atlas.images["image"]
    groups = [
        ImageGroup(name, case.last, tuple(ids.iloc[rows]), case.atlas.responses(case.last, rows))
        for name, rows in chosen.items()
    ]
    found, images = similarity(groups), tuple(len(group.images) for group in groups)
    if found.pairs is None:
        return _of_single_images(found, images)
    return Cosines(found.labels, images, found.pairs.mean, found.pairs.std, found.pairs.count)


def _of_single_images(found: Similarity, images: tuple[int, ...]) -> Cosines:
    """Return the cosines where each class has one image, and so no pair of its own."""
    own = np.eye(len(images), dtype=bool)
    return Cosines(
        found.labels, images, np.where(own, np.nan, found.matrix), np.zeros(own.shape), (~own).astype(np.int64)
    )


def _classes(case: ReportNetwork) -> dict[str, NDArray[np.int64]]:
    """Return the rows of the images of twelve classes: the paper's, if present, then evenly spaced ones."""
    readable, names = case.atlas.readable, case.atlas.images["label_names"]
    rows: dict[str, list[int]] = {}
    for row in readable:
        for name in dict.fromkeys(map(str, names.iloc[row])):
            rows.setdefault(name, []).append(int(row))
    wanted = [name for name in dict.fromkeys(name for pair in values.TABLE_3 for name in pair) if name in rows]
    others = [name for name in rows if name not in wanted]
    missing = min(CLASSES - len(wanted), len(others))
    chosen = [*wanted, *(others[index * len(others) // missing] for index in range(missing))]
    return {name: spaced(np.array(rows[name]), MAX_IMAGES) for name in chosen}


def _frame(names: Sequence[str], matrix: NDArray[np.float64]) -> pd.DataFrame:
    rows = pd.DataFrame(matrix.round(3), columns=list(names))
    rows.insert(0, "class", list(names))
    return rows


def _pairs(found: Cosines) -> str:
    if max(found.images) == 1:
        return "There is one image of each class, as in the paper: with another image, a cosine can be quite different."
    counts = found.count[~np.eye(len(found.names), dtype=bool)]
    pairs, images = (_range(int(each.min()), int(each.max())) for each in (counts, np.array(found.images)))
    return (
        f"The mean over all pairs of an image of one class and one of the other ({pairs} pairs; {images} images of a "
        "class); on the diagonal, over pairs of different images of the class. The paper has one image of each class."
    )


def _range(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _compared(found: Cosines) -> str:
    names = found.names
    pairs = [
        f"{one}–{other} {found.mean[names.index(one), names.index(other)]:.2f} (paper's VGG-16: {cosine})"
        for (one, other), cosine in values.TABLE_3.items()
        if one in names and other in names
    ]
    return "Pairs that the paper names: " + "; ".join(pairs) + "." if pairs else "None of the paper's pairs was found."
