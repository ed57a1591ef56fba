"""Find plug-ins: what installed packages add to unitscope, by their entry points.

In: the name of a group. Out: `Plugin` values, each loaded when it is first used, so that a broken one stops only the
commands that need it. What unitscope itself brings is registered in the same way, in pyproject.toml.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from itertools import groupby
from typing import Any

from unitscope.errors import UnitscopeError, first_line

NETWORKS = "unitscope.networks"
"""Where networks come from: subclasses of `unitscope.networks.origin.Origin`."""
SOURCES = "unitscope.sources"
"""Where images come from: subclasses of `unitscope.images.source.ImageSource`."""
ATTRIBUTIONS = "unitscope.attributions"
"""Methods of attribution: what gives a `unitscope.attribution.protocol.Attribution`."""

_OURS = "unitscope"


@dataclass(frozen=True, slots=True)
class Plugin:
    """What one name of a group stands for.

    Attributes:
        name: as the package registers it.
        entries: the entry point of each package that registers this name; more than one is an error when it is used.
    """

    name: str
    entries: tuple[EntryPoint, ...]

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that register it."""
        return tuple(sorted(entry.dist.name if entry.dist else "unknown" for entry in self.entries))

    @property
    def ours(self) -> bool:
        """Whether unitscope itself registers it."""
        return _OURS in self.packages

    def load(self) -> Any:
        """Return the object that it stands for.

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
        except Exception as problem:  # whatever another package does when it is imported
            raise UnitscopeError(
                f"the plug-in '{self.name}' of the package {self.packages[0]} can't be loaded "
                f"({first_line(problem)}); update or uninstall that package"
            ) from problem


@cache
def find_plugins(group: str) -> tuple[Plugin, ...]:
    """Return the plug-ins of a group by name, those of other packages before unitscope's own."""
    found = _grouped(entry_points(group=group))
    return tuple(sorted(found, key=lambda plugin: (plugin.ours, plugin.name)))


def plugin_for(reference: str) -> Plugin | None:
    """Return the origin that a reference to a network is for, by its name alone; None if there is none.

    An origin ``zoo`` has the references that begin with ``zoo:``. One named by a suffix, ``.zoo``, has files:
    ``FILE.zoo`` and ``FILE.zoo:NAME``.
    """
    if file := file_in(reference):
        return next(plugin for plugin in _by_suffix() if file.endswith(plugin.name))
    scheme, colon, _ = reference.partition(":")
    return next((plugin for plugin in find_plugins(NETWORKS) if colon and plugin.name == scheme), None)


def file_in(reference: str) -> str:
    """Return the file that a reference to a network names, as in ``model.py:build``; empty if it names none."""
    suffixes = tuple(plugin.name for plugin in _by_suffix())
    return next((part for part in (reference, reference.rpartition(":")[0]) if part.endswith(suffixes)), "")


def check_registered(group: str) -> None:
    """Check that unitscope's own plug-ins of a group are known.

    Raises:
        UnitscopeError: if not, as in a checkout whose metadata is missing or older than its code.
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
