"""From a file to an upright RGB image.

In: a path. Out: a Pillow image in mode RGB, or an `ImageError` that says what is wrong with the file.
It runs in several threads at once, so nothing here touches Pillow's global settings.
"""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from unitscope.errors import ImageError

MAX_PIXELS = 178_956_970  # Pillow's own bound on what may be a decompression bomb is half of it
MAX_ASPECT = 100  # beyond that, the shorter side brought to 256 makes the longer one larger than memory
_ORIENTATION = 0x0112

# Pillow warns of odd EXIF, of palettes and of large images; each is either handled here or is an error here.
warnings.filterwarnings("ignore", module=r"PIL\..*")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def decode(path: Path) -> Image.Image:
    """Return the image, RGB and upright; the first frame of an animation; transparency laid on white.

    Raises:
        ImageError: if the file can't be read, is no image, is broken, or is too large or too narrow to be decoded.
    """
    try:
        with Image.open(path) as image:
            _refuse_extreme(image)
            return _rgb(_upright(image))
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(_no_image(path)) from None
    except Image.DecompressionBombError as problem:
        raise ImageError(f"too large: {problem}") from None
    except MemoryError:
        raise ImageError("too large for the memory of this machine") from None
    except OSError as problem:
        raise ImageError(_unreadable(problem)) from None
    except Exception as problem:  # Pillow's decoders raise many kinds of errors on broken files
        raise ImageError(f"broken image ({type(problem).__name__}: {problem})") from None


def _refuse_extreme(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"too large: {width}×{height} is {width * height / 1e6:.0f} megapixels, the limit is {MAX_PIXELS / 1e6:.0f}"
        )
    if max(image.size) > MAX_ASPECT * min(image.size):
        raise ImageError(f"too narrow: {width}×{height} is more than {MAX_ASPECT} times as long as wide")


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF says; EXIF that can't be read says nothing."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        orientation = 1
    if orientation == 1:
        return image
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        image.load()
        return image.copy() if image.fp is not None else image
    if image.mode.startswith("I;16"):
        return _grey(_array(image).astype(np.float64) / 257)
    if image.mode in ("I", "F"):
        return _grey(_to_bytes(np.asarray(image, np.float64)))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _array(image: Image.Image) -> np.ndarray:
    """16-bit values whatever their byte order in the file."""
    order = ">u2" if image.mode == "I;16B" else "<u2"
    return np.frombuffer(image.tobytes(), order).reshape(image.height, image.width)


def _to_bytes(values: np.ndarray) -> np.ndarray:
    """Wide values to 0–255: 0–1 is floating point's usual range, 0–65535 that of 16 bits; else all there is."""
    values = np.nan_to_num(values)
    low, high = values.min(), values.max()
    if low >= 0 and high <= 1:
        return values * 255
    if low >= 0 and high <= 255:
        return values
    if low >= 0 and high <= 65535:
        return values / 257
    return (values - low) / (high - low) * 255


def _grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(values).astype(np.uint8)).convert("RGB")


def _no_image(path: Path) -> str:
    try:
        return "empty file" if path.stat().st_size == 0 else "not an image, or of a kind that is not known"
    except OSError:
        return "not an image"


def _unreadable(problem: OSError) -> str:
    if problem.errno is not None:
        return f"can't be read: {problem.strerror}"
    text = str(problem)
    return f"truncated image ({text})" if "truncated" in text else f"broken image ({text})"
