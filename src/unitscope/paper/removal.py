"""Tables 4 and 5: accuracy after removing units, at several layers, with controls and several random draws.

In: a network and its images. Out: `Removals`, and the tables of all networks, next to the paper's values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from unitscope.analyses.ablation import Ablation
from unitscope.analyses.ablation_outcome import Outcome
from unitscope.analyses.statistics import holm
from unitscope.errors import UnitscopeError
from unitscope.experiments.ablation import ablate
from unitscope.experiments.ablation_grid import AblationGrid
from unitscope.paper import published_values as values
from unitscope.paper.networks import ReportNetwork
from unitscope.paper.report_items import Missing, Table, left_out, table_of

FRACTIONS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
SEEDS = (0, 1, 2, 3, 4)
_FEW_SEEDS, _FEW_FRACTIONS, _FEW_IMAGES = SEEDS[:3], (0.1, 0.2), 200
"""At earlier layers, where most of the network runs for each setting."""

TABLES = ((4, "image", 0.2, values.TABLE_4), (5, "dataset", 0.1, values.TABLE_5))
_WHAT = {
    4: "each image's own lowest 20 % of units",
    5: "the lowest 10 % by the means over all images, the same for every image",
}
_NAMES = {"low": "lowest", "high": "highest", "random": "random", "low-abs": "lowest |α|"}


@dataclass(frozen=True, slots=True, eq=False)
class Removals:
    """The removals of one network.

    Attributes:
        curves: at the last convolution, all fractions, orders and scopes, among all units.
        others: at the last convolution among active units, by α and |α|; and at earlier layers.
        corrected: p-values by outcome, corrected for all settings of the network (Holm, 1979).
    """

    curves: Ablation
    others: tuple[Ablation, ...]
    corrected: Mapping[Outcome, float]

    @classmethod
    def of(cls, curves: Ablation, others: Sequence[Ablation]) -> "Removals":
        """Return the removals with corrected p-values; settings that removed nothing have none, and don't count."""
        tested = [one for each in (curves, *others) for one in each.outcomes if one.p_value is not None]
        corrected = holm([one.p_value for one in tested if one.p_value is not None])
        return cls(curves, tuple(others), dict(zip(tested, corrected.tolist(), strict=True)))

    @property
    def runs(self) -> tuple[Ablation, ...]:
        """All ablations."""
        return (self.curves, *self.others)

    def find(self, scope: str, fraction: float, *, order: str = "low", among: str = "all") -> Outcome:
        """Return an outcome at the last convolution."""
        layer = self.curves.outcomes[0].setting.layer
        found = [
            one
            for run in self.runs
            for one in run.outcomes
            if (one.setting.layer, one.setting.scope, one.setting.fraction, one.setting.order, one.setting.among)
            == (layer, scope, fraction, order, among)
        ]
        return found[0]


def removals_of(case: ReportNetwork) -> Removals:
    """Return the removals of a network; made once for each network.

    Raises:
        UnitscopeError: if no image has a label that is a class of the network, or it returns no logits.
    """
    return case.once(_removals)


def removal_tables(found: Sequence[tuple[ReportNetwork, Removals | Missing]]) -> list[Table | Missing]:
    """Return Tables 4 and 5 of all networks."""
    missing = left_out(found)
    tables: list[Table | Missing] = []
    for number, scope, fraction, paper in TABLES:
        rows = [
            row
            for case, one in found
            if isinstance(one, Removals)
            for row in _rows(case, one, scope, fraction, paper.get(case.architecture))
        ]
        title = f"Table {number}. Removal: {_WHAT[number]}"
        frame = pd.DataFrame(rows).convert_dtypes()
        tables.append(table_of(f"table-{number}", title, frame, note=_note(), missing=missing))
    return tables


def _note() -> str:
    return (
        "Counts in brackets; intervals are Wilson's, 95 %; p is McNemar's exact test of Top-1 before and after on "
        "the same images, and p corrected is Holm's for all settings of the network. Zero already: the share of "
        "removed maps that were zero at every position before; Σ|α| removed: their share of the layer's activation. "
        "Where all maps were zero nothing was removed, and unchanged accuracy is no evidence about the units; "
        "'active' rows leave out units with a response of zero. Random: mean and standard deviation over "
        f"{len(SEEDS)} draws at the last convolution and {len(_FEW_SEEDS)} at earlier layers, with the range of their "
        "p and the least corrected one; the interval is that of the mean count. Earlier layers: at most "
        f"{_FEW_IMAGES} images. The paper removed about 100 and 400 of the lowest by image, 50 and 200 by data "
        "set."
    )


