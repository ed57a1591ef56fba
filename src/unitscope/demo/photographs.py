"""Twenty photographs that scikit-image, scikit-learn and matplotlib ship; docs/commands/demo.md has their licences.

In: a folder. Out: JPEG files in class folders. Each photograph is there once and whole, so that none is a
near-duplicate of another.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unitscope.errors import UnitscopeError
from unitscope.files import atomic_path

CLASSES = {
    "medicine": {"cell": "cell", "retina": "retina", "tissue": "immunohistochemistry"},
    "nature": {"cat": "chelsea", "flower": "flower"},
    "people": {"astronaut": "astronaut", "officer": "grace_hopper", "photographer": "camera"},
    "space": {"galaxies": "hubble_deep_field", "moon": "moon", "rocket": "rocket"},
    "textures": {"brick": "brick", "grass": "grass", "gravel": "gravel"},
    "things": {
        "clock": "clock",
        "coffee": "coffee",
        "coins": "coins",
        "motorcycle": "stereo_motorcycle",
        "page": "page",
        "palace": "china",
    },
}
"""The photographs of each class, by file name; the values are their names in the packages."""

Pixels = NDArray[np.uint8]


def write_photographs(folder: Path) -> None:
    """Write the photographs to class folders, as ``CLASS/NAME.jpg``.

    Raises:
        UnitscopeError: if scikit-image or scikit-learn is not installed.
    """
    for label, named in CLASSES.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for name, packaged in named.items():
            with atomic_path(folder / label / f"{name}.jpg") as temporary:
                Image.fromarray(photograph(packaged)).convert("RGB").save(temporary, format="JPEG", quality=92)


def photograph(name: str) -> Pixels:
    """Return a photograph by its name in the package that ships it, uint8 ``[row, column]`` or ``[row, column, RGB]``.

    Raises:
        UnitscopeError: if scikit-image or scikit-learn is not installed.
    """
    try:
        from matplotlib.cbook import get_sample_data
        from skimage import data
        from sklearn.datasets import load_sample_image
    except ImportError as problem:
        raise UnitscopeError(f"the demo needs {problem.name}; run `pip install 'unitscope[demo]'`") from problem
    if name == "grace_hopper":
        return np.asarray(Image.open(str(get_sample_data("grace_hopper.jpg", asfileobj=False))).convert("RGB"))
    if name in {"china", "flower"}:
        return np.asarray(load_sample_image(f"{name}.jpg"))
    found = getattr(data, name)()
    return np.asarray(found[0] if name == "stereo_motorcycle" else found)  # the left one of a pair
