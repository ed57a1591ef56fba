"""Chunks of PNG files: remove those that the pixels don't need, and read the number of bits that they use.

In: the bytes of a PNG file. Out: the same picture without colour profile, text and the like, which can be broken or too
large to read while the pixels are intact.
"""

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EXTRAS = (b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"sBIT", b"pHYs", b"sPLT", b"hIST", b"bKGD", b"tIME")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_FRAME = 12  # bytes of a chunk's length, name and checksum


def significant_bits(png: bytes) -> int:
    """Return the bits a channel that a PNG file has by its chunk sBIT; 0 without one. The file may be cut short."""
    start = len(SIGNATURE)
    while start + _FRAME <= len(png):
        length, name = int.from_bytes(png[start : start + 4], "big"), png[start + 4 : start + 8]
        if name == b"sBIT":
            return max(png[start + 8 : start + 8 + length], default=0)
        if name == b"IDAT":
            break
        start += _FRAME + length
    return 0


def without_extras(png: bytes) -> bytes:
    """Return a PNG file without the chunks that are known to be beside its pixels; a damaged name stays an error."""
    kept, start = [SIGNATURE], len(SIGNATURE)
    while start < len(png):
        end = start + _FRAME + int.from_bytes(png[start : start + 4], "big")
        if png[start + 4 : start + 8] not in (*_EXTRAS, *_TEXTS):
            kept.append(png[start:end])
        start = end
    return b"".join(kept)
