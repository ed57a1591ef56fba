import numpy as np
import pytest

from unitscope.figures.tile_layout import Box, Canvas, flow, resized

from .conftest import exact_pixels, pixels


@pytest.mark.parametrize("size", [313, 316, 339, 1000, 5999])
def test_a_sheet_has_exactly_the_requested_pixels(size):
    assert pixels(Canvas.blank(size, 20).figure).shape == (20, size, 3)


@exact_pixels
def test_an_image_fills_its_box_inside_a_frame_of_one_pixel():
    canvas = Canvas.blank(40, 30)
    canvas.image(np.full((1, 1, 3), 7, np.uint8), Box(10, 5, 20, 15))
    drawn = pixels(canvas.figure)
    assert (drawn[5:20, 10:30] == 7).all()
    assert (drawn[4, 9:31] == 0xB4).any(axis=-1).all()
    assert (drawn[:4] == 255).all()
    assert (drawn[21:] == 255).all()


def test_blocks_wrap_like_words_and_rows_do_not_overlap():
    boxes = flow([[(50, 10), (30, 40), (60, 5)], [(10, 10)]], 120)
    assert [(box.left, box.top) for box in boxes] == [(0, 0), (86, 0), (0, 58), (0, 81)]


def test_an_image_is_centred_in_its_box_with_its_proportions():
    assert Box(0, 0, 100, 100).fit(1, 4) == Box(0, 37, 100, 25)
    assert Box(0, 0, 100, 50).fit(2, 1) == Box(37, 0, 25, 50)


def test_a_picture_of_the_right_size_is_unchanged():
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    assert resized(picture, Box(5, 5, 30, 20)) is picture
    assert resized(picture, Box(5, 5, 60, 40)).shape == (40, 60, 3)
