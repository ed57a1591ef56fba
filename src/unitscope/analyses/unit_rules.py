"""The paper's rules: an image's greatest units, units that several share, units that tell one from others.

In: `ImageGroup` values, a way to choose units. Out: `Rule`, what a rule finds and what chance would have found.
(Shang, Yang and He, 2019, algorithm 2.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.chance import expected_overlap, overlap_tail, support_bound, support_tails
from unitscope.analyses.image_groups import ImageGroup
from unitscope.analyses.selection import Selection, Selector, Threshold, TopK, check_count, select
from unitscope.analyses.selection_frequency import BaseRate
from unitscope.analyses.statistics import holm
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, layer_table, layers_by_name
from unitscope.units import Layer

Name = Literal["max", "shared", "only"]
NINE = TopK(9)
_MOST_COLUMNS, _LONGEST_NAME = 4, 28  # of subjects, in the table of units


@dataclass(frozen=True, slots=True, eq=False)
class Rule(Result):
    """What a rule finds at one layer; arrays are parallel to ``units``.

    Attributes:
        name: ``max``, ``shared`` or ``only``.
        pick: how units were chosen for each image or class.
        layer: the layer that the units are of.
        names: the images or classes asked for.
        against: those that ``only`` sets them against.
        responses_by_subject: the mean response of each image or class, by its name, float64 ``[unit]``.
        units: channels by descending response, int64 ``[unit]``; ties go to the lower channel.
        responses: the mean over the subjects of their mean α, float64 ``[unit]``.
        support: in how many of the subjects' images' own selections a unit is, int64 ``[unit]``.
        images: how many images that counts; an image that two classes have counts once.
        support_p: the exact probability that a unit has such a support in random selections of the same sizes,
            corrected for the number of the layer's units (Holm), float64 ``[unit]``.
        expected: how many units random selections of the same sizes would give; None for ``max``, which compares none.
        p_value: the probability that they give at least so many; with ``at_least`` what it can't exceed.
        base_rate: in what share of the atlas's images a unit is chosen, float64 ``[unit]``; None where not asked for.
        base_images: how many images that rests on.
        at_least: in how many of the images a shared unit had to be chosen; None where the subjects were compared whole.
        subjects: the images or classes asked for, with all responses; empty in a stored rule.
        others: those that ``only`` sets them against, likewise.
    """

    kind: ClassVar[str] = "rule"

    name: Name
    pick: Selector
    layer: Layer
    names: tuple[str, ...]
    against: tuple[str, ...]
    responses_by_subject: dict[str, NDArray[np.float64]]
    units: NDArray[np.int64]
    responses: NDArray[np.float64]
    support: NDArray[np.int64]
    images: int
    support_p: NDArray[np.float64]
    expected: float | None
    p_value: float | None
    base_rate: NDArray[np.float64] | None
    base_images: int
    at_least: int | None = None
    subjects: tuple[ImageGroup, ...] = ()
    others: tuple[ImageGroup, ...] = ()

    def values(self) -> Values:
        """Return plain values; docs/commands/rule.md lists the keys."""
        return {
            "layer": self.layer.name,
            "rule": self.name,
            "top": getattr(self.pick, "count", None),
            "threshold": getattr(self.pick, "threshold", None),
            "at_least": self.at_least,
            "subjects": list(self.names),
            "others": list(self.against),
            "units": self.units.tolist(),
            "responses": self.responses.tolist(),
            "responses_by_subject": {name: each.tolist() for name, each in self.responses_by_subject.items()},
            "support": self.support.tolist(),
            "images": self.images,
            "support_p": self.support_p.tolist(),
            "expected_by_chance": self.expected,
            "p_value": self.p_value,
            "base_rate": None if self.base_rate is None else self.base_rate.tolist(),
            "base_rate_images": self.base_images,
            "layer_table": layer_table([self.layer]),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        name, top, base = values["layer"], values["top"], values["base_rate"]
        return cls(
            values["rule"],
            Threshold(values["threshold"]) if top is None else TopK(top),
            layers_by_name(values, [name])[name],
            tuple(values["subjects"]),
            tuple(values["others"]),
            {name: np.array(each, np.float64) for name, each in values["responses_by_subject"].items()},
            np.array(values["units"], np.int64),
            np.array(values["responses"], np.float64),
            np.array(values["support"], np.int64),
            values["images"],
            np.array(values["support_p"], np.float64),
            values["expected_by_chance"],
            values["p_value"],
            None if base is None else np.array(base, np.float64),
            values["base_rate_images"],
            values["at_least"],
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return how many units there are and how many chance would give, and the units."""
        overall = {
            "units": len(self.units),
            "expected by chance": self.expected,
            "p-value": self.p_value,
            "images": self.images,
        }
        each = (self.names if len(self.names) > 1 else ()) + self.against
        units = {
            "unit": self.units,
            "response": self.responses,
            **{_short(name): self.responses_by_subject[name] for name in each if len(each) <= _MOST_COLUMNS},
            f"chosen in (of {self.images})": self.support,
            "p-value of that": self.support_p,
        }
        if self.base_rate is not None:
            units[f"base rate (of {self.base_images})"] = self.base_rate
        return {self.title: pd.DataFrame([overall]), "Units": pd.DataFrame(units)}

    @property
    def title(self) -> str:
        """The question in words."""
        names, layer = ", ".join(self.names), f"{self.layer.shown}, {self.pick},"
        if self.name == "max":
            return f"Units of {layer} that respond most to {names}"
        if self.name == "only":
            return f"Units of {layer} for {names} but not for {', '.join(self.against)}"
        if self.at_least is None:
            return f"Units of {layer} shared by {names}"
        return f"Units of {layer} in at least {self.at_least} of {self.images} images: {names}"

    @property
    def selection(self) -> Selection:
        """The units as a set."""
        return Selection(self.layer, tuple(self.units.tolist()))

    def responses_of(self, subject: ImageGroup) -> NDArray[np.float64]:
        """Return a subject's mean responses, float64 ``[unit]``, parallel to `units`."""
        return self.responses_by_subject[subject.name]


