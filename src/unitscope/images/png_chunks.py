"""Chunks of PNG files: remove those that the pixels don't need, and read the number of bits that they use.

In: the bytes of a PNG file. Out: the same picture without colour profile, text and the like, which can be broken or too
large to read while the pixels are intact.
"""

from zlib import crc32

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEEDED = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"TRNS")  # in capitals, as one damaged bit makes a letter small
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
    """Return a PNG file without its ancillary chunks, whose names begin with a small letter.

    Transparency stays, and a whole ``eXIf``, which has the orientation. A damaged name stays an error.
    """
    kept, start = [SIGNATURE], len(SIGNATURE)
    while start < len(png):
        end = start + _FRAME + int.from_bytes(png[start : start + 4], "big")
        if _is_needed(png[start:end]):
            kept.append(png[start:end])
        start = end
    return b"".join(kept)


def _is_needed(chunk: bytes) -> bool:
    name = chunk[4:8]
    if name == b"eXIf":
        return crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
    return name.upper() in _NEEDED or not (name.isalpha() and name[:1].islower())
