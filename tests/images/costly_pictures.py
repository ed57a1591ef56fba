"""Small files that cost much memory or time to decode."""

import io
import zlib

from PIL import Image


def deep_png(width, height):
    """Return a black 16-bit PNG, whose rows take almost no bytes."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([16, 0, 0, 0, 0])
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes((1 + 2 * width) * height))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big") for name, data in parts
    )


def many_scans(width, height, scans):
    """Return a progressive JPEG whose last scan is repeated; each scan goes over all pixels again."""
    with io.BytesIO() as buffer:
        Image.new("RGB", (width, height)).save(buffer, "JPEG", progressive=True)
        data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * (scans - data.count(b"\xff\xda")) + data[-2:]
