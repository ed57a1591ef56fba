"""Warnings about the settings of an ablation: removals of nothing, and of more than they seem to.

In: the outcomes of an ablation. Out: sentences.
"""

from collections.abc import Iterator, Sequence

from unitscope.analyses.ablation_outcome import Outcome
from unitscope.analyses.ablation_removed import ALMOST_NOTHING
from unitscope.text import count_noun


def removal_notes(outcomes: Sequence[Outcome]) -> list[str]:
    """Return warnings about outcomes: where nothing or almost nothing was removed, and where ``low`` removes much."""
    return [*_nothing(outcomes), *_almost_nothing(outcomes), *_negative(outcomes)]


def _nothing(outcomes: Sequence[Outcome]) -> Iterator[str]:
    found = [one for one in outcomes if one.removed and one.removed.maps and one.nothing_removed]
    if found:
        yield (
            f"{count_noun(len(found), 'setting')} of {len(outcomes):,} removed nothing, since all maps were zero "
            f"already ({_named(found)}): unchanged predictions say nothing about these units; use --among active"
        )


def _almost_nothing(outcomes: Sequence[Outcome]) -> Iterator[str]:
    found = [
        one
        for one in outcomes
        if one.removed
        and not one.nothing_removed
        and one.removed.share is not None
        and one.removed.share < ALMOST_NOTHING
    ]
    if found:
        yield (
            f"{count_noun(len(found), 'setting')} of {len(outcomes):,} removed less than {ALMOST_NOTHING:.0%} of the "
            f"layer's activation, Σ|α| ({_named(found)})"
        )


def _negative(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield a warning if the lowest units had more than their part of the activation: they are the most negative."""
    for one in outcomes:
        removed, part = one.removed, one.units_removed / one.setting.units
        if one.setting.order == "low" and removed and removed.share is not None and removed.share > part > 0:
            yield (
                f"'low' removes the most negative responses first: at {one.setting.layer}, {removed.share:.0%} of Σ|α| "
                f"in {part:.0%} of the units; use --order low-abs for the units that respond least"
            )
            return


def _named(outcomes: Sequence[Outcome]) -> str:
    first = outcomes[0].setting
    name = f"{first.layer}, {first.scope}, {first.order}, {outcomes[0].units_removed:.4g} units"
    return name + (" and others" if len(outcomes) > 1 else "")
