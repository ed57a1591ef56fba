"""Versions of unitscope and of the packages that its numbers depend on.

In: the installed packages. Out: names and version numbers.
"""

from importlib.metadata import PackageNotFoundError, version


def versions() -> dict[str, str]:
    """Return the versions of the packages that influence an atlas's numbers."""
    return {
        name: found for name in ("unitscope", "torch", "torchvision", "numpy", "pillow") if (found := _version(name))
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
