from dataclasses import replace

import numpy as np
import pytest

from unitscope.display.inhibition_sheet import InhibitedUnit, InhibitionExample, InhibitionSheet
from unitscope.figures import inhibition

from .conftest import assert_tidy, at_each_width, layer, pixels, texts


def example(number, *, masked=True, dark=False, label="person, tie, cell phone, umbrella", picture=(224, 224)):
    random = np.random.default_rng(number)
    mask = np.zeros(picture, np.float32)
    mask[60:, 80:160] = 1  # to the lower edge
    return InhibitionExample(
        f"train2017/{number:012d}.jpg",
        label,
        masked,
        random.integers(120, 256, (*picture, 3)).astype(np.uint8),
        np.zeros((13, 13), np.float32) if dark else random.gamma(0.3, size=(13, 13)).astype(np.float32),
        mask if masked else None,
        "0.0384 on it, 1.68 outside" if masked else "α = 0.0384",
    )


def sheet_of(*rows, by="map contrast"):
    units = tuple(
        InhibitedUnit(37 + n, "1.09 on it, 8.71 outside; effect size -0.87, corrected p = 1.3e-06", tuple(row))
        for n, row in enumerate(rows)
    )
    return InhibitionSheet("torchvision:squeezenet1_0", layer(12, "features.12", 256, (13, 13)), "person", by, units)


@at_each_width
@pytest.mark.parametrize("across", [1, 4])
@pytest.mark.parametrize("units", [1, 3])
def test_no_text_overlaps_or_is_clipped_at_any_size(across, units, width):
    assert_tidy(inhibition(sheet_of(*([example(n) for n in range(across)] for _ in range(units))), width=width))


def test_a_sheet_shows_units_values_and_images():
    output = " ".join(text for text, _ in texts(inhibition(sheet_of([example(1), example(2)]))))
    for word in ("unit 37", "effect size −0.87", "train2017/000000000002.jpg", "'person'", "outlined"):
        assert word in output


def test_an_outline_is_drawn_where_the_mask_is_known():
    with_outline = inhibition(sheet_of([example(1)]))
    without = inhibition(sheet_of([replace(example(1), mask=None)]))
    assert len(with_outline.axes[0].collections) == 3
    assert len(without.axes[0].collections) == 0
    assert (pixels(with_outline) != pixels(without)).any()


def test_maps_of_a_unit_share_one_scale():
    figure = inhibition(sheet_of([example(1, dark=True, masked=False), example(2, masked=False)], by="class contrast"))
    tones = [image.get_array() for image in figure.axes[0].images if image.get_array().ndim == 2]
    assert [drawn.max() for drawn in tones] == [1]
    assert "all zero" in [text for text, _ in texts(figure)]


def test_a_missing_picture_and_no_units_have_placeholders_and_a_message():
    gone = replace(example(1), picture=None, map=None, mask=None, note="")
    figure = inhibition(sheet_of([gone, example(2)]))
    assert_tidy(figure)
    assert sum(text == "not available" for text, _ in texts(figure)) == 3
    assert "No unit" in texts(inhibition(sheet_of()))[-1][0]
