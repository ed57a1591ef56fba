"""Figures inside the page: small, and to the eye the same as the files beside it.

In: a figure that is saved as PNG. Out: `Embedded`, a data URI and how wide it is.
"""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

_WIDEST = 16383  # pixels, the most that WebP takes
_QUALITY = 90  # of photographs: no loss to be seen beside the PNG, a quarter of its size


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture as a data URI, and its width in pixels."""

    uri: str
    width: int


def embedded(figure: Figure, png: Path) -> Embedded:
    """Return a saved figure as WebP: exactly, or with the loss of a fine photograph where it has some and that is less.

    What is too large for WebP stays PNG.
    """
    with Image.open(png) as opened:
        image = opened.convert("RGB")
    if max(image.size) > _WIDEST:
        return Embedded(_uri("png", png.read_bytes()), image.width)
    forms = [_webp(image, lossless=True)]
    if figure.findobj(AxesImage):
        forms.append(_webp(image, quality=_QUALITY))
    return Embedded(_uri("webp", min(forms, key=len)), image.width)


def _webp(image: Image.Image, **how: int) -> bytes:
    written = io.BytesIO()
    image.save(written, "WEBP", **how)
    return written.getvalue()


def _uri(form: str, data: bytes) -> str:
    return f"data:image/{form};base64,{base64.b64encode(data).decode()}"
