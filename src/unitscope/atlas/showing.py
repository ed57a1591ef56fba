"""An atlas, and some of its units, as a notebook shows them.

In: an `Atlas`. Out: `ShownUnits`, and HTML with pictures inside. Needs no network; images that have gone are blank.
"""

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from unitscope.inline import figure, file_uri, shelf, strip, table
from unitscope.units import Layer, Unit

if TYPE_CHECKING:
    from unitscope.atlas.view import Atlas

_MOST, _MANY = 24, 3


@dataclass(frozen=True, slots=True)
class ShownUnits:
    """Some units of one layer, to be shown in a notebook with their exemplars; from ``atlas["act:33:12"]``."""

    atlas: "Atlas"
    layer: Layer
    channels: tuple[int, ...]

    def _repr_html_(self) -> str:
        few = len(self.channels) <= _MANY
        shown = "".join(self._unit(channel, 9 if few else 3, 96 if few else 64) for channel in self.channels[:_MOST])
        more = len(self.channels) - _MOST
        return shown + (f"<div>and {more} more units</div>" if more > 0 else "")

    def _unit(self, channel: int, count: int, side: int) -> str:
        unit = Unit(self.layer.name, channel)
        facts = self.atlas.units.iloc[self.atlas.index.flat(self.layer, channel)]
        phi = self.atlas.manifest.preprocessing
        figures = [
            figure(
                file_uri(self.atlas.root / one["image"], phi, side),
                f"α {one['response']:.3g}",
                side=side,
                alt=one["image"],
            )
            for one in self.atlas.exemplars(unit).head(count).to_dict("records")
        ]
        told = f"{unit}: mean {facts['mean']:.3g}, greatest {facts['max']:.3g}, {facts['zero_fraction']:.0%} zeros"
        return shelf(told, figures)


def atlas_html(atlas: "Atlas") -> str:
    """Return an atlas's facts and the strip of its layers."""
    manifest = atlas.manifest
    facts = [
        ("network", manifest.network["reference"]),
        ("images", f"{len(atlas.images):,}"),
        ("layers", len(atlas.layers)),
        ("units", f"{len(atlas.index):,}"),
        *((f"{name}", f"{rate:.1%}") for name, rate in manifest.accuracy_rates().items()),
    ]
    zeros = atlas.units.groupby("layer", sort=False)["zero_fraction"].mean()
    bars = [(layer.name, layer.units, float(zeros[layer.name])) for layer in atlas.layers]
    return f"<b>Atlas</b> {escape(str(atlas.path))}" + table(facts) + strip(bars)
