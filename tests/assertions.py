"""Tests without assertions: a plugin fails them after they ran, and ``make check`` finds them in the source.

``python -m tests.assertions`` lists tests that hold no check, or that can return before it.
"""

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy.testing  # noqa: F401  # NumPy loads it late
import pytest
from _pytest.assertion import rewrite

TESTING = ("numpy.testing", "pandas.testing", "torch.testing")
UNCHECKED = (
    "This test passed without one check: no assert, pytest.raises or pytest.warns ran. Check something or drop it."
)


class CheckedTests:
    """Count the checks that run while a test is called: assert, raises, warns and assert_… of other packages."""

    def __init__(self):
        self.checks = 0

    def count(self, function):
        """The function, wrapped to count its returns."""

        @functools.wraps(function)
        def counted(*args, **kwargs):
            result = function(*args, **kwargs)
            self.checks += 1
            return result

        return counted

    def assertion_passed(self):
        """Replace pytest's check whether passed asserts are reported, which is slower than the asserts."""
        self.checks += 1
        return False

    def pytest_collection_finish(self):
        """Install the counting in everything that test modules have imported."""
        rewrite._check_if_assertion_pass_impl = self.assertion_passed
        for name in TESTING:
            module = sys.modules.get(name)
            for function in filter(lambda found: found.startswith("assert_"), dir(module)):
                setattr(module, function, self.count(getattr(module, function)))
        for context in (pytest.raises(KeyError), pytest.warns(FutureWarning)):
            type(context).__exit__ = self.count(type(context).__exit__)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self):
        self.checks = 0
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call):
        report = yield
        if call.when == "call" and report.passed and not self.checks:
            report.outcome, report.longrepr = "failed", UNCHECKED
        return report


CHECKS = ("assert", "check", "raises", "warns")


def unchecked(source: str) -> Iterator[str]:
    """Yield the names of the tests in a module that hold no check, or that can return before it."""
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = {name.name for node in imports if (node.module or "").startswith("unitscope") for name in node.names}
    for test in ast.walk(tree):
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
            own = list(_statements(test))
            calls = [
                getattr(node.func, "attr", getattr(node.func, "id", "")) for node in own if isinstance(node, ast.Call)
            ]
            checks = any(isinstance(node, ast.Assert) for node in own) or any(
                name.startswith(CHECKS) and name not in ours for name in calls
            )
            if not checks or any(isinstance(node, ast.Return) for node in own):
                yield test.name


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function without those of functions inside it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            yield child
            yield from _statements(child)


if __name__ == "__main__":
    here = Path(__file__).parent
    files = [*here.rglob("test_*.py"), *(here.parent / "src/unitscope/testing").glob("*.py")]
    found = [f"{file}: {name}" for file in files for name in unchecked(file.read_text("utf-8"))]
    sys.exit("\n".join([*found, "these tests hold no check, or can return before it"]) if found else 0)
