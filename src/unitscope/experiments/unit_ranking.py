"""Rank the units of a layer for an ablation, for each image or for all.

In: an `AblationSetting`, responses. Out: ranks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unitscope.analyses.ablation_counts import AblationSetting


@dataclass(frozen=True, eq=False)
class UnitRanking:
    """Ranks units; those with a rank below ``count`` are removed.

    Attributes:
        means: mean responses over the data set, float64 ``[unit]``; None if no setting needs them.
    """

    means: NDArray[np.float64] | None

    def __call__(self, setting: AblationSetting, responses: Tensor, rows: Sequence[int]) -> Tensor:
        """Return ranks, int64 ``[image, unit]``, or ``[1, unit]`` if they are the same for every image.

        Args:
            setting: the order, and whether it is the same for all images.
            responses: responses of the layer's units, ``[image, unit]``.
            rows: row numbers of the images, which seed random orders.
        """
        if setting.order == "random":
            seed = setting.seed or 0
            seeds = [(seed,)] if setting.scope == "dataset" else [(seed, row) for row in rows]
            drawn = [np.random.default_rng(seed).permutation(responses.shape[1]) for seed in seeds]
            return torch.from_numpy(np.stack(drawn)).to(responses.device)
        if setting.scope == "dataset":
            assert self.means is not None
            return _RANKS[setting.order](torch.from_numpy(self.means)[None]).to(responses.device)
        return _RANKS[setting.order](responses)


def _rank(values: Tensor) -> Tensor:
    """Return the rank of each value in its row, ascending; ties go to the lower unit."""
    return values.argsort(dim=1, stable=True).argsort(dim=1)


_RANKS: Mapping[str, Callable[[Tensor], Tensor]] = {"low": _rank, "high": lambda values: _rank(-values)}
