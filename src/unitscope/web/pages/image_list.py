"""The list of images, filtered and sorted, and the most frequent mistakes.

In: an `AtlasCache`, an `ImageFilter`. Out: `ImageList`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from unitscope.errors import UnitscopeError
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.image_columns import ImageColumns, Mistake, Rows
from unitscope.web.name_search import similar_names

AT_ONCE = 60
MISTAKES = 20
SORTS = {
    "": "name",
    "confidence": "confidence, highest first",
    "unsure": "confidence, lowest first",
    "label": "label",
    "predicted": "predicted class",
}


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Which images are listed, and in which order.

    Attributes:
        name: a part of the image's id.
        label: the name of a label, or part of it.
        predicted: the name of the predicted class, or part of it.
        wrong: only wrong predictions.
        low, high: bounds on the confidence, in per cent, as typed.
        sort: one of `SORTS`.
    """

    name: str = ""
    label: str = ""
    predicted: str = ""
    wrong: bool = False
    low: str = ""
    high: str = ""
    sort: str = ""

    @property
    def query(self) -> dict[str, str | int]:
        """The parameters of an address with this filter."""
        texts = {name: str(getattr(self, name)) for name in ("name", "label", "predicted", "low", "high", "sort")}
        return {name: value for name, value in texts.items() if value} | ({"wrong": 1} if self.wrong else {})


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image with its labels, its predicted class and the probability of this."""

    row: int
    image: str
    label: str
    predicted: str
    confidence: float | None
    wrong: bool


@dataclass(frozen=True, slots=True)
class ImageList:
    """One page of the images that a filter leaves, `AT_ONCE` per page; pages count from 1.

    `total` counts the images that are left, `of` all images. `suggestions` are classes like those asked for, if there
    are no images. `mistakes` are the most frequent ones of all images.
    """

    images: tuple[ListedImage, ...]
    page: int
    pages: int
    total: int
    of: int
    filter: ImageFilter
    suggestions: tuple[str, ...]
    mistakes: tuple[Mistake, ...]


def image_list(cache: AtlasCache, page: int = 1, wanted: ImageFilter = ImageFilter()) -> ImageList:
    """Return one page of the images; the last page for any higher number.

    Raises:
        UnitscopeError: if the order or a bound of the filter is invalid.
    """
    rows = filtered_rows(cache, wanted)
    pages = max(1, -(-len(rows) // AT_ONCE))
    page = min(max(page, 1), pages)
    shown = rows[(page - 1) * AT_ONCE : page * AT_ONCE]
    return ImageList(
        listed_images(cache, shown.tolist()),
        page,
        pages,
        len(rows),
        len(cache.ids),
        wanted,
        () if len(rows) else _suggestions(cache, wanted),
        cache.columns.mistakes[:MISTAKES],
    )


def filtered_rows(cache: AtlasCache, wanted: ImageFilter) -> Rows:
    """Return the rows that a filter leaves, in its order; equal ones by name.

    Raises:
        UnitscopeError: if the order or a bound is invalid.
    """
    columns, left = cache.columns, np.ones(len(cache.ids), bool)
    if wanted.name:
        word = wanted.name.strip().casefold()
        left &= np.array([word in image.casefold() for image in cache.ids], bool)
    if wanted.label:
        left &= columns.with_label(wanted.label)
    if wanted.predicted:
        left &= columns.with_prediction(wanted.predicted)
    if wanted.wrong:
        left &= columns.wrong
    if wanted.low or wanted.high:
        with np.errstate(invalid="ignore"):
            left &= (columns.confidence >= _share(wanted.low, 0)) & (columns.confidence <= _share(wanted.high, 1))
    return _sorted(cache, columns, np.flatnonzero(left), wanted.sort)


def listed_images(cache: AtlasCache, rows: Iterable[int]) -> tuple[ListedImage, ...]:
    """Return images by their rows."""
    columns = cache.columns
    return tuple(
        ListedImage(
            row,
            cache.ids[row],
            cache.label_names[row],
            columns.predicted[row],
            None if math.isnan(columns.confidence[row]) else float(columns.confidence[row]),
            bool(columns.wrong[row]),
        )
        for row in rows
    )


def _sorted(cache: AtlasCache, columns: ImageColumns, rows: Rows, sort: str) -> Rows:
    if sort not in SORTS:
        raise UnitscopeError(f"images can't be sorted by '{sort}'; choose one of {', '.join(filter(None, SORTS))}")
    if sort in ("confidence", "unsure"):
        values = columns.confidence[rows]
        return rows[np.argsort(-values if sort == "confidence" else values, kind="stable")]
    if sort:
        names: list[str] = columns.predicted.tolist() if sort == "predicted" else cache.label_names
        return np.array(sorted(rows.tolist(), key=lambda row: (not names[row], names[row].casefold())), np.int64)
    return rows


def _share(text: str, default: float) -> float:
    """Return a number in per cent as a fraction; the default for an empty text."""
    try:
        share = float(text or 100 * default) / 100
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise UnitscopeError(f"a confidence is a number from 0 to 100, not '{text}'")
    return share


def _suggestions(cache: AtlasCache, wanted: ImageFilter) -> tuple[str, ...]:
    known = [*(cache.columns.labels["name"] if wanted.label else ()), *cache.columns.predictions]
    return similar_names(wanted.label or wanted.predicted, known) if wanted.label or wanted.predicted else ()
