import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from unitscope.errors import NetworkError
from unitscope.networks import PRESETS, CustomPreprocessing, Preprocessing
from unitscope.networks.preprocessing import parse_preprocessing

SIZES = [(500, 375), (333, 500), (257, 256), (256, 256), (97, 640)]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_geometry_equals_torchvisions_up_to_rounding(photo, width, height, interpolation):
    from torchvision.transforms import v2

    image = photo(width, height)
    mode = v2.InterpolationMode(interpolation)
    reference = v2.Compose([v2.Resize(256, interpolation=mode), v2.CenterCrop(224), v2.PILToTensor()])(image)
    ours = Preprocessing(256, 224, interpolation=interpolation).prepare(image)
    difference = (ours.int() - reference.int()).abs()
    assert ours.dtype == torch.uint8
    assert ours.shape == (3, 224, 224)
    assert difference.max() <= 2
    assert difference.float().mean() < 0.05


def test_lanczos_equals_pillows(photo):
    image = photo(500, 375)
    expected = np.asarray(image.resize((96, 64), Image.Resampling.LANCZOS))
    prepared = Preprocessing((64, 96), interpolation="lanczos").prepare(image)
    np.testing.assert_array_equal(prepared.permute(1, 2, 0).numpy(), expected)


def test_an_image_smaller_than_the_crop_gets_torchvisions_margins(photo):
    from torchvision.transforms import v2

    image = photo(61, 40)
    reference = v2.Compose([v2.Resize(40), v2.CenterCrop((55, 50)), v2.PILToTensor()])(image)
    assert torch.equal(Preprocessing(40, (55, 50)).prepare(image), reference)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_images_of_any_mode_become_three_channels(photo, mode):
    prepared = PRESETS["imagenet"].prepare(photo(300, 260).convert(mode))
    assert prepared.shape == (3, 224, 224)


def test_values_equal_torchvisions(photo):
    from torchvision.models import ResNet50_Weights

    reference = ResNet50_Weights.IMAGENET1K_V1.transforms()
    image = photo(256, 256)
    phi = PRESETS["imagenet"]
    ours = phi.normalize(phi.prepare(image)[None])[0]
    torch.testing.assert_close(ours, reference(image), rtol=0, atol=1e-6)


def test_caffe_puts_blue_first_and_subtracts_the_means():
    batch = torch.tensor([10, 20, 30], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    values = PRESETS["caffe"].normalize(batch)
    torch.testing.assert_close(values[0, :, 0, 0], torch.tensor([30 - 103.939, 20 - 116.779, 10 - 123.68]))


def test_tf_scales_to_minus_one_to_one():
    batch = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    torch.testing.assert_close(PRESETS["tf"].normalize(batch).flatten(), torch.tensor([-1.0, 1.0, -0.6]))


@pytest.mark.parametrize("name", ["imagenet", "caffe"])
def test_values_can_be_exported_and_compiled(name):
    phi = PRESETS[name]

    class Values(nn.Module):
        def forward(self, batch):
            return phi.normalize(batch)

    batch = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    exported = torch.export.export(Values(), (batch,), strict=False).module()
    compiled = torch.compile(Values(), fullgraph=True, backend="eager")
    assert torch.equal(exported(batch), phi.normalize(batch))
    assert torch.equal(compiled(batch), phi.normalize(batch))


def test_the_picture_is_the_network_input_in_rgb(photo):
    image = photo(224, 224)
    phi = PRESETS["caffe"]
    np.testing.assert_array_equal(phi.picture(phi.prepare(image)), np.asarray(image))


@pytest.mark.parametrize("phi", [*PRESETS.values(), Preprocessing(99, (64, 80), interpolation="lanczos")])
def test_dict_round_trip_survives_json(phi):
    assert Preprocessing.from_dict(json.loads(json.dumps(phi.to_dict()))) == phi


def test_sizes_are_height_and_width():
    assert PRESETS["inception"].size == (299, 299)
    assert Preprocessing((64, 80)).size == (64, 80)
    assert Preprocessing(99, (64, 80)).size == (64, 80)


def test_one_size_resizes_the_shorter_side_and_crops_and_two_resize_directly():
    values = {"mean": [0, 0, 0], "std": [1, 1, 1]}
    assert Preprocessing.from_dict({"size": 32, **values}) == Preprocessing(32, 32)
    assert Preprocessing.from_dict({"size": [32, 48], **values}) == Preprocessing((32, 48))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sise": 224}, "no key 'sise'; closest: 'size'"),
        ({"size": "big"}, r"size = 'big' must be a number of pixels or \[height, width\]"),
        ({"size": 0}, "size = 0 must be a number"),
        ({"crop": 224}, "'size' and also 'resize' or 'crop'"),
        ({"mean": [0.485, 0.456, 0.406]}, "looks like the 0–1 scale; multiply by 255"),
        ({"mean": 120}, r"mean = \[red, green, blue\] on the 0–255 scale, not 120"),
        ({"std": [1, 1, 0]}, "divide by zero"),
        ({"order": "GBR"}, "order 'GBR' is unknown; choose one of RGB, BGR"),
        ({"interpolation": "cubic"}, "interpolation 'cubic' is unknown"),
    ],
)
def test_an_invalid_table_is_refused_with_a_clear_message(change, message):
    table = {"size": 32, "mean": [120, 120, 120], "std": [60, 60, 60]}
    with pytest.raises(NetworkError, match=message):
        Preprocessing.from_dict(table | change)


