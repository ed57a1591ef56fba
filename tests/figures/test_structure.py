from dataclasses import replace

import numpy as np
import pytest
from matplotlib import colormaps

from unitscope.display.heatmaps import tone
from unitscope.figures import structure
from unitscope.figures.structure_layout import TILE, Equal, Proportional, header, place_panel, scale_of, stacks

from .conftest import assert_tidy, exact_pixels, image_box, pixels, texts, view

LONG = "features.denseblock4.denselayer1{}.relu2"


def drawn_maps(figure, given):
    """The column maps' images, in the order of the view."""
    count = sum(len(column.units) for column in given.columns)
    return figure.axes[0].images[:count]


def test_maps_are_drawn_in_their_true_proportions(resnet_view, resnet_figure):
    shapes = [values.shape for column in resnet_view.columns for values in column.maps]
    for shape, image in zip(shapes, drawn_maps(resnet_figure, resnet_view), strict=True):
        left, bottom, right, top = image_box(image)
        assert (top - bottom, right - left) == pytest.approx((4 * shape[0], 4 * shape[1]), abs=0.01)


@pytest.mark.parametrize(
    ("sizes", "scale"),
    [
        ([(56, 56), (7, 7)], 4),
        ([(112, 112), (7, 7)], 4),
        ([(224, 224), (7, 7)], 2),
        ([(30, 40), (1, 1)], 6),
        ([(7, 7)], 16),
        ([(1, 1)], 16),
        ([(56, 56)] * 20, 2),
        ([(896, 896)], 0.5),
    ],
)
def test_one_scale_keeps_small_maps_visible_and_large_ones_within_bounds(sizes, scale):
    assert scale_of(sizes) == scale


