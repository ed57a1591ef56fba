"""Cosines of vectors, and their hierarchical clustering.

In: vectors, one per image group. Out: matrices in float64.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

Matrix = NDArray[np.float64]


def tree(matrix: ArrayLike) -> Matrix:
    """Return the hierarchical clustering of a cosine matrix as SciPy's linkage ``[merge, 4]``.

    Use average linkage on 1 - cosine with optimal leaf ordering (Bar-Joseph et al., 2001). Groups without a cosine have
    the maximum distance, 2. The tree of a single group has no merges.
    """
    distances = np.nan_to_num(np.clip(1 - np.asarray(matrix, np.float64), 0, 2), nan=2.0)
    if len(distances) < 2:
        return np.empty((0, 4))
    joined: Matrix = linkage(squareform(distances, checks=False), "average", optimal_ordering=True)
    return joined


def clustered_order(matrix: ArrayLike) -> NDArray[np.int64]:
    """Return the group numbers ``[group]`` in the order of the leaves of `tree`."""
    count = len(np.asarray(matrix))
    return leaves_list(tree(matrix)).astype(np.int64) if count > 1 else np.arange(count)


def cosines(vectors: ArrayLike) -> Matrix:
    """Return the cosines ``[vector, vector]`` between vectors ``[vector, unit]``; NaN if they are undefined."""
    rays = unit_vectors(vectors)
    return symmetric(rays @ rays.T)


def unit_vectors(vectors: ArrayLike) -> Matrix:
    """Return vectors ``[vector, unit]``, scaled to length 1; NaN if they are zero or not finite."""
    given = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(given, axis=-1, keepdims=True)
    valid = np.isfinite(lengths) & (lengths > 0)
    scaled: Matrix = np.divide(given, lengths, out=np.full(given.shape, np.nan), where=valid)
    return scaled


def symmetric(matrix: Matrix) -> Matrix:
    """Return a matrix of cosines without rounding errors: exactly symmetric, from -1 to 1, 1 on the diagonal."""
    rounded = np.clip((matrix + matrix.T) / 2, -1, 1)
    np.fill_diagonal(rounded, np.where(np.isnan(np.diag(rounded)), np.nan, 1))
    return rounded
