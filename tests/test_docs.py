"""The docs name what the code has: every option, every public name, every key of a manifest.

The columns and arrays of an atlas are looked up in test_readme.py, which makes one.
"""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import typer

import unitscope
from unitscope.atlas.schema import Manifest
from unitscope.cli.app import app

DOCS = Path(__file__).parents[1] / "docs"
COMMANDS = typer.main.get_command(app).commands


def page(name):
    return (DOCS / name).read_text("utf-8")


def test_every_registered_command_is_looked_at():
    assert {command.name for command in app.registered_commands} == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_has_a_page_that_names_each_argument_and_option(name):
    text = page(f"commands/{name}.md")
    params = COMMANDS[name].params
    options = {word for param in params if param.param_type_name == "option" for word in param.opts}
    arguments = {param.metavar for param in params if param.param_type_name == "argument"}
    told = set(re.findall(r"--?[a-z][a-z-]*|[A-Z]+:[A-Z]+|[A-Z]+", text))
    missing = sorted((options - {"--help", "-h"} | arguments) - told)
    assert not missing


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_page_names_no_option_that_the_command_lacks(name):
    table = [line for line in page(f"commands/{name}.md").splitlines() if line.startswith("| `-")]
    told = {word for line in table for word in re.findall(r"(?<!\w)--[a-z-]+", line.split("|")[1])}
    assert told == {word for param in COMMANDS[name].params for word in param.opts if word.startswith("--")} - {
        "--help"
    }


@pytest.mark.parametrize("name", unitscope.__all__)
def test_a_public_name_is_in_the_python_page(name):
    assert f"`{name}" in page("python.md")


@pytest.mark.parametrize("name", ["schema_version", *(field.name for field in fields(Manifest))])
def test_a_key_of_the_manifest_is_in_the_format_page(name):
    assert f"`{name}`" in page("atlas-format.md")


def test_links_between_pages_lead_somewhere():
    pages = [DOCS.parent / "README.md", *DOCS.rglob("*.md")]
    links = [(text, link) for text in pages for link in re.findall(r"\]\(([^)#:]+)\)", text.read_text("utf-8"))]
    assert not [(text.name, link) for text, link in links if not (text.parent / link).exists()]


def test_the_readmes_links_into_the_repository_lead_somewhere():
    home = r"https://(?:github.com/unitscope/unitscope/blob|raw.githubusercontent.com/unitscope/unitscope)/main/"
    links = re.findall(rf"\]\({home}([^)#]+)", (DOCS.parent / "README.md").read_text("utf-8"))
    assert len(links) > 10
    assert not [link for link in links if not (DOCS.parent / link).exists()]
