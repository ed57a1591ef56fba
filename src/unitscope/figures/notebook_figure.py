"""A matplotlib Figure that shows itself in notebooks, without pyplot and without ``%matplotlib inline``.

In: what `matplotlib.figure.Figure` takes. Out: a Figure with a PNG of itself, in a size that fits the page.
"""

import io

from matplotlib.figure import Figure

from unitscope.figures import theme

_MAX_WIDTH, _MAX_HEIGHT = 960, 1200  # of the picture on a page, in CSS pixels
_CSS_DPI = 96


class NotebookFigure(Figure):
    """A Figure whose picture a notebook shows if it is a cell's last value."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Return a PNG in full resolution, and the width and height in which the notebook should show it."""
        written = io.BytesIO()
        with theme.context():
            self.savefig(written, format="png", dpi=theme.DPI)
        width, height = (side * _CSS_DPI for side in self.get_size_inches())
        scale = min(1.0, _MAX_WIDTH / width, _MAX_HEIGHT / height)
        return written.getvalue(), {"width": round(width * scale), "height": round(height * scale)}
