"""Selections: sets of units of one layer, combined with ``&``, ``|`` and ``-`` (the paper's T).

In: responses of images at a layer, or an `ImageGroup`. Out: `Selection` values.
"""

from collections.abc import Iterator
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
    """A set of units of one layer; channels can be given in any order and are stored ascending.

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
        """Return the units where a mask ``[unit]`` is True."""
        return cls(layer, tuple(np.flatnonzero(mask).tolist()))

    def __and__(self, other: "Selection") -> "Selection":
        return Selection(self.layer, tuple(set(self.units) & set(self._same_layer(other).units)))

    def __or__(self, other: "Selection") -> "Selection":
        return Selection(self.layer, self.units + self._same_layer(other).units)

    def __sub__(self, other: "Selection") -> "Selection":
        return Selection(self.layer, tuple(set(self.units) - set(self._same_layer(other).units)))

    def __len__(self) -> int:
        return len(self.units)

    def __iter__(self) -> Iterator[int]:
        return iter(self.units)

    def __contains__(self, unit: object) -> bool:
        return unit in self.units

    def __repr__(self) -> str:
        return f"Selection({self._title()}: {self._first(10)})"

    def _repr_html_(self) -> str:
        title = f"<b>{escape(self._title())}</b>"
        return f"{title}<div>{self._first(50)}</div><div>Their exemplars: <code>atlas[selection]</code></div>"

    def _title(self) -> str:
        return f"{len(self)} of {count_noun(self.layer.units, 'unit')} of {self.layer.display_name}"

    def _first(self, count: int) -> str:
        more = len(self) - count
        return ", ".join(map(str, self.units[:count])) + (f" and {more:,} more" if more > 0 else "") or "none"

    def _same_layer(self, other: "Selection") -> "Selection":
        if other.layer != self.layer:
            raise UnitscopeError(
                f"a selection of layer '{self.layer.name}' can't be combined with one of layer '{other.layer.name}'; "
                "make both at the same layer"
            )
        return other


@dataclass(frozen=True, slots=True)
class TopK:
    """Select the ``count`` units with the highest responses; ties go to the lower channel, NaN is never selected.

    Examples:
        >>> TopK(2).mask(Layer(0, "relu", "activation", 4, (4,)), [3, 9, 9, 1])
        array([False,  True,  True, False])
    """

    count: int = 9

    def mask(self, layer: Layer, responses: ArrayLike) -> Mask:
        """Return a mask of the units selected for each response vector ``[…, unit]``, in the same shape.

        Raises:
            UnitscopeError: if ``count`` is less than 1 or greater than the layer's number of units.
        """
        if not 1 <= self.count <= layer.units:
            raise UnitscopeError(
                f"can't select the top {self.count} of layer '{layer.name}': it has {count_noun(layer.units, 'unit')}; "
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
    """Select the units with a response greater than ``threshold``; NaN is never selected."""

    threshold: float

    def __post_init__(self) -> None:
        if np.isnan(self.threshold):
            raise UnitscopeError("the threshold is NaN, which no response exceeds; give the threshold as a number")

    def mask(self, layer: Layer, responses: ArrayLike) -> Mask:
        """Return a mask of the units selected for each response vector ``[…, unit]``, in the same shape."""
        return _of_layer(layer, responses) > self.threshold

    def __str__(self) -> str:
        return f"α > {self.threshold:g}"


Selector = TopK | Threshold


def select(group: ImageGroup, selector: Selector, *, images: int | None = None) -> Selection:
    """Return the units selected for a group's mean response, or for at least ``images`` of its images.

    Raises:
        UnitscopeError: if there are fewer images, or the layer has too few units.
    """
    if images is None:
        return Selection.of_mask(group.layer, selector.mask(group.layer, group.mean))
    check_count(images, len(group.images))
    support = selector.mask(group.layer, group.responses).sum(0)
    return Selection.of_mask(group.layer, support >= images)


def check_count(count: int, among: int) -> None:
    """Check the number in "at least ``count`` of ``among`` images".

    Raises:
        UnitscopeError: unless ``count`` is from 1 to ``among``.
    """
    if not 1 <= count <= among:
        raise UnitscopeError(
            f"no unit can be selected for at least {count} of {among} images; give a number from 1 to {among}"
        )


def _of_layer(layer: Layer, responses: ArrayLike) -> NDArray[np.floating]:
    given = np.asarray(responses, np.result_type(np.asarray(responses).dtype, np.float32))
    if given.ndim == 0 or given.shape[-1] != layer.units:
        raise UnitscopeError(
            f"layer '{layer.name}' has {count_noun(layer.units, 'unit')}, but the responses have the shape "
            f"{given.shape}; give one number per unit"
        )
    return given
