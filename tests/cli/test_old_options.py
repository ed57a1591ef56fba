"""Old spellings of options still work, with a note that names the new one."""

import pytest
import typer

from unitscope.cli.app import COMMANDS, app
from unitscope.cli.old_options import translated

OLD = [
    (module.__name__.rpartition(".")[2], old, new)
    for module in COMMANDS
    for old, new in getattr(module, "OLD_OPTIONS", {}).items()
]
OPTIONS = {
    name: {word for param in command.params for word in param.opts}
    for name, command in typer.main.get_command(app).commands.items()
}


@pytest.mark.parametrize(("name", "old", "new"), OLD)
def test_an_old_option_is_hidden_and_maps_to_an_existing_one(name, old, new):
    assert new in OPTIONS[name]
    assert old not in OPTIONS[name]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a", "--depth", "b"], ["a", "--by-layer", "b"]),
        (["--depth=3"], ["--by-layer=3"]),
        (["--", "--depth"], ["--", "--depth"]),
        (["--deep", "--depths"], ["--deep", "--depths"]),
    ],
)
def test_old_options_are_replaced_up_to_a_double_dash(words, expected):
    assert list(translated(words, {"--depth": "--by-layer"})) == expected


def test_an_old_option_works_and_names_the_new_one(run, classes_atlas):
    old, new = (run("sparsity", classes_atlas, option, "--json") for option in ("--depth", "--by-layer"))
    assert old.stdout == new.stdout
    assert "note: --depth is now --by-layer" in old.stderr
    assert new.stderr == ""
