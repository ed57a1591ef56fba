"""What cells show when a real kernel runs them: figures without pyplot, progress bars without widgets."""

import re

import numpy as np
import pytest
from PIL import Image

from unitscope.progress import no_progress, progress_bar, terminal_bar

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NETWORK = """
import torch, unitscope
from pathlib import Path

torch.manual_seed(0)
module = torch.nn.Sequential(
    torch.nn.Conv2d(3, 6, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(6, 4)
)
network = unitscope.load(module, preprocess={"size": [16, 16], "mean": [0, 0, 0], "std": [255, 255, 255]})
options = unitscope.RunOptions(batch_size=8)
"""
CELLS = {
    "network": NETWORK,
    "loaded": "network",
    "scan": "result = unitscope.scan(network, 'images', 'images.atlas')\nresult",
    "ablate": "unitscope.ablate(network, 'images', unitscope.AblationGrid(['act:1'], counts=[3]), options=options)",
    "perturb": "unitscope.perturb(network, 'images', [unitscope.Noise(0.1)], options=options)",
    "stopped": "with unitscope.progress.progress_bar('working', 5) as on_batch:\n    on_batch(2)\n    raise KeyError",
    "figure": "unitscope.figures.draw(unitscope.sparsity(result.atlas, 'act:1'))",
    "inline": "%matplotlib inline\nimport matplotlib.pyplot",
    "figure again": "unitscope.figures.draw(unitscope.sparsity(result.atlas, 'act:1'))",
    "text": "print(repr(result))",
}
FAILED = 3


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """The outputs of `CELLS`, run in a folder with 43 images of which 3 are damaged."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "images").mkdir()
    random = np.random.default_rng(0)
    for number in range(43):
        pixels = random.integers(0, 255, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number:02d}.png")
    for number in (40, 41, 42):
        (folder / "images" / f"{number:02d}.png").write_bytes(b"no image")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS.values()])
    nbclient.NotebookClient(
        notebook, timeout=120, allow_errors=True, resources={"metadata": {"path": folder}}
    ).execute()
    return dict(zip(CELLS, (cell.outputs for cell in notebook.cells), strict=True))


def pictures(cell):
    return [output.data["image/png"] for output in cell if "image/png" in output.get("data", {})]


def bars(cell):
    """The text of each progress bar, as it was in the end."""
    shown = [output.data for output in cell if output.output_type == "display_data"]
    assert all("<progress" in data["text/html"] for data in shown)
    return [data["text/plain"] for data in shown]


@pytest.mark.parametrize("name", [name for name in CELLS if name != "stopped"])
def test_a_cell_ends_without_errors_and_messages(outputs, name):
    assert not [output for output in outputs[name] if output.output_type == "error"]
    assert not [output for output in outputs[name] if output.get("name") == "stderr"]


@pytest.mark.parametrize(
    ("name", "title"), [("scan", "scanning"), ("ablate", "removing from 1"), ("perturb", "perturbing")]
)
def test_a_long_call_shows_a_progress_bar_that_ends_complete_where_files_failed(outputs, name, title):
    bar = bars(outputs[name])[-1]
    assert re.fullmatch(rf"{title}: 43 of 43 images in \d+\.\d s", bar)


def test_a_call_that_fails_leaves_its_bar_where_it_was(outputs):
    *shown, error = outputs["stopped"]
    assert bars(shown) == ["working: 2 of 5 images (stopped)"]
    assert error.ename == "KeyError"


@pytest.mark.parametrize("name", ["scan", "ablate", "perturb"])
def test_a_result_tells_which_files_failed(outputs, name):
    html = outputs[name][-1].data["text/html"]
    assert html.count("could not read: ") == FAILED
    assert all(f"{number}.png" in html for number in (40, 41, 42))


def test_the_text_of_a_scan_tells_which_files_failed(outputs):
    assert outputs["text"][0].text.count("could not read: ") == FAILED


@pytest.mark.parametrize("name", ["figure", "figure again"])
def test_a_figure_as_the_last_line_is_one_picture_with_pyplot_or_without(outputs, name):
    assert len(pictures(outputs[name])) == 1


def test_a_figure_has_the_size_in_which_it_should_be_shown(outputs):
    (figure,) = outputs["figure"]
    size = figure.metadata["image/png"]
    assert size["width"] <= 960
    assert size["height"] <= 1200


def test_without_a_terminal_and_a_notebook_there_is_no_bar(capfd):
    with progress_bar("working", 3) as on_batch:
        on_batch(3)
    with no_progress("working", 3) as on_batch:
        on_batch(3)
    assert capfd.readouterr() == ("", "")


def test_a_bar_on_a_terminal_ends_complete_where_files_failed(capsys):
    with terminal_bar("working", 43) as on_batch:
        on_batch(40)
    assert "43/43" in capsys.readouterr().err
