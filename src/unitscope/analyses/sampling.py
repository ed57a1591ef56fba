"""Sample images of an atlas, where reading all of them would take too long.

In: an atlas and a layer. Out: row numbers and responses of about a thousand images.
"""

import numpy as np
from numpy.typing import NDArray

from unitscope.atlas import Atlas
from unitscope.errors import check_seeds
from unitscope.units import Layer

MAX_IMAGES = 1024
_SHARDS = 16


def sample(atlas: Atlas, layer: Layer, *, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return row numbers and responses ``[image, unit]`` of all readable images, or of a sample of at most 1,024.

    Raises:
        UnitscopeError: if the seed is negative.
    """
    check_seeds([seed])
    rows = sampled_rows(len(atlas.images), int(atlas.manifest.scan["shard_size"]), seed=seed)
    responses = atlas.responses(layer, rows)
    read = np.isfinite(responses).any(1)
    return rows[read], responses[read]


def sampled_rows(images: int, shard_size: int, *, seed: int) -> NDArray[np.int64]:
    """Return at most 1,024 row numbers, ascending: all, or equally many from each of some evenly spaced shards.

    Each shard is a file, so few shards are used, but at least sixteen: neighbouring images are often of one class.
    Rows within a shard are drawn at random, since evenly spaced ones could hit the same classes again and again.
    """
    if images <= MAX_IMAGES:
        return np.arange(images)
    size = min(shard_size, images)
    shards = -(-images // size)
    count = min(shards, max(_SHARDS, MAX_IMAGES // size))
    starts = [(2 * number + 1) * shards // (2 * count) * size for number in range(count)]
    rng = np.random.default_rng(seed)
    return np.concatenate([start + _draw(min(size, images - start), MAX_IMAGES // count, rng) for start in starts])


def _draw(count: int, max_count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(rng.choice(count, min(max_count, count), replace=False))
