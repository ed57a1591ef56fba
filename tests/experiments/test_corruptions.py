"""Each corruption of an image, against its definition."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from unitscope.errors import UnitscopeError
from unitscope.experiments.corruptions import Blur, Brightness, Jpeg, Noise, name_and_value


@pytest.fixture
def picture():
    """A smooth picture between 60 and 190, uint8 ``[3, 40, 50]``."""
    rows, columns = np.mgrid[:40, :50]
    waves = [125 + 60 * np.sin(rows / 9 + shift) * np.cos(columns / 7) for shift in range(3)]
    return torch.from_numpy(np.stack(waves).round().astype(np.uint8))


def pillow(picture):
    return Image.fromarray(picture.permute(1, 2, 0).numpy())


def test_noise_is_gaussian_with_mean_0_and_sigma_relative_to_white(picture):
    grey = torch.full((3, 200, 200), 128, dtype=torch.uint8)
    noise = (Noise(0.1).apply(grey, 0, 0) - 128).numpy().ravel() / 255
    assert abs(noise.mean()) < 4 * 0.1 / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(0.1, rel=0.01)
    assert np.mean(np.abs(noise) < 0.1) == pytest.approx(0.6827, abs=0.005)


def test_noise_depends_only_on_seed_and_image(picture):
    first = Noise(0.1).apply(picture, 3, 1)
    Noise(0.1).apply(picture, 4, 1)
    assert torch.equal(Noise(0.1).apply(picture, 3, 1), first)
    assert not torch.equal(Noise(0.1).apply(picture, 4, 1), first)
    assert not torch.equal(Noise(0.1).apply(picture, 3, 2), first)
    assert not torch.equal(Noise(0.1).apply(picture, 1, 3), first)


def test_the_same_noise_is_scaled_by_sigma(picture):
    small, large = (Noise(sigma).apply(picture, 0, 0) - picture for sigma in (0.01, 0.02))
    assert torch.allclose(2 * small, large, atol=1e-3)


def test_noise_is_clipped_to_the_range_of_images():
    changed = Noise(1).apply(torch.tensor([0, 255], dtype=torch.uint8).repeat(3, 20, 10), 0, 0)
    assert changed.min() == 0
    assert changed.max() == 255
    assert changed.dtype == torch.float32


def test_zero_noise_keeps_the_picture(picture):
    assert torch.equal(Noise(0).apply(picture, 0, 0), picture.float())


def test_a_blur_equals_pillows(picture):
    expected = np.array(pillow(picture).filter(ImageFilter.GaussianBlur(2.5)))
    assert np.array_equal(Blur(2.5).apply(picture, 0, 0).permute(1, 2, 0).numpy(), expected)
    assert torch.equal(Blur(0).apply(picture, 0, 0), picture)


def test_brightness_multiplies_and_clips(picture):
    expected = np.clip(picture.numpy() * 1.7, 0, 255)
    np.testing.assert_allclose(Brightness(1.7).apply(picture, 0, 0).numpy(), expected, rtol=1e-6)
    assert Brightness(0).apply(picture, 0, 0).max() == 0


def test_jpeg_equals_encoding_and_decoding(picture):
    file = io.BytesIO()
    pillow(picture).save(file, "JPEG", quality=30)
    assert np.array_equal(Jpeg(30).apply(picture, 0, 0).permute(1, 2, 0).numpy(), np.array(Image.open(file)))
    losses = [(Jpeg(quality).apply(picture, 0, 0).float() - picture).abs().mean() for quality in (5, 50, 100)]
    assert losses[0] > losses[1] > losses[2]


def test_a_perturbation_has_its_name_and_value():
    assert [name_and_value(change) for change in (Noise(0.1), Blur(2), Brightness(0.5), Jpeg(20))] == [
        ("noise", 0.1),
        ("blur", 2),
        ("brightness", 0.5),
        ("jpeg", 20),
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Noise(-0.1), "between 0 and 1, on a scale where white is 1, not -0.1$"),
        (lambda: Noise(25.5), "between 0 and 1, on a scale where white is 1, not 25.5; 25.5 of 255 is 0.1$"),
        (lambda: Noise(float("nan")), "between 0 and 1, on a scale where white is 1, not nan"),
        (lambda: Blur(-1), "must be 0 or more pixels, not -1"),
        (lambda: Blur(float("inf")), "must be 0 or more pixels, not inf"),
        (lambda: Brightness(-2), "brightness factor must be 0 or more"),
        (lambda: Jpeg(0), "from 1 \\(worst\\) to 100, not 0"),
        (lambda: Jpeg(101), "to 100, not 101"),
        (lambda: Jpeg(50.5), "a whole number from 1 .* not 50.5"),
    ],
)
def test_an_invalid_strength_is_refused(make, message):
    with pytest.raises(UnitscopeError, match=message):
        make()