@exact_pixels
def test_every_cell_of_a_map_becomes_a_square_of_its_exact_colour(resnet_view, resnet_figure):
    canvas = pixels(resnet_figure)
    for number in (0, 9 * 5 + 3, 9 * 12):
        values = resnet_view.columns[number // 9].maps[number % 9]
        left, bottom, right, top = (round(edge) for edge in image_box(resnet_figure.axes[0].images[number]))
        tile = canvas[canvas.shape[0] - top : canvas.shape[0] - bottom, left:right]
        colours = colormaps["magma"](tone(values), bytes=True)[..., :3]
        np.testing.assert_array_equal(tile, colours.repeat(4, 0).repeat(4, 1))


def test_columns_are_ordered_by_depth_and_maps_by_response(resnet_view, resnet_figure):
    boxes = [image_box(image) for image in drawn_maps(resnet_figure, resnet_view)]
    lefts = [boxes[start][0] for start in range(0, len(boxes), 9)]
    assert lefts == sorted(lefts)
    tops = [top for *_, top in boxes[:9]]
    assert tops == sorted(tops, reverse=True)


def test_every_unit_layer_name_prediction_and_enlargement_is_labelled(resnet_view, resnet_figure):
    written = [text for text, _ in texts(resnet_figure)]
    for column in resnet_view.columns:
        assert column.layer.name in written
        assert {str(unit) for unit in column.units} <= set(written)
    assert "50.0%" in written
    for entry in resnet_view.enlarged:
        assert f"{entry.layer.name}:{entry.unit}" in written
    assert sum(text.startswith("α = ") for text in written) == 3


@pytest.mark.parametrize(
    "given",
    [
        view([(56, 56)] * 2 + [(28, 28)] * 4 + [(14, 14)] * 6 + [(7, 7)], enlarged=3),
        view([(112, 112), (28, 28), (14, 14), (7, 7)], name=LONG, enlarged=3),
        view([(7, 7)] * 20, name=LONG, predictions=0),
        view([(56, 56)] * 20, top=2),
        view([(224, 224), (7, 7)], top=16, enlarged=2),
        view([(7, 7)], top=1, predictions=0),
        view([(1, 1)], top=120, units=100_000),
        view([(1, 1)] * 3, enlarged=1),
        view([(1, 197), (30, 40), (40, 30), (1, 1)], name="blocks.{}.mlp.act", enlarged=4),
        view([(600, 500)], top=2, enlarged=1, picture=(100, 300)),
        view([], enlarged=0),
        view([(14, 14)], top=0),
        view([(14, 14)], name="a" * 200, top=3, enlarged=1),
        view([(14, 14)] * 2, name="Überschicht {} 层\n$x_1$"),
    ],
    ids=lambda given: f"{len(given.columns)}-columns-{[c.maps.shape for c in given.columns[:1]]}",
)
@pytest.mark.parametrize("proportional", [False, True])
def test_no_text_overlaps_or_is_clipped(given, proportional):
    figure = structure(given, proportional=proportional)
    assert_tidy(figure)
    width, height = figure.canvas.get_width_height()
    boxes = np.array([image_box(image) for image in figure.axes[0].images])
    assert boxes.min() >= 0
    assert (boxes[:, 2].max(), boxes[:, 3].max()) <= (width, height)


def test_no_two_images_overlap(resnet_figure):
    boxes = np.array([image_box(image) for image in resnet_figure.axes[0].images])
    wide = np.minimum(boxes[:, None, 2], boxes[None, :, 2]) - np.maximum(boxes[:, None, 0], boxes[None, :, 0])
    high = np.minimum(boxes[:, None, 3], boxes[None, :, 3]) - np.maximum(boxes[:, None, 1], boxes[None, :, 1])
    shared = (wide > 0) & (high > 0)
    assert shared.sum() == len(boxes)


def test_a_stack_too_high_for_the_sheet_is_wrapped_in_order():
    (stack,) = stacks(view([(224, 224)]).columns, Proportional(2), left=0, top=0)
    assert [(tile.left > stack.tiles[0].left) for tile in stack.tiles] == [False] * 5 + [True] * 4
    assert stack.tiles[5].top == stack.tiles[0].top


def test_the_panel_is_below_short_deep_columns_if_that_makes_the_sheet_smaller(resnet_view):
    rows = [[(448, 448)]]
    deep = stacks(resnet_view.columns, Proportional(4), left=0, top=0)
    (below,) = place_panel(rows, deep, top=0)
    assert below.right <= max(stack.left + stack.width for stack in deep)
    (beside,) = place_panel(rows, deep[:1], top=0)
    assert (beside.left, beside.top) == (deep[0].left + deep[0].width + 36, 0)


def test_a_long_layer_name_keeps_its_end_within_two_lines():
    (column,) = view([(7, 7)], name="a.very.long." * 20 + "relu{}").columns
    *name, counts = header(column, Proportional(1))
    assert len(name) == 2
    assert name[1].endswith("relu0")
    assert counts == "7×7 · 512 units"


def test_in_the_compact_form_all_maps_are_equally_large_with_their_size_above(resnet_view):
    figure = structure(resnet_view, width="300mm")
    for image in drawn_maps(figure, resnet_view):
        left, bottom, right, top = image_box(image)
        assert (top - bottom, right - left) == pytest.approx((TILE, TILE), abs=0.01)
    written = [text for text, _ in texts(figure)]
    for column in resnet_view.columns:
        rows, columns = column.maps.shape[1:]
        assert f"{rows}×{columns}" in written
    assert "all maps are equally large" in " ".join(written)


@pytest.mark.parametrize("proportional", [False, True])
def test_layers_that_do_not_fit_side_by_side_continue_below(resnet_view, proportional):
    figure = structure(resnet_view, proportional=proportional, width="85mm")
    assert_tidy(figure)
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(85, abs=0.1)
    boxes = [image_box(image) for image in drawn_maps(figure, resnet_view)][::9]
    tops = [round(top) for *_, top in boxes]
    assert tops == sorted(tops, reverse=True)
    assert 1 < len(set(tops)) < len(boxes)
    assert max(right for _, _, right, _ in boxes) <= figure.bbox.x1


def test_maps_that_are_not_square_keep_their_shape_in_the_compact_form():
    assert (Equal().size(30, 40), Equal().size(1, 1), Equal().size(1, 197)) == ((84, 112), (112, 112), (1, 112))


@pytest.mark.parametrize(
    ("baseline", "words"),
    [
        ("", "units of highest response α (at most 9)"),
        ("the 60 images of a.atlas", "divided by its standard deviation, over the 60 images of a.atlas (at most 9)"),
    ],
)
def test_the_caption_says_what_units_are_ranked_by(resnet_view, baseline, words):
    shown = structure(replace(resnet_view, baseline=baseline))
    assert words in " ".join(text for text, _ in texts(shown))