def top_units(subject: ImageGroup, pick: Selector = NINE, *, base: BaseRate | None = None) -> Rule:
    """Return the units that respond most to an image or class (the paper's maximum rule)."""
    return _rule(_Question("max", pick, (subject,)), select(subject, pick), (None, None), base)


def intersection(
    subjects: Sequence[ImageGroup],
    pick: Selector = NINE,
    *,
    at_least: int | None = None,
    base: BaseRate | None = None,
) -> Rule:
    """Return the units in every subject's selection, or chosen in at least so many of all their images.

    Without ``at_least`` a class is chosen for by its mean response (the paper's intersection rule).

    Raises:
        UnitscopeError: if there are fewer than two subjects and no ``at_least``, if two are the same or of different
            layers, if ``at_least`` is over the number of images, or the layer has too few units.
    """
    question = _Question("shared", pick, tuple(subjects), at_least=at_least)
    _check(question, fewest=1 if at_least is not None else 2)
    if at_least is None:
        selections = [select(subject, pick) for subject in subjects]
        found = reduce(and_, selections)
        return _rule(question, found, _chance([len(one) for one in selections], found), base)
    votes = question.votes
    check_count(at_least, len(votes))
    found = Selection.of_mask(question.layer, votes.sum(0) >= at_least)
    return _rule(question, found, _chance_of_support(votes, found, at_least), base)


