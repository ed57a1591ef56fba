"""Mutated images of all formats: each gives a picture, or one sentence, in little time and memory."""

import io
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, features

from tests.torture.campaign import Outcome
from unitscope.errors import ImageError
from unitscope.images import decode

TRIALS, _SLOW = 10_000, 5.0
_FORMATS = {
    "JPEG": {"quality": 80},
    "PNG": {},
    "GIF": {},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "WEBP": {},
    "PPM": {},
    "JPEG2000": {},
    "AVIF": {},
}


def campaign(folder: Path, scale: float) -> Iterator[Outcome]:
    """Yield an outcome for each format."""
    dice, samples = random.Random(0), {name: _sample(name) for name in _FORMATS if _writes(name)}
    count = max(10, round(TRIALS * scale / len(samples)))
    for name, sample in samples.items():
        yield _mutated(folder / f"image.{name.lower()}", sample, name, count, dice)


def _writes(name: str) -> bool:
    needs = {"WEBP": "webp", "JPEG2000": "jpg_2000", "AVIF": "avif"}
    return name not in needs or bool(features.check(needs[name]))


def _sample(name: str) -> bytes:
    """Return a small picture with edges and colours in a format."""
    rows, columns = np.indices((48, 64), np.int64)
    pixels = np.stack([rows * 5, columns * 4, (rows * columns) % 256], -1).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, name, **_FORMATS[name])
    return file.getvalue()


def _mutated(path: Path, sample: bytes, name: str, count: int, dice: random.Random) -> Outcome:
    outcome, pictures, slowest = Outcome(f"mutated {name} images are decoded"), 0, 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        path.write_bytes(_changed(sample, dice))
        started, failure = time.process_time(), ""
        try:
            pictures += decode(path).mode == "RGB"
        except ImageError as problem:
            failure = f"{number}: several lines: {problem}" if "\n" in str(problem) else ""
        except Exception as problem:
            failure = f"{number}: {type(problem).__name__}: {problem}"
        seconds = time.process_time() - started
        slowest = max(slowest, seconds)
        outcome.check(not failure and seconds < _SLOW, failure or f"{number}: {seconds:.1f} s")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    outcome.also = (
        f"{pictures:,} pictures, {count - pictures:,} refused; at most {slowest:.2f} s, {grown:.0f} MB more memory"
    )
    return outcome


def _changed(sample: bytes, dice: random.Random) -> bytes:
    """Return a picture with flipped bits, a run of other bytes, a piece cut out, or its end cut off."""
    data, kind = bytearray(sample), dice.randrange(4)
    where = dice.randrange(len(data))
    if kind == 0:
        for _ in range(dice.randrange(1, 20)):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    elif kind == 1:
        data[where : where + 8] = dice.randbytes(8)
    elif kind == 2:
        del data[where : where + dice.randrange(1, 64)]
    else:
        del data[where:]
    return bytes(data)
