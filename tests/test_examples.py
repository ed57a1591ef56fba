"""Docstring examples give the shown output."""

import doctest
import importlib
from pathlib import Path

import pytest

import unitscope

HOME = Path(unitscope.__file__).parent
WITH_EXAMPLES = [file for file in sorted(HOME.rglob("*.py")) if ">>> " in file.read_text("utf-8")]


@pytest.mark.parametrize("file", WITH_EXAMPLES, ids=lambda file: file.stem)
def test_docstring_examples_give_the_shown_output(file):
    module = importlib.import_module(".".join(("unitscope", *file.relative_to(HOME).with_suffix("").parts)))
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0, "see the captured output"


def test_some_docstrings_have_examples():
    assert len(WITH_EXAMPLES) >= 5
