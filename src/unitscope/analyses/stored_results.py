"""Load saved results of any kind.

In: a JSON file, saved by `Result.save` or from the ``--json`` output of a command. Out: the `Result`. No torch.
"""

import importlib
import json
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unitscope.errors import UnitscopeError
from unitscope.results import Result, defined_classes

_PACKAGES = ("unitscope.analyses", "unitscope.display")  # packages that define results
# Keys of the files that `--json` wrote before results had a kind.
_KEYS_WITHOUT_KIND = {"ablation": {"baseline", "results"}, "perturbation": {"settings", "prediction_flips"}}


def load_result(path: str | Path) -> Result:
    """Return the result in a file, saved by `Result.save` or from the ``--json`` output of a command.

    Raises:
        UnitscopeError: if there is no such file, or it has no result of a known kind and version.
    """
    try:
        values = json.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise UnitscopeError(f"no file '{path}'; make it with --json > {path}, or in Python with result.save") from None
    except (OSError, ValueError) as problem:
        raise UnitscopeError(f"'{path}' can't be read as JSON: {problem}") from None
    kind = _kind_of(values)
    classes = result_classes()
    if kind not in classes:
        raise UnitscopeError(
            f"'{path}' has no result that unitscope knows; "
            + (f"its kind is '{kind}'; known kinds: {', '.join(sorted(classes))}" if kind else "it has no 'kind'")
        )
    try:
        return classes[kind].from_dict(values)
    except UnitscopeError as problem:
        raise UnitscopeError(f"'{path}': {problem}") from None


def result_classes() -> "Mapping[str, type[Result]]":
    """Return the class of each kind of result: unitscope's own, and others defined so far."""
    for package in _PACKAGES:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            importlib.import_module(f"{package}.{module.name}")
    return defined_classes()


def _kind_of(values: Any) -> str:
    if not isinstance(values, dict):
        return ""
    guesses = [kind for kind, keys in _KEYS_WITHOUT_KIND.items() if keys <= set(values)]
    return str(values.get("kind") or (guesses[0] if guesses else ""))
