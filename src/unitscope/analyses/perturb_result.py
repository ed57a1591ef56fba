"""The result of a perturbation experiment.

In: means with errors from `unitscope.analyses.perturbation`. Out: `PerturbResult`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from unitscope.analyses.estimates import Estimate, Proportion
from unitscope.notebook import failure_notes, notes_html, short_repr, tables_html
from unitscope.results import Result, Values, layer_table, layers_by_name
from unitscope.text import count_noun
from unitscope.units import Layer

_LAYERS = 13  # in the summary

# Axis label for the strength of each perturbation.
STRENGTH_LABELS = {
    "noise": "noise σ (white = 1)",
    "blur": "blur radius (pixels)",
    "brightness": "brightness factor",
    "jpeg": "JPEG quality",
}


@dataclass(frozen=True, slots=True)
class LayerEffect:
    """The effect of a perturbation on a layer.

    Attributes:
        layer: the layer.
        overlap: ``|T ∩ T'| / n`` for the n units with the highest responses before (T) and after (T').
        expected_by_chance: expected overlap of T with a random T': n divided by the layer's number of units.
        cosine: cosine of the response vectors before and after.
    """

    layer: Layer
    overlap: Estimate
    expected_by_chance: float
    cosine: Estimate

    __repr__ = short_repr

    def values(self) -> Values:
        """Return the effect as plain values."""
        chance = {"expected_by_chance": self.expected_by_chance}
        return {"layer": self.layer.name} | self.overlap.values("overlap") | chance | self.cosine.values("cosine")

    @classmethod
    def from_values(cls, values: Values, layers: dict[str, Layer], images: int) -> Self:
        """Return the effect that has these `values`."""
        overlap, cosine = (Estimate.from_values(values, name, images) for name in ("overlap", "cosine"))
        return cls(layers[values["layer"]], overlap, values["expected_by_chance"], cosine)


@dataclass(frozen=True, slots=True)
class UnitEffect:
    """The effect of a perturbation on a unit.

    Attributes:
        layer: the unit's layer.
        unit: the unit's channel.
        map_correlation: Pearson's r of the map before and after, over positions, for images where neither map is
            constant.
        response_change: mean of ``α' - α``.
        relative_change: mean of ``α' - α`` divided by the mean of ``|α|``.
    """

    layer: Layer
    unit: int
    map_correlation: Estimate
    response_change: Estimate
    relative_change: Estimate

    __repr__ = short_repr

    def values(self) -> Values:
        """Return the effect as plain values."""
        return {
            "layer": self.layer.name,
            "unit": self.unit,
            **self.map_correlation.values("map_correlation"),
            "map_images": self.map_correlation.count,
            **self.response_change.values("response_change"),
            **self.relative_change.values("relative_change"),
        }

    @classmethod
    def from_values(cls, values: Values, layers: dict[str, Layer], images: int) -> Self:
        """Return the effect that has these `values`."""
        names = ("map_correlation", "response_change", "relative_change")
        estimates = (Estimate.from_values(values, name, values.get("map_images", images)) for name in names)
        return cls(layers[values["layer"]], values["unit"], *estimates)


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of one perturbation.

    Attributes:
        perturbation: name of the perturbation, such as ``noise``.
        value: its strength.
        seeds: seeds of its draws; only the first for deterministic perturbations.
        flips: images whose Top-1 changes; None if the network is not a classifier.
        p_values: McNemar's exact test of Top-1 before and after, one per draw; empty if no image has a true class.
        top1: images with a correct Top-1, of those with a true class; None if there are none.
        top5: images with a correct Top-5, likewise.
        layers: one per layer, in execution order.
        units: one per unit, in the order given.
    """

    perturbation: str
    value: float
    seeds: tuple[int, ...]
    flips: Proportion | None
    p_values: tuple[float, ...]
    top1: Proportion | None
    top5: Proportion | None
    layers: tuple[LayerEffect, ...]
    units: tuple[UnitEffect, ...]

    __repr__ = short_repr

    def values(self) -> Values:
        """Return the effect as plain values."""
        flips = self.flips
        return {
            "perturbation": self.perturbation,
            "value": self.value,
            "seeds": list(self.seeds),
            "prediction_flips": flips and flips.value,
            "flips_interval": flips and list(flips.interval),
            "flips_spread": flips and flips.spread,
            "flipped": flips and list(flips.counts),
            **_accuracy_values(self.top1, self.top5),
            "p_values": list(self.p_values),
            "units": [unit.values() for unit in self.units],
            "layers": [layer.values() for layer in self.layers],
        }

    @classmethod
    def from_values(cls, values: Values, layers: dict[str, Layer], images: int) -> Self:
        """Return the effect with these `values`, on ``images`` images."""
        flipped = values.get("flipped")
        return cls(
            values["perturbation"],
            values["value"],
            tuple(values.get("seeds", ())),
            None if flipped is None else Proportion(tuple(flipped), images),
            tuple(values.get("p_values", ())),
            *_accuracy_shares(values),
            tuple(LayerEffect.from_values(each, layers, images) for each in values.get("layers", ())),
            tuple(UnitEffect.from_values(each, layers, images) for each in values["units"]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class PerturbResult(Result):
    """The effects of some perturbations on a network.

    Attributes:
        network: the network's name.
        images: number of images that could be read and were run.
        failed: number of files that could not be read.
        data: fingerprint of the images, as in an atlas.
        seeds: seeds of the noise; one if no perturbation is random.
        top: number of units in a selection.
        top1: correct Top-1 predictions on the clean images; None if no image has a class of the network.
        top5: correct Top-5 predictions, likewise.
        effects: the effect of each perturbation.
        note: why the network could not be exported, if it runs under hooks; otherwise empty.
        perturbations: the perturbations; empty in a stored result.
        image_set: the images; None in a stored result.
        strongest: for each unit the row numbers of the images with its highest responses, at most 9.
        failures: why files could not be read, by image.
    """

    kind: ClassVar[str] = "perturbation"

    network: str
    images: int
    failed: int
    data: str
    seeds: tuple[int, ...]
    top: int
    top1: Proportion | None
    top5: Proportion | None
    effects: tuple[Effect, ...]
    note: str = ""
    perturbations: tuple[Any, ...] = ()
    image_set: Any = None
    strongest: tuple[tuple[int, ...], ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """A title in one line."""
        return f"{self.network}: {count_noun(self.images, 'image')} perturbed"

    def values(self) -> Values:
        """Return plain values; docs/commands/perturb.md lists the keys."""
        settings = [effect.values() for effect in self.effects]
        single = len(settings) == 1
        units = [
            ({} if single else {key: setting[key] for key in ("perturbation", "value")}) | unit
            for setting in settings
            for unit in setting["units"]
        ]
        flips = [setting["prediction_flips"] for setting in settings]
        layers = [each.layer for effect in self.effects for each in effect.layers]
        layers += [each.layer for effect in self.effects for each in effect.units]
        return {
            "network": self.network,
            "images": self.images,
            "data": self.data,
            "failed": self.failed,
            "failures": dict(self.failures),
            "sigma": [effect.value for effect in self.effects if effect.perturbation == "noise"],
            "seeds": list(self.seeds),
            "top": self.top,
            "note": self.note,
            "baseline": _accuracy_values(self.top1, self.top5),
            "units": units,
            "prediction_flips": flips[0] if single else flips,
            "settings": settings,
            "layer_table": layer_table(layers),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`, without its images."""
        settings, images = values["settings"], values["images"]
        names = [one["layer"] for each in settings for one in (*each.get("layers", ()), *each["units"])]
        layers = layers_by_name(values, names)
        return cls(
            values["network"],
            images,
            values.get("failed", 0),
            values["data"],
            tuple(values.get("seeds", ())),
            values.get("top", 0),
            *_accuracy_shares(values.get("baseline", {})),
            tuple(Effect.from_values(each, layers, images) for each in settings),
            values.get("note", ""),
            failures=values.get("failures", {}),
        )

    def _repr_html_(self) -> str:
        return tables_html(self.tables()) + notes_html(failure_notes(self.failures))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the effects on predictions, units and layers."""
        clean = {"perturbation": "none", **_accuracy_row(self.top1, self.top5)}
        tables = {self.title: pd.DataFrame([clean, *map(_effect_row, self.effects)])}
        units = [_unit_row(effect, unit) for effect in self.effects for unit in effect.units]
        if units:
            tables["Units: means over images, with standard errors"] = pd.DataFrame(units)
        layers = [self._whole_layer_row(index) for index in range(len(self.effects[0].layers))]
        if layers:
            tables[self._layers_title] = pd.DataFrame(layers)
        return tables

    def summary(self) -> dict[str, pd.DataFrame]:
        """Return the tables of predictions and units, and two of layers: overlaps and cosines, a column a setting."""
        tables = {title: table for title, table in self.tables().items() if title != self._layers_title}
        for name, title in (("overlap", f"Overlap of the top {self.top}"), ("cosine", "Cosine of responses")):
            shown = self._layers_shown
            if shown:
                some = len(self.effects[0].layers) - len(shown)
                which = (
                    f", {len(shown)} layers evenly spaced; {some} more are in --json and -o FILE.csv" if some else ""
                )
                rows = [self._layer_row(index, name) for index in shown]
                tables[f"{title}, before and after{which}"] = pd.DataFrame(rows)
        return tables

    @property
    def _layers_title(self) -> str:
        return f"Layers: overlap of the top {self.top}, and cosine of responses, before and after"

    @property
    def _layers_shown(self) -> list[int]:
        """Up to 13 layers, evenly spaced, with the first and the last."""
        count = len(self.effects[0].layers)
        return np.unique(np.linspace(0, count - 1, min(count, _LAYERS)).round().astype(int)).tolist() if count else []

    def _layer_row(self, index: int, name: str) -> Values:
        first = self.effects[0].layers[index]
        row: Values = {"layer": first.layer.display_name}
        if name == "overlap":
            row["by chance"] = first.expected_by_chance
        settings = {f"{each.perturbation} {each.value:g}": each for each in self.effects}
        return row | {setting: getattr(each.layers[index], name).value for setting, each in settings.items()}

    def _whole_layer_row(self, index: int) -> Values:
        first = self.effects[0].layers[index]
        row: Values = {"layer": first.layer.display_name, "by chance": first.expected_by_chance}
        for effect in self.effects:
            for name in ("overlap", "cosine"):
                title = f"{name}, {effect.perturbation} {effect.value:g}"
                row[title] = getattr(effect.layers[index], name).value
        return row


def _effect_row(effect: Effect) -> Values:
    flips = effect.flips
    low, high = flips.interval if flips else (None, None)
    return {
        "perturbation": effect.perturbation,
        "value": effect.value,
        "seeds": len(effect.seeds) if effect.perturbation == "noise" else None,
        "changed predictions": flips and flips.value,
        "95% low": low,
        "95% high": high,
        **_accuracy_row(effect.top1, effect.top5),
    }


def _unit_row(effect: Effect, unit: UnitEffect) -> Values:
    return {
        "unit": f"{unit.layer.display_name}: unit {unit.unit}",
        "perturbation": effect.perturbation,
        "value": effect.value,
        "map correlation": unit.map_correlation.value,
        "map correlation, standard error": unit.map_correlation.error,
        "images": unit.map_correlation.count,
        "change of α": unit.response_change.value,
        "change of α, standard error": unit.response_change.error,
        "relative change": unit.relative_change.value,
    }


def _accuracy_row(top1: Proportion | None, top5: Proportion | None) -> Values:
    return {"top1": top1 and top1.value, "top5": top5 and top5.value}


def _accuracy_values(top1: Proportion | None, top5: Proportion | None) -> Values:
    """Return fractions with intervals, counts (one per draw) and images; None where no image has a class."""
    values: Values = {"labelled": top1.total if top1 else 0}
    for name, share in (("top1", top1), ("top5", top5)):
        values |= {
            name: share and share.value,
            f"{name}_interval": share and list(share.interval),
            f"{name}_correct": share and list(share.counts),
        }
    return values


def _accuracy_shares(values: Values) -> tuple[Proportion | None, Proportion | None]:
    """Return the top-1 and top-5 accuracy that `_accuracy_values` described."""
    counts = [values.get(f"{name}_correct") for name in ("top1", "top5")]
    first, second = (None if each is None else Proportion(tuple(each), values["labelled"]) for each in counts)
    return first, second
