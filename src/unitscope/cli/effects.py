"""What perturbations do, as the command line tells it.

In: a `PerturbResult`. Out: values for JSON, tables on stdout.
"""

from typing import TYPE_CHECKING, Any

from unitscope.cli.output import print_table
from unitscope.text import count_noun

if TYPE_CHECKING:
    from unitscope.analyses.estimates import Estimate, Share
    from unitscope.analyses.perturbation import Effect, LayerEffect, UnitEffect
    from unitscope.experiments.perturbation import PerturbResult

CURVES = ("overlap", "cosine")


def title_of(result: "PerturbResult") -> str:
    """Return what was changed, in a line."""
    return f"{result.network}: {count_noun(result.images, 'image')} changed"


def told(result: "PerturbResult") -> dict[str, Any]:
    """What was found, as the JSON tells it: the one setting's units and flips on top, or those of all."""
    settings = [_told_of(effect) for effect in result.effects]
    single = len(settings) == 1
    where = ("perturbation", "value")
    units = [
        ({} if single else {key: setting[key] for key in where}) | unit
        for setting in settings
        for unit in setting["units"]
    ]
    flips = [setting["prediction_flips"] for setting in settings]
    return {
        "network": result.network,
        "images": result.images,
        "data": result.image_set.fingerprint(),
        "failed": result.failed,
        "sigma": [effect.value for effect in result.effects if effect.perturbation == "noise"],
        "seeds": list(result.seeds),
        "top": result.top,
        "baseline": _answers(result.top1, result.top5),
        "units": units,
        "prediction_flips": flips[0] if single else flips,
        "settings": settings,
    }


def _told_of(effect: "Effect") -> dict[str, Any]:
    flips = effect.flips
    return {
        "perturbation": effect.perturbation,
        "value": effect.value,
        "seeds": list(effect.seeds),
        "prediction_flips": flips and flips.value,
        "flips_interval": flips and list(flips.interval),
        "flips_spread": flips and flips.spread,
        "flipped": flips and list(flips.counts),
        **_answers(effect.top1, effect.top5),
        "p_values": list(effect.p_values),
        "units": [_unit(unit) for unit in effect.units],
        "layers": [_layer(layer) for layer in effect.layers],
    }


def _answers(top1: "Share | None", top5: "Share | None") -> dict[str, Any]:
    """Shares with intervals, counts (one a draw), and of how many images; null where no image has a class."""
    told: dict[str, Any] = {"labelled": top1.total if top1 else 0}
    for name, share in (("top1", top1), ("top5", top5)):
        told |= {
            name: share and share.value,
            f"{name}_interval": share and list(share.interval),
            f"{name}_correct": share and list(share.counts),
        }
    return told


def _unit(effect: "UnitEffect") -> dict[str, Any]:
    return {
        "layer": effect.layer.name,
        "unit": effect.unit,
        **_estimate("map_correlation", effect.map_correlation),
        "map_images": effect.map_correlation.count,
        **_estimate("response_change", effect.response_change),
        **_estimate("relative_change", effect.relative_change),
    }


def _layer(effect: "LayerEffect") -> dict[str, Any]:
    return {
        "layer": effect.layer.name,
        **_estimate("overlap", effect.overlap),
        "expected_by_chance": effect.expected_by_chance,
        **_estimate("cosine", effect.cosine),
    }


def _estimate(name: str, estimate: "Estimate") -> dict[str, Any]:
    return {name: estimate.value, f"{name}_error": estimate.error, f"{name}_spread": estimate.spread}


def print_effects(result: "PerturbResult") -> None:
    """Print what was found, for people."""
    print_table(
        ("perturbation", "value", "seeds", "predictions that flip", "95 % interval", "top1", "top5"),
        [("none", "", "", "", "", _share(result.top1), _share(result.top5)), *map(_row, result.effects)],
        title=title_of(result),
    )
    rows = [(effect, unit) for effect in result.effects for unit in effect.units]
    if rows:
        print_table(
            ("unit", "perturbation", "value", "map correlation", "±", "images", "change of α", "±", "relative"),
            [
                (
                    f"{unit.layer.shown}: unit {unit.unit}",
                    effect.perturbation,
                    effect.value,
                    unit.map_correlation.value,
                    unit.map_correlation.error,
                    unit.map_correlation.count,
                    unit.response_change.value,
                    unit.response_change.error,
                    f"{unit.relative_change.value:+.1%}",
                )
                for effect, unit in rows
            ],
            title="Units: means over images, ± one standard error",
        )
    print_table(
        ("layer", "by chance", *(f"{what}, {e.perturbation} {e.value:g}" for e in result.effects for what in CURVES)),
        [
            (
                layer.layer.shown,
                layer.expected_by_chance,
                *(value for e in result.effects for value in (e.layers[at].overlap.value, e.layers[at].cosine.value)),
            )
            for at, layer in enumerate(result.effects[0].layers)
        ],
        title=f"Layers: overlap of the top {result.top}, and cosine of responses, before and after",
    )


def _row(effect: "Effect") -> tuple[Any, ...]:
    flips = effect.flips
    interval = "{:.1%} – {:.1%}".format(*flips.interval) if flips else ""
    seeds = len(effect.seeds) if effect.perturbation == "noise" else ""
    return (
        effect.perturbation,
        effect.value,
        seeds,
        _share(flips),
        interval,
        _share(effect.top1),
        _share(effect.top5),
    )


def _share(share: "Share | None") -> str:
    return f"{share.value:.1%}" if share else ""
