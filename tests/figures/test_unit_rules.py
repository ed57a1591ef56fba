from dataclasses import replace

import numpy as np
import pytest

from unitscope.display.heatmaps import overlay, tone
from unitscope.display.rule_sheet import RuleImage, RuleRow, RuleSheet
from unitscope.figures import rules
from unitscope.figures.tile_layout import Box, resized

from .conftest import assert_tidy, at_each_width, exact_pixels, exemplar, image_box, layer, pixels, texts


def rule_image(number, *, group="class:cat", image="cat/0294.jpg", excluded=False):
    random = np.random.default_rng(100 + number)
    return RuleImage(group, image, excluded, random.integers(0, 256, (224, 224, 3)).astype(np.uint8))


def row(unit, *, images, exemplars=4):
    random = np.random.default_rng(unit)
    maps = tuple(random.gamma(0.3, size=(14, 14)).astype(np.float32) for _ in range(images))
    note = ("mean α 0.383", "selected in 1234 of 13000", "base rate 13.7%")
    shown = tuple(exemplar(rank, picture=(224, 224)) for rank in range(1, exemplars + 1))
    return RuleRow(unit, note, tuple(float(map_.mean()) for map_ in maps), maps, shown)


def sheet(images, units, **changes):
    rows = tuple(row(unit, images=len(images)) for unit in units)
    note = "2 units; 0.158 expected by chance (p = 0.0093)."
    title = "Units of features.29 (top 9) shared by class:cat, class:dog"
    return replace(
        RuleSheet(title, note, "torchvision:vgg16", layer(29, "features.29", 512, (14, 14)), images, rows), **changes
    )


PAIR = (rule_image(1), rule_image(2, group="dog/1.png", image="dog/1.png"))


def tile_of(figure, number):
    canvas = pixels(figure)
    left, bottom, right, top = (round(edge) for edge in image_box(figure.axes[0].images[number]))
    return canvas[canvas.shape[0] - top : canvas.shape[0] - bottom, left:right]


@exact_pixels
def test_images_are_above_their_maps_and_exemplars_beside_them():
    view = sheet(PAIR, (71, 274))
    figure = rules(view)
    side = len(tile_of(figure, 0))
    box, first = Box(0, 0, side, side), view.rows[0].exemplars[0]
    np.testing.assert_array_equal(tile_of(figure, 0), resized(PAIR[0].picture, box))
    for number, picture, map_ in ((3, PAIR[1].picture, view.rows[0].maps[1]), (4, first.picture, first.map)):
        np.testing.assert_array_equal(tile_of(figure, number), resized(overlay(picture, tone(map_)), box))
    boxes = [image_box(image) for image in figure.axes[0].images]
    assert len(boxes) == 2 + 2 * (2 + 4)
    assert [round(box[0]) for box in boxes[:2]] == [round(box[0]) for box in boxes[2:4]]
    assert boxes[0][1] > boxes[2][3] > boxes[8][3]


def test_units_and_responses_are_labelled():
    view = sheet(PAIR, (71, 274))
    written = [text for text, _ in texts(rules(view))]
    assert written[0] == view.title
    assert [text for text in written if text.startswith("unit ")] == [
        f"unit {number}, mean α 0.383, selected in 1234 of 13000, base rate 13.7%" for number in (71, 274)
    ]
    assert [text for text in written if text.startswith("α = ")] == [
        f"α = {response:#.4g}" for one in view.rows for response in one.responses
    ]
    assert "class:cat" in written
    assert written.count("dog/1.png") == 1


def test_excluded_groups_are_labelled_not():
    against = rule_image(2, group="class:dog", image="dog/1.png", excluded=True)
    written = [text for text, _ in texts(rules(sheet((PAIR[0], against), (71,))))]
    assert "not class:dog" in written


LONG = rule_image(3, group="/photographs/" + "folder_" * 40 + "x.jpg", image="/photographs/" + "folder_" * 40 + "x.jpg")
GONE = replace(rule_image(4), picture=None)


@pytest.mark.parametrize(
    "view",
    [
        sheet(PAIR, (71, 274)),
        sheet(PAIR[:1], range(16)),
        sheet(tuple(rule_image(n) for n in range(6)), (1, 2)),
        sheet(PAIR, ()),
        sheet((LONG, replace(LONG, excluded=True)), (1,), title="Units shared by " + ", ".join(["class:cat"] * 90)),
        sheet((GONE, PAIR[0]), (1,), rows=(replace(row(1, images=2), maps=(None, np.zeros((2, 2))), exemplars=()),)),
    ],
)
@at_each_width
def test_no_text_overlaps_or_is_clipped(view, width):
    assert_tidy(rules(view, width=width))


def test_a_figure_has_the_units_that_a_page_holds_and_says_how_many():
    figure = rules(sheet(PAIR, range(16)), width="85mm")
    assert figure.get_size_inches()[1] * 25.4 < 250
    written = [text for text, _ in texts(figure)]
    drawn = sum(text.startswith("unit ") for text in written)
    assert 0 < drawn < 16
    assert f"The first {drawn} of 16, as many as a page holds." in " ".join(written)


def test_exemplars_are_beside_the_maps_where_they_fit_and_below_them_otherwise():
    many = sheet(tuple(rule_image(n, group=f"class:{n}") for n in range(6)), (1,))
    for width, below in (("170mm", False), ("85mm", True)):
        boxes = [image_box(image) for image in rules(many, width=width).axes[0].images]
        assert (boxes[12][3] < boxes[6][1]) == below


def test_a_missing_image_has_a_placeholder():
    view = sheet((GONE,), (1,), rows=(replace(row(1, images=1), maps=(None,)),))
    assert [text for text, _ in texts(rules(view))].count("not available") == 2
