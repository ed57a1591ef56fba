"""The paper's rules (algorithm 2): the top units of an image, units that several images share, units that differ.

In: `ImageGroup` values and a selector. Out: a `Rule`, with the units found and the number expected by chance.
See Shang, Yang and He (2019), algorithm 2.
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
from unitscope.analyses.image_groups import ImageGroup, check_distinct
from unitscope.analyses.selection import Selection, Selector, Threshold, TopK, check_count, select
from unitscope.analyses.selection_frequency import BaseRate
from unitscope.analyses.statistics import holm
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, layer_table, layers_by_name
from unitscope.units import Layer

Name = Literal["max", "shared", "only"]
NINE = TopK(9)
_MAX_COLUMNS, _LONGEST_NAME = 4, 28  # of subjects, in the table of units
_COMMON = 0.5  # a base rate


@dataclass(frozen=True, slots=True, eq=False)
class Rule(Result):
    """The units found by a rule at one layer; arrays are parallel to ``units``.

    Attributes:
        name: ``max``, ``shared`` or ``only``.
        selector: the selector of units for each image or class.
        layer: the layer of the units.
        names: names of the images or classes.
        against: names of the images or classes that ``only`` compares them with.
        responses_by_subject: mean response to each image or class, by its name, float64 ``[unit]``.
        units: channels by descending response, int64 ``[unit]``; ties go to the lower channel.
        responses: mean α of each group, averaged over the groups, float64 ``[unit]``.
        support: number of images that select each unit, int64 ``[unit]``.
        images: number of images; images of two classes count once.
        support_p: exact probability of such a support in random selections of the same sizes, corrected for the number
            of the layer's units (Holm), float64 ``[unit]``.
        expected: number of units expected for random selections of the same sizes; None for ``max``.
        p_value: probability that random selections give at least as many units; an upper bound with ``at_least``.
        base_rate: fraction of the atlas's images that select each unit, float64 ``[unit]``; None if not computed.
        base_images: number of images of the base rate.
        at_least: minimum number of images that select a shared unit; None if groups were compared by their means.
        groups: the groups of images with all responses; empty in a stored rule.
        others: the groups that ``only`` compares them with, likewise.
        near_duplicates: number of images that are near-duplicates of others; see `check_independence`. ``support_p`` is
            then NaN, and ``p_value`` None if it needs these images to be independent.
        classes: the class that each unit is, ``[unit]``, at a layer whose units are the network's classes, see
            `name_classes`; otherwise empty.
    """

    kind: ClassVar[str] = "rule"

    name: Name
    selector: Selector
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
    groups: tuple[ImageGroup, ...] = ()
    others: tuple[ImageGroup, ...] = ()
    near_duplicates: int = 0
    classes: tuple[str, ...] = ()

    def values(self) -> Values:
        """Return plain values; docs/commands/rule.md lists the keys."""
        return {
            "layer": self.layer.name,
            "rule": self.name,
            "top": getattr(self.selector, "count", None),
            "threshold": getattr(self.selector, "threshold", None),
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
            "near_duplicates": self.near_duplicates,
            "classes": list(self.classes),
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
            near_duplicates=values.get("near_duplicates", 0),
            classes=tuple(values.get("classes", ())),
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the number of units with the number expected by chance, and the units."""
        overall = {
            "units": len(self.units),
            "expected by chance": self.expected,
            "p-value": self.p_value,
            "images": self.images,
        }
        each = (self.names if len(self.names) > 1 else ()) + self.against
        units = {
            "unit": self.units,
            **({"class": self.classes} if self.classes else {}),
            "response": self.responses,
            **{_short(name): self.responses_by_subject[name] for name in each if len(each) <= _MAX_COLUMNS},
            f"selected in (of {self.images})": self.support,
            "p-value of the count": self.support_p,
        }
        if self.base_rate is not None:
            units[f"base rate (of {self.base_images})"] = self.base_rate
        notes = "; ".join(filter(None, (self.note, self.class_note)))
        title = f"{self.title} ({notes})" if notes else self.title
        return {title: pd.DataFrame([overall]), "Units": pd.DataFrame(units)}

    @property
    def note(self) -> str:
        """Which p-values are missing and why, and how many units are selected in most images; may be empty."""
        parts = []
        if self.expected is not None and self.p_value is None:
            parts.append("no p-value, since images are near-duplicates")
        elif self.near_duplicates:
            repeated = f"{self.near_duplicates} of the {self.images} images are near-duplicates"
            parts.append(f"no p-value of the counts, since {repeated}")
        common = 0 if self.base_rate is None else int((self.base_rate >= _COMMON).sum())
        if common:
            which = f"{common} of the units {'is' if common == 1 else 'are'}"
            parts.append(f"{which} selected in at least half of all images, whatever these show")
        return "; ".join(parts)

    @property
    def class_note(self) -> str:
        """That the units are the network's classes, in words; empty if they are not, or there are none."""
        if not self.classes:
            return ""
        return (
            f"these units are the network's {self.layer.units:,} classes themselves: unit {self.units[0]} is "
            f"'{self.classes[0]}'"
        )

    @property
    def title(self) -> str:
        """The rule in words."""
        names, layer = ", ".join(self.names), f"{self.layer.display_name}, {self.selector},"
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


def top_units(group: ImageGroup, selector: Selector = NINE, *, base: BaseRate | None = None) -> Rule:
    """Return the units with the highest responses to an image or class (the paper's maximum rule)."""
    return _rule(_Query("max", selector, (group,)), select(group, selector), (None, None), base)


