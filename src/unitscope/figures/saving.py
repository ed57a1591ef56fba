"""Save figures atomically and reproducibly.

In: a matplotlib Figure and a path that ends in .png, .svg or .pdf. Out: that file, without a date, so that the same
figure gives the same bytes.
"""

import os
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from unitscope.errors import UnitscopeError
from unitscope.figures import theme
from unitscope.files import atomic_path

PNG_DPI = 2 * theme.DPI  # a whole number of dots for each pixel of the layout, sharp in print

_METADATA: dict[str, dict[str, Any]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Save a figure as PNG, SVG or PDF, depending on the suffix, and return the path; create its folder if necessary.

    Raises:
        UnitscopeError: if the suffix is not supported, or the file can't be written.
    """
    path = Path(path)
    check_name(path)
    try:
        _write(figure, path, path.suffix.lower())
    except OSError as error:
        raise UnitscopeError(f"can't write the figure '{path}': {error.strerror or error}") from error
    return path


def check_name(path: Path) -> None:
    """Check a figure's file name, before anything is drawn.

    Raises:
        UnitscopeError: if the suffix is not .png, .svg or .pdf.
    """
    if path.suffix.lower() not in _METADATA:
        raise UnitscopeError(f"can't save a figure as '{path.name}'; end the name in .png, .svg or .pdf")


def _write(figure: Figure, path: Path, suffix: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, theme.context():
        figure.savefig(temporary, format=suffix[1:], dpi=PNG_DPI, metadata=_METADATA[suffix])
