"""HTML of an atlas and of its units for notebooks, with embedded images.

In: tables and facts of an `Atlas`. Out: HTML text. Needs no network; images that are missing on disk are left blank.
"""

from collections.abc import Callable, Sequence

import pandas as pd

from unitscope.display.html import figure, gallery, strip
from unitscope.notebook import facts_html
from unitscope.text import count_noun
from unitscope.units import Layer, Unit

_UNIT = "display:inline-block;margin-right:24px;vertical-align:top"
_MAX_UNITS, _MAX_LARGE = 8, 3  # units shown at all, and up to how many units are shown in large


def units_html(
    units: pd.DataFrame, exemplars: Callable[[Unit], pd.DataFrame], image_uri: Callable[[str, int], str]
) -> str:
    """Return units of one layer, each with its facts and its first exemplars.

    Args:
        units: rows of the table of units.
        exemplars: returns a unit's exemplars, highest response first.
        image_uri: returns an image as a data URI, given its id and its side in pixels.
    """
    count, side = (9, 96) if len(units) <= _MAX_LARGE else (3, 64)
    shown = []
    for row in units.head(_MAX_UNITS).to_dict("records"):
        unit = Unit(row["layer"], int(row["channel"]))
        figures = [
            figure(image_uri(one["image"], side), f"α {one['response']:.3g}", side=side, alt=one["image"])
            for one in exemplars(unit).head(count).to_dict("records")
        ]
        facts = f"{unit}: mean {row['mean']:.3g}, max {row['max']:.3g}, {row['zero_fraction']:.0%} zeros"
        if row["dead"]:
            facts = f"{unit}: dead, its response to every image is zero"
        shown.append(f'<div style="{_UNIT}">{gallery(facts, figures)}</div>')
    more = len(units) - _MAX_UNITS
    return "".join(shown) + (f"<div>and {count_noun(more, 'more unit')}</div>" if more > 0 else "")


def atlas_html(title: str, facts: Sequence[tuple[str, str]], layers: Sequence[Layer], units: pd.DataFrame) -> str:
    """Return an atlas's facts and a bar chart of its layers."""
    zeros = units.groupby("layer", sort=False)["zero_fraction"].mean()
    bars = [(layer.name, layer.units, float(zeros[layer.name])) for layer in layers]
    return facts_html(f"Atlas {title}", facts) + strip(bars)
