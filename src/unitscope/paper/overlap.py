"""How many of their units of highest response images share: a cat and a dog, other classes, one class (figure 4).

In: a network's atlas. Out: `Overlap`, with intervals over the images, next to chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.chance import expected_overlap
from unitscope.analyses.selection import TopK
from unitscope.paper.networks import ReportNetwork
from unitscope.paper.report_items import Missing, Table, left_out, table_of
from unitscope.paper.resampling import ImageDraws, interval_of
from unitscope.paper.samples import Sample, kinds_of, sample_of
from unitscope.paper.verdicts import Measured
from unitscope.units import Layer

TOP = 9
KINDS = ("a cat and a dog", "two other classes", "one class")


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """Shared units of pairs of images, of the 9 of highest response; units with a response of zero don't count.

    Attributes:
        layer: the layer.
        means: mean number of shared units by kind of pair, with its interval.
        spreads: standard deviation over the pairs, by kind; NaN for fewer than two.
        pairs: number of pairs, by kind.
        beyond_others: mean of a cat and a dog minus that of two other classes.
        chance: number that random selections share.
        cats: number of images of cats.
        dogs: number of images of dogs.
    """

    layer: Layer
    means: dict[str, Measured]
    spreads: dict[str, float]
    pairs: dict[str, int]
    beyond_others: Measured
    chance: float
    cats: int
    dogs: int

    @property
    def fewest(self) -> int:
        """Number of images of the rarer kind, cats or dogs."""
        return min(self.cats, self.dogs)


def overlap_of(case: ReportNetwork) -> Overlap:
    """Return the overlap at a network's last convolution; made once for each network."""
    return case.once(_overlap)


def shared_units(layer: Layer, responses: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """Return the number of shared units of each pair of images, of the ``count`` of highest response."""
    chosen = (TopK(count).mask(layer, responses) & (responses != 0)).astype(np.float32)
    shared: NDArray[np.float64] = (chosen @ chosen.T).astype(np.float64)
    return shared


def overlaps(layer: Layer, responses: NDArray[np.float32], sample: Sample) -> Overlap:
    """Return the overlap of the images of a sample, from their responses ``[image, unit]``."""
    shared, draws = shared_units(layer, responses, TOP), ImageDraws.of(sample.groups)
    kinds = dict(zip(KINDS, (sample.cat_and_dog, sample.other, sample.one_class), strict=True))
    drawn = {name: draws.means(shared, pairs) for name, pairs in kinds.items()}
    images = len(sample.rows)
    return Overlap(
        layer,
        {name: interval_of(values, images) for name, values in drawn.items()},
        {name: float(shared[pairs].std()) if pairs.sum() > 2 else np.nan for name, pairs in kinds.items()},
        {name: int(pairs.sum()) // 2 for name, pairs in kinds.items()},
        interval_of(drawn[KINDS[0]] - drawn[KINDS[1]], images),
        expected_overlap([TOP, TOP], layer.units),
        int(sample.cats.sum()),
        int(sample.dogs.sum()),
    )


def overlap_table(found: Sequence[tuple[ReportNetwork, Overlap | Missing]]) -> Table | Missing:
    """Return the overlaps of all networks."""
    title = "Beyond figure 4. Units that images share"
    rows = [
        {
            "network": case.name,
            "layer": overlap.layer.name,
            "images of": name,
            "pairs": overlap.pairs[name],
            "shared": round(overlap.means[name].value, 3),
            "95 % low": round(overlap.means[name].low, 3),
            "95 % high": round(overlap.means[name].high, 3),
            "standard deviation": round(overlap.spreads[name], 3),
            "by chance": round(overlap.chance, 3),
        }
        for case, overlap in found
        if isinstance(overlap, Overlap)
        for name in KINDS
        if overlap.pairs[name]
    ]
    note = (
        f"Mean number of units that two images share, of the {TOP} of highest response in each. Units with a response "
        "of zero don't count. Intervals are percentiles over 1,000 draws of the images; the standard deviation is "
        "over the pairs. Cats, and dogs, are one class each."
    )
    return table_of("overlap", title, pd.DataFrame(rows), note=note, missing=left_out(found))


def _overlap(case: ReportNetwork) -> Overlap:
    sample = case.once(pair_sample)
    return overlaps(case.last, case.atlas.responses(case.last, sample.rows), sample)


def pair_sample(case: ReportNetwork) -> Sample:
    """Return the images whose pairs are compared."""
    cats, dogs = kinds_of(case.atlas, case.network.classes, imagenet=bool(case.network.wnids))
    return sample_of(case.atlas, cats, dogs)
