"""The command `sparsity`: how many responses are zero and how unevenly the rest are spread.

In: the command line. Out: a table or JSON, and a figure where one is asked for.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unitscope.cli.options import AtlasArgument, Figure, Json
from unitscope.cli.output import log, print_json, print_table

if TYPE_CHECKING:
    from unitscope.analyses.sparsity import Distribution, Sparsity
    from unitscope.atlas import Atlas

INDICES = ("zero_fraction", "gini", "hoyer", "treves_rolls")


def sparsity(
    atlas: AtlasArgument,
    layer: Annotated[
        str | None, typer.Option(metavar="LAYER", help="The layer, by name or alias.", show_default=False)
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="NAME", help="Also the images of this class; may be repeated."),
    ] = None,
    depth: Annotated[bool, typer.Option("--depth", help="Compare all layers instead, shallow to deep.")] = False,
    bins: Annotated[int, typer.Option(help="Bins of the histograms.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the sample of images, where there are more than 1,024.")] = 0,
    output: Figure = None,
    as_json: Json = False,
) -> None:
    """Tell how sparse a layer is: zeros, Gini, Hoyer, Treves-Rolls, dead units (the paper's figures 5 and 6)."""
    from unitscope.analyses.sparsity import sparsity as analyse
    from unitscope.atlas import open_atlas

    _check(layer, classes or [], depth=depth)
    opened = open_atlas(atlas)
    if layer is None:
        _tell_depth(opened, output, as_json=as_json)
    else:
        network = str(opened.manifest.network["reference"])
        _tell_layer(analyse(opened, layer, classes or [], bins=bins, seed=seed), network, output, as_json=as_json)


def _check(layer: str | None, classes: list[str], *, depth: bool) -> None:
    if layer is None and not depth:
        raise typer.BadParameter("no layer was given; give --layer LAYER, or --depth to compare all layers")
    if layer is not None and depth:
        raise typer.BadParameter(f"--depth compares all layers; leave --depth or --layer {layer} out")
    if depth and classes:
        raise typer.BadParameter("--class goes with --layer, not with --depth")


def _tell_depth(opened: "Atlas", output: Path | None, *, as_json: bool) -> None:
    from unitscope.analyses.sparsity import sparsity_by_layer

    table = sparsity_by_layer(opened)
    if output is not None:
        from unitscope import figures

        title = str(opened.manifest.network["reference"])
        figures.save(figures.sparsity_by_layer(table, title=title), output)
        log(f"drawn: {output}")
    if as_json:
        print_json({"layers": table.to_dict("records")})
    else:
        shown = table.assign(layer=[layer.shown for layer in opened.layers])
        print_table([str(name) for name in shown], shown.itertuples(index=False))


def _tell_layer(found: "Sparsity", network: str, output: Path | None, *, as_json: bool) -> None:
    if output is not None:
        from unitscope import figures

        figures.save(figures.sparsity(found, title=network), output)
        log(f"drawn: {output}")
    if as_json:
        print_json(_told(found))
    else:
        _print(found)


def _told(found: "Sparsity") -> dict[str, Any]:
    overall = _told_of(found.overall)
    return {
        "layer": found.layer.name,
        "units": found.layer.units,
        **overall,
        "zero_fraction": found.zero_fraction,
        "dead": len(found.dead),
        "dead_units": found.dead.tolist(),
        "population": _population(found),
        "lifetime": _lifetime(found),
        "edges": found.edges.tolist(),
        "classes": [{"name": each.name, **_told_of(each), "edges": found.edges.tolist()} for each in found.classes],
    }


def _told_of(each: "Distribution") -> dict[str, Any]:
    indices = {name: getattr(each, name) for name in INDICES}
    return {"images": each.images, **indices, "histogram": each.histogram.tolist()}


def _population(found: "Sparsity") -> dict[str, Any]:
    table = found.population
    told = {name: {"mean": float(table[name].mean()), "std": float(table[name].std(ddof=0))} for name in INDICES}
    return {"images": len(table), **told}


def _lifetime(found: "Sparsity") -> dict[str, Any]:
    table = found.lifetime
    told = {
        name: {"mean": float(table[name].mean()), "median": float(table[name].median())}
        for name in ("treves_rolls", "hoyer")
    }
    return {"units": int(table["treves_rolls"].notna().sum()), **told}


def _print(found: "Sparsity") -> None:
    told, lifetime = _told(found), found.lifetime
    print_table(
        ("images", "units", "dead", "responses that are zero"),
        [(told["images"], told["units"], told["dead"], f"{found.zero_fraction:.1%}")],
        title=found.layer.shown,
    )
    means = [
        (f"mean responses of the units, {each.name} ({each.images})", *_row(each))
        for each in (found.overall, *found.classes)
    ]
    image = (f"an image's responses, mean of {len(found.population)}", *found.population[list(INDICES)].mean())
    units = told["lifetime"]["units"]
    unit = (lifetime["zero_fraction"].mean(), "", *lifetime[["hoyer", "treves_rolls"]].mean())
    print_table(
        ("of", "zeros", "gini", "hoyer", "treves_rolls"),
        [*means, image, (f"a unit's responses, mean of {units}", *unit)],
        title="How unevenly responses are spread",
    )


def _row(each: "Distribution") -> tuple[float, ...]:
    return tuple(getattr(each, name) for name in INDICES)
