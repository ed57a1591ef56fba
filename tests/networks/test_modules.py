"""Modules of any type, number of channels and kind: they are run, or refused with a sentence that says what to do."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from unitscope.engine.session import Session
from unitscope.errors import NetworkError
from unitscope.networks import Preprocessing, load

TABLE = {"size": 32, "mean": [120, 110, 100], "std": [60, 50, 40]}


def body(channels=3):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)
    ).eval()


def picture():
    values = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    return Image.fromarray(values)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_network_of_another_type_runs_in_float32_and_is_left_as_found(dtype):
    module = body().to(dtype)
    network = load(module, preprocess=TABLE)
    session, wanted = Session(network), Session(load(body().to(dtype).float(), preprocess=TABLE))
    prepared = network.preprocessing.prepare(picture())[None]
    np.testing.assert_array_equal(
        session.run(prepared, responses=["2"]).responses, wanted.run(prepared, responses=["2"]).responses
    )
    assert network.weights == f"given module, {str(dtype).removeprefix('torch.')} run as float32"
    assert {parameter.dtype for parameter in module.parameters()} == {dtype}


def test_a_grey_network_gets_the_luma_of_an_image():
    module = body(channels=1)
    network = load(module, preprocess={"size": 32, "mean": [100, 100, 100], "std": [50, 50, 50], "order": "L"})
    prepared = network.preprocessing.prepare(picture())[None]
    grey = (prepared[:, 0] * 0.299 + prepared[:, 1] * 0.587 + prepared[:, 2] * 0.114)[:, None]
    torch.testing.assert_close(network.preprocessing.normalize(prepared), (grey - 100) / 50)
    with torch.no_grad():
        wanted = module((grey - 100) / 50)
    np.testing.assert_allclose(Session(network).run(prepared).logits, wanted.numpy(), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_a_function_gives_as_many_channels_as_the_network_takes(channels):
    def phi(image):
        pixels = torch.from_numpy(np.array(image.resize((32, 32)))).permute(2, 0, 1).float() / 255
        return torch.cat([pixels, pixels])[:channels]

    network = load(body(channels), preprocess=phi)
    assert network.preprocessing.channels == channels
    prepared = network.preprocessing.prepare(picture())
    assert prepared.shape == (channels, 32, 32)
    assert network.preprocessing.picture(prepared).shape == (32, 32, 3)
    session = Session(network)
    with torch.no_grad():
        wanted = body(channels)(prepared[None])
    np.testing.assert_allclose(session.run(prepared[None]).logits, wanted.numpy(), atol=1e-5)
    assert session.gradients(prepared[None], 0).shape == (1, channels, 32, 32)


@pytest.mark.parametrize(
    ("channels", "cure"),
    [(1, r"takes 1, not 3: order = 'L' in its preprocessing"), (4, "takes 4, not 3: use a function")],
)
def test_another_number_of_channels_is_named_with_what_to_do(channels, cure):
    with pytest.raises(NetworkError, match=cure):
        _ = Session(load(body(channels), preprocess=TABLE)).layers


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, images, mask, scale=1.0):
        return self.conv(images * mask).mean((2, 3))


def test_a_network_with_two_inputs_names_the_other():
    with pytest.raises(NetworkError, match=r"takes other inputs beside images \(mask\): wrap it in a module"):
        _ = Session(load(TwoInputs(), preprocess=TABLE)).layers


def scripted():
    return torch.jit.script(body())


def traced():
    return torch.jit.trace(body(), torch.zeros(1, 3, 32, 32))


def frozen():
    return torch.jit.freeze(scripted())


@pytest.mark.filterwarnings("ignore:`?torch.jit:FutureWarning", "ignore:`?torch.jit:DeprecationWarning")
@pytest.mark.parametrize("make", [scripted, traced, frozen])
def test_a_torchscript_module_is_refused(make):
    with pytest.raises(NetworkError, match=r"is a TorchScript module .*; load the Python module"):
        load(make())


def exported():
    return torch.export.export(body(), (torch.zeros(1, 3, 32, 32),))


def test_an_exported_module_is_refused():
    with pytest.raises(NetworkError, match=r"made by torch.export, .*; load the Python module"):
        load(exported().module())


@pytest.mark.parametrize(
    ("given", "name"), [(exported(), "ExportedProgram"), (body().state_dict(), "OrderedDict"), (body, "function")]
)
def test_what_is_no_module_is_named(given, name):
    with pytest.raises(NetworkError, match=f"load takes a reference or an nn.Module, not {name}"):
        load(given)


def test_a_preprocessing_that_is_random_is_refused():
    with pytest.raises(NetworkError, match=r"returns another tensor each time .*leave out random crops"):
        load(body(), preprocess=lambda image: torch.rand(3, 32, 32))


def test_the_probe_of_a_function_tells_it_from_another_with_its_name():
    def phi(scale):
        return lambda image: torch.from_numpy(np.array(image.resize((8, 8)))).permute(2, 0, 1).float() * scale

    one, same, other = (load(body(), preprocess=phi(scale)).preprocessing.to_dict() for scale in (1.0, 1.0, 0.5))
    assert one == same
    assert {key for key in one if one[key] != other[key]} == {"probe"}


def test_an_unknown_order_lists_the_known_ones():
    with pytest.raises(NetworkError, match="order 'GREY' is unknown; choose one of RGB, BGR, L"):
        Preprocessing(32, 32, order="GREY")
