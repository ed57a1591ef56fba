import os
import sys

import pytest
import torch
from torch import nn

from unitscope.errors import NetworkError
from unitscope.networks import PRESETS, Preprocessing, load

FACTORY = """
from torch import nn
import width  # beside this file

print("hello from the user's file")

def tiny():
    return nn.Sequential(nn.Conv2d(3, width.WIDTH, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))

def small():
    return nn.Sequential(nn.Conv2d(3, width.WIDTH, 3), nn.ReLU())

def nothing():
    return "a network"

def failing():
    return 1 / 0

def leaving():
    raise SystemExit(3)
"""

CARD = """
factory = "nets.py:small"
weights = "small.pth"
classes = ["cat", "dog"]
seed = 4

[preprocess]
resize = 40
crop = 32
mean = [120, 121, 122]
std = [60, 61, 62]
order = "BGR"
interpolation = "bicubic"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "nets.py").write_text(FACTORY)
    (tmp_path / "width.py").write_text("WIDTH = 5")
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    (tmp_path / "unfinished.py").write_text("def f(:\n")
    (tmp_path / "card.toml").write_text(CARD)
    torch.manual_seed(9)
    torch.save(nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU()).state_dict(), tmp_path / "small.pth")
    yield tmp_path
    sys.modules.pop("width", None)


def test_a_function_in_a_python_file_builds_a_network(folder, capsys):
    network = load(f"{folder}/nets.py:small")
    assert network.module[0].out_channels == 5
    assert not network.module.training
    assert network.preprocessing == PRESETS["imagenet"]
    assert (network.classes, network.weights) == ((), "as small() builds them")
    assert str(folder) not in sys.path
    assert capsys.readouterr().out == ""


def test_a_function_is_seeded_and_the_callers_random_state_is_kept(folder):
    before = torch.get_rng_state()
    one, again, other = (load(f"{folder}/nets.py:small", seed=seed) for seed in (None, 0, 1))
    assert one.fingerprint == again.fingerprint != other.fingerprint
    assert torch.equal(torch.get_rng_state(), before)


def test_the_code_of_a_relative_file_has_an_absolute_path(folder, monkeypatch):
    monkeypatch.chdir(folder)
    load("nets.py:small")
    assert sys.modules["unitscope_file_nets"].small.__code__.co_filename == str(folder / "nets.py")


def test_a_file_edited_within_a_second_is_reloaded(folder, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = folder / "edited.py"
    text = "from torch import nn\n\n\ndef make():\n    return nn.Sequential(nn.Conv2d(3, 1, 1), nn.ReLU())\n"
    for units in (1, 2):
        file.write_text(text.replace("(3, 1,", f"(3, {units},"), "utf-8")
        os.utime(file, (1, 1))
        assert load(f"{file}:make").module[0].out_channels == units
    assert not (folder / "__pycache__").exists()


def test_a_weights_file_is_loaded_into_the_built_network(folder):
    network = load(f"{folder}/nets.py:small", weights=folder / "small.pth")
    assert torch.equal(network.module[0].weight, torch.load(folder / "small.pth", weights_only=True)["0.weight"])


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("nets.py:smal", "has no function 'smal'; closest: 'small'"),
        ("nets.py:zzz", "has no function 'zzz'; it has tiny, small, nothing, failing, leaving"),
        ("nets.py:nothing", "must return an nn.Module, not str"),
        ("nets.py:failing", "nets.py:failing' failed with ZeroDivisionError: division by zero"),
        ("nets.py:leaving", "failed with SystemExit: 3"),
        ("broken.py:f", "failed with ModuleNotFoundError: No module named 'no_such_package'"),
        ("unfinished.py:f", "failed with SyntaxError"),
        ("net.py:small", "no file '.*net.py'; closest: 'nets.py'"),
    ],
)
def test_errors_in_a_file_are_reported_with_its_name(folder, reference, message):
    with pytest.raises(NetworkError, match=message):
        load(f"{folder}/{reference}")


def test_the_cause_of_a_failure_is_kept(folder):
    with pytest.raises(NetworkError, match="division by zero") as caught:
        load(f"{folder}/nets.py:failing")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_card_sets_every_option(folder):
    network = load(folder / "card.toml")
    assert network.reference == str(folder / "card.toml")
    assert network.weights == str(folder / "small.pth")
    assert network.classes == ("cat", "dog")
    assert network.preprocessing == Preprocessing(
        40, 32, interpolation="bicubic", mean=(120, 121, 122), std=(60, 61, 62), order="BGR"
    )


def test_explicit_options_override_a_card(folder):
    network = load(folder / "card.toml", weights="none", preprocess="caffe", classes=["a"])
    assert network.weights == "as small() builds them"
    assert network.preprocessing == PRESETS["caffe"]
    assert network.classes == ("a",)
    assert network.fingerprint == load(f"{folder}/nets.py:small", seed=4).fingerprint


def test_a_card_can_name_a_reference_a_preset_and_a_file_of_classes(folder):
    (folder / "classes.txt").write_text("cat\ndog\n\n")
    lines = ['network = "torchvision:squeezenet1_1"', 'weights = "none"', 'preprocess = "tf"']
    (folder / "other.toml").write_text("\n".join([*lines, 'classes = "classes.txt"']))
    network = load(folder / "other.toml")
    assert network.classes == ("cat", "dog")
    assert network.preprocessing == PRESETS["tf"]
    assert network.weights == "random, seed 0"


def test_a_card_says_whether_its_weights_are_trained(folder):
    (folder / "random.toml").write_text('factory = "nets.py:small"\ntrained = false\n')
    assert not load(folder / "random.toml").trained
    assert load(folder / "random.toml", weights=folder / "small.pth").trained
    assert load(folder / "card.toml").trained
    assert load(f"{folder}/nets.py:small").trained  # the function may well load its weights
    assert not load(folder / "card.toml", weights="none").trained


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("network = ", "card.toml' is not valid TOML: "),
        ('netwrok = "torchvision:resnet18"', "unknown key 'netwrok'; closest: 'network'"),
        ('weights = "a.pth"', "needs either network = 'torchvision:NAME' or factory"),
        ('network = "a"\nfactory = "b.py:c"', "needs either network"),
        ('network = "other.toml"', "refers to another card, 'other.toml'"),
        ('network = "torchvision:resnet18"\nseed = "x"', "seed = 'x'; it must be a whole number"),
        ('network = "torchvision:resnet18"\nseed = true', "seed = True; it must be a whole number"),
        ('network = "torchvision:resnet18"\ntrained = 0', "trained = 0; it must be true or false"),
        ('network = "torchvision:resnet18"\nclasses = 3', "classes = 3; it must be a list or text"),
        ('network = "torchvision:resnet18"\nclasses = "c.txt"', "no file '.*c.txt'"),
        ('factory = "nets.py"', "has no function; write .*nets.py:FUNCTION"),
        ('factory = "nets.py:small"\nweights = "smal.pth"', "no file '.*smal.pth'; closest: 'small.pth'"),
        ('factory = "nets.py:small"\npreprocess = "cafe"', "no preprocessing 'cafe'; closest: 'caffe'"),
        ('factory = "nets.py:small"\n[preprocess]\nsiz = 3', "no key 'siz'; closest: 'size'"),
    ],
)
def test_an_invalid_card_is_refused_with_a_clear_message(folder, text, message):
    (folder / "card.toml").write_text(text)
    with pytest.raises(NetworkError, match=message) as caught:
        load(folder / "card.toml")
    assert "\n" not in str(caught.value)


BLOCKS = "from torch import nn\n\n\ndef stem():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())\n"


def package(root, name, *, init=True):
    """A package whose model.py imports from it, and from a package within it the other way."""
    for folder in (root / name, root / name / "zoo"):
        folder.mkdir(parents=True)
        if init:
            (folder / "__init__.py").touch()
    (root / name / "blocks.py").write_text(BLOCKS)
    (root / name / "model.py").write_text("from .blocks import stem\n\n\ndef build():\n    return stem()\n")
    (root / name / "zoo" / "deep.py").write_text(
        f"from {name}.blocks import stem as other\n\nfrom ..blocks import stem\n\nassert stem is other\n\n\n"
        "def build():\n    return stem()\n"
    )
    return root / name


def test_a_file_in_a_package_is_loaded_as_part_of_it(tmp_path):
    before = sys.path.copy()
    made = package(tmp_path, "mynet_one")
    for file in ("model.py", "zoo/deep.py"):
        assert [type(part).__name__ for part in load(f"{made / file}:build").module] == ["Conv2d", "ReLU"]
    assert sys.path == before


def test_relative_imports_outside_a_package_say_how_to_make_one(tmp_path):
    made = package(tmp_path, "mynet_two", init=False)
    with pytest.raises(
        NetworkError, match=r"failed with ImportError: .*; .* put an empty __init__.py into '.*mynet_two'"
    ):
        load(f"{made}/model.py:build")


def test_two_packages_of_one_name_are_an_error(tmp_path):
    load(f"{package(tmp_path / 'one', 'mynet_three')}/model.py:build")
    with pytest.raises(
        NetworkError, match=r"the package 'mynet_three' in '.*two' has the name of another one, in '.*one"
    ):
        load(f"{package(tmp_path / 'two', 'mynet_three')}/model.py:build")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.onnx", "is an ONNX file, .* onnx2torch, and give FILE.py:FUNCTION"),
        ("a.PB", "is a TensorFlow graph"),
        ("saved/", "is a TensorFlow SavedModel"),
        ("hugging/", "is a folder of Hugging Face; .* from_pretrained"),
        ("plain/", "is a folder, not a network; give FILE.py:FUNCTION or a network card"),
        ("a.tflite", "is a TensorFlow Lite file, .* give the module it was made from"),
        ("a.engine", "is a TensorRT engine"),
        ("a.mlpackage", "is a Core ML package"),
        ("a.gguf", "is a GGUF file of a language model"),
        ("a.pt2", "is a program exported by torch.export"),
        ("a.pkl", "is a pickle, which can run code"),
    ],
)
def test_networks_in_other_formats_are_named(tmp_path, name, message):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    (tmp_path / "hugging").mkdir()
    (tmp_path / "hugging" / "config.json").touch()
    (tmp_path / "plain").mkdir()
    with pytest.raises(NetworkError, match=rf"^'{tmp_path}/{name}' {message}"):
        load(f"{tmp_path}/{name}")
