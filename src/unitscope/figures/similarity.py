"""The similarity of images, classes and layers: heat maps like the paper's table 3, and curves over depth.

In: matrices and names, plain values. Out: a matplotlib Figure, neither shown nor saved.
"""

from collections.abc import Sequence
from itertools import combinations
from math import ceil

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from unitscope.analyses.cka import LayerSimilarity
from unitscope.analyses.similarity import Similarity
from unitscope.analyses.similarity_by_layer import SimilarityByLayer
from unitscope.display.heatmaps import COLOUR_MAP
from unitscope.errors import UnitscopeError
from unitscope.figures import theme
from unitscope.figures.drawing import draw as draw_result
from unitscope.figures.heatmap import HeatMap, draw
from unitscope.figures.layers import NAME_ROOM, SIDE, WIDTH, labelled_positions
from unitscope.figures.notebook_figure import NotebookFigure
from unitscope.figures.text_layout import shorten, widest
from unitscope.figures.tile_layout import GAP, MARGIN, Box, write
from unitscope.text import count_noun

MAX_PAIRS = 10
DIAGONAL = "Colours span the values off the diagonal; the diagonal is 1 by definition and grey."
CHART, SWATCH = 420, 60
HEAD = MARGIN + theme.line(theme.TITLE) + GAP
MARKS = ("o", "s", "^", "D", "v")
STYLES = ("-", "--")


def similarity(
    matrix: NDArray[np.float64], names: Sequence[str], *, tree: NDArray[np.float64] | None = None, title: str = ""
) -> Figure:
    """Return the heat map of cosines ``[group, group]``, ordered and annotated by a tree, if given.

    The tree comes from `unitscope.analyses.cosines.tree`; that of a single group has no branches.
    """
    tree = tree if tree is not None and len(tree) else None
    caption = f"Cosine of mean responses; 1 means identical direction. {DIAGONAL}"
    if tree is not None:
        caption += " Dendrogram: average linkage; two clusters are joined at their mean cosine."
    if np.isnan(matrix).any():
        caption += " –: no unit of the layer responds, so there is no cosine."
    return draw(HeatMap(matrix, tuple(names), title or "Similarity", caption, "cosine", tree))


def layer_similarity(
    matrix: NDArray[np.float64],
    layers: Sequence[str],
    *,
    images: int,
    shuffled: NDArray[np.float64] | None = None,
    title: str = "",
) -> Figure:
    """Return the heat map of linear CKA ``[layer, layer]`` over a number of images.

    The caption says how large values are in shuffles of the images, ``[layer, layer]``, if ``shuffled`` is given.
    """
    caption = (
        f"Linear CKA over {count_noun(images, 'image')}: 1 if the same images are similar in both layers. {DIAGONAL}"
    )
    if shuffled is not None:
        caption += _level(matrix, shuffled)
    if np.isnan(matrix).any():
        caption += " Blank: a layer that has the same responses to all images."
    return draw(HeatMap(matrix, tuple(layers), title or "Similarity between layers", caption, "linear CKA"))


def similarity_by_layer(
    matrices: NDArray[np.float64], layers: Sequence[str], *, names: Sequence[str], title: str = ""
) -> Figure:
    """Return a curve over depth for each pair of images or classes, from cosines ``[layer, group, group]``.

    Raises:
        UnitscopeError: if there are more than 10 pairs (5 images or classes), too many to distinguish.
    """
    pairs = list(combinations(range(len(names)), 2))
    if len(pairs) > MAX_PAIRS:
        raise UnitscopeError(f"{len(names)} images or classes give {len(pairs)} curves; draw at most 5")
    with theme.context():
        ticks = [shorten(name, theme.SMALL, NAME_ROOM, keep_end=True) for name in layers]
        keys = _keys([(names[one], names[other]) for one, other in pairs])
        chart = Box(SIDE, max((box.bottom for _, box in keys), default=HEAD) + 2 * GAP, WIDTH - SIDE - MARGIN, CHART)
        height = chart.bottom + ceil(widest(ticks, theme.SMALL)) + MARGIN + 16
        figure = NotebookFigure((WIDTH / theme.DPI, height / theme.DPI), theme.DPI)
        text = shorten(title or "Similarity over depth", theme.TITLE, WIDTH - 2 * MARGIN)
        write(figure, text, MARGIN, MARGIN, theme.TITLE)
        axes = figure.add_axes(
            (chart.left / WIDTH, 1 - chart.bottom / height, chart.width / WIDTH, chart.height / height)
        )
        for number, ((one, other), (words, box)) in enumerate(zip(pairs, keys, strict=True)):
            _key(figure, _curve(axes, matrices[:, one, other], number), words, box)
        _axes(axes, ticks)
        figure.draw_without_rendering()  # make ticks now: matplotlib < 3.11 makes them later, in the caller's style
        return figure