def difference(
    subjects: Sequence[ImageGroup],
    others: Sequence[ImageGroup],
    pick: Selector = NINE,
    *,
    base: BaseRate | None = None,
) -> Rule:
    """Return the units in every subject's selection and in none of the others' (the paper's difference rule).

    Raises:
        UnitscopeError: if there is no subject or no other, or two are the same or of different layers.
    """
    question = _Question("only", pick, tuple(subjects), tuple(others))
    _check(question, fewest=1)
    asked = [select(subject, pick) for subject in subjects]
    against = [select(other, pick) for other in others]
    found = reduce(lambda left, other: left - other, against, reduce(and_, asked))
    sizes = [*map(len, asked), *(found.layer.units - len(other) for other in against)]
    return _rule(question, found, _chance(sizes, found), base)


_Chance = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    name: Name
    pick: Selector
    subjects: tuple[ImageGroup, ...]
    others: tuple[ImageGroup, ...] = ()
    at_least: int | None = None

    @property
    def layer(self) -> Layer:
        return self.subjects[0].layer

    @property
    def votes(self) -> NDArray[np.bool_]:
        """Which units are chosen for each of the subjects' images, each once, ``[image, unit]``."""
        rows = {image: row for one in self.subjects for image, row in zip(one.images, one.responses, strict=True)}
        return self.pick.chosen(self.layer, np.stack(list(rows.values())))


def _rule(question: _Question, found: Selection, chance: _Chance, base: BaseRate | None) -> Rule:
    mean = np.mean([subject.mean for subject in question.subjects], 0)
    channels = np.array(found.units, np.int64)
    units = channels[np.argsort(-mean[channels], kind="stable")]
    votes = question.votes
    support = votes.sum(0)
    tails = support_tails(votes.sum(1).tolist(), found.layer.units)
    return Rule(
        name=question.name,
        pick=question.pick,
        layer=question.layer,
        names=tuple(subject.name for subject in question.subjects),
        against=tuple(other.name for other in question.others),
        responses_by_subject={one.name: one.mean[units] for one in (*question.subjects, *question.others)},
        units=units,
        responses=mean[units],
        support=support[units],
        images=len(votes),
        support_p=holm(tails[support])[units],
        expected=chance[0],
        p_value=chance[1],
        base_rate=None if base is None else base.share[units],
        base_images=0 if base is None else base.images,
        at_least=question.at_least,
        subjects=question.subjects,
        others=question.others,
    )


def _chance(sizes: list[int], found: Selection) -> _Chance:
    units = found.layer.units
    return expected_overlap(sizes, units), overlap_tail(sizes, units, len(found))


def _chance_of_support(votes: NDArray[np.bool_], found: Selection, at_least: int) -> _Chance:
    """Exact where all images are asked for: that is an intersection."""
    sizes, units = votes.sum(1).tolist(), found.layer.units
    if at_least == len(votes):
        return _chance(sizes, found)
    tail = float(support_tails(sizes, units)[at_least])
    return units * tail, support_bound(tail, units, len(found))


def _check(question: _Question, *, fewest: int) -> None:
    subjects, others = question.subjects, question.others
    if not subjects:
        raise UnitscopeError("no image or class was given; name one")
    if len(subjects) < fewest:
        raise UnitscopeError(
            f"units are shared by two images or classes, or more, and only '{subjects[0].name}' was given; "
            "name another, or say in at least how many of its images a unit must be chosen"
        )
    if question.name == "only" and not others:
        raise UnitscopeError(
            f"'{subjects[0].name}' must be set against something; name an image or class to differ from"
        )
    _check_apart([*subjects, *others])


def _check_apart(subjects: list[ImageGroup]) -> None:
    for position, one in enumerate(subjects):
        for before in subjects[:position]:
            if one.name == before.name:
                raise UnitscopeError(f"'{one.name}' was given twice; name each image or class once")
            if one.images == before.images:
                raise UnitscopeError(f"'{before.name}' and '{one.name}' are the same images; name them once")
            if one.layer != before.layer:
                raise UnitscopeError(
                    f"'{before.name}' was found at layer '{before.layer.name}' and '{one.name}' at '{one.layer.name}'; "
                    "find both at one layer"
                )


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else "…" + name[-_LONGEST_NAME + 1 :]