def intersection(
    groups: Sequence[ImageGroup],
    selector: Selector = NINE,
    *,
    at_least: int | None = None,
    base: BaseRate | None = None,
) -> Rule:
    """Return the units in the selections of all groups, or selected for at least ``at_least`` of all their images.

    Without ``at_least``, the units of a class are selected by its mean response (the paper's intersection rule).

    Raises:
        UnitscopeError: if there are fewer than two groups and no ``at_least``, if two groups are the same or from
            different layers, if ``at_least`` exceeds the number of images, or the layer has too few units.
    """
    query = _Query("shared", selector, tuple(groups), at_least=at_least)
    _check(query, min_groups=1 if at_least is not None else 2)
    if at_least is None:
        selections = [select(group, selector) for group in groups]
        found = reduce(and_, selections)
        return _rule(query, found, _chance([len(one) for one in selections], found), base)
    votes = query.votes
    check_count(at_least, len(votes))
    found = Selection.of_mask(query.layer, votes.sum(0) >= at_least)
    return _rule(query, found, _chance_of_support(votes, found, at_least), base)


def difference(
    groups: Sequence[ImageGroup],
    others: Sequence[ImageGroup],
    selector: Selector = NINE,
    *,
    base: BaseRate | None = None,
) -> Rule:
    """Return the units in the selections of all groups and of none of the others (the paper's difference rule).

    Raises:
        UnitscopeError: if there are no groups or no others, or two groups are the same or from different layers.
    """
    query = _Query("only", selector, tuple(groups), tuple(others))
    _check(query, min_groups=1)
    inside = [select(group, selector) for group in groups]
    outside = [select(other, selector) for other in others]
    found = reduce(lambda left, other: left - other, outside, reduce(and_, inside))
    sizes = [*map(len, inside), *(found.layer.units - len(other) for other in outside)]
    return _rule(query, found, _chance(sizes, found), base)


_Chance = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Query:
    name: Name
    selector: Selector
    groups: tuple[ImageGroup, ...]
    others: tuple[ImageGroup, ...] = ()
    at_least: int | None = None

    @property
    def layer(self) -> Layer:
        return self.groups[0].layer

    @property
    def votes(self) -> NDArray[np.bool_]:
        """Units selected for each image of the groups, each image once, bool ``[image, unit]``."""
        rows = {image: row for one in self.groups for image, row in zip(one.images, one.responses, strict=True)}
        return self.selector.mask(self.layer, np.stack(list(rows.values())))


def _rule(query: _Query, found: Selection, chance: _Chance, base: BaseRate | None) -> Rule:
    mean = np.mean([group.mean for group in query.groups], 0)
    channels = np.array(found.units, np.int64)
    units = channels[np.argsort(-mean[channels], kind="stable")]
    votes = query.votes
    support = votes.sum(0)
    tails = support_tails(votes.sum(1).tolist(), found.layer.units)
    return Rule(
        name=query.name,
        selector=query.selector,
        layer=query.layer,
        names=tuple(group.name for group in query.groups),
        against=tuple(other.name for other in query.others),
        responses_by_subject={one.name: one.mean[units] for one in (*query.groups, *query.others)},
        units=units,
        responses=mean[units],
        support=support[units],
        images=len(votes),
        support_p=holm(tails[support])[units],
        expected=chance[0],
        p_value=chance[1],
        base_rate=None if base is None else base.share[units],
        base_images=0 if base is None else base.images,
        at_least=query.at_least,
        groups=query.groups,
        others=query.others,
    )


def _chance(sizes: list[int], found: Selection) -> _Chance:
    units = found.layer.units
    return expected_overlap(sizes, units), overlap_tail(sizes, units, len(found))


def _chance_of_support(votes: NDArray[np.bool_], found: Selection, at_least: int) -> _Chance:
    """Return expectation and p-value, exact if ``at_least`` is the number of images, which is an intersection."""
    sizes, units = votes.sum(1).tolist(), found.layer.units
    if at_least == len(votes):
        return _chance(sizes, found)
    tail = float(support_tails(sizes, units)[at_least])
    return units * tail, support_bound(tail, units, len(found))


def _check(query: _Query, *, min_groups: int) -> None:
    groups, others = query.groups, query.others
    if not groups:
        raise UnitscopeError("no image or class was given; give one or more")
    if len(groups) < min_groups:
        raise UnitscopeError(
            f"shared units need two or more images or classes, but only '{groups[0].name}' was given; "
            "give another, or use --at-least (at_least) for the images of one class"
        )
    if query.name == "only" and not others:
        raise UnitscopeError(f"'{groups[0].name}' has no images to differ from; give an image or class to compare with")
    _check_apart([*groups, *others])


def _check_apart(groups: list[ImageGroup]) -> None:
    check_distinct(group.name for group in groups)
    for position, one in enumerate(groups):
        for before in groups[:position]:
            if one.images == before.images:
                raise UnitscopeError(f"'{before.name}' and '{one.name}' are the same images; give them once")
            if one.layer != before.layer:
                raise UnitscopeError(
                    f"'{before.name}' is from layer '{before.layer.name}' but '{one.name}' from '{one.layer.name}'; "
                    "use the same layer for both"
                )


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else "…" + name[-_LONGEST_NAME + 1 :]
