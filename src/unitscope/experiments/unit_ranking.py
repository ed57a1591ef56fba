"""Choose the units of a layer to remove, for each image or for all.

In: an `AblationSetting`, responses. Out: ranks and masks of the units.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unitscope.analyses.ablation_counts import AblationSetting
from unitscope.engine.unit_means import UnitMeans


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Ranks of units, and how many can be removed.

    Attributes:
        ranks: int64 ``[image, unit]``, or ``[1, unit]`` if they are the same for every image.
        among: number of units that can be removed, which come first, int64 ``[image or 1]``.
    """

    ranks: Tensor
    among: Tensor

    def first(self, setting: AblationSetting) -> Tensor:
        """Return a mask of the units that a setting removes, bool ``[image or 1, unit]``."""
        return self.ranks < self._count(setting)[:, None]

    def _count(self, setting: AblationSetting) -> Tensor:
        if setting.among == "all" or setting.fraction is None:
            return self.among.clamp(max=setting.count)
        return (setting.fraction * self.among.double() + 0.5).floor().long()


@dataclass(frozen=True, eq=False)
class UnitRanking:
    """Ranks units; those first in the order are removed.

    Attributes:
        means: means over the data set; None if no setting needs them.
    """

    means: UnitMeans | None

    def __call__(self, setting: AblationSetting, responses: Tensor, rows: Sequence[int]) -> Ranked:
        """Return the ranks of the units; those that are not active come last if only active ones may be removed.

        Args:
            setting: the order, whether it is the same for all images, and among which units.
            responses: responses of the layer's units, ``[image, unit]``.
            rows: row numbers of the images, which seed random orders.
        """
        ranks = self._ranks(setting, responses, rows)
        if setting.among == "all":
            return Ranked(ranks, ranks.new_full((len(ranks),), setting.units))
        sizes = self._magnitudes(responses) if setting.scope == "dataset" else responses.abs()
        active = sizes > 0  # NaN is not active
        return Ranked(_rank(ranks + setting.units * ~active), active.sum(1))

    def _ranks(self, setting: AblationSetting, responses: Tensor, rows: Sequence[int]) -> Tensor:
        if setting.order == "random":
            seed = setting.seed or 0
            seeds = [(seed,)] if setting.scope == "dataset" else [(seed, row) for row in rows]
            drawn = [np.random.default_rng(seed).permutation(responses.shape[1]) for seed in seeds]
            return torch.from_numpy(np.stack(drawn)).to(responses.device)
        order, absolute = setting.order.removesuffix("-abs"), setting.order.endswith("-abs")
        if setting.scope == "image":
            return _RANKS[order](responses.abs() if absolute else responses)
        if absolute:
            return _RANKS[order](self._magnitudes(responses))
        assert self.means is not None
        return _RANKS[order](torch.from_numpy(self.means.response)[None]).to(responses.device)

    def _magnitudes(self, like: Tensor) -> Tensor:
        assert self.means is not None
        assert self.means.magnitude is not None
        return torch.from_numpy(self.means.magnitude)[None].to(like.device)


def _rank(values: Tensor) -> Tensor:
    """Return the rank of each value in its row, ascending; ties go to the lower unit."""
    return values.argsort(dim=1, stable=True).argsort(dim=1)


_RANKS: Mapping[str, Callable[[Tensor], Tensor]] = {"low": _rank, "high": lambda values: _rank(-values)}
