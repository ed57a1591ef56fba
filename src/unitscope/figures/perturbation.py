"""The effects of perturbations: changed predictions, and changes in selections and responses over depth.

In: effects from `unitscope.analyses.perturbation`. Out: a matplotlib Figure, neither shown nor saved.
Each strength has one colour and marker in all charts of a kind; the greater the strength, the darker.
"""

from collections.abc import Iterator, Sequence
from typing import Any

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
from unitscope.figures.drawing import draw
from unitscope.figures.layers import CHART, HEAD, SIDE, WIDTH, charts_over_layers, shares
from unitscope.figures.text_layout import width
from unitscope.figures.tile_layout import MARGIN

ABOVE, BETWEEN = CHART + 116, 100
TICK_ROOM, ENTRY_ROOM = 70, 75  # pixels for a number on an axis; for an entry's line and marker in a legend
LIGHTEST, DARKEST = 0.8, 0.12
MARKERS = "osD^vPX"
NORMAL_95 = 1.96
WORDS = {"noise": "Noise", "blur": "Blur", "brightness": "Brightness", "jpeg": "JPEG"}
STRENGTHS = {"noise": "σ = {:g}", "blur": "{:g} px", "brightness": "× {:g}", "jpeg": "quality {:g}"}


def perturbation(effects: Sequence[Effect], *, title: str = "") -> Figure:
    """Return charts of changed predictions over strength, and of selections and responses over depth.

    One kind of perturbation after the other; bands and bars are 95 % intervals.

    Raises:
        UnitscopeError: if there is no effect.
    """
    if not effects:
        raise UnitscopeError("there is no perturbation to draw; give one or more effects")
    kinds = [_of_kind(effects, kind) for kind in dict.fromkeys(effect.perturbation for effect in effects)]
    above = ABOVE if effects[0].flips else 0
    with theme.context():
        names = [layer.layer.name for layer in effects[0].layers]
        figure, charts = charts_over_layers(title or "Perturbations", names, count=2 * len(kinds), above=above)
        if above:
            for kind, chart in zip(kinds, _strip(figure, len(kinds)), strict=True):
                _flips(chart, kind)
            figure.axes[2 * len(kinds)].set_title("Changed predictions, with 95 % intervals", pad=7)
        for index, kind in enumerate(kinds):
            _depth(charts[2 * index : 2 * index + 2], kind)
        figure.draw_without_rendering()  # make ticks now: matplotlib < 3.11 makes them later, in the caller's style
        return figure


@draw.register
def _(result: PerturbResult) -> Figure:
    return perturbation(result.effects, title=result.title)


def name_of(kind: str, value: float) -> str:
    """Return a perturbation in words, such as ``Noise σ = 0.1``."""
    return f"{WORDS[kind]} {STRENGTHS[kind].format(value)}"


def _of_kind(effects: Sequence[Effect], kind: str) -> list[Effect]:
    return sorted((effect for effect in effects if effect.perturbation == kind), key=lambda effect: effect.value)


def _strip(figure: Figure, count: int) -> list[Axes]:
    """Draw charts side by side, above those over layers."""
    across, down = figure.get_size_inches() * theme.DPI
    wide = (WIDTH - SIDE - MARGIN - (count - 1) * BETWEEN) // count
    lefts = [SIDE + index * (wide + BETWEEN) for index in range(count)]
    return [figure.add_axes((left / across, 1 - (HEAD + CHART) / down, wide / across, CHART / down)) for left in lefts]


def _styles(count: int) -> Iterator[dict[str, Any]]:
    """Yield a colour and a marker for each of ``count`` strengths, weak to strong."""
    shades = np.linspace(LIGHTEST, DARKEST, count) if count > 1 else [0.35]
    for index, shade in enumerate(shades):
        yield {"color": colormaps[COLOUR_MAP](shade), "marker": MARKERS[index % len(MARKERS)]}


def _flips(chart: Axes, kind: list[Effect]) -> None:
    values = [effect.value for effect in kind]
    shown = [effect.flips for effect in kind if effect.flips]
    chart.plot(values, [share.value for share in shown], color=theme.FRAME, linewidth=1.2)
    for value, share, style in zip(values, shown, _styles(len(kind)), strict=True):
        low, high = share.interval
        errors = [[max(0.0, share.value - low)], [max(0.0, high - share.value)]]
        chart.errorbar(value, share.value, errors, markersize=6, capsize=3, elinewidth=1.2, **style)
    shares(chart)
    chart.set_xlabel(STRENGTH_LABELS[kind[0].perturbation], size=theme.SMALL)
    chart.xaxis.set_major_locator(FixedLocator(_apart(values, chart.get_position().width * WIDTH)))
    chart.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    room = 0.06 * (max(values) - min(values)) or 0.1 * abs(values[0]) or 1.0
    chart.set_xlim(min(values) - room, max(values) + room)
    chart.tick_params(length=3, width=0.6, color=theme.QUIET, labelsize=theme.SMALL, labelcolor=theme.INK)


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
    word = WORDS[kind[0].perturbation]
    chance = [layer.expected_by_chance for layer in kind[0].layers]
    overlap.plot(range(len(chance)), chance, color=theme.QUIET, linestyle=":", linewidth=1.4, label="by chance")
    _lines(overlap, kind, [[layer.overlap for layer in effect.layers] for effect in kind])
    overlap.set_title(f"{word}: overlap of the selections before and after", pad=7)
    shares(overlap)
    lowest = _lines(cosine, kind, [[layer.cosine for layer in effect.layers] for effect in kind])
    cosine.set_title(f"{word}: cosine of the responses before and after", pad=7)
    cosine.set_ylim(min(-0.03, lowest - 0.03), 1.03)
    cosine.yaxis.set_major_locator(FixedLocator([-1, -0.5, 0, 0.5, 1]))
    overlap.legend(
        *_entries(overlap),
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=9,
        frameon=False,
        fontsize=theme.SMALL,
        borderpad=0,
        columnspacing=1.4,
        handlelength=1.6,
    )


def _lines(chart: Axes, kind: list[Effect], curves: list[list[Estimate]]) -> float:
    """Draw a line for each strength, and return the lowest value of all."""
    for effect, curve, style in zip(kind, curves, _styles(len(kind)), strict=True):
        values = np.array([estimate.value for estimate in curve])
        errors = NORMAL_95 * np.array([estimate.error for estimate in curve])
        x = np.arange(len(values))
        chart.fill_between(x, values - errors, values + errors, color=style["color"], alpha=0.15, linewidth=0)
        chart.plot(
            x,
            values,
            label=STRENGTHS[effect.perturbation].format(effect.value),
            linewidth=1.4,
            markersize=4,
            **style,
        )
    found = [estimate.value for curve in curves for estimate in curve]
    return float(np.nanmin(found)) if np.isfinite(found).any() else 0.0


def _entries(chart: Axes) -> tuple[list[Any], list[str]]:
    """Return the legend's entries, every k-th strength where there are too many for the space next to the title."""
    handles, labels = chart.get_legend_handles_labels()
    room = WIDTH - SIDE - MARGIN - width(chart.get_title("left"), theme.BODY)
    for step in range(1, len(labels)):
        shown = labels[:1] + labels[1::step]
        if sum(width(label, theme.SMALL) + ENTRY_ROOM for label in shown) < room:
            break
    return handles[:1] + handles[1::step], shown
