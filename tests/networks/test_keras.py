"""Keras's weights in torchvision's networks, against Keras itself; with current and older file formats."""

import inspect
import re
import warnings
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch

from unitscope.errors import NetworkError
from unitscope.graph import trace_of
from unitscope.networks import PRESETS, load
from unitscope.networks.origins.keras_applications import MODELS

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

IMAGES = np.random.default_rng(1).normal(0, 1, (2, 14, 14, 3)).repeat(16, 1).repeat(16, 2).astype(np.float32)
KERAS_1 = {
    "kernel": "W",
    "bias": "b",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "running_mean",
    "moving_variance": "running_std",
}


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    """Keras with the torch backend on the CPU, ignoring the user's settings."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("KERAS_BACKEND", "torch")
        patch.setenv("KERAS_TORCH_DEVICE", "cpu")
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        return pytest.importorskip("keras")


def seeded(model):
    """The model with random weights that all affect the output: activations stay near 1, no weight is 0 or 1."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        layer, kind = weight.path.rsplit("/", 1)
        if kind == "kernel":
            fan, gain = np.prod(weight.shape[:-1]), 0.2 if layer == "predictions" else 2
            value = rng.standard_normal(weight.shape, np.float32) * np.sqrt(gain / fan)
        elif kind == "gamma":
            value = (
                rng.uniform(0.2, 0.6, weight.shape) if layer.endswith("_3_bn") else rng.uniform(0.5, 1.5, weight.shape)
            )
        elif kind == "moving_variance":
            value = rng.uniform(0.5, 3, weight.shape)
        else:
            value = rng.normal(0, 0.3, weight.shape)
        weight.assign(value.astype(np.float32))
    return model


def answers(keras, model):
    """Keras's results for the images: each named layer's output, the probabilities and the logits."""
    named = [layer for layer in model.layers if re.fullmatch(r"block\d_conv\d|fc\d|conv\d.*_(relu|out)", layer.name)]
    head = model.get_layer("predictions")
    outputs = keras.Model(model.input, [*(layer.output for layer in named), head.input, head.output])(IMAGES)
    *maps, features, probabilities = (keras.ops.convert_to_numpy(output) for output in outputs)
    kernel, bias = (keras.ops.convert_to_numpy(weight).astype(np.float64) for weight in head.weights)
    return SimpleNamespace(
        maps={layer.name: map_ for layer, map_ in zip(named, maps, strict=True)},
        probabilities=probabilities,
        logits=features @ kernel + bias,
    )


def write_by_layer(file, model, array, *, name=str, kinds=None):
    """A file in the format of Keras 1 and 2; a model without values is written as zeros."""
    with h5py.File(file, "w") as root:
        root.attrs["layer_names"] = np.array([name(layer.name).encode() for layer in model.layers])
        for layer in model.layers:
            group = root.create_group(name(layer.name))
            own = [weight.path.rsplit("/", 1)[1] for weight in layer.weights]
            paths = [array.format(layer=name(layer.name), kind=(kinds or {}).get(kind, kind)) for kind in own]
            group.attrs["weight_names"] = np.array([path.encode() for path in paths])
            for path, weight in zip(paths, layer.weights, strict=True):
                value = None if weight.value.is_meta else weight.value.detach().numpy()
                group.create_dataset(path, tuple(weight.shape), np.float32, value)
    return file


def before_2019(layer):
    """Old layer names of ResNet-50: blocks and the layers of a branch had letters, the shortcut was branch 1."""
    if match := re.fullmatch(r"conv(\d)_block(\d)_(\d)_(conv|bn)", layer):
        stage, block, number, kind = match.groups()
        branch = ("1", "2a", "2b", "2c")[int(number)]
        return f"{'res' if kind == 'conv' else 'bn'}{stage}{'abcdef'[int(block) - 1]}_branch{branch}"
    return {"conv1_conv": "conv1", "conv1_bn": "bn_conv1", "predictions": "fc1000"}.get(layer, layer)


def top_probs(layer):
    """The name of the top layer in the first release with today's names."""
    return "probs" if layer == "predictions" else layer


def without_names(file, model):
    """Weights in the format of Keras before it stored layer names."""
    model.save_weights(file)
    with h5py.File(file, "r+") as root:
        for layer in root["layers"].values():
            layer["vars"].attrs.pop("name", None)


def both(keras, model, network):
    """A Keras model, our network with its weights, and the results of both for the images."""
    theirs, tapped = answers(keras, model), trace_of(network)
    layers = [tapped.layers.find(name) for name in theirs.maps]
    with torch.inference_mode():
        logits, responses = tapped.tapped(responses=layers)(torch.from_numpy(IMAGES).permute(0, 3, 1, 2))
    return SimpleNamespace(
        model=model,
        network=network,
        theirs=theirs,
        logits=logits,
        responses=np.split(responses.numpy(), np.cumsum([layer.units for layer in layers])[:-1], axis=1),
        activations=len(tapped.layers.activations),
    )


