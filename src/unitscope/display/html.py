"""HTML for notebooks with embedded images, which needs no server, extension or extra file.

In: plain values, arrays and image files. Out: HTML text in which all text from outside is escaped.
"""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unitscope.display.heatmaps import overlay, tone
from unitscope.display.thumbnails import map_shape, png, shrunk, thumbnail, webp
from unitscope.errors import ImageError
from unitscope.images import ImageSource, decode_row

T = TypeVar("T")

_TILE = "display:inline-block;vertical-align:middle;margin:0 2px 2px 0"
_FIGURE = "display:inline-block;margin:0 6px 6px 0;vertical-align:top;font-size:12px;line-height:1.3"


def uri(kind: str, data: bytes) -> str:
    """Return the bytes of an image as a data URI; ``kind`` is ``webp`` or ``png``."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def map_uri(map_: NDArray[np.float32]) -> str:
    """Return an activation map ``[row, column]`` in colours, as a data URI."""
    return uri("png", png(shrunk(tone(map_), map_shape(map_.shape))))


def figure(source: str, caption: str, *, side: int = 96, alt: str = "") -> str:
    """Return one image with a caption below; a blank tile if the source is empty."""
    size = f"width:{side}px;height:{side}px"
    tile = f'<span style="display:block;background:#8884;{size}"></span>'
    shown = f'<img src="{source}" alt="{escape(alt or caption)}" style="display:block;{size};object-fit:cover">'
    return f'<div style="{_FIGURE};max-width:{side}px">{shown if source else tile}{escape(caption)}</div>'


def gallery(title: str, figures: Iterable[str]) -> str:
    """Return figures below a title, in rows that wrap."""
    return f"<div><b>{escape(title)}</b></div><div>{''.join(figures)}</div>"


def paragraph(text: str) -> str:
    """Return a text as a small paragraph; empty for no text."""
    return f'<div style="font-size:12px;margin-bottom:6px">{escape(text)}</div>' if text else ""


def first(values: Sequence[T], count: int, show: Callable[[T], str]) -> str:
    """Return the first values as HTML, and the number of the others."""
    more = len(values) - count
    return "".join(map(show, values[:count])) + (f"<div>and {more:,} more</div>" if more > 0 else "")


def map_row(title: str, maps: Iterable[tuple[NDArray[np.float32], str]], side: int = 40) -> str:
    """Return activation maps in one row, each with its text as a tooltip."""
    tiles = "".join(
        f'<img src="{map_uri(map_)}" alt="{escape(text)}" title="{escape(text)}" style="{_TILE};width:{side}px;'
        f'height:{side}px">'
        for map_, text in maps
    )
    return f'<div style="white-space:nowrap;overflow-x:auto">{tiles} <small>{escape(title)}</small></div>'


def image_uri(images: ImageSource, row: int, preprocessing: Mapping[str, Any], side: int = 96) -> str:
    """Return an image of a source, cropped as for the network, as a data URI; empty if it can't be read."""
    try:
        return uri("webp", thumbnail(decode_row(images, row), preprocessing, side))
    except ImageError:
        return ""


def overlay_figure(
    picture: NDArray[np.uint8] | None, map_: NDArray[np.float32] | None, caption: str, *, side: int = 96, alt: str = ""
) -> str:
    """Return a picture with an overlaid map and a caption; a blank tile if there is no picture."""
    return figure("" if picture is None else overlay_uri(picture, map_), caption, side=side, alt=alt)


def overlay_uri(picture: NDArray[np.uint8], map_: NDArray[np.float32] | None) -> str:
    """Return a picture ``[row, column, RGB]`` with an overlaid map, as a data URI."""
    both = picture if map_ is None else overlay(picture, tone(map_))
    return uri("webp", webp(Image.fromarray(both)))


def strip(bars: Sequence[tuple[str, int, float]]) -> str:
    """Return a bar for each layer: its height is the logarithm of the number of units, its dark part the zeros.

    Args:
        bars: name, number of units and fraction of zero responses of each layer.
    """
    most = max((np.log2(1 + units) for _, units, _ in bars), default=1.0)
    drawn = "".join(_bar(name, units, zeros, 100 * np.log2(1 + units) / most) for name, units, zeros in bars)
    return f'<div style="display:flex;align-items:flex-end;height:100px;gap:1px;max-width:900px">{drawn}</div>'


def _bar(name: str, units: int, zeros: float, height: float) -> str:
    title = escape(f"{name}: {units} units, {zeros:.1%} zeros")
    dark = f'<div style="height:{100 * zeros:.0f}%;background:#0008"></div>'
    style = (
        f"flex:1;height:{height:.0f}%;background:#8c3a98;display:flex;flex-direction:column;justify-content:flex-end"
    )
    return f'<div title="{title}" style="{style}">{dark}</div>'
