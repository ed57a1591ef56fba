"""An atlas, and some of its units, as a notebook shows them: HTML with the pictures inside.

In: tables and facts that an `Atlas` hands over. Out: HTML text. Needs no network; an image that has gone is blank.
"""

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from unitscope.display.html import figure, file_uri, gallery, strip, table
from unitscope.units import Layer, Unit

_MOST, _MANY = 24, 3


def units_html(
    units: pd.DataFrame, exemplars: Callable[[Unit], pd.DataFrame], *, root: Path, preprocessing: dict[str, Any]
) -> str:
    """Return units of one layer, each with its facts and its first exemplars.

    Args:
        units: rows of the table of units.
        exemplars: gives a unit's exemplars, best first.
        root: the folder of the images.
        preprocessing: of the atlas, for the frame of the pictures.
    """
    few = len(units) <= _MANY
    count, side = (9, 96) if few else (3, 64)
    shown = []
    for row in units.head(_MOST).to_dict("records"):
        unit = Unit(row["layer"], int(row["channel"]))
        figures = [
            figure(
                file_uri(root / one["image"], preprocessing, side),
                f"α {one['response']:.3g}",
                side=side,
                alt=one["image"],
            )
            for one in exemplars(unit).head(count).to_dict("records")
        ]
        facts = f"{unit}: mean {row['mean']:.3g}, greatest {row['max']:.3g}, {row['zero_fraction']:.0%} zeros"
        shown.append(gallery(facts, figures))
    more = len(units) - _MOST
    return "".join(shown) + (f"<div>and {more} more units</div>" if more > 0 else "")


def atlas_html(title: str, facts: Sequence[tuple[str, str]], layers: Sequence[Layer], units: pd.DataFrame) -> str:
    """Return an atlas's facts and the strip of its layers."""
    zeros = units.groupby("layer", sort=False)["zero_fraction"].mean()
    bars = [(layer.name, layer.units, float(zeros[layer.name])) for layer in layers]
    return f"<b>Atlas</b> {escape(title)}" + table(facts) + strip(bars)
