"""The rules of single claims: which bounds judge a number, and what keeps it from being judged.

In: numbers with intervals, or the outcome of a removal. Out: a `Verdict`.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from unitscope.analyses.ablation_outcome import Outcome
from unitscope.analyses.estimates import Estimate
from unitscope.paper.overlap import Overlap
from unitscope.paper.unit_figures import STANDS
from unitscope.paper.verdicts import NOT_SUPPORTED, OPEN, SUPPORTED, Measured, Verdict, by_interval, change_of, unknown

MIN_OF_A_KIND = 10
"""Minimum number of images of cats, and of dogs."""

MOSTLY_ZERO = 0.5
"""A removal says nothing of units if more than this share of the removed maps was zero already."""

TREND = 0.5
"""A correlation with depth that is weaker than this is no trend: a single layer could make it."""

MIN_CELLS = 16
"""Maps with fewer cells are too small to correlate."""

MARGIN = 0.01
"""A change of Top-1 by less than a point counts as none."""


def falls(trend: Measured) -> Verdict:
    """Return whether a correlation with depth is clearly negative."""
    return _reversed(by_interval(trend.minus(), above=TREND))


def shares_more(found: Overlap) -> Verdict:
    """Return whether a cat and a dog share more units than two other classes."""
    if found.fewest < MIN_OF_A_KIND:
        why = f"{found.cats} images of cats and {found.dogs} of dogs; {MIN_OF_A_KIND} of each are needed"
        return Verdict(OPEN, found.beyond_others, why=why)
    return by_interval(found.beyond_others, above=0, below=0.5)


def maps_stand(correlations: Sequence[Estimate]) -> Verdict:
    """Return whether the maps of units correlate with those before a change, judged by the lowest correlation."""
    if not all(np.isfinite(one.value) for one in correlations):
        return unknown("a unit's maps are constant, so that they have no correlation")
    least = min(correlations, key=lambda one: one.value)
    half = float(stats.t.ppf(0.975, max(least.count - 1, 1))) * least.error
    number = Measured(least.value, least.value - half, min(least.value + half, 1.0), least.count)
    return by_interval(number, above=STANDS)


def costs_nothing(outcome: Outcome) -> Verdict:
    """Return whether a removal costs no accuracy."""
    found = by_interval(_change(outcome), above=-MARGIN, below=0)
    return _weighed(outcome, found, if_unchanged=SUPPORTED)


def costs_something(outcome: Outcome) -> Verdict:
    """Return whether a removal costs accuracy."""
    found = _reversed(by_interval(_change(outcome).minus(), above=0, below=MARGIN))
    return _weighed(outcome, found, if_unchanged=NOT_SUPPORTED)


def _change(outcome: Outcome) -> Measured:
    counts = outcome.counts
    return change_of(counts.gained, counts.lost, counts.score.images)


def _weighed(outcome: Outcome, found: Verdict, *, if_unchanged: str) -> Verdict:
    """Return a verdict on a removal with what was removed.

    ``if_unchanged`` is the answer that unchanged accuracy gives. It is withheld if most removed maps were zero already,
    since accuracy would then stay whatever the units do.
    """
    removed = outcome.removed
    if removed is None or removed.nothing:
        return Verdict(OPEN, found.number, why=removed.note if removed else "it is unknown what was removed")
    zero = removed.already_zero or 0.0
    what = f"{zero:.0%} of the removed maps were zero already; they had {removed.share or 0:.2%} of Σ|α|"
    if zero > MOSTLY_ZERO and found.answer in (if_unchanged, OPEN):
        return Verdict(OPEN, found.number, why=what)  # without a p-value, which would look like evidence
    return replace(found, p_value=outcome.p_value, why=found.why or what)


def _reversed(verdict: Verdict) -> Verdict:
    """Return a verdict on a number's negative with the number itself."""
    return replace(verdict, number=verdict.number.minus())
