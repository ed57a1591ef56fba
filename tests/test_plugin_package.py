"""An installed plug-in package with an origin, a source and an attribution works in every command."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_serving import get_json, serving

PACKAGE = Path(__file__).parent / "plugin_package"

# Runs commands one after the other, as a process for each would take long to start.
DRIVER = """
import contextlib, io, json, sys, traceback
from unitscope.cli.app import main
done = {}
for name, words in json.load(sys.stdin).items():
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["unitscope", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            status = 0
        except SystemExit as left:
            status = left.code or 0
        except BaseException:
            status = traceback.format_exc()
    done[name] = [status, out.getvalue(), err.getvalue()]
print(json.dumps(done))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> dict[str, str]:
    """Environment variables that make the package importable."""
    source = shutil.copytree(PACKAGE, tmp_path_factory.mktemp("source") / "package")
    target = tmp_path_factory.mktemp("site")
    words = ("install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", target, source)
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True)
    paths = [str(target), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The working directory of the commands."""
    return tmp_path_factory.mktemp("toy")


@pytest.fixture(scope="module")
def done(installed, folder) -> dict[str, list]:
    """Status, stdout and stderr of every command that takes a network or images."""
    from PIL import Image

    Image.new("RGB", (48, 40), "red").save(folder / "mine.png")
    network, images, seed = "toy:squares", "toy://24", ("--weights", "none", "--seed", "1")
    atlas, mine = "toy.atlas", "mine.png"
    commands = {
        "help": ("scan", "--help"),
        "layers": ("layers", network, "--json"),
        "scan": ("scan", network, images, "-o", atlas, *seed, "--json"),
        "scan again": ("scan", network, images, "-o", atlas, *seed, "--json"),
        "scan in processes": ("scan", network, images, "-o", "two.atlas", *seed, "--workers", "1"),
        "structure": ("structure", network, mine, *seed, "-o", "structure.png", "--json"),
        "exemplars": ("exemplars", atlas, "act:1:2", "-o", "unit.png", "--json"),
        "rule": ("rule", atlas, "--layer", "act:1", "--max", mine, "--top", "2", "-o", "rule.png", "--json"),
        "rule-by-layer": (
            "rule",
            atlas,
            "--by-layer",
            "--shared",
            mine,
            "--shared",
            "class:red",
            "--top",
            "2",
            "--json",
        ),
        "unit": ("unit", atlas, "act:1:2", "--json"),
        "selective": ("selective", atlas, "--class", "red", "--layer", "act:1", "--json"),
        "paper": ("paper", "--network", f"{network}={images}", "--coco", "toy://6", "-o", "paper", "--json"),
        "similarity": ("similarity", atlas, mine, "class:red", "class:blue", "--layer", "act:2", "--json"),
        "sparsity": ("sparsity", atlas, "--layer", "act:1", "--json"),
        "inhibitory": ("inhibitory", atlas, "--class", "red", "--layer", "act:1", "--removal", "-o", "i.png", "--json"),
        "ablate": ("ablate", network, images, "--layer", "act:1", "--fraction", "0.5", *seed, "--json"),
        "perturb": (
            "perturb",
            network,
            images,
            "--sigma",
            "0.1",
            "--unit",
            "act:1:0",
            "--maps",
            "p.png",
            *seed,
            "--json",
        ),
        "verify": ("verify", atlas, "--json"),
        "export": ("export", atlas, "site", "--json"),
        "unknown images": ("scan", network, "toys://24", "-o", "x.atlas"),
        "unknown network": ("layers", "toy:circles"),
        "broken images": ("scan", network, "toy://x", "-o", "x.atlas"),
        "broken network": ("layers", "toy:broken"),
    }
    found = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=json.dumps(commands),
        cwd=folder,
        env=installed,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(found.stdout.splitlines()[-1])


def output_of(done, command):
    """The output of a command that succeeded."""
    status, out, err = done[command]
    assert status == 0, (status, err)
    return json.loads(out)


def test_the_plugins_origin_is_listed_in_the_help(done):
    assert "toy:NAME" in done["help"][1]


def test_a_scan_reads_the_plugins_images_and_labels(done):
    found = output_of(done, "scan")
    assert (found["images"], found["failed"], found["scanned"]) == (24, 0, 24)
    assert 0 <= found["top1"] <= 1
    assert output_of(done, "scan again")["scanned"] == 0


def test_worker_processes_read_the_plugins_images(done):
    assert done["scan in processes"][0] == 0, done["scan in processes"]


ANSWERING = (
    "layers structure exemplars rule rule-by-layer unit selective similarity sparsity inhibitory ablate perturb export"
)


@pytest.mark.parametrize("command", ANSWERING.split())
def test_every_command_works_with_the_plugin(done, command):
    assert output_of(done, command)


def test_a_report_works_with_the_plugin(done):
    found = output_of(done, "paper")
    assert {table["title"][:7] for table in found["tables"]} >= {"Table 1", "Table 2", "Table 4", "Table 5"}
    assert found["figures"]


def test_the_plugins_images_and_maps_are_served(done, installed, folder):
    with serving(folder / "toy.atlas", env=installed) as (_, address):
        assert get_json(f"{address}/index.json")["network"] == "toy:squares"
        found = get_json(f"{address}/structure.json?image=red/001.png")
        assert [len(layer["units"]) for layer in found["layers"]] == [6, 8]


def test_verify_recomputes_the_plugins_images(done):
    assert output_of(done, "verify")["mismatches"] == 0
    assert output_of(done, "verify")["checked"] > 100


def test_unknown_plugin_names_are_reported(done):
    status, _, err = done["unknown images"]
    assert (status, "no installed image source opens the URL 'toys://24'" in err) == (1, True)
    status, _, err = done["unknown network"]
    assert (status, "no toy network 'circles'; known: squares" in err) == (1, True)


def test_errors_in_the_plugin_are_attributed_to_it(done):
    for command, problem in (
        ("broken network", "ZeroDivisionError: a mistake in the package"),
        ("broken images", "ValueError: invalid literal for int() with base 10: 'x'"),
    ):
        status, _, err = done[command]
        assert status == 1, err
        assert err == (
            f"error: the plug-in 'toy' of the package unitscope-toy failed ({problem}); "
            "report it to the authors of that package\n"
        )


def test_the_shipped_contracts_hold(installed, tmp_path):
    (tmp_path / "test_toy.py").write_text(
        "from unitscope.testing import AttributionTests, OriginTests, SourceTests\n\n\n"
        "class TestOrigin(OriginTests):\n    reference = 'toy:squares'\n\n\n"
        "class TestSource(SourceTests):\n    address = 'toy://4'\n\n\n"
        "class TestAttribution(AttributionTests):\n    method = 'toy'\n"
    )
    words = ("-q", "-p", "no:cacheprovider", str(tmp_path))
    found = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        check=False,
        cwd=tmp_path,
        env=installed,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout
    assert "22 passed" in found.stdout
