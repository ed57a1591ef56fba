"""Which units an ablation takes first: the queue of a layer's units, for every image or for all.

In: a `Removed`, responses. Out: places in the queue.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unitscope.analyses.ablation import Removed


@dataclass(frozen=True, eq=False)
class UnitRanking:
    """In which place of the queue each unit stands: the first ``count`` of them go.

    Attributes:
        means: of the responses over the data set, float64 ``[unit]``; None where no setting asks for them.
    """

    means: NDArray[np.float64] | None

    def __call__(self, gone: Removed, responses: Tensor, rows: Sequence[int]) -> Tensor:
        """Return places, int64 ``[image, unit]``, or ``[1, unit]`` where they are the same for every image.

        Args:
            gone: the setting.
            responses: of the layer's units, ``[image, unit]``.
            rows: the images' numbers, which seed random orders.
        """
        if gone.order == "random":
            seed = gone.seed or 0
            seeds = [(seed,)] if gone.scope == "dataset" else [(seed, row) for row in rows]
            drawn = [np.random.default_rng(seed).permutation(responses.shape[1]) for seed in seeds]
            return torch.from_numpy(np.stack(drawn)).to(responses.device)
        if gone.scope == "dataset":
            assert self.means is not None
            return _RANKS[gone.order](torch.from_numpy(self.means)[None]).to(responses.device)
        return _RANKS[gone.order](responses)


def _rank(values: Tensor) -> Tensor:
    """The place of each value in a row, the least first; of equals the lower unit first."""
    return values.argsort(dim=1, stable=True).argsort(dim=1)


_RANKS: Mapping[str, Callable[[Tensor], Tensor]] = {"low": _rank, "high": lambda values: _rank(-values)}
