"""Crops of the demo's photographs: more images than the demo has, most of them near-duplicates.

In: a folder. Out: 143 JPEG files in class folders, a photograph each, and the eleven whole photographs beside it.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from unitscope.demo.photographs import photograph

SIDE, CROPS = 240, 12
NAMES = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "retina", "immunohistochemistry")
NAMES += ("stereo_motorcycle", "china", "flower", "grace_hopper")


def write_crops(folder: Path) -> None:
    """Write each photograph and its crops to a folder with its name, and the whole ones to the folder ``whole``."""
    whole = folder.with_name("whole")
    whole.mkdir(parents=True, exist_ok=True)
    for packaged in NAMES:
        name = packaged.removeprefix("stereo_")
        pixels = photograph(packaged)
        Image.fromarray(pixels).save(whole / f"{name}.png")
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, crop in enumerate([pixels, *_crops(pixels)]):
            Image.fromarray(crop).save(folder / name / f"{number:02d}.jpg", quality=92)


def _crops(pixels):
    """Square crops at seeded positions and scales."""
    random = np.random.default_rng(0)
    height, width = pixels.shape[:2]
    for _ in range(CROPS):
        side = int(random.integers(SIDE, max(min(height, width) * 3 // 4, SIDE + 1)))
        top, left = int(random.integers(height - side + 1)), int(random.integers(width - side + 1))
        yield pixels[top : top + side, left : left + side]
