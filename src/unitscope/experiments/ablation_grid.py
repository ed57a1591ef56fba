"""The settings of an ablation: layers, scopes, orders, fractions or counts.

In: words and numbers from the user. Out: a checked `AblationGrid`; for a layer, its `AblationSetting`s.
Doesn't import torch, so that invalid input is reported at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unitscope.analyses.ablation_counts import AblationSetting
from unitscope.errors import LayerError, UnitscopeError, check_seeds, closest
from unitscope.notebook import short_repr
from unitscope.text import count_noun
from unitscope.units import Layer

SCOPES = ("image", "dataset")
ORDERS = ("low", "high", "random")
ABS_ORDERS = ("low-abs", "high-abs")
AMONG = ("all", "active")
VALUES = ("zero", "mean")


@dataclass(frozen=True, slots=True)
class AblationGrid:
    """The settings of an ablation: all combinations of scopes and orders with fractions and counts of units.

    Attributes:
        layers: addresses of layers; units are removed from one layer at a time.
        fractions: fractions of the layer's units, 0 to 1; rounded to the nearest number of units, halves up.
        counts: numbers of units.
        scopes: ``image`` (units ranked by each image's responses), ``dataset`` (by the means over all images).
        orders: ``low`` (lowest α first; where responses have both signs, the most negative), ``high``, ``random``,
            ``low-abs`` and ``high-abs`` (by ``|α|``, or its mean over all images).
        value: value of a removed map at every position: ``zero``, or the unit's ``mean`` response over the images.
        seeds: seeds of the random order; each is a separate setting.
        among: ``all`` units, as in the paper, or those ``active``, whose response is not zero: for the image, or for at
            least one image. A fraction is then one of the active units, and a count is at most their number.

    Raises:
        UnitscopeError: if a word is unknown, a number is out of range, or nothing would be removed; if the random order
            has no seed, or a negative one.
    """

    layers: Sequence[str]
    fractions: Sequence[float] = ()
    counts: Sequence[int] = ()
    scopes: Sequence[str] = SCOPES
    orders: Sequence[str] = ("low",)
    value: str = "zero"
    seeds: Sequence[int] = (0,)
    among: Sequence[str] = ("all",)

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if not self.layers:
            raise UnitscopeError("no layer to remove units from; give one with --layer")
        if not self.fractions and not self.counts:
            raise UnitscopeError("nothing to remove; give --fraction (0.2 is 20 percent of the units) or --count")
        for fraction in self.fractions:
            if not 0 <= fraction <= 1:
                raise UnitscopeError(f"fraction {fraction:g} is not between 0 and 1; 0.2 is 20 percent of the units")
        for count in self.counts:
            if count < 0:
                raise UnitscopeError(f"can't remove {count} units; give a count of 0 or more")
        if "random" in self.orders:
            check_seeds(self.seeds)
        for what, given, known in (
            ("scope", self.scopes, SCOPES),
            ("order", self.orders, (*ORDERS, *ABS_ORDERS)),
            ("among", self.among, AMONG),
            ("value", (self.value,), VALUES),
        ):
            for word in given or ("",):
                if word not in known:
                    hint = closest(word, known) or f"choose from {', '.join(known)}"
                    raise UnitscopeError(f"no {what} '{word}'; {hint}")

    @property
    def needs_means(self) -> bool:
        """Whether the means over the data set are needed before the first removal."""
        ranked = "dataset" in self.scopes and {"low", "high"} & set(self.orders)
        return self.value == "mean" or bool(ranked) or self.needs_magnitudes

    @property
    def needs_magnitudes(self) -> bool:
        """Whether the means of ``|α|`` over the data set are needed before the first removal."""
        ranked = bool({*ABS_ORDERS} & set(self.orders)) or "active" in self.among
        return "dataset" in self.scopes and ranked

    def settings(self, layer: Layer) -> tuple[AblationSetting, ...]:
        """Return all settings for one layer.

        Raises:
            LayerError: if the layer has fewer units than are to be removed.
        """
        if too_many := [count for count in self.counts if count > layer.units]:
            raise LayerError(
                f"layer '{layer.name}' has {count_noun(layer.units, 'unit')}, so {too_many[0]:,} can't be removed"
            )
        amounts: list[tuple[float | None, int]] = [
            (fraction, int(fraction * layer.units + 0.5)) for fraction in dict.fromkeys(self.fractions)
        ]
        amounts += [(None, count) for count in dict.fromkeys(self.counts)]
        return tuple(
            AblationSetting(layer.name, scope, order, count, layer.units, fraction, self.value, seed, among)
            for scope in dict.fromkeys(self.scopes)
            for among in dict.fromkeys(self.among)
            for order, seed in self._orders()
            for fraction, count in amounts
        )

    def _orders(self) -> Iterator[tuple[str, int | None]]:
        for order in dict.fromkeys(self.orders):
            yield from ((order, seed) for seed in dict.fromkeys(self.seeds)) if order == "random" else ((order, None),)