@pytest.fixture(scope="module")
def resnet(keras, tmp_path_factory):
    """ResNet-50, with weights in the format of Keras 3."""
    model = seeded(keras.applications.ResNet50(weights=None))
    model.save_weights(file := tmp_path_factory.mktemp("resnet") / "r.weights.h5")
    return both(keras, model, load("keras:resnet50", weights=file))


@pytest.fixture(scope="module")
def vgg(keras, tmp_path_factory):
    """VGG-16 for seven classes, with weights in the format of keras.applications."""
    model = seeded(keras.applications.VGG16(weights=None, classes=7))
    file = write_by_layer(tmp_path_factory.mktemp("vgg") / "vgg16.h5", model, "{layer}_{kind}_1:0", kinds=KERAS_1)
    network = load("keras:vgg16", weights=file)
    file.unlink()
    return both(keras, model, network)


@pytest.fixture(params=["resnet", "vgg"])
def case(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def empty(keras):
    """A function that builds a Keras model with shapes but no values."""

    def build(name, **options):
        with keras.device("meta"):
            return getattr(keras.applications, name)(weights=None, **options)

    return build


def assert_alike(ours, theirs):
    assert ours.shape == theirs.shape
    assert theirs.std() > 0
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * theirs.std())


def test_logits_and_probabilities_equal_keras_own(case):
    assert case.theirs.logits.std() > 0.1
    assert_alike(case.logits.numpy(), case.theirs.logits)
    assert_alike(case.logits.softmax(1).numpy(), case.theirs.probabilities)


def test_layers_have_keras_names_and_responses(case):
    assert len(case.theirs.maps) == case.activations
    for name, ours in zip(case.theirs.maps, case.responses, strict=True):
        theirs = case.theirs.maps[name]
        assert_alike(ours, theirs.reshape(len(theirs), -1, theirs.shape[-1]).mean(1, np.float64))


def test_the_papers_layers_exist(resnet, vgg):
    assert {"conv1_relu", "conv2_block3_out", "conv5_block3_1_relu", "conv5_block3_out"} <= resnet.theirs.maps.keys()
    assert {"block1_conv1", "block5_conv3", "fc1", "fc2"} <= vgg.theirs.maps.keys()


def test_a_keras_network_has_the_papers_preprocessing_and_imagenet_classes(resnet, vgg):
    assert resnet.network.preprocessing is vgg.network.preprocessing is PRESETS["caffe"]
    assert (resnet.network.classes[0], resnet.network.wnids[0]) == ("tench", "n01440764")
    assert (vgg.network.classes, vgg.network.wnids) == ((), ())


SAVED = {
    "with names": lambda file, model: model.save_weights(file.with_suffix(".weights.h5")),
    "without names": lambda file, model: without_names(file.with_suffix(".weights.h5"), model),
    "whole model": lambda file, model: model.save(file.with_suffix(".h5")),
    "archive": lambda file, model: model.save(file.with_suffix(".keras")),
    "keras 2": lambda file, model: write_by_layer(file.with_suffix(".h5"), model, "{layer}/{kind}:0", name=top_probs),
    "keras 1": lambda file, model: write_by_layer(
        file.with_suffix(".h5"), model, "{layer}_{kind}:0", name=before_2019, kinds=KERAS_1
    ),
}


@pytest.mark.parametrize("saved", SAVED)
def test_all_files_of_the_same_weights_give_the_same_network(tmp_path, resnet, saved):
    SAVED[saved](tmp_path / "w", resnet.model)
    (file,) = tmp_path.iterdir()
    assert load("keras:resnet50", weights=file).fingerprint == resnet.network.fingerprint


def test_vgg_19_weights_are_loaded_layer_by_layer(tmp_path, empty):
    file = write_by_layer(tmp_path / "w.h5", empty("VGG19"), "{layer}_{kind}_1:0", kinds=KERAS_1)
    bias = np.random.default_rng(0).normal(size=512).astype(np.float32)
    with h5py.File(file, "r+") as root:
        root["block5_conv4/block5_conv4_b_1:0"][:] = bias
    network = load("keras:vgg19", weights=file)
    layers = trace_of(network).layers
    assert layers.find("block5_conv4") is layers.find("conv5_4") is layers.find("act:16")
    assert layers.find("fc2") is layers.activations[-1]
    np.testing.assert_array_equal(network.module.features[34].bias, bias)
    assert network.parameter_count == 143_667_240


def test_random_weights_are_those_of_their_seed():
    network = load("keras:resnet50", weights="none", seed=4)
    assert network.weights == "random, seed 4"
    assert network.fingerprint == load("torchvision:resnet50", weights="none", seed=4).fingerprint


@pytest.mark.parametrize("variable", ["KERAS_HOME", "HOME"])
def test_weights_are_found_in_keras_cache_folder(tmp_path, monkeypatch, empty, variable):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    folder = tmp_path / ("models" if variable == "KERAS_HOME" else ".keras/models")
    folder.mkdir(parents=True)
    name = "resnet50_weights_tf_dim_ordering_tf_kernels.h5"
    write_by_layer(folder / name, empty("ResNet50"), "{layer}/{kind}:0")
    assert load("keras:resnet50").weights == name


