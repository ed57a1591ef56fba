"""Predictions from logits: the most probable classes and their probabilities.

In: logits. Out: class numbers and probabilities, most probable first.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitscope.errors import NetworkError
from unitscope.text import count_noun


def best_classes(logits: NDArray[Any], count: int) -> NDArray[np.int32]:
    """Return the classes with the largest logits, int32 ``[…, rank]``, at most ``count``.

    Ties go to the lower class. Where a logit is NaN there is no prediction: all are -1.
    """
    left = np.nan_to_num(logits.astype(np.float32))
    unknown = np.isnan(logits).any(-1, keepdims=True)
    ranks = []
    for _ in range(min(count, logits.shape[-1])):  # much faster than sorting a thousand classes for five
        ranks.append(left.argmax(-1)[..., None])
        np.put_along_axis(left, ranks[-1], -np.inf, -1)
    return np.where(unknown, -1, np.concatenate(ranks, -1)).astype(np.int32)


def check_predicted(best: NDArray[np.int32], network: str) -> None:
    """Check that `best_classes` ``[image, rank]`` of an unchanged network are known for all images.

    Raises:
        NetworkError: if some logits are NaN; then no change of a prediction can be told.
    """
    if unknown := int((best[:, :1] < 0).sum()):
        raise NetworkError(
            f"{network} returns logits that are not numbers (NaN) for {unknown:,} of "
            f"{count_noun(len(best), 'image')}; check its weights and its preprocessing"
        )


def top_predictions(
    logits: NDArray[np.float32], count: int, *, squashing: str = "softmax"
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the `best_classes` of logits ``[image, class]`` and their `probabilities`, ``[image, rank]``."""
    best = best_classes(logits, count)
    return best, np.take_along_axis(probabilities(logits, squashing=squashing), best, 1)


def probabilities(logits: NDArray[np.float32], *, squashing: str = "softmax") -> NDArray[np.float32]:
    """Return probabilities for logits ``[image, class]``.

    Args:
        logits: float32 ``[image, class]``.
        squashing: ``softmax`` over the classes, or ``sigmoid`` for each class on its own, as in the network.
    """
    if squashing == "sigmoid":
        return np.asarray(0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64))), np.float32)  # never overflows
    shifted = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True), np.float32)
