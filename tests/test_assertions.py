"""The plugin that fails tests without assertions."""

from pathlib import Path

import pytest

from tests.assertions import unchecked

pytest_plugins = ["pytester"]

TESTS = """
import numpy as np
import pytest

def test_with_an_assert():
    assert 1 + 1 == 2

def test_with_an_error():
    with pytest.raises(KeyError):
        {}["a"]

def test_with_a_warning():
    with pytest.warns(FutureWarning):
        __import__("warnings").warn("soon", FutureWarning)

def test_with_arrays():
    np.testing.assert_array_equal([1], [1])

def test_that_returns_early():
    return
    assert True

def test_of_nothing():
    for number in ():
        assert number
"""


@pytest.mark.parametrize("processes", [0, 1])
def test_a_test_that_passes_without_a_check_fails(pytester, monkeypatch, processes):
    pytester.makepyfile(test_some=TESTS)
    pytester.makeini("[pytest]\nenable_assertion_pass_hook = true")
    pytester.makeconftest(
        "from tests.assertions import CheckedTests\n\n"
        "def pytest_configure(config):\n    config.pluginmanager.register(CheckedTests())"
    )
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # loading all that is installed takes seconds
    done = pytester.runpytest_subprocess("-pxdist", f"-n{processes}")
    done.assert_outcomes(passed=4, failed=2)
    failed = [line.split("::")[1].split()[0] for line in done.outlines if line.startswith("FAILED")]
    assert sorted(failed) == ["test_of_nothing", "test_that_returns_early"]
    done.stdout.fnmatch_lines(["*This test passed without one check*"])


def test_tests_without_a_check_are_found_in_their_text():
    helped = "\ndef test_with_a_helper():\n    check_links()\n\ndef test_that_only_runs():\n    run()\n"
    assert list(unchecked(TESTS + helped)) == ["test_that_returns_early", "test_that_only_runs"]
