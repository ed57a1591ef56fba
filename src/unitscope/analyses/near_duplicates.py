"""Near-duplicates among images, such as crops of one photograph: they are not independent samples.

In: an atlas and rows of images. Out: a group number for each image; a test counts each group once.

The responses serve as a perceptual hash. Two images are near-duplicates if their responses, standardized for each
unit, have a mean correlation of at least `CORRELATION` over nine layers, and are much more alike than unrelated images.
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
_DEPTHS = np.linspace(0.2, 0.8, 9)
_SHALLOW, _DEEP = 0.4, 0.5
_MIN_UNITS, _MAX_UNITS = 32, 256  # with fewer, unrelated images are often alike by chance; with more, reading is slow
_UNRELATED, _MIN_PAIRS = 512, 10
_ROWS_AT_ONCE = 256
_ROUNDING = 1e-6  # of float32 responses, relative to their mean

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]


def near_duplicate_groups(atlas: Atlas, rows: Rows) -> NDArray[np.int64]:
    """Return the group number of each image, int64 ``[image]``; equal numbers are near-duplicates of each other.

    Each image is a group of its own if the atlas has no responses, if it has not both shallow and deep layers of 32 or
    more units, or if there are more than 4,096 images. The correlation must be at least halfway between that of the
    most similar unrelated images and 1; see `_threshold`.

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
    """Return the layers whose responses are compared: up to nine, evenly spaced from 20% to 80% of the depth.

    None if responses are not stored, or the scan did not tap layers of both halves of the network: in deep layers
    alone images of one class look like near-duplicates, in shallow ones images of the same colours.
    """
    deepest = max((layer.index for layer in atlas.manifest.all_layers), default=0) or 1
    depths = {layer: layer.index / deepest for layer in atlas.layers if layer.units >= _MIN_UNITS}
    if not depths or not atlas.has_responses:
        return []
    nearest = [min(depths, key=lambda layer: (abs(depths[layer] - at), layer.index)) for at in _DEPTHS]
    found = list(dict.fromkeys(nearest))
    return found if depths[found[0]] <= _SHALLOW and depths[found[-1]] >= _DEEP else []


def _correlations(atlas: Atlas, layers: list[Layer], rows: Rows) -> Iterator[Floats]:
    """Yield the mean correlation over layers between some images and all, float32 ``[some, image]``."""
    at_layers = [_rays(atlas, layer, rows) for layer in layers]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        yield np.mean([rays[some] @ rays.T for rays in at_layers], axis=0)


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

    It is at least halfway to 1 from the correlation of the most similar thousandth (10 or more) of pairs of unrelated
    images, out of 512. Unrelated images have labels, but none in common; without labels, any two are taken for
    unrelated, and the most similar tenth counts.
    """
    readable = atlas.readable
    rows = readable[np.unique(np.linspace(0, len(readable) - 1, _UNRELATED).astype(np.int64))]
    labels = [frozenset(each) for each in atlas.images["labels"].iloc[rows]]
    apart = np.array([[bool(one and other) and one.isdisjoint(other) for other in labels] for one in labels])
    labelled = any(labels)
    pairs = np.triu(apart if labelled else np.ones_like(apart), 1)
    found = np.concatenate(list(_correlations(atlas, layers, rows)))[pairs]
    count = max(_MIN_PAIRS, len(found) // (1000 if labelled else 10))
    if len(found) <= count:
        return CORRELATION
    return max(CORRELATION, float(1 + np.partition(found, -count)[-count]) / 2)
