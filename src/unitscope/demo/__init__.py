"""The demo: an end-to-end run on a small pretrained network, without a model hub or a data set.

In: a folder. Out: photographs that packages ship, an atlas of EfficientNet-Lite0 (whose weights are a package) over
them, figures, and findings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from unitscope import figures
from unitscope.analyses.selection import TopK
from unitscope.analyses.unit_rules import Rule, intersection
from unitscope.atlas import Atlas
from unitscope.demo.findings import best_unit, removals, telling_units
from unitscope.demo.photographs import write_photographs
from unitscope.engine.session import Session
from unitscope.inspection import LayerRange, exemplar_sheet, rule_sheet, structure
from unitscope.inspection.new_images import image_groups
from unitscope.networks import load
from unitscope.notebook import short_repr
from unitscope.scanning import Progress, ScanOptions, ScanResult, scan

__all__ = ["NETWORK", "Demo", "run", "write_photographs"]

NETWORK = "package:efficientnet-lite0"
CAT, COFFEE, FLOWER = "nature/cat.jpg", "things/coffee.jpg", "nature/flower.jpg"
PAIR = ("people/astronaut.jpg", "people/officer.jpg")
TOP = 20
ROUND, NOSE = "act:20:448", "act:28:823"  # found by looking: round things, and the cat's nose
SHOWN = LayerRange(start=4, step=3)  # from the first layer of 56×56, since earlier maps are much larger


@dataclass(frozen=True, slots=True, eq=False)
class Demo:
    """The result of the demo.

    Attributes:
        scan: the scan, with its atlas.
        figures: paths of the figures.
        telling: the units that tell a class from all other photographs; see `findings.telling_units`.
        shared: the units that two photographs share.
        removals: predictions before and after units are removed; see `findings.removals`.
    """

    scan: ScanResult
    figures: tuple[Path, ...]
    telling: pd.DataFrame
    shared: Rule
    removals: pd.DataFrame

    __repr__ = short_repr


def run(folder: Path, *, progress: Progress, log: Callable[[str], None]) -> Demo:
    """Write photographs, scan them, draw telling units, and remove the cat's.

    Raises:
        UnitscopeError: if a package that ships photographs or weights is missing.
    """
    photographs = folder / "photographs"
    log(f"writing photographs from installed packages to '{photographs}'")
    write_photographs(photographs)
    session = Session(load(NETWORK))
    result = scan(session, photographs, folder / "atlas", options=ScanOptions(peaks=True), progress=progress)
    atlas, layer = result.atlas, result.atlas.layers[-1]
    telling = telling_units(atlas, layer)
    shared = intersection(image_groups(atlas, PAIR, layer.name), TopK(TOP))
    removed = removals(session, photographs, atlas, [CAT, FLOWER, COFFEE], count=TOP)
    log("drawing figures")
    return Demo(result, _draw(folder, atlas, session, telling, shared), telling, shared, removed)


def _draw(folder: Path, atlas: Atlas, session: Session, telling: pd.DataFrame, shared: Rule) -> tuple[Path, ...]:
    layer = atlas.layers[-1]
    cat = f"{layer.name}:{best_unit(atlas, layer, (atlas.images['image'] == CAT).to_numpy(np.bool_))}"
    people = str(telling.set_index("class").loc["people", "best unit"])
    view = structure(session, folder / "photographs" / CAT, layers=SHOWN, enlarge=[ROUND, NOSE, cat])
    sheets = {"round": ROUND, "cat": cat, "people": people}
    drawn = {
        "structure.png": figures.structure(view),
        "layers.png": figures.layer_summary(
            atlas.units, layers=atlas.layers, title=f"{NETWORK} over the demo's photographs"
        ),
        **{
            f"unit-{name}.png": figures.draw(exemplar_sheet(atlas, unit, network=session))
            for name, unit in sheets.items()
        },
        "shared.png": figures.draw(rule_sheet(atlas, shared, network=session)),
    }
    for name, figure in drawn.items():
        figures.save(figure, folder / name)
    return tuple(folder / name for name in drawn)
