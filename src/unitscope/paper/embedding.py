"""Figures embedded in the page: small, and visually the same as the files next to it.

In: a figure saved as PNG. Out: `Embedded`, a data URI and its width.
"""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

_WIDEST = 16383  # pixels, the limit of WebP
_SMALLEST = 0.4  # of the PNG's size: lossless WebP, which is slow, is hardly ever smaller
_METHOD = 2  # against the default, 4: 0.4 times the time for lossy files, 0.8 for lossless ones; sizes within 3 %
_QUALITY = 90  # for photographs: no visible loss against the PNG, at a quarter of its size


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture as a data URI, and its width in pixels."""

    uri: str
    width: int


def embedded(figure: Figure, png: Path) -> Embedded:
    """Return a saved figure as WebP: lossless, or lossy if it shows photographs and lossy is smaller.

    Figures too large for WebP stay PNG.
    """
    with Image.open(png) as opened:
        image = opened.convert("RGB")
    if max(image.size) > _WIDEST:
        return Embedded(_uri("png", png.read_bytes()), image.width)
    lossy = _webp(image, quality=_QUALITY) if figure.findobj(AxesImage) else b""
    if lossy and len(lossy) < _SMALLEST * png.stat().st_size:
        return Embedded(_uri("webp", lossy), image.width)
    exact = _webp(image, lossless=True)
    return Embedded(_uri("webp", lossy if lossy and len(lossy) < len(exact) else exact), image.width)


def _webp(image: Image.Image, **how: int) -> bytes:
    written = io.BytesIO()
    image.save(written, "WEBP", method=_METHOD, **how)
    return written.getvalue()


def _uri(form: str, data: bytes) -> str:
    return f"data:image/{form};base64,{base64.b64encode(data).decode()}"
