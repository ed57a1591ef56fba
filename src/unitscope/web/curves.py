"""Charts of stored results over a data set: the effects of removing units and of perturbing images.

In: the settings of an `Ablation` or `PerturbResult`, as in their `to_dict`. Out: `Chart`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from unitscope.analyses.perturb_result import STRENGTH_LABELS
from unitscope.text import count_noun

Setting = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Curve:
    """Values with the lengths of their error bars above and below; None where there is no number."""

    name: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    above: tuple[float, ...]
    below: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves that share their axes.

    Attributes:
        title: the chart's heading.
        note: the images measured.
        x: name of the x axis; `y` likewise.
        x_shares: whether x is shown in per cent; `y_shares` likewise.
        curves: one for each combination of the settings that are not on the x axis.
    """

    title: str
    note: str
    x: str
    y: str
    x_shares: bool
    y_shares: bool
    curves: tuple[Curve, ...]


def images_of(setting: Setting) -> str:
    """Return a phrase for the images a setting was measured on: how many, and whether they are not the atlas's."""
    images = count_noun(setting["images"], "image")
    return images if setting["of_atlas"] else f"{images} (not the atlas's images)"


def removal(layer: str, settings: Sequence[Setting]) -> Chart:
    """Return a chart of accuracy (agreement where it is unknown) against the number of a layer's units removed."""
    scored = all(setting.get("top1") is not None for setting in settings)
    counted = any(setting.get("fraction") is None for setting in settings)
    x, y = "removed" if counted else "fraction", "top1" if scored else "agreement"

    valued = len({one.get("value") for one in settings}) > 1
    elsewhere = len({images_of(one) for one in settings}) > 1

    def name(one: Setting) -> str:
        """Return a curve's name: everything that differs between the measurements of this layer."""
        seed = "" if one.get("seed") is None else f" {one['seed']}"
        value = f", to {one.get('value')}" if valued else ""
        among = ", among active units" if one.get("among") == "active" else ""
        return f"{one['order']}{seed}, by {one['scope']}{among}{value}{f', {images_of(one)}' if elsewhere else ''}"

    return Chart(
        f"{'Accuracy' if scored else 'Unchanged predictions'} after removing units of {layer}",
        ", ".join(dict.fromkeys(map(images_of, settings))),
        "units removed" if counted else "fraction of the layer's units removed",
        "Top-1" if scored else "unchanged predictions",
        x_shares=not counted,
        y_shares=True,
        curves=tuple(_curve(each, some, x, _with_interval(y)) for each, some in _grouped(settings, name, x)),
    )


def changed(settings: Sequence[Setting]) -> tuple[Chart, ...]:
    """Return charts for each perturbation: changed predictions, and the correlation of units' maps."""
    charts = []
    for way, some in _grouped(settings, lambda one: one["perturbation"], "value"):
        flips = [one for one in some if one["prediction_flips"] is not None]
        if flips:
            curve = _curve("changed predictions", flips, "value", _with_interval("prediction_flips", "flips"))
            charts.append(_changed("Changed predictions", way, some, (curve,), shares=True))
        maps = [{"value": one["value"], **unit} for one in some for unit in one["units"]]
        curves = _grouped(maps, lambda one: f"{one['layer']}:{one['unit']}", "value")
        if curves:
            drawn = tuple(_curve(name, each, "value", _with_error) for name, each in curves)
            charts.append(_changed("Correlation of maps before and after", way, some, drawn, shares=False))
    return tuple(charts)


def _changed(what: str, way: str, settings: Sequence[Setting], curves: tuple[Curve, ...], *, shares: bool) -> Chart:
    return Chart(
        f"{what}: {way}",
        images_of(settings[0]),
        STRENGTH_LABELS.get(way, way),
        what.lower(),
        x_shares=False,
        y_shares=shares,
        curves=curves,
    )


Bounds = tuple[float | None, float, float]


def _curve(name: str, settings: Sequence[Setting], x: str, bounds: Callable[[Setting], Bounds]) -> Curve:
    y, above, below = zip(*map(bounds, settings), strict=True)
    return Curve(name, tuple(setting[x] for setting in settings), y, above, below)


def _with_interval(what: str, interval: str = "") -> Callable[[Setting], Bounds]:
    def bounds(setting: Setting) -> Bounds:
        low, high = setting[f"{interval or what}_interval"]
        value = setting[what]
        return value, high - value, value - low

    return bounds


def _with_error(unit: Setting) -> Bounds:
    error = unit["map_correlation_error"] or 0.0
    return unit["map_correlation"], error, error


def _grouped(
    settings: Sequence[Setting], name: Callable[[Setting], str], x: str
) -> tuple[tuple[str, list[Setting]], ...]:
    """Return settings grouped by name, in order of first appearance; sorted by x within a group."""
    names = list(dict.fromkeys(map(name, settings)))
    ranked = sorted(settings, key=lambda one: (names.index(name(one)), one[x]))
    return tuple((each, list(some)) for each, some in groupby(ranked, name))