def test_a_table_without_a_size_says_how_to_give_one():
    with pytest.raises(NetworkError, match="give size = 224, or resize = 256 and crop = 224"):
        Preprocessing.from_dict({"mean": [0, 0, 0], "std": [1, 1, 1]})


def test_a_shorter_side_without_a_crop_is_refused():
    with pytest.raises(NetworkError, match="needs a crop"):
        Preprocessing(256)


def test_an_unknown_preset_suggests_the_nearest():
    with pytest.raises(NetworkError, match="no preprocessing 'cafe'; closest: 'caffe'"):
        parse_preprocessing("cafe")


def test_any_function_from_image_to_tensor_is_accepted(photo):
    from torchvision.transforms import v2

    to_float = v2.ToDtype(torch.float32, scale=True)
    function = v2.Compose([v2.Resize((40, 60)), v2.ToImage(), to_float, v2.ToPureTensor()])
    phi = parse_preprocessing(function)
    prepared = phi.prepare(photo(100, 90))
    assert isinstance(phi, CustomPreprocessing)
    assert phi.size == (40, 60)
    assert torch.equal(phi.normalize(prepared[None])[0], prepared)
    picture = phi.picture(prepared)
    assert (picture.shape, picture.dtype, picture.min(), picture.max()) == ((40, 60, 3), np.uint8, 0, 255)
    told = json.loads(json.dumps(phi.to_dict()))
    assert told == {"function": "Compose", "size": [40, 60], "probe": phi.probe}


def test_a_function_that_returns_no_float_tensor_is_refused():
    with pytest.raises(NetworkError, match=r"must return a float tensor \[channel, H, W\], not Image"):
        parse_preprocessing(lambda image: image)


def test_a_function_that_fails_is_refused():
    with pytest.raises(NetworkError, match="failed on a picture: division by zero"):
        parse_preprocessing(lambda _: 1 / 0)


def test_a_function_must_return_one_size_for_all_images(photo):
    phi = parse_preprocessing(lambda image: torch.zeros(3, image.height, image.width))
    with pytest.raises(NetworkError, match="it must return one size for all images"):
        phi.prepare(photo(50, 40))


def test_an_image_too_narrow_to_resize_is_refused():
    from unitscope.errors import ImageError

    with pytest.raises(ImageError, match="too narrow"):
        PRESETS["imagenet"].prepare(Image.new("RGB", (30_000, 2)))
    assert PRESETS["caffe"].prepare(Image.new("RGB", (30_000, 2))).shape == (3, 224, 224)
