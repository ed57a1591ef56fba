"""Versions of unitscope and of what its numbers rest on. In: what is installed. Out: names and numbers."""

from importlib.metadata import PackageNotFoundError, version


def versions() -> dict[str, str]:
    """Return the versions that bear on an atlas."""
    return {
        name: found for name in ("unitscope", "torch", "torchvision", "numpy", "pillow") if (found := _version(name))
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
