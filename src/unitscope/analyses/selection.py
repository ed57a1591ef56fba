"""Sets of units of one layer: made from responses, combined by ``&``, ``|`` and ``-`` (the paper's T).

In: responses of images at a layer, or a `ImageGroup`. Out: `Selection` values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitscope.analyses.image_groups import ImageGroup
from unitscope.errors import LayerError, UnitscopeError
from unitscope.text import count_noun
from unitscope.units import Layer

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Selection:
    """A set of units of one layer; any order of channels is given, ascending ones are kept.

    Raises:
        LayerError: if the layer has no such unit.
        UnitscopeError: if selections of different layers are combined.
    """

    layer: Layer
    units: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        units = tuple(sorted({int(unit) for unit in self.units}))
        if units and not 0 <= units[0] <= units[-1] < self.layer.units:
            wrong = units[0] if units[0] < 0 else units[-1]
            raise LayerError(
                f"layer '{self.layer.name}' has units 0 to {self.layer.units - 1}, so there is no unit {wrong}"
            )
        object.__setattr__(self, "units", units)

    @classmethod
    def of_mask(cls, layer: Layer, mask: Mask) -> "Selection":
        """Return the units at which a mask ``[unit]`` is true."""
        return cls(layer, tuple(np.flatnonzero(mask).tolist()))

    def __and__(self, other: "Selection") -> "Selection":
        return Selection(self.layer, tuple(set(self.units) & set(self._alike(other).units)))

    def __or__(self, other: "Selection") -> "Selection":
        return Selection(self.layer, self.units + self._alike(other).units)

    def __sub__(self, other: "Selection") -> "Selection":
        return Selection(self.layer, tuple(set(self.units) - set(self._alike(other).units)))

    def __len__(self) -> int:
        return len(self.units)

    def __iter__(self) -> Iterator[int]:
        return iter(self.units)

    def __contains__(self, unit: object) -> bool:
        return unit in self.units

    def _repr_html_(self) -> str:
        units = ", ".join(map(str, self.units)) or "none"
        told = f"<b>{len(self)} of {self.layer.units} units of {escape(self.layer.name)}</b><div>{units}</div>"
        return f"{told}<div>Their exemplars: <code>atlas[selection]</code></div>"

    def _alike(self, other: "Selection") -> "Selection":
        if other.layer != self.layer:
            raise UnitscopeError(
                f"a selection of layer '{self.layer.name}' can't be combined with one of layer '{other.layer.name}'; "
                "select both at one layer"
            )
        return other


@dataclass(frozen=True, slots=True)
class TopK:
    """Choose the ``count`` units of greatest response; ties go to the lower channel, NaN is never chosen."""

    count: int = 9

    def chosen(self, layer: Layer, responses: ArrayLike) -> Mask:
        """Return which units are chosen for each vector of responses ``[…, unit]``, of the same shape.

        Raises:
            UnitscopeError: if the layer has not so many units, or the count is below 1.
        """
        if not 1 <= self.count <= layer.units:
            raise UnitscopeError(
                f"can't take the top {self.count} of layer '{layer.name}': it has {count_noun(layer.units, 'unit')}; "
                f"give a number from 1 to {layer.units}"
            )
        given = _of_layer(layer, responses)
        mask = np.zeros(given.shape, bool)
        np.put_along_axis(mask, np.argsort(-given, axis=-1, kind="stable")[..., : self.count], True, axis=-1)
        mask &= ~np.isnan(given)
        return mask

    def __str__(self) -> str:
        return f"top {self.count}"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Choose the units whose response is greater than ``threshold``; NaN is never chosen."""

    threshold: float

    def __post_init__(self) -> None:
        if np.isnan(self.threshold):
            raise UnitscopeError("no response is above 'nan'; give the threshold as a number")

    def chosen(self, layer: Layer, responses: ArrayLike) -> Mask:
        """Return which units are chosen for each vector of responses ``[…, unit]``, of the same shape."""
        return _of_layer(layer, responses) > self.threshold

    def __str__(self) -> str:
        return f"α > {self.threshold:g}"


Selector = TopK | Threshold


def top(layer: Layer, responses: ArrayLike, n: int = 9) -> Selection:
    """Return the n units with the greatest of the responses ``[unit]``.

    Raises:
        UnitscopeError: if the layer has not so many units, or n is below 1.
    """
    return Selection.of_mask(layer, TopK(n).chosen(layer, responses))


def above(layer: Layer, responses: ArrayLike, threshold: float) -> Selection:
    """Return the units whose response, of responses ``[unit]``, is greater than a threshold."""
    return Selection.of_mask(layer, Threshold(threshold).chosen(layer, responses))


def at_least(selections: Sequence[Selection], count: int) -> Selection:
    """Return the units that are in ``count`` of the selections or more ("in at least 45 of 50 images").

    Raises:
        UnitscopeError: if there are fewer selections, count is below 1, or their layers differ.
    """
    check_count(count, len(selections))
    layer = selections[0].layer
    support = np.zeros(layer.units, np.int64)
    for selection in selections:
        support[list(selections[0]._alike(selection).units)] += 1
    return Selection.of_mask(layer, support >= count)


def select(subject: ImageGroup, pick: Selector, *, images: int | None = None) -> Selection:
    """Return a subject's selection: by its mean response, or the units chosen in at least so many of its images.

    Raises:
        UnitscopeError: if there are fewer images, or the layer has too few units.
    """
    if images is None:
        return Selection.of_mask(subject.layer, pick.chosen(subject.layer, subject.mean))
    check_count(images, len(subject.images))
    support = pick.chosen(subject.layer, subject.responses).sum(0)
    return Selection.of_mask(subject.layer, support >= images)


def check_count(count: int, among: int) -> None:
    """Refuse "at least ``count`` of ``among``" where that can't be.

    Raises:
        UnitscopeError: unless count is from 1 to among.
    """
    if not 1 <= count <= among:
        raise UnitscopeError(
            f"no unit can be in the selections of at least {count} of {among} images; give a number from 1 to {among}"
            if among
            else "there are no selections to count units in; give one or more"
        )


def _of_layer(layer: Layer, responses: ArrayLike) -> NDArray[np.floating]:
    given = np.asarray(responses, np.result_type(np.asarray(responses).dtype, np.float32))
    if given.ndim == 0 or given.shape[-1] != layer.units:
        raise UnitscopeError(
            f"layer '{layer.name}' has {count_noun(layer.units, 'unit')}, but the responses have the shape "
            f"{given.shape}; pass one number per unit"
        )
    return given
