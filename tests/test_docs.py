"""The docs cover the code: every option, every public name, every key of a manifest.

The columns and arrays of an atlas are checked in test_readme.py, which makes one.
"""

import ast
import importlib.util
import re
import textwrap
import zipfile
import zlib
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import typer

import unitscope
from unitscope import results
from unitscope.analyses import stored_results
from unitscope.atlas.schema import Manifest
from unitscope.cli.app import app

DOCS = Path(__file__).parents[1] / "docs"
PACKAGE = Path(unitscope.__file__).parent
COMMANDS = typer.main.get_command(app).commands


def page(name):
    return (DOCS / name).read_text("utf-8")


def test_every_registered_command_is_tested():
    assert {command.name for command in app.registered_commands} == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_has_a_page_that_names_each_argument_and_option(name):
    text = page(f"commands/{name}.md")
    params = COMMANDS[name].params
    options = {word for param in params if param.param_type_name == "option" for word in param.opts}
    arguments = {param.metavar for param in params if param.param_type_name == "argument"}
    output = set(re.findall(r"--?[a-z][a-z-]*|[A-Z]+:[A-Z]+|[A-Z]+", text))
    missing = sorted((options - {"--help", "-h"} | arguments) - output)
    assert not missing


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_page_names_no_option_that_the_command_lacks(name):
    table = [line for line in page(f"commands/{name}.md").splitlines() if line.startswith("| `-")]
    output = {word for line in table for word in re.findall(r"(?<!\w)--[a-z-]+", line.split("|")[1])}
    assert output == {word for param in COMMANDS[name].params for word in param.opts if word.startswith("--")} - {
        "--help"
    }


@pytest.fixture(scope="module")
def site():
    """The module that generates pages of the docs site from the code."""
    pytest.importorskip("mkdocs", reason="the docs are built with mkdocs, which is not installed")
    spec = importlib.util.spec_from_file_location("site_hooks", DOCS / "site_hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_has_every_public_name(site):
    names = [name for names in site.sections().values() for name in names]
    assert {name.partition(".")[0] for name in names} == set(unitscope.__all__)
    modules = {"figures": unitscope.figures, "testing": unitscope.testing}
    inner = {f"{module}.{name}" for module, found in modules.items() for name in found.__all__}
    assert {name for name in names if "." in name} == inner
    pages = "".join(map(site.reference, site.sections()))
    assert not [name for name in names if f"::: unitscope.{name}\n" not in pages]


def test_every_public_name_has_a_docstring(site):
    assert site.check_docstrings() is None


def test_a_public_name_without_a_docstring_fails_the_build(site, monkeypatch):
    monkeypatch.setattr(site.package()["Unit"].final_target, "docstring", None)
    with pytest.raises(site.PluginError, match="public names without a docstring: Unit"):
        site.check_docstrings()


def test_the_gallery_has_every_figure():
    text = page("gallery.py")
    assert not [
        name for name in unitscope.figures.__all__ if name not in {"draw", "save"} and f"def {name}(" not in text
    ]


def recipes(section):
    """Run the Python blocks of a section of docs/extending.md in order; return the names they define."""
    text = page("extending.md").split(f"## {section}\n")[1].split("\n## ")[0]
    names = {"__name__": "recipe"}
    for block in re.findall(r"^ *```python\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE):
        exec(compile(textwrap.dedent(block), "docs/extending.md", "exec"), names)
    return names


@pytest.fixture
def no_new_kinds(monkeypatch):
    """Unregister the result kinds that a recipe defines."""
    monkeypatch.setattr(results, "_classes", dict(stored_results.result_classes()))


def test_the_recipe_of_an_analysis_works(make_atlas, no_new_kinds, tmp_path):
    names = recipes("Add an analysis")
    found = names["response_range"](make_atlas(np.array([[1.0, 5], [3, 2]])), "relu")
    found.save(tmp_path / "range.json")
    again = unitscope.load_result(tmp_path / "range.json")
    assert again.low.tolist() == [1, 2]
    assert again.high.tolist() == [3, 5]
    assert again.tables()["Responses of relu"].shape == (2, 2)


def test_the_recipe_of_a_figure_works(make_atlas, no_new_kinds):
    names = recipes("Add an analysis")
    found = names["response_range"](make_atlas(np.array([[1.0, 5], [3, 2]])), "relu")
    text = page("extending.md").split("## Add a figure\n")[1]
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], names)
    figure = unitscope.figures.draw(found, width="85mm")
    assert len(figure.axes) == 1
    assert "Responses of relu" in {text.get_text() for text in figure.texts}


def test_the_recipe_of_a_source_works(tmp_path):
    zip_source = recipes("Add a source of images")["ZipSource"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("cat/1.png", b"bytes")
    source = zip_source.of(str(tmp_path / "a.zip"))
    assert (source.ids, source.labels) == (("cat/1.png",), (("cat",),))
    assert source.open(0).read() == b"bytes"
    assert source.stamp(0) == (5, zlib.crc32(b"bytes"))
    assert zip_source.can_open(source.root)
    assert not zip_source.can_open(str(tmp_path))


def test_troubleshooting_quotes_messages_of_the_code():
    quoted = re.findall(r"^### (.+)$", page("troubleshooting.md"), re.MULTILINE)
    assert len(quoted) > 10
    messages = [text for path in PACKAGE.rglob("*.py") for text in strings(ast.parse(path.read_text("utf-8")))]
    assert not [quote for quote in quoted if not any(quote in message for message in messages)]


def test_a_promise_names_tests_that_exist():
    tests = {
        node.name
        for path in Path(__file__).parent.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    rows = [line for line in page("promises.md").splitlines() if line.startswith("| ") and "promise | test" not in line]
    assert len(rows) > 20
    assert not [line for line in rows if not (named := re.findall(r"`(test_\w+)`", line)) or not set(named) <= tests]


def strings(tree):
    """All string literals of a module, with … in place of f-string fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("name", ["schema_version", *(field.name for field in fields(Manifest))])
def test_a_key_of_the_manifest_is_in_the_format_page(name):
    assert f"`{name}`" in page("atlas-format.md")


def test_links_between_pages_have_targets():
    made = {"reference/index.md", "gallery.md", "contributing.md", "changelog.md"}  # see docs/site_hooks.py
    pages = [DOCS.parent / "README.md", *DOCS.rglob("*.md")]
    links = [(text, link) for text in pages for link in re.findall(r"\]\(([^)#:]+)\)", text.read_text("utf-8"))]
    assert not [(text.name, link) for text, link in links if link not in made and not (text.parent / link).exists()]


def test_the_readmes_links_into_the_repository_have_targets():
    home = r"https://(?:github.com/unitscope/unitscope/blob|raw.githubusercontent.com/unitscope/unitscope)/main/"
    links = re.findall(rf"\]\({home}([^)#]+)", (DOCS.parent / "README.md").read_text("utf-8"))
    assert len(links) > 10
    assert not [link for link in links if not (DOCS.parent / link).exists()]


def test_documented_attributes_are_those_of_the_class():
    trees = [ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    wrong, listed = [], 0
    for one in classes:
        text = (ast.get_docstring(one) or "").partition("Attributes:")[2].partition("Raises:")[0]
        names = re.findall(r"^    (\w+): ", text, re.MULTILINE)
        fields_of_one = {each.target.id for each in one.body if isinstance(each, ast.AnnAssign)}
        own = {node.attr for node in ast.walk(one) if isinstance(node, ast.Attribute)}  # set in __init__
        wrong += [f"{one.name}.{name}" for name in names if name not in fields_of_one | own]
        listed += len(names)
    assert listed > 100
    assert wrong == []
