"""Near-duplicates among images, such as crops of one photograph: they are not independent samples.

In: an atlas and rows of images. Out: a group number for each image; a test counts each group once.

The responses serve as a perceptual hash. Two images are near-duplicates if their standardized responses have a
correlation of at least `CORRELATION` at each of three layers, at a quarter, half and three quarters of the depth.
Scaled and re-encoded copies of one photograph have such responses, and so have most of its crops; different images of
one class are alike in deep layers, but rarely in early ones. Near-duplicates of near-duplicates are in one group.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from unitscope.atlas import Atlas
from unitscope.units import Layer

CORRELATION = 0.75
MAX_IMAGES = 4096
_MIN_UNITS, _MAX_UNITS = 32, 256  # with fewer, unrelated images are often alike by chance; with more, reading is slow
_UNRELATED, _UNRELATED_QUANTILE, _UNLABELLED_QUANTILE = 512, 0.99, 0.9
_ROWS_AT_ONCE = 256
_ROUNDING = 1e-6  # of float32 responses, relative to their mean

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]


def near_duplicate_groups(atlas: Atlas, rows: Rows) -> NDArray[np.int64]:
    """Return the group number of each image, int64 ``[image]``; equal numbers are near-duplicates of each other.

    Each image is a group of its own if the atlas has no responses or no layer with 32 units, or if there are more than
    4,096 images. In networks for which unrelated images are alike, the correlation must be halfway between that of the
    most similar 1% of images without a common label and 1 (10% of all images if they have no labels).

    Args:
        atlas: the atlas.
        rows: row numbers of readable images.
    """
    layers = _layers(atlas)
    if not layers or not 1 < len(rows) <= MAX_IMAGES:
        return np.arange(len(rows))
    threshold, found, first = _threshold(atlas, layers), [], 0
    for block in _correlations(atlas, layers, rows):
        row, column = np.nonzero(block >= threshold)
        found.append(np.stack([row + first, column]))
        first += len(block)
    pairs = np.concatenate(found, axis=1)
    linked = sparse.coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), (len(rows), len(rows)))
    return connected_components(linked, directed=False)[1].astype(np.int64)  # type: ignore[no-any-return]


def labelled_groups(atlas: Atlas, rows: Rows) -> NDArray[np.int64]:
    """Return the group number of each image, as `near_duplicate_groups`, but images with other labels are apart."""
    labels = (tuple(sorted(each)) for each in atlas.images["labels"].iloc[rows])
    known: dict[tuple[int, tuple[str, ...]], int] = {}
    keys = zip(near_duplicate_groups(atlas, rows).tolist(), labels, strict=True)
    return np.array([known.setdefault(key, len(known)) for key in keys], np.int64)


def distinct_rows(atlas: Atlas, rows: Rows) -> Rows:
    """Return the rows without near-duplicates of equal labels: the first of each group."""
    return rows[np.sort(np.unique(labelled_groups(atlas, rows), return_index=True)[1])]


def _layers(atlas: Atlas) -> list[Layer]:
    """Return the layers whose responses are compared; none if they are not stored."""
    large = [layer for layer in atlas.layers if layer.units >= _MIN_UNITS]
    if not large or not atlas.has_responses:
        return []
    return [large[number] for number in sorted({len(large) * quarter // 4 for quarter in (1, 2, 3)})]


def _correlations(atlas: Atlas, layers: list[Layer], rows: Rows) -> Iterator[Floats]:
    """Yield the lowest correlation at any layer between some images and all, float32 ``[some, image]``."""
    at_layers = [_rays(atlas, layer, rows) for layer in layers]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        yield np.minimum.reduce([rays[some] @ rays.T for rays in at_layers])


def _rays(atlas: Atlas, layer: Layer, rows: Rows) -> Floats:
    """Return an image's responses, standardized for each unit and scaled to length 1, float32 ``[image, unit]``."""
    units = slice(0, min(layer.units, _MAX_UNITS))
    table = atlas.units_of(layer)[units]
    mean, spread = (table[name].to_numpy(np.float32) for name in ("mean", "std"))
    responses = np.nan_to_num(atlas.responses(layer, rows, units), copy=False, posinf=0, neginf=0)
    responses -= mean
    responses[:, ~(spread > _ROUNDING * np.abs(mean))] = 0
    responses /= np.where(spread > 0, spread, 1)
    lengths = np.linalg.norm(responses, axis=1, keepdims=True)
    responses /= np.where(lengths > 0, lengths, 1)
    return responses


def _threshold(atlas: Atlas, layers: list[Layer]) -> float:
    """Return the correlation of near-duplicates.

    Unrelated images have labels, but none in common; without labels, any two images are taken for unrelated.
    """
    readable = atlas.readable
    rows = readable[np.unique(np.linspace(0, len(readable) - 1, _UNRELATED).astype(np.int64))]
    labels = [frozenset(each) for each in atlas.images["labels"].iloc[rows]]
    apart = np.array([[bool(one and other) and one.isdisjoint(other) for other in labels] for one in labels])
    quantile = _UNRELATED_QUANTILE
    if not any(labels):
        apart, quantile = ~np.eye(len(rows), dtype=bool), _UNLABELLED_QUANTILE
    if not apart.any():
        return CORRELATION
    unrelated = np.quantile(np.concatenate(list(_correlations(atlas, layers, rows)))[apart], quantile)
    return max(CORRELATION, float(1 + unrelated) / 2)
