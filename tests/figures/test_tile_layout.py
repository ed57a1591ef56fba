import numpy as np
import pytest

from unitscope.figures.tile_layout import Box, Sheet, flow, resized

from .conftest import pixels


@pytest.mark.parametrize("size", [313, 316, 339, 1000, 5999])
def test_a_sheet_has_exactly_the_pixels_asked_for(size):
    assert pixels(Sheet.blank(size, 20).figure).shape == (20, size, 3)


def test_an_image_fills_its_box_to_the_pixel_within_a_frame_of_one():
    sheet = Sheet.blank(40, 30)
    sheet.image(np.full((1, 1, 3), 7, np.uint8), Box(10, 5, 20, 15))
    drawn = pixels(sheet.figure)
    assert (drawn[5:20, 10:30] == 7).all()
    assert (drawn[4, 9:31] == 0xB4).any(axis=-1).all()
    assert (drawn[:4] == 255).all()
    assert (drawn[21:] == 255).all()


def test_blocks_flow_like_words_and_each_row_starts_below_the_last():
    boxes = flow([[(50, 10), (30, 40), (60, 5)], [(10, 10)]], 120)
    assert [(box.left, box.top) for box in boxes] == [(0, 0), (86, 0), (0, 58), (0, 81)]


def test_a_box_holds_proportions_at_its_centre():
    assert Box(0, 0, 100, 100).fit(1, 4) == Box(0, 37, 100, 25)
    assert Box(0, 0, 100, 50).fit(2, 1) == Box(37, 0, 25, 50)


def test_a_picture_of_the_right_size_stays_as_it_is():
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    assert resized(picture, Box(5, 5, 30, 20)) is picture
    assert resized(picture, Box(5, 5, 60, 40)).shape == (40, 60, 3)
