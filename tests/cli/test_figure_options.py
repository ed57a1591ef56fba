"""`--width` and `--title` of every command that draws a figure."""

import pytest
import typer
from PIL import Image

from unitscope.cli.app import app

DRAWING = {
    "exemplars": ("act:3:4",),
    "unit": ("act:3:4",),
    "rule": ("--layer", "act:3", "--max", "class:hen"),
    "selective": ("--layer", "act:3", "--class", "hen"),
    "similarity": ("class:hen", "class:tench", "--layer", "act:3"),
    "sparsity": ("--by-layer",),
}


def test_every_command_with_a_figure_has_a_width_and_a_title():
    commands = typer.main.get_command(app).commands
    options = {name: {word for param in one.params for word in param.opts} for name, one in commands.items()}
    drawing = {name for name, words in options.items() if "-o" in words and "--width" in words}
    figures = {
        name
        for name, one in commands.items()
        if any(param.metavar == "FIGURE" and "-o" in param.opts for param in one.params)
    }
    assert drawing == figures >= {"structure", "perturb", "ablate", "inhibitory", *DRAWING}
    assert all("--title" in options[name] for name in figures)


@pytest.mark.parametrize("command", DRAWING)
def test_a_figure_has_the_width_that_was_asked_for(run, classes_atlas, tmp_path, command):
    run(command, classes_atlas, *DRAWING[command], "-o", tmp_path / "a.png", "--width", "85mm")
    with Image.open(tmp_path / "a.png") as drawn:
        assert drawn.width / drawn.info["dpi"][0] * 25.4 == pytest.approx(85, abs=0.1)


@pytest.mark.parametrize(("title", "shown"), [("Zeros by depth", True), ("", False)])
def test_a_title_is_the_users_or_none(run, classes_atlas, tmp_path, title, shown):
    run("sparsity", classes_atlas, "--by-layer", "-o", tmp_path / "a.svg", "--title", title)
    text = (tmp_path / "a.svg").read_text()
    assert (">Zeros by depth</text>" in text) == shown
    assert "Sparsity over depth" not in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--width", "85mm"), "no figure is drawn that --width could change; add -o FIGURE"),
        (("--width", "85mm", "--title", ""), "no figure is drawn that --width and --title could change"),
        (("--width", "wide", "-o", "a.png"), "'wide' is not a width; write 85mm, 8.5cm, 3.35in, single (85mm)"),
        (("--width", "9mm", "-o", "a.png"), "a figure can't be '9mm' wide; give a width from 60mm to 600mm"),
    ],
)
def test_options_that_change_no_figure_are_refused(run, classes_atlas, words, message):
    done = run("sparsity", classes_atlas, "--by-layer", *words, check=1)
    assert done.stdout == ""
    assert message in done.stderr
