"""Networks built by a function of the user: `path/to/file.py:function`.

In: the reference and the choice of weights. Out: a `Network`.
This runs the user's code; errors in it are reported as errors of that file.
"""

import contextlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from torch import nn

from unitscope.errors import NetworkError, closest, require_file
from unitscope.networks.cards import LoadOptions
from unitscope.networks.network import Network
from unitscope.networks.origin import Origin
from unitscope.networks.preprocessing import PRESETS
from unitscope.networks.weights import WeightsFile, load_into, read_state_dict


class PythonFile(Origin):
    """Runs ``FILE.py:FUNCTION``."""

    form = "FILE.py:FUNCTION"

    def load(self, name: str, options: LoadOptions) -> Network:
        """Return the network that the function builds, with its own weights or those of a file.

        Raises:
            NetworkError: if the file or the function is missing, fails, or returns no module, or the weights don't fit.
        """
        path, _, function = name.rpartition(":")
        if not path:
            raise NetworkError(f"'{name}' has no function; write {name}:FUNCTION")
        with _running(name, Path(path)):
            module = _function(Path(path), function)()
        if not isinstance(module, nn.Module):
            raise NetworkError(f"'{name}' must return an nn.Module, not {type(module).__name__}")
        label, weights = f"as {function}() builds them", options.weights_choice
        if isinstance(weights, WeightsFile):
            load_into(module, read_state_dict(weights.path, module.state_dict()), weights.path)
            label = str(weights)
        return Network(name, module, PRESETS["imagenet"], weights=label)


@contextlib.contextmanager
def _running(reference: str, path: Path) -> Iterator[None]:
    """Add the folders of the file and its package to `sys.path`, and redirect stdout to stderr, while its code runs."""
    file = require_file(path).resolve()
    added = dict.fromkeys((str(file.parent), str(_package_of(file)[0])))
    sys.path[:0] = added
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except NetworkError:
        raise
    except ImportError as error:
        raise NetworkError(
            f"'{reference}' failed with {type(error).__name__}: {error}{_advice(error, file)}"
        ) from error
    except (Exception, SystemExit) as error:
        raise NetworkError(f"'{reference}' failed with {type(error).__name__}: {error}") from error
    finally:
        for folder in added:
            sys.path.remove(folder)


def _function(path: Path, name: str) -> Callable[[], object]:
    module = _executed(path)
    found = getattr(module, name, None)
    if callable(found):
        return found  # type: ignore[no-any-return]
    names = [key for key, value in vars(module).items() if inspect.isroutine(value) or inspect.isclass(value)]
    hint = closest(name, names) or f"it has {', '.join(names) or 'none'}"
    raise NetworkError(f"'{path}' has no function '{name}'; {hint}")


def _executed(path: Path) -> ModuleType:
    _, package = _package_of(path.resolve())
    if package:
        _import_package(package, path.resolve().parent)
    name = f"{package}.unitscope_file_{path.stem}".lstrip(".")
    loader = _UncachedLoader(name, str(path.absolute()))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickle look up a class's module by name.
    sys.modules[name] = module
    loader.exec_module(module)
    return module


def _package_of(file: Path) -> tuple[Path, str]:
    """Return the folder that holds a file's package, and the package's name; the file's folder and "" without one."""
    root, names = file.parent, list[str]()
    while (root / "__init__.py").is_file():
        names.insert(0, root.name)
        root = root.parent
    return root, ".".join(names)


def _import_package(package: str, folder: Path) -> None:
    """Import the package of a file, which relative imports need."""
    found = importlib.import_module(package)
    places = [Path(place).resolve() for place in getattr(found, "__path__", ())]
    if folder not in places:
        raise NetworkError(
            f"the package '{package}' in '{folder.parent}' has the name of another one, in "
            f"'{places[0] if places else found.__name__}'; rename its folder"
        )


def _advice(error: ImportError, file: Path) -> str:
    """Return what to do about relative imports outside a package."""
    if "relative import" not in str(error):
        return ""
    return f"; to import from its own package, put an empty __init__.py into '{file.parent}'"


class _UncachedLoader(SourceFileLoader):
    """Compiles a file each time: Python's cache takes an edit of the same size within a second for the old file."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)