@draw_result.register
def _(result: Similarity) -> Figure:
    title = f"Similarity at {result.layer.name}" + (f" of {result.network}" if result.network else "")
    return similarity(result.matrix, result.captions, tree=result.tree if result.clustered else None, title=title)


@draw_result.register
def _(result: SimilarityByLayer) -> Figure:
    title = f"Similarity over depth of {result.network}" if result.network else ""
    names = [layer.name for layer in result.layers]
    return similarity_by_layer(result.matrices, names, names=result.captions, title=title)


@draw_result.register
def _(result: LayerSimilarity) -> Figure:
    title = f"Similarity of the layers{f' of {result.network}' if result.network else ''} ({result.measure})"
    names = [layer.name for layer in result.layers]
    return layer_similarity(result.matrix, names, images=result.images, shuffled=result.shuffled, title=title)


def _level(matrix: NDArray[np.float64], shuffled: NDArray[np.float64]) -> str:
    """Return in words how large values are in shuffles of the images, and how many values are above them."""
    pairs = np.triu_indices(len(matrix), 1)
    values, levels = matrix[pairs], shuffled[pairs]
    known = np.isfinite(values)
    if not known.any():
        return ""
    above, low, high = int((values > levels)[known].sum()), levels[known].min(), levels[known].max()
    return (
        f" With shuffled images, values reach {low:.2f} to {high:.2f}, depending on the layers; "
        f"{above:,} of {count_noun(int(known.sum()), 'pair')} of layers {'is' if above == 1 else 'are'} above that."
    )


def _curve(axes: Axes, values: NDArray[np.float64], number: int) -> Line2D:
    """Draw one curve; colours, markers and lines differ, so that curves can be told apart in grey too."""
    colour = colormaps[COLOUR_MAP](0.08 + 0.7 * ((number * 3) % MAX_PAIRS) / (MAX_PAIRS - 1))
    mark, style = MARKS[number % len(MARKS)], STYLES[number // len(MARKS)]
    return axes.plot(values, style, marker=mark, color=colour, linewidth=1.4, markersize=4)[0]


def _keys(pairs: list[tuple[str, str]]) -> list[tuple[str, Box]]:
    """Return the label of each pair and its box above the chart, in up to 3 columns, as many as fit."""
    room = (WIDTH - 2 * MARGIN - SWATCH - 3 * GAP) / 2 - GAP
    words = [" – ".join(shorten(name, theme.SMALL, room, keep_end="/" in name) for name in pair) for pair in pairs]
    wide = SWATCH + ceil(widest(words, theme.SMALL)) + 3 * GAP
    across = max(1, min(3, (WIDTH - 2 * MARGIN) // wide))
    down, step = ceil(len(words) / across), theme.line(theme.SMALL)
    return [
        (text, Box(MARGIN + number // down * wide, HEAD + number % down * step, wide, step))
        for number, text in enumerate(words)
    ]


def _key(figure: Figure, curve: Line2D, words: str, box: Box) -> None:
    """Draw a legend entry: the style of a pair's curve, and the pair's names."""
    middle = 1 - (box.top + box.height / 2) / (figure.get_size_inches()[1] * theme.DPI)
    ends = np.array([box.left, box.left + SWATCH / 2, box.left + SWATCH]) / WIDTH
    names = ("color", "linestyle", "linewidth", "marker", "markersize")
    look = {name: getattr(curve, f"get_{name}")() for name in names}
    figure.add_artist(Line2D(ends, [middle] * 3, markevery=[1], transform=figure.transFigure, **look))
    figure.text((box.left + SWATCH + GAP) / WIDTH, middle, words, size=theme.SMALL, va="center")


def _axes(axes: Axes, names: list[str]) -> None:
    shown = labelled_positions(len(names))
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_xticks(shown, [names[index] for index in shown], rotation=90)
    axes.set_ylabel("cosine", size=theme.SMALL)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.tick_params(length=3, width=0.6, color=theme.QUIET, labelsize=theme.SMALL, labelcolor=theme.INK)
