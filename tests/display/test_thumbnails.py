"""Thumbnails are cropped as for the network, with bounded memory."""

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from unitscope.display.thumbnails import crop_for_network, map_shape, pixels_needed, png, shrunk, thumbnail
from unitscope.errors import ImageError
from unitscope.images import decode
from unitscope.images.limits import Limits
from unitscope.networks import Preprocessing


def smooth(width, height):
    """A picture without fine detail, so that the resizing filter matters little."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [128 + 100 * np.sin(columns / width * 7 + n) * np.cos(rows / height * 5 + n) for n in range(3)]
    return Image.fromarray(np.stack(waves, -1).astype(np.uint8))


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (90, 200), (64, 64), (1000, 300)])
@pytest.mark.parametrize(
    "phi",
    [
        Preprocessing(256, 224),
        Preprocessing((224, 224)),
        Preprocessing((200, 300)),
        Preprocessing(64, (32, 64)),
        Preprocessing(100, 150),
        Preprocessing((100, 120), (150, 90)),
    ],
)
def test_a_thumbnail_is_cropped_as_for_the_network(phi, size):
    picture = smooth(*size)
    seen = phi.picture(phi.prepare(picture)).astype(float)
    shown = np.asarray(crop_for_network(picture, phi.to_dict(), max(phi.size))).astype(float)
    assert shown.shape == seen.shape
    assert np.abs(shown - seen).mean() < 3
    assert np.quantile(np.abs(shown - seen), 0.97) < 12


@pytest.mark.parametrize(
    "phi",
    [
        Preprocessing(256, 224).to_dict(),
        Preprocessing((224, 224)).to_dict(),
        Preprocessing((20, 300)).to_dict(),
        Preprocessing(100, 50).to_dict(),
        {"function": "mine", "size": [64, 64]},
    ],
)
def test_a_thumbnail_of_a_jpeg_decoded_smaller_is_that_of_the_whole(phi):
    with io.BytesIO() as buffer:
        smooth(1500, 1050).save(buffer, "JPEG", quality=95)
        data = buffer.getvalue()
    reduced = decode(data, Limits(at_least=pixels_needed(phi, 96)))
    assert reduced.width < 1500
    one, other = (np.asarray(crop_for_network(each, phi, 96), float) for each in (reduced, decode(data)))
    assert one.shape == other.shape
    assert np.abs(one - other).mean() < 1.5


def test_with_custom_preprocessing_the_whole_picture_is_shown():
    assert crop_for_network(smooth(400, 200), {"function": "mine", "size": [64, 64]}, 96).size == (96, 48)


def test_a_picture_too_narrow_is_refused_before_memory_is_allocated(tmp_path):
    Image.new("RGB", (1, 4000)).save(tmp_path / "narrow.png")
    tracemalloc.start()
    with pytest.raises(ImageError, match="too narrow"):
        thumbnail(decode(tmp_path / "narrow.png"), Preprocessing(256, 224).to_dict(), 96)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_maps_are_coloured_and_downscaled():
    tones = np.linspace(0, 1, 112 * 80, dtype=np.float32).reshape(112, 80)
    assert map_shape(tones.shape) == (56, 40)
    assert map_shape((7, 7)) == (7, 7)
    small = shrunk(tones, (56, 40))
    assert small[0, 0] == pytest.approx(tones[:2, :2].mean(), abs=1e-6)
    coloured = np.asarray(Image.open(io.BytesIO(png(small))).convert("RGB")).astype(int)
    assert coloured[-1, -1].sum() > 600
    assert coloured[0, 0].sum() < 100
