"""Remove the chunks of a PNG file that its pixels don't need.

In: the bytes of a PNG file. Out: the same picture without colour profile, text and the like, which can be broken or too
large to read while the pixels are intact.
"""

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EXTRAS = (b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"sBIT", b"pHYs", b"sPLT", b"hIST", b"bKGD", b"tIME")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_FRAME = 12  # bytes of a chunk's length, name and checksum


def without_extras(png: bytes) -> bytes:
    """Return a PNG file without the chunks that are known to be beside its pixels; a damaged name stays an error."""
    kept, start = [SIGNATURE], len(SIGNATURE)
    while start < len(png):
        end = start + _FRAME + int.from_bytes(png[start : start + 4], "big")
        if png[start + 4 : start + 8] not in (*_EXTRAS, *_TEXTS):
            kept.append(png[start:end])
        start = end
    return b"".join(kept)
