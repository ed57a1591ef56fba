"""The commands `serve` and `export`, partly as real processes."""

import html
import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import hearing_ctrl_c

PROGRAM = str(Path(sys.executable).with_name("unitscope"))


@contextmanager
def serving(*words, env=None, notes=0):
    """Run `unitscope serve`; yield the process and its address, which it prints after some notes."""
    command = [PROGRAM, "serve", *map(str, words), "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with hearing_ctrl_c():
        process = subprocess.Popen(command, env=env, text=True, **pipes)
    with process:
        line = [process.stderr.readline() for _ in range(notes + 1)][-1]
        try:
            yield process, line.split(" at ")[1].split()[0]
        finally:
            process.kill()


def get_json(address, parse=json.loads):
    with urllib.request.urlopen(address) as answer:
        return parse(answer.read())


def test_an_atlas_is_served_until_ctrl_c(classes_atlas):
    with serving(classes_atlas, "--no-network") as (process, address):
        assert get_json(f"{address}/index.json")["network"] == "torchvision:squeezenet1_1"
        assert get_json(f"{address}/unit/act:-1/3.json")["channel"] == 3
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert "Traceback" not in process.stderr.read()


def test_the_network_is_loaded_in_the_background(classes_atlas):
    with serving(classes_atlas) as (_, address):
        image = get_json(f"{address}/images.json")["images"][0]["image"]
        found = get_json(f"{address}/structure.json?image={image}")
        assert [len(layer["units"]) for layer in found["layers"]] == [9] * 13
        assert len(found["predictions"]) == 5


def test_many_requests_of_the_network_at_once_are_answered_or_refused_and_pages_open(classes_atlas):
    with serving(classes_atlas) as (_, address), ThreadPoolExecutor(60) as pool:
        image = get_json(f"{address}/images.json")["images"][0]["image"]
        asked = [pool.submit(status_of, f"{address}/structure.json?image={image}") for _ in range(60)]
        pages = [status_of(address + page) for page in ("/", "/unit/act:-1/3", "/images") * 5]
        assert set(pages) == {200}
        assert {one.result() for one in asked} <= {200, 429}
        assert sum(one.result() == 200 for one in asked) >= 33


def status_of(address):
    try:
        with urllib.request.urlopen(address, timeout=120) as answer:
            return answer.status
    except urllib.error.HTTPError as refusal:
        return refusal.code


def test_an_unavailable_network_is_reported_at_once(classes_atlas):
    with serving(classes_atlas, "--network", "package:nope") as (process, _):
        assert "pages that need the network don't work: " in process.stderr.readline()


def test_results_of_ablate_are_shown(classes_atlas, classes_folder, run, tmp_path):
    words = ["torchvision:squeezenet1_1", classes_folder, "--weights", "none", "--seed", 1, "--layer", "act:-2"]
    measured = run("ablate", *words, "--fraction", 0.5, "--scope", "dataset", "--json")
    some = run("ablate", *words, "--fraction", 0.2, "--scope", "dataset", "--order", "low", "--limit", 6, "--json")
    (tmp_path / "all.json").write_text(measured.stdout)
    (tmp_path / "some.json").write_text(some.stdout)
    files = ["--measurements", tmp_path / "all.json", "--measurements", tmp_path / "some.json"]
    with serving(classes_atlas, "--no-network", *files) as (_, address):
        lines = get_json(f"{address}/unit/act:-2/{some.json['results'][0]['units'][0]}.json")["removal"]
        assert any(" responses (maps set to zero), on 30 images: Top-1" in line for line in lines)
        assert any(
            "lowest responses (maps set to zero), on 6 images (not the atlas's images): Top-1" in line for line in lines
        )
        for unit in (0, 3, 7):
            gone = [one for one in measured.json["results"] if one["seed"] is None and unit in one["units"]]
            lines = get_json(f"{address}/unit/act:-2/{unit}.json")["removal"]
            assert len([line for line in lines if "30 images" in line]) == len(gone) >= 1
        (chart,) = get_json(f"{address}/lab.json")["charts"]
        assert chart["note"] == "30 images, 6 images (not the atlas's images)"
        with urllib.request.urlopen(f"{address}/lab") as answer:
            assert 'data-chart="curves"' in answer.read().decode()


def test_results_of_perturb_are_shown(classes_atlas, classes_folder, run, tmp_path):
    words = ["torchvision:squeezenet1_1", classes_folder, "--weights", "none", "--seed", 1, "--layer", "act:-1"]
    measured = run("perturb", *words, "--noise", 0.3, "--noise", 0.1, "--unit", "act:1:3", "--blur", 2, "--json")
    (tmp_path / "noise.json").write_text(measured.stdout)
    with serving(classes_atlas, "--no-network", "--measurements", tmp_path / "noise.json") as (_, address):
        flips, maps, *blurred = get_json(f"{address}/lab.json")["charts"]
    assert len(blurred) == 2
    weak, strong = (measured.json["settings"][at] for at in (1, 0))
    assert flips["title"] == "Changed predictions: noise"
    assert flips["note"] == "30 images"
    assert flips["curves"][0]["x"] == maps["curves"][0]["x"] == [0.1, 0.3]
    assert flips["curves"][0]["y"] == [weak["prediction_flips"], strong["prediction_flips"]]
    assert maps["curves"][0]["name"] == "features.1:3"
    assert maps["curves"][0]["y"] == [one["units"][0]["map_correlation"] for one in (weak, strong)]
    assert maps["curves"][0]["above"] == [one["units"][0]["map_correlation_error"] for one in (weak, strong)]


def test_a_result_without_a_chart_is_shown_as_a_table(classes_atlas, run, tmp_path):
    words = ("similarity", classes_atlas, "class:hen", "class:tench", "--layer", "act:-1")
    (tmp_path / "cosines.json").write_text(run(*words, "--json").stdout)
    words = ("--no-network", "--measurements", tmp_path / "cosines.json")
    with serving(classes_atlas, *words) as (_, address), urllib.request.urlopen(f"{address}/lab") as answer:
        page = answer.read().decode()
    assert "<h2>Cosine similarity at classifier.2 (act:26)</h2>" in page
    assert "<td>class:hen</td>" in page
    assert "To show stored results" not in page


SPOILT = [
    ["--measurements", "README.md"],
    ["--measurements", "gone.json"],
    ["--host", "10.255.255.1"],
    ["--image-root", "/no/such/folder"],
    ["--network", "torchvision:resnet18"],
]


@pytest.mark.parametrize("words", SPOILT)
def test_input_that_cannot_be_served_gives_one_clear_message(classes_atlas, run, words):
    done = run("serve", classes_atlas, "--no-network", "--port", 0, *words, check=1)
    assert done.stderr.count("\n") == 1
    assert any(
        word in done.stderr
        for word in ("as JSON", "make it with", "can't listen", "no folder '/no/such/folder'", "give one of them")
    )


def test_a_port_in_use_is_reported(classes_atlas, run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", classes_atlas, "--no-network", "--port", port, check=1)
    assert f"can't listen on 127.0.0.1:{port}: Address already in use; give another --host or --port" in done.stderr


def test_a_network_that_could_run_code_is_not_loaded_by_default(classes_folder, run, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import pathlib, torchvision\n"
        "def make():\n"
        "    pathlib.Path(__file__).with_suffix('.ran').touch()\n"
        "    return torchvision.models.squeezenet1_1(weights=None)\n"
    )
    words = [f"{tmp_path}/mine.py:make", classes_folder, "--preprocess", "imagenet", "--layer", "act:1", "--limit", 3]
    run("scan", *words, "-o", tmp_path / "a.atlas")
    ran = tmp_path / "mine.ran"
    ran.unlink()
    with serving(tmp_path / "a.atlas") as (_, address):
        with urllib.request.urlopen(f"{address}/lab") as answer:
            assert "if you trust that file, give it with --network" in html.unescape(answer.read().decode())
        assert not ran.exists()
    done = run("export", tmp_path / "a.atlas", tmp_path / "site", check=1)
    assert "if you trust that file, give it with --network" in done.stderr
    assert not ran.exists()


def test_an_atlas_is_exported(classes_atlas, run, tmp_path):
    done = run("export", classes_atlas, tmp_path / "site", "--layer", "act:2", "--json")
    assert done.json["pages"] == len(list((tmp_path / "site").rglob("*.html"))) > 16
    assert done.json["bytes"] == sum(f.stat().st_size for f in (tmp_path / "site").rglob("*") if f.is_file())
    again = run("export", classes_atlas, tmp_path / "site", "--layer", "act:2", check=1)
    assert "already exists" in again.stderr
    assert "MB" not in again.stderr


def test_a_missing_layer_gives_one_clear_message(classes_atlas, run, tmp_path):
    done = run("export", classes_atlas, tmp_path / "site", "--layer", "nothing", check=1)
    assert "no layer 'nothing'" in done.stderr
