"""Find plug-ins of installed packages through their entry points.

In: the name of a group. Out: `Plugin` values, each loaded when it is first used, so that a broken one affects only the
commands that need it. unitscope's own origins and sources are registered in the same way, in pyproject.toml.
"""

import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from itertools import groupby
from pathlib import Path, PurePath
from typing import Any

from unitscope.errors import UnitscopeError, first_line

NETWORKS = "unitscope.networks"
"""Origins of networks: subclasses of `unitscope.networks.origin.Origin`."""
SOURCES = "unitscope.sources"
"""Sources of images: subclasses of `unitscope.images.source.ImageSource`."""
ATTRIBUTIONS = "unitscope.attributions"
"""Attribution methods: classes or functions that return a `unitscope.attribution.protocol.Attribution`."""

_OURS = "unitscope"


@dataclass(frozen=True, slots=True)
class Plugin:
    """The plug-in with one name of a group.

    Attributes:
        name: the registered name.
        entries: the entry point of each package that registers this name; using it is an error if there are several.
    """

    name: str
    entries: tuple[EntryPoint, ...]

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that register this name."""
        return tuple(sorted(entry.dist.name if entry.dist else "unknown" for entry in self.entries))

    @property
    def ours(self) -> bool:
        """Whether unitscope itself registers it."""
        return _OURS in self.packages

    def load(self) -> Any:
        """Import and return the object of the entry point.

        Raises:
            UnitscopeError: if it can't be imported, or several packages register this name.
        """
        if len(self.entries) > 1:
            raise UnitscopeError(
                f"the packages {' and '.join(self.packages)} both register a plug-in '{self.name}' "
                f"({self.entries[0].group}); uninstall one of them"
            )
        try:
            return self.entries[0].load()
        except Exception as problem:  # importing another package can raise anything
            raise UnitscopeError(
                f"the plug-in '{self.name}' of the package {self.packages[0]} can't be loaded "
                f"({first_line(problem)}); update or uninstall that package"
            ) from problem

    def make(self) -> Any:
        """Import the class or function of the entry point, and return what calling it gives.

        Raises:
            UnitscopeError: as in `load`, and if the call fails.
        """
        with report_plugin_errors(self):
            return self.load()()


@contextmanager
def report_plugin_errors(plugin: Plugin) -> Iterator[None]:
    """Turn exceptions of another package's plug-in within the context into errors that name the package.

    Raises:
        UnitscopeError: if anything but an error of unitscope or a lack of memory is raised.
    """
    try:
        yield
    except (UnitscopeError, MemoryError):
        raise
    except Exception as problem:  # another package can raise anything
        if plugin.ours:
            raise
        raise UnitscopeError(
            f"the plug-in '{plugin.name}' of the package {plugin.packages[0]} failed "
            f"({first_line(problem)}); report it to the authors of that package"
        ) from problem


@cache
def find_plugins(group: str) -> tuple[Plugin, ...]:
    """Return the plug-ins of a group, sorted by name, those of other packages before unitscope's own."""
    found = _grouped(entry_points(group=group))
    return tuple(sorted(found, key=lambda plugin: (plugin.ours, plugin.name)))


def plugin_for(reference: str) -> Plugin | None:
    """Return the origin of a network reference, chosen by name only; None if there is none.

    An origin ``zoo`` loads references that begin with ``zoo:``. An origin named by a suffix, ``.zoo``, loads files:
    ``FILE.zoo`` and ``FILE.zoo:NAME``.
    """
    if file := file_in(reference):
        return next(plugin for plugin in _by_suffix() if file.endswith(plugin.name))
    scheme, colon, _ = reference.partition(":")
    return next((plugin for plugin in find_plugins(NETWORKS) if colon and plugin.name == scheme), None)


def file_in(reference: str) -> str:
    """Return the file in a network reference such as ``model.py:build``; empty if there is none."""
    suffixes = tuple(plugin.name for plugin in _by_suffix())
    return next((part for part in (reference, reference.rpartition(":")[0]) if part.endswith(suffixes)), "")


def network_name(reference: str) -> str:
    """Return a network reference as titles and results show it: a file without its folder, a card without suffix."""
    return PurePath(reference).name.removesuffix(".toml") if file_in(reference) else reference


def code_file(reference: str) -> str:
    """Return the file whose code can run when a network reference is loaded; empty if none can.

    A network card runs no code if it names a network without a file. Files of plug-ins count as code, as does a card
    that can't be read.
    """
    file = file_in(reference)
    if not file.endswith(".toml"):
        return file
    try:
        card = tomllib.loads(Path(file).read_text("utf-8"))
    except (OSError, ValueError):
        return file
    plain = file == reference and isinstance(card.get("network"), str) and "factory" not in card
    return file_in(card["network"]) if plain else file


def check_registered(group: str) -> None:
    """Check that unitscope's own plug-ins of a group are registered.

    Raises:
        UnitscopeError: if they are not, for example in a checkout whose metadata is missing or outdated.
    """
    if not any(plugin.ours for plugin in find_plugins(group)):
        raise UnitscopeError(
            f"unitscope is not installed properly: its metadata has no entry points '{group}'; "
            "install it again, in a checkout with `pip install -e .`"
        )


def _by_suffix() -> list[Plugin]:
    return [plugin for plugin in find_plugins(NETWORKS) if plugin.name.startswith(".")]


def _grouped(entries: Iterable[EntryPoint]) -> list[Plugin]:
    by_name = groupby(sorted(entries, key=lambda entry: entry.name), key=lambda entry: entry.name)
    return [Plugin(name, tuple(same)) for name, same in by_name]
