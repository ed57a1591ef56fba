"""Remove the chunks of a PNG file that its pixels don't need.

In: the bytes of a PNG file. Out: the same picture without colour profile, text and the like, which can be broken or too
large to read while the pixels are intact.
"""

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND")
_FRAME = 12  # bytes of a chunk's length, name and checksum


def without_extras(png: bytes) -> bytes:
    """Return a PNG file without the chunks that its pixels, transparency and orientation don't need."""
    kept, start = [SIGNATURE], len(SIGNATURE)
    while start < len(png):
        end = start + _FRAME + int.from_bytes(png[start : start + 4], "big")
        if png[start + 4 : start + 8] in _NEEDED:
            kept.append(png[start:end])
        start = end
    return b"".join(kept)
