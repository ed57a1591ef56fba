"""The similarity of images, classes and layers: heat maps like the paper's table 3, and curves over depth.

In: matrices and names, plain values. Out: a matplotlib Figure, neither shown nor saved.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
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
from unitscope.figures.layer_axis import LayerAxis
from unitscope.figures.legend import Legend, Style
from unitscope.figures.sheet import Sheet, room
from unitscope.figures.tile_layout import GAP, Box
from unitscope.text import count_noun
from unitscope.units import Layer

MAX_PAIRS = 10
DIAGONAL = "Colours span the values off the diagonal; the diagonal is 1 by definition and grey."
SIDE, CHART = 84, 320
MARKS = ("o", "s", "^", "D", "v")
STYLES = ("-", "--")


def similarity(
    matrix: NDArray[np.float64],
    names: Sequence[str],
    *,
    tree: NDArray[np.float64] | None = None,
    width: str | None = None,
    title: str | None = None,
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
    with theme.context(width):
        return draw(HeatMap(matrix, tuple(names), "Similarity" if title is None else title, caption, "cosine", tree))


def layer_similarity(
    matrix: NDArray[np.float64],
    layers: Sequence[Layer],
    *,
    images: int,
    shuffled: NDArray[np.float64] | None = None,
    width: str | None = None,
    title: str | None = None,
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
    heading = "Similarity between layers" if title is None else title
    names, calls = tuple(layer.name for layer in layers), tuple(layer.call for layer in layers)
    with theme.context(width):
        short = calls if all(calls) else None
        return draw(HeatMap(matrix, names, heading, caption, "linear CKA", short_names=short))


def similarity_by_layer(
    matrices: NDArray[np.float64],
    layers: Sequence[Layer],
    *,
    names: Sequence[str],
    width: str | None = None,
    title: str | None = None,
) -> Figure:
    """Return a curve over depth for each pair of images or classes, from cosines ``[layer, group, group]``.

    Raises:
        UnitscopeError: if there are more than 10 pairs (5 images or classes), too many to distinguish.
    """
    pairs = list(combinations(range(len(names)), 2))
    if len(pairs) > MAX_PAIRS:
        raise UnitscopeError(f"{len(names)} images or classes give {len(pairs)} curves; draw at most 5")
    styles = [_style(number) for number in range(len(pairs))]
    with theme.context(width):
        words = [f"{names[one]} – {names[other]}" for one, other in pairs]
        legend = Legend.of(list(zip(words, styles, strict=True)), room())
        chart = Box(SIDE, legend.height + GAP, room() - SIDE - GAP, CHART)
        axis = LayerAxis.of(layers, chart.width)
        heading = "Similarity over depth" if title is None else title
        sheet = Sheet.of(chart.bottom + axis.height, title=heading)
        legend.draw(sheet, 0, 0)
        axes = sheet.chart(chart)
        for (one, other), style in zip(pairs, styles, strict=True):
            axes.plot(matrices[:, one, other], **style)
        axes.set_xlim(-0.6, len(layers) - 0.4)
        axes.set_ylabel("cosine")
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axis.mark(axes)
        return sheet.finished()


@draw_result.register
def _(result: Similarity, *, width: str | None = None, title: str | None = None) -> Figure:
    heading = f"Similarity at {result.layer.display_name}" + (f" of {result.network}" if result.network else "")
    tree = result.tree if result.clustered else None
    title = heading if title is None else title
    return similarity(result.matrix, result.captions, tree=tree, width=width, title=title)


@draw_result.register
def _(result: SimilarityByLayer, *, width: str | None = None, title: str | None = None) -> Figure:
    heading = "Similarity over depth" + (f" of {result.network}" if result.network else "")
    title = heading if title is None else title
    return similarity_by_layer(result.matrices, result.layers, names=result.captions, width=width, title=title)


@draw_result.register
def _(result: LayerSimilarity, *, width: str | None = None, title: str | None = None) -> Figure:
    heading = f"Similarity of the layers{f' of {result.network}' if result.network else ''} ({result.measure})"
    title = heading if title is None else title
    return layer_similarity(
        result.matrix, result.layers, images=result.images, shuffled=result.shuffled, width=width, title=title
    )


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


def _style(number: int) -> Style:
    """Return the style of a curve; colours, markers and lines differ, so that curves can be told apart in grey too."""
    colour = colormaps[COLOUR_MAP](0.08 + 0.7 * ((number * 3) % MAX_PAIRS) / (MAX_PAIRS - 1))
    return {"linestyle": STYLES[number // len(MARKS)], "marker": MARKS[number % len(MARKS)], "color": colour}
