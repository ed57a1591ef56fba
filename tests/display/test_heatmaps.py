import numpy as np
import pytest

from unitscope.display.heatmaps import GAMMA, MIDDLE, PERCENTILE, column_tones, overlay, tone


def test_a_tone_equals_its_definition():
    values = np.random.default_rng(0).normal(size=(28, 28)).astype(np.float32)
    low = values.min()
    high = np.percentile(np.sort(values.ravel())[1:].astype(float), PERCENTILE)
    expected = [[min(1, (float(cell) - low) / (high - low)) ** GAMMA for cell in row] for row in values]
    np.testing.assert_allclose(tone(values), expected, atol=1e-6)


def test_a_few_weak_cells_are_visible():
    values = np.zeros((56, 56), np.float32)
    values[10, 10:13] = [1e-4, 2e-4, 1e-3]
    tones = tone(values)
    assert tones[0, 0] == 0
    assert tones[10, 12] == pytest.approx(1, abs=0.01)
    assert tones[10, 10] > 0.2


def test_one_very_large_cell_does_not_hide_the_others():
    values = np.random.default_rng(0).random((56, 56))
    values[3, 3] = 1000
    assert np.median(tone(values)) > 0.5


def test_order_is_kept_for_maps_of_any_sign():
    values = np.linspace(-3, 2, 50).reshape(5, 10)
    assert (np.diff(tone(values).ravel()) >= 0).all()
    assert tone(values)[0, 0] == 0


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_map_of_zeros_or_nan_is_uniformly_dark(value):
    assert not tone(np.full((7, 7), value, np.float32)).any()


@pytest.mark.parametrize("value", [3.7, -2.0, 1e-30])
def test_a_constant_map_of_an_active_unit_has_a_uniform_middle_tone(value):
    tones = tone(np.full((7, 7), value, np.float32))
    assert tones.dtype == np.float32
    assert (tones == MIDDLE).all()


def test_a_map_that_varies_only_in_its_last_digits_is_constant():
    assert (tone(np.float32([[1.0, np.nextafter(np.float32(1), np.float32(2))]])) == MIDDLE).all()


def test_nan_cells_are_dark_in_a_constant_map_too():
    assert tone(np.array([[2.0, np.nan, 2.0]])).tolist() == [[MIDDLE, 0, MIDDLE]]


def test_cells_that_are_not_finite_stay_within_the_range():
    tones = tone(np.array([[np.nan, 0.0, 1.0, 2.0, np.inf, -np.inf]]))
    np.testing.assert_allclose(tones[0, [0, 1, 4, 5]], [0, 0, 1, 0])


def test_single_cells_share_a_scale_and_maps_have_their_own():
    cells = np.float32([3, 2, 1]).reshape(3, 1, 1)
    assert column_tones(cells).ravel().tolist() == tone(np.float32([3, 2, 1])).tolist()
    maps = np.stack([np.eye(4), 100 * np.eye(4)])
    np.testing.assert_allclose(*column_tones(maps))


def test_an_overlay_is_dim_where_the_map_is_dark_and_bright_where_it_is_bright():
    picture = np.full((64, 64, 3), 100, np.uint8)
    tones = np.zeros((4, 4), np.float32)
    tones[0, 0] = 1
    both = overlay(picture, tones)
    assert both.shape == picture.shape
    assert (both[40:, 40:] == 30).all()
    assert (both[2, 2] == 100).all()