def _removals(case: ReportNetwork) -> Removals:
    last, *earlier = (layer.name for layer in reversed(case.depths))
    options, few = case.options, replace(case.options, limit=min(_FEW_IMAGES, case.options.limit or _FEW_IMAGES))
    whole = AblationGrid([last], FRACTIONS, orders=("low", "high", "random"), seeds=SEEDS)
    curves = ablate(case.session, case.images, whole, atlas=case.atlas, options=options)
    if not curves.baseline.images:
        raise UnitscopeError("none of the images has a label that is a class of the network")
    active = AblationGrid(
        [last], _FEW_FRACTIONS, scopes=("image",), orders=("low", "low-abs", "random"), seeds=SEEDS, among=("active",)
    )
    grids = [(active, options)]
    if earlier:
        grids.append((AblationGrid(earlier, _FEW_FRACTIONS, orders=("low", "random"), seeds=_FEW_SEEDS), few))
    return Removals.of(curves, [ablate(case.session, case.images, grid, options=each) for grid, each in grids])


def _rows(
    case: ReportNetwork, found: Removals, scope: str, fraction: float, paper: tuple[float, float, float, float] | None
) -> Iterator[dict[str, object]]:
    for run in found.runs:
        chosen = [one for one in run.outcomes if (one.setting.scope, one.setting.fraction) == (scope, fraction)]
        for key in dict.fromkeys(_key(one) for one in chosen):
            outcomes = [one for one in chosen if _key(one) == key]
            known = paper if outcomes[0] is found.find(scope, fraction) else None
            yield _row(case, run, outcomes, [found.corrected[one] for one in outcomes if one in found.corrected], known)


def _key(outcome: Outcome) -> tuple[str, str, str]:
    setting = outcome.setting
    return setting.layer, setting.order, setting.among


def _row(
    case: ReportNetwork,
    run: Ablation,
    outcomes: Sequence[Outcome],
    corrected: Sequence[float],
    known: tuple[float, float, float, float] | None,
) -> dict[str, object]:
    setting, before, first = outcomes[0].setting, run.baseline.to_dict(), outcomes[0]
    removed = [one.removed for one in outcomes if one.removed is not None]
    count, images = round(first.units_removed), run.baseline.images
    tested = not first.nothing_removed
    return {
        "network": case.name,
        "layer": setting.layer,
        "units": f"{_NAMES[setting.order]} {count} of {setting.units}{', active' * (setting.among == 'active')}",
        "zero already": _mean([one.already_zero for one in removed], 3),
        "Σ|α| removed": _mean([one.share for one in removed], 4),
        "Top-1 before": _share(before, "top1"),
        "Top-1 after": _after(outcomes, "top1_correct", images),
        "interval": _interval(outcomes, images),
        "gained": round(float(np.mean([one.counts.gained for one in outcomes]))) if tested else None,
        "lost": round(float(np.mean([one.counts.lost for one in outcomes]))) if tested else None,
        "p": _p_values(outcomes) if tested else "nothing removed",
        "p corrected": f"{min(corrected):.3g}" if corrected else "",
        "note": "; ".join(dict.fromkeys(one.note for one in removed if one.note)),
        "Top-5 before": _share(before, "top5"),
        "Top-5 after": _after(outcomes, "top5_correct", images),
        "paper: Top-1": f"{known[0]} → {known[1]}" if known else "",
        "paper: Top-5": f"{known[2]} → {known[3]}" if known else "",
    }


def _after(outcomes: Sequence[Outcome], name: str, images: int) -> str:
    counts = [getattr(one.score, name) for one in outcomes]
    if len(counts) == 1:
        return f"{counts[0] / images:.4f} ({counts[0]})"
    return f"{np.mean(counts) / images:.4f} ± {np.std(counts, ddof=1) / images:.4f} ({np.mean(counts):.1f})"


def _interval(outcomes: Sequence[Outcome], images: int) -> str:
    score = replace(outcomes[0].score, top1_correct=round(float(np.mean([one.score.top1_correct for one in outcomes]))))
    return "{:.3f}–{:.3f}".format(*score.to_dict()["top1_interval"])


def _p_values(outcomes: Sequence[Outcome]) -> str:
    found = sorted(one.p_value for one in outcomes if one.p_value is not None)
    texts = dict.fromkeys(f"{value:.3g}" for value in (found[0], found[-1])) if found else {}
    return "–".join(texts)


def _mean(shares: Sequence[float | None], digits: int) -> float | None:
    """Return the mean of the shares that are known; None if none is."""
    known = [share for share in shares if share is not None]
    return round(float(np.mean(known)), digits) if known else None


def _share(accuracy: Mapping[str, float], name: str) -> str:
    return f"{accuracy[name]:.4f} ({accuracy[f'{name}_correct']})"
