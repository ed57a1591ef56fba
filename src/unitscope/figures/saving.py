"""Figures on disk: whole or not at all, and the same bytes for the same figure.

In: a matplotlib Figure and a path that ends in .png, .svg or .pdf. Out: that file, without a date in it.
This is the only place of the room that touches a path.
"""

import os
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from unitscope.errors import UnitscopeError
from unitscope.figures import theme

_METADATA: dict[str, dict[str, Any]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as PNG, SVG or PDF, by the path's suffix, and return the path; its folder is made.

    Raises:
        UnitscopeError: if the suffix is another one, or the file can't be written.
    """
    path = Path(path)
    check_name(path)
    try:
        _write(figure, path, path.suffix.lower())
    except OSError as error:
        raise UnitscopeError(f"can't write the figure '{path}': {error.strerror or error}") from error
    return path


def check_name(path: Path) -> None:
    """Refuse, before anything is drawn, a name that a figure can't have.

    Raises:
        UnitscopeError: if the suffix is none of .png, .svg, .pdf.
    """
    if path.suffix.lower() not in _METADATA:
        raise UnitscopeError(f"can't save a figure as '{path.name}'; end the name in .png, .svg or .pdf")


def _write(figure: Figure, path: Path, suffix: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with theme.look():
            figure.savefig(temporary, format=suffix[1:], dpi=theme.DPI, metadata=_METADATA[suffix])
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