@pytest.mark.parametrize(("name", "builder"), [("vgg16", "VGG16"), ("vgg19", "VGG19"), ("resnet50", "ResNet50")])
def test_check_sums_are_those_that_keras_records(keras, name, builder):
    record = inspect.getsource(inspect.getmodule(getattr(keras.applications, builder)))
    folder, file = MODELS[name].url.rsplit("/", 2)[1:]
    assert f"keras-applications/{folder}/" in record.replace('"\n    "', "")
    assert file.replace(name, "{weights_name}") in record or file in record
    assert MODELS[name].md5 in record


def test_without_internet_the_error_says_which_file_to_put_where(tmp_path, monkeypatch):
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    name = "vgg16_weights_tf_dim_ordering_tf_kernels.h5"
    message = (
        rf"can't download the weights of keras:vgg16 \(.*\); download {name} from https://.*/vgg16/{name} "
        rf"into {tmp_path / 'models'}, or give --weights FILE, or --weights none for random weights$"
    )
    with pytest.raises(NetworkError, match=message):
        load("keras:vgg16")


@pytest.mark.parametrize(
    ("network", "model", "options", "message"),
    [
        (
            "vgg16",
            "VGG16",
            {"include_top": False},
            r"has no top \(fc1, fc2, predictions\), so it can't classify; get",
        ),
        ("resnet50", "ResNet50", {"include_top": False}, r"has no top \(predictions\)"),
        (
            "vgg16",
            "VGG19",
            {},
            r"unexpected block3_conv4, block4_conv4, block5_conv4; its layers are those of keras:vgg19",
        ),
        (
            "vgg19",
            "VGG16",
            {},
            r"missing block3_conv4, block4_conv4, block5_conv4; its layers are those of keras:vgg16",
        ),
        (
            "vgg16",
            "ResNet50",
            {},
            r"missing block1_conv1, .* more; unexpected conv1_conv, .* more; .* its layers are those of keras:resnet50",
        ),
        ("resnet50", "MobileNetV2", {}, r"doesn't fit keras:resnet50: missing conv1_conv, .* more; unexpected Conv1"),
    ],
)
def test_files_of_other_networks_are_refused(tmp_path, empty, network, model, options, message):
    file = write_by_layer(tmp_path / "w.h5", empty(model, **options), "{layer}/{kind}:0")
    with pytest.raises(NetworkError, match=message):
        load(f"keras:{network}", weights=file)


def test_an_array_of_another_shape_is_named(tmp_path, empty):
    file = write_by_layer(tmp_path / "w.h5", empty("ResNet50"), "{layer}/{kind}:0")
    with h5py.File(file, "r+") as root:
        del root["conv1_bn/conv1_bn/beta:0"]
        root["conv1_bn/conv1_bn/beta:0"] = np.zeros(3)
    with pytest.raises(NetworkError, match=r"wrong shape: conv1_bn is \[\[64\], \[3\], \[64\], \[64\]\], not"):
        load("keras:resnet50", weights=file)


def test_a_file_cut_short_is_refused(tmp_path, resnet):
    resnet.model.save_weights(file := tmp_path / "w.weights.h5")
    with file.open("r+b") as content:
        content.truncate(file.stat().st_size // 2)
    with pytest.raises(NetworkError, match=r"w.weights.h5' is not a Keras weight file, or is damaged .*truncated"):
        load("keras:resnet50", weights=file)


@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", b"PK\x03\x04 cut off"])
def test_files_that_are_not_hdf5_are_refused(tmp_path, content):
    (file := tmp_path / "w.h5").write_bytes(content)
    with pytest.raises(NetworkError, match=r"w.h5' is not a Keras weight file, or is damaged"):
        load("keras:vgg16", weights=file)


def test_weights_of_torch_are_refused(tmp_path):
    torch.save({"a": torch.zeros(1)}, file := tmp_path / "w.pth")
    with pytest.raises(NetworkError, match=r"w.pth' is not a Keras weight file"):
        load("keras:vgg16", weights=file)


def test_hdf5_without_layers_is_refused(tmp_path):
    with h5py.File(file := tmp_path / "w.h5", "w") as root:
        root["x"] = np.zeros(3)
    with pytest.raises(NetworkError, match=r"w.h5' has no weights saved by Keras; save them with model.save_weights"):
        load("keras:vgg16", weights=file)


def test_a_missing_file_suggests_the_nearest_names(tmp_path):
    (tmp_path / "vgg16.h5").touch()
    with pytest.raises(NetworkError, match=r"no file '.*vgg.h5'; closest: 'vgg16.h5'"):
        load("keras:vgg16", weights=tmp_path / "vgg.h5")


@pytest.mark.parametrize("reference", ["torchvision:vgg16", "timm:vgg16"])
def test_other_origins_suggest_keras_for_keras_weight_files(tmp_path, reference):
    if reference.startswith("timm:"):
        pytest.importorskip("timm")
    (file := tmp_path / "w.h5").touch()
    with pytest.raises(NetworkError, match=r"w.h5' is a weight file for keras:NAME; use it with one of those networks"):
        load(reference, weights=file)
