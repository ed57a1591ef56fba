"""A plugin that fails a test which passed without checking anything, so that no test returns early unseen."""

import functools
import sys

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
        """The function, counted each time that it returns."""

        @functools.wraps(function)
        def counted(*args, **kwargs):
            result = function(*args, **kwargs)
            self.checks += 1
            return result

        return counted

    def assertion_passed(self):
        """Stand in for pytest's question whether a passed assert is to be described, which costs more than asserts."""
        self.checks += 1
        return False

    def pytest_collection_finish(self):
        """Count with all that test modules have imported."""
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
