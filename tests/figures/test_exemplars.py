from dataclasses import replace

import numpy as np
import pytest
from matplotlib import colormaps

from unitscope.display.heatmaps import overlay, tone
from unitscope.figures import exemplars
from unitscope.figures.tile_layout import Box, resized
from unitscope.figures.unit_tiles import NARROWEST, TileRows

from .conftest import assert_tidy, at_each_width, exact_pixels, exemplar, image_box, pixels, sheet_of, texts


def tile_of(figure, number):
    canvas = pixels(figure)
    left, bottom, right, top = (round(edge) for edge in image_box(figure.axes[0].images[number]))
    return canvas[canvas.shape[0] - top : canvas.shape[0] - bottom, left:right]


@exact_pixels
def test_each_exemplar_shows_its_picture_its_map_and_the_overlay():
    entry = exemplar(1)
    figure = exemplars(sheet_of(entry))
    side = len(tile_of(figure, 0))
    picture = resized(entry.picture, Box(0, 0, side, side))
    np.testing.assert_array_equal(tile_of(figure, 0), picture)
    colours = colormaps["magma"](tone(entry.map), bytes=True)[..., :3]
    np.testing.assert_array_equal(tile_of(figure, 1)[side // 28 :: side // 14][:14, side // 28], colours[:, 0])
    np.testing.assert_array_equal(tile_of(figure, 2), overlay(picture, tone(entry.map)))


def test_exemplars_are_in_reading_order_with_rank_response_label_and_title():
    figure = exemplars(sheet_of(*(exemplar(rank) for rank in range(1, 10))))
    written = [text for text, _ in texts(figure)]
    assert written[0] == "features.29, unit 71 of torchvision:vgg16"
    lines = [text for text in written if "α = " in text]
    assert lines == [f"{rank}   α = {10 / rank:#.4g}" for rank in range(1, 10)]
    assert written.count("Siamese cat") == 9
    corners = [(-round(box[3]), round(box[0])) for box in map(image_box, figure.axes[0].images[::3])]
    assert corners == sorted(corners)


@pytest.mark.parametrize(
    ("count", "room", "across"), [(1, 1300, 1), (2, 1300, 2), (9, 1300, 3), (9, 640, 2), (9, 400, 1)]
)
def test_blocks_fill_the_width_in_rows_of_as_many_as_fit(count, room, across):
    rows = TileRows.of(count, room, most=3)
    assert rows.across == across
    assert rows.block >= min(NARROWEST, room) - 3
    lefts = [rows.place(index, 100)[0] for index in range(count)]
    assert lefts[-1] + rows.block <= room
    assert [tile.left for tile in rows.tiles(0, 0)] == sorted({tile.left for tile in rows.tiles(0, 0)})


@pytest.mark.parametrize(("missing", "blanks"), [({"picture": None}, 2), ({"map": None}, 2)])
def test_a_missing_image_has_a_placeholder(missing, blanks):
    figure = exemplars(sheet_of(replace(exemplar(1), **missing)))
    assert len(figure.axes[0].images) == 1
    assert [text for text, _ in texts(figure)].count("not available") == blanks


ODD = (
    replace(exemplar(1), label="a label of many words, " * 20, image="n02123045/" + "name_" * 60 + ".JPEG"),
    replace(exemplar(2), picture=None),
    replace(exemplar(3), map=None, label=""),
    replace(exemplar(4), picture=None, map=None, response=-0.00012345),
    replace(exemplar(5), map=np.zeros((13, 13), np.float32)),
    replace(exemplar(6), map=np.full((7, 7), -3, np.float32), response=-3.0),
    replace(exemplar(7, picture=(100, 300)), map=np.full((1, 1), np.nan, np.float32), response=float("nan")),
    replace(exemplar(8, size=(3, 50)), label="猫 \n $x_1$ 🐈", response=1.5e12),
)


@at_each_width
@pytest.mark.parametrize("entries", [(), ODD[:1], ODD[:2], ODD], ids=len)
def test_no_text_overlaps_or_is_clipped(entries, width):
    assert_tidy(exemplars(sheet_of(*entries, name="features.denseblock4.denselayer16.relu2." * 6), width=width))


@pytest.mark.parametrize(
    ("map_", "words"),
    [
        (np.zeros((7, 7), np.float32), "all zero"),
        (np.full((7, 7), 2, np.float32), "constant"),
        (np.ones((1, 1), np.float32), "one cell"),
    ],
)
def test_a_map_that_shows_no_place_is_named_in_words(map_, words):
    figure = exemplars(sheet_of(replace(exemplar(1), map=map_)))
    assert len(figure.axes[0].images) == 2
    assert words in [text for text, _ in texts(figure)]


def test_a_picture_of_any_shape_keeps_its_proportions():
    figure = exemplars(sheet_of(exemplar(1, picture=(100, 300))))
    left, bottom, right, top = image_box(figure.axes[0].images[0])
    assert (right - left) / (top - bottom) == pytest.approx(3, abs=0.05)
