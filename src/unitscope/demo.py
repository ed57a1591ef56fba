"""The demo: an end-to-end run on a small pretrained network, without a model hub or a data set.

In: a folder. Out: photographs (crops of those that scikit-image, scikit-learn and matplotlib ship), an atlas of
EfficientNet-Lite0 (whose weights are a package) over them, and figures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unitscope import figures
from unitscope.atlas import Atlas
from unitscope.engine.session import Session
from unitscope.errors import UnitscopeError
from unitscope.files import atomic_path
from unitscope.inspection import LayerRange, exemplar_sheet, structure
from unitscope.networks import load
from unitscope.notebook import short_repr
from unitscope.scanning import Progress, ScanResult, scan

NETWORK = "package:efficientnet-lite0"
CROP, CROPS_A_PHOTOGRAPH = 240, 13
SHEETS = 4
SHOWN = LayerRange(start=4, step=3)  # from the first layer of 56×56, since earlier maps are much larger


@dataclass(frozen=True, slots=True)
class Demo:
    """The result of the demo: the scan, the figures, and the units in them (unit, photograph, selectivity).

    Each photograph stands for 13 crops of it. They are near-duplicates, so the units say nothing about a class.
    """

    scan: ScanResult
    figures: tuple[Path, ...]
    found: tuple[tuple[str, str, float], ...]

    __repr__ = short_repr


def run(folder: Path, *, progress: Progress, log: Callable[[str], None]) -> Demo:
    """Make photographs, scan them, and draw the most selective units.

    Raises:
        UnitscopeError: if a package that ships photographs or weights is missing.
    """
    log(f"writing crops of photographs from installed packages to '{folder / 'photographs'}'")
    whole = write_photographs(folder / "photographs")
    session = Session(load(NETWORK))
    result = scan(session, folder / "photographs", folder / "atlas", progress=progress)
    found = most_selective_units(result.atlas)[:SHEETS]
    log("drawing figures")
    cat = [unit for unit, name, _ in most_selective_units(result.atlas) if name == "chelsea"]
    view = structure(session, whole / "chelsea.png", layers=SHOWN, enlarge=["act:3:80", "act:6:54", *cat])
    drawn = {
        "structure.png": figures.structure(view),
        "layers.png": figures.layer_summary(
            result.atlas.units, layers=result.atlas.layers, title=f"{NETWORK} over the demo's photographs"
        ),
    }
    for unit, name, _ in found:
        drawn[f"unit-{name}.png"] = figures.exemplars(exemplar_sheet(result.atlas, unit, network=session))
    for name, figure in drawn.items():
        figures.save(figure, folder / name)
    return Demo(result, tuple(folder / name for name in drawn), found)


def most_selective_units(atlas: Atlas) -> tuple[tuple[str, str, float], ...]:
    """Return the unit of the last layer that is most selective for the crops of each photograph, the greatest first."""
    last = atlas.layers[-1].name
    table = atlas.units.query("layer == @last and not dead")
    best = table.sort_values(["selectivity", "channel"], ascending=[False, True]).drop_duplicates("selective_class")
    return tuple(
        (f"{last}:{row['channel']}", str(row["selective_class"]), float(row["selectivity"]))
        for row in best.to_dict("records")
    )


def write_photographs(folder: Path) -> Path:
    """Write each photograph's crops to a folder with its name, and return the folder of the whole photographs."""
    whole = folder.with_name("whole")
    whole.mkdir(parents=True, exist_ok=True)
    for name, pixels in photographs().items():
        _save(pixels, whole / f"{name}.png", format="PNG")
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, crop in enumerate(crops(pixels)):
            _save(crop, folder / name / f"{number:02d}.jpg", format="JPEG", quality=92)
    return whole


def _save(pixels: NDArray[np.uint8], path: Path, **how: Any) -> None:
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, **how)


def crops(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the whole photograph, followed by square crops at seeded positions and scales."""
    random = np.random.default_rng(0)
    height, width = pixels.shape[:2]
    made = [pixels]
    for _ in range(CROPS_A_PHOTOGRAPH - 1):
        side = int(random.integers(CROP, max(min(height, width) * 3 // 4, CROP + 1)))
        top, left = int(random.integers(height - side + 1)), int(random.integers(width - side + 1))
        made.append(pixels[top : top + side, left : left + side])
    return made


def photographs() -> dict[str, NDArray[np.uint8]]:
    """Return the photographs by name, uint8 ``[row, column, RGB]``.

    Raises:
        UnitscopeError: if scikit-image or scikit-learn is not installed.
    """
    try:
        from matplotlib.cbook import get_sample_data
        from skimage import data
        from sklearn.datasets import load_sample_image
    except ImportError as problem:
        raise UnitscopeError(f"the demo needs {problem.name}; run `pip install 'unitscope[demo]'`") from problem
    names = (
        "astronaut",
        "chelsea",
        "coffee",
        "rocket",
        "hubble_deep_field",
        "retina",
        "immunohistochemistry",
    )
    found = {name: getattr(data, name)() for name in names}
    found["motorcycle"] = data.stereo_motorcycle()[0]
    found |= {name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    file = get_sample_data("grace_hopper.jpg", asfileobj=False)
    found["grace_hopper"] = np.asarray(Image.open(str(file)).convert("RGB"))
    return found
