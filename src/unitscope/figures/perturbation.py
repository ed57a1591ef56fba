"""The effects of perturbations: changed predictions, and changes in selections and responses over depth.

In: effects from `unitscope.analyses.perturbation`. Out: a matplotlib Figure, neither shown nor saved.
Each strength has one colour and marker in all charts of a kind; the greater the strength, the darker.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from unitscope.analyses.estimates import Estimate
from unitscope.analyses.perturb_result import STRENGTH_LABELS, Effect, PerturbResult
from unitscope.display.heatmaps import COLOUR_MAP
from unitscope.errors import UnitscopeError
from unitscope.figures import theme
from unitscope.figures.charts import HIGH, Chart, Grid, charts_over_layers
from unitscope.figures.drawing import draw
from unitscope.figures.layers import shares
from unitscope.figures.legend import Style
from unitscope.figures.sheet import room
from unitscope.figures.tile_layout import GAP

FOOT, NARROWEST = 66, 260
TICK_ROOM = 56  # pixels for a number on an axis
MANY = 9
LIGHTEST, DARKEST = 0.8, 0.12
CHANCE: Style = {"color": theme.QUIET, "linestyle": ":", "marker": ""}
MARKERS = "osD^vPX"
NORMAL_95 = 1.96
WORDS = {"noise": "Noise", "blur": "Blur", "brightness": "Brightness", "jpeg": "JPEG"}
STRENGTHS = {"noise": "σ = {:g}", "blur": "{:g} px", "brightness": "× {:g}", "jpeg": "quality {:g}"}


def perturbation(effects: Sequence[Effect], *, width: str | None = None, title: str | None = None) -> Figure:
    """Return charts of changed predictions over strength, and of selections and responses over depth.

    One kind of perturbation after the other; bands and bars are 95 % intervals.

    Raises:
        UnitscopeError: if there is no effect.
    """
    if not effects:
        raise UnitscopeError("there is no perturbation to draw; give one or more effects")
    kinds = [_of_kind(effects, kind) for kind in dict.fromkeys(effect.perturbation for effect in effects)]
    with theme.context(width):
        several = [kind for kind in kinds if len(kind) > 1] if effects[0].flips else []
        above = _flips_grid(several) if several else None
        sheet, charts = charts_over_layers(
            [layer.layer for layer in effects[0].layers],
            [head for kind in kinds for head in _heads(kind)],
            title="Perturbations" if title is None else title,
            caption=f"Bands and bars are 95 % intervals.{_single_flips(kinds)}",
            columns=2,
            above=0 if above is None else above.height + GAP,
        )
        for index, kind in enumerate(kinds):
            _depth(charts[2 * index : 2 * index + 2], kind)
        if above is not None:
            for kind, chart in zip(several, above.draw(sheet), strict=True):
                _flips(chart, kind)
        return sheet.finished()


@draw.register
def _(result: PerturbResult, *, width: str | None = None, title: str | None = None) -> Figure:
    return perturbation(result.effects, width=width, title=result.title if title is None else title)


def name_of(kind: str, value: float) -> str:
    """Return a perturbation in words, such as ``Noise σ = 0.1``."""
    return f"{WORDS[kind]} {STRENGTHS[kind].format(value)}"


def _of_kind(effects: Sequence[Effect], kind: str) -> list[Effect]:
    return sorted((effect for effect in effects if effect.perturbation == kind), key=lambda effect: effect.value)


def _flips_grid(kinds: list[list[Effect]]) -> Grid:
    """Return the grid of the charts over strength, one a kind, side by side where they fit."""
    across = min(len(kinds), max(1, room() // NARROWEST), 4)
    names = [f"{WORDS[kind[0].perturbation]}: changed predictions" for kind in kinds]
    return Grid.of([Chart(name) for name in names], across, high=HIGH, foot=FOOT)


def _single_flips(kinds: list[list[Effect]]) -> str:
    """Return the changed predictions in words for the kinds with one strength, which need no chart."""
    words = []
    for (effect,) in (kind for kind in kinds if len(kind) == 1):
        if effect.flips is not None:
            low, high = effect.flips.interval
            name = name_of(effect.perturbation, effect.value)
            words.append(f"{name}: {effect.flips.value:.1%} of the predictions change ({low:.1%} to {high:.1%})")
    return f" {'; '.join(words)}." if words else ""


def _heads(kind: list[Effect]) -> tuple[Chart, Chart]:
    """Return the heads of the two charts over depth: every k-th strength is named where there are many."""
    word, step = WORDS[kind[0].perturbation], max(1, -(-len(kind) // MANY))
    named = [(_strength(effect), style) for effect, style in zip(kind, _styles(len(kind)), strict=True)][::step]
    return (
        Chart(f"{word}: overlap of the selections before and after", (("by chance", CHANCE), *named)),
        Chart(f"{word}: cosine of the responses before and after"),
    )


def _styles(count: int) -> list[Style]:
    """Return a colour and a marker for each of ``count`` strengths, weak to strong."""
    shades = np.linspace(LIGHTEST, DARKEST, count) if count > 1 else [0.35]
    return [
        {"color": colormaps[COLOUR_MAP](shade), "marker": MARKERS[index % len(MARKERS)]}
        for index, shade in enumerate(shades)
    ]


def _strength(effect: Effect) -> str:
    return STRENGTHS[effect.perturbation].format(effect.value)


def _flips(chart: Axes, kind: list[Effect]) -> None:
    values = [effect.value for effect in kind]
    shown = [effect.flips for effect in kind if effect.flips]
    chart.plot(values, [share.value for share in shown], color=theme.FRAME)
    for value, share, style in zip(values, shown, _styles(len(kind)), strict=True):
        low, high = share.interval
        errors = [[max(0.0, share.value - low)], [max(0.0, high - share.value)]]
        chart.errorbar(value, share.value, errors, markersize=4, capsize=2, elinewidth=0.9, **style)
    shares(chart)
    chart.set_xlabel(STRENGTH_LABELS[kind[0].perturbation])
    chart.xaxis.set_major_locator(FixedLocator(_apart(values, chart.get_position().width * theme.width())))
    chart.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    edge = 0.06 * (max(values) - min(values))
    chart.set_xlim(min(values) - edge, max(values) + edge)


def _apart(values: list[float], room: float) -> list[float]:
    """Return the sorted values that can be labelled without overlap, on an axis of ``room`` pixels."""
    least = (values[-1] - values[0]) * TICK_ROOM / room
    spread = values[:1]
    for value in values[1:]:
        if value - spread[-1] >= least:
            spread.append(value)
    return spread


def _depth(charts: list[Axes], kind: list[Effect]) -> None:
    overlap, cosine = charts
    chance = [layer.expected_by_chance for layer in kind[0].layers]
    overlap.plot(range(len(chance)), chance, **CHANCE)
    _lines(overlap, kind, [[layer.overlap for layer in effect.layers] for effect in kind])
    shares(overlap)
    lowest = _lines(cosine, kind, [[layer.cosine for layer in effect.layers] for effect in kind])
    cosine.set_ylim(min(-0.03, lowest - 0.03), 1.03)
    cosine.yaxis.set_major_locator(FixedLocator([-1, -0.5, 0, 0.5, 1]))


def _lines(chart: Axes, kind: list[Effect], curves: list[list[Estimate]]) -> float:
    """Draw a line for each strength, and return the lowest value of all."""
    for effect, curve, style in zip(kind, curves, _styles(len(kind)), strict=True):
        values = np.array([estimate.value for estimate in curve])
        errors = NORMAL_95 * np.array([estimate.error for estimate in curve])
        x = np.arange(len(values))
        chart.fill_between(x, values - errors, values + errors, color=style["color"], alpha=0.15, linewidth=0)
        chart.plot(x, values, label=_strength(effect), **style)
    found = [estimate.value for curve in curves for estimate in curve]
    return float(np.nanmin(found)) if np.isfinite(found).any() else 0.0
