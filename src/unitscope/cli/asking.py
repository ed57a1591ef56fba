"""Commands that look: layers, structure, exemplars.

In: the command line. Out: a table or JSON, and a figure where one is asked for.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from unitscope.cli.options import AtlasArgument, Figure, Json, MovedImages, NetworkArgument, Preprocess, Seed, Weights
from unitscope.cli.output import log, print_json, print_table
from unitscope.units import Layer


def layers(
    network: NetworkArgument,
    patterns: Annotated[
        list[str] | None, typer.Option("--layers", metavar="PATTERN", help="Only these; may be repeated.")
    ] = None,
    weights: Weights = "none",
    preprocess: Preprocess = None,
    as_json: Json = False,
) -> None:
    """List a network's layers: names, aliases, kinds, units, shapes. Weights are not needed."""
    from unitscope.engine.session import Session
    from unitscope.networks import load

    loaded = load(network, weights=_card_or(network, weights), preprocess=preprocess)
    traced = Session(loaded).trace
    if traced.fallback_reason:
        log(f"note: {traced.fallback_reason}")
    chosen = traced.layers.match(patterns) if patterns else tuple(traced.layers)
    if as_json:
        print_json({"network": network, "layers": [_told(layer) for layer in chosen]})
        return
    print_table(
        ("index", "layer", "aliases", "kind", "units", "shape"),
        (
            (layer.index, layer.name, " ".join(layer.aliases), layer.kind, layer.units, _shape(layer))
            for layer in chosen
        ),
    )


def structure(
    network: NetworkArgument,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image file.", show_default=False)],
    output: Figure = None,
    start: Annotated[int | None, typer.Option(help="First activation call shown, 1-based.")] = None,
    stop: Annotated[int | None, typer.Option(help="Last activation call shown.")] = None,
    step: Annotated[int | None, typer.Option(help="Show every STEP-th.")] = None,
    top: Annotated[int, typer.Option(help="Maps shown of each layer.")] = 9,
    enlarge: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER:UNIT", help="Draw this unit's map large; may be repeated."),
    ] = None,
    weights: Weights = None,
    seed: Seed = None,
    preprocess: Preprocess = None,
    as_json: Json = False,
) -> None:
    """Show the top units of each layer for one image, shallow to deep (the paper's figure 1)."""
    from unitscope.images import decode

    decode(Path(image))  # an image that can't be read is told before torch is imported

    from unitscope import figures
    from unitscope import inspection as looking
    from unitscope.networks import load

    loaded = load(network, weights=weights, seed=seed, preprocess=preprocess)
    view = looking.structure(
        loaded, image, layers=looking.LayerRange(start, stop, step), top=top, enlarge=enlarge or ()
    )
    if output is not None:
        figures.save(figures.structure(view), output)
        log(f"drawn: {output}")
    told = [
        {
            "layer": column.layer.name,
            "units": column.units.tolist(),
            "responses": [float(value) for value in column.responses],
        }
        for column in view.columns
    ]
    predictions = [{"class": p.index, "name": p.name, "probability": p.probability} for p in view.predictions]
    if as_json:
        print_json({"image": image, "predictions": predictions, "layers": told})
        return
    print_table(("class", "name", "probability"), [tuple(p.values()) for p in predictions], title="Predictions")
    print_table(
        ("layer", "top units (response)"),
        (
            (
                column.layer.shown,
                " ".join(f"{u} ({r:.3g})" for u, r in zip(column.units, column.responses, strict=True)),
            )
            for column in view.columns
        ),
    )


def exemplars(
    atlas: AtlasArgument,
    unit: Annotated[str, typer.Argument(metavar="LAYER:UNIT", help="A unit, such as act:46:68.", show_default=False)],
    output: Figure = None,
    lowest: Annotated[bool, typer.Option("--lowest", help="The least responses instead (no figure).")] = False,
    images: MovedImages = None,
    as_json: Json = False,
) -> None:
    """List a unit's exemplars, and draw them with activation maps (the paper's figure 2)."""
    from unitscope.atlas import open_atlas

    opened = open_atlas(atlas)
    layer, channel = opened.unit(unit)
    found = opened.exemplars(unit, lowest=lowest)
    if output is not None:
        _draw_exemplars(opened, unit, output, images)
    rows: list[dict[str, Any]] = [
        {"rank": int(row["rank"]), "image": row["image"], "response": float(row["response"]), "label": row["label"]}
        for row in found.to_dict("records")
    ]
    if as_json:
        print_json({"layer": layer.name, "unit": channel, "exemplars": rows})
        return
    print_table(
        ("rank", "image", "response", "label"),
        [tuple(row.values()) for row in rows],
        title=f"{layer.shown}: unit {channel}",
    )


def _draw_exemplars(opened: Any, unit: str, output: Any, images: str | None) -> None:
    """Pictures and maps need the network once more, and so torch."""
    from unitscope import figures
    from unitscope import inspection as looking

    figures.save(figures.exemplars(looking.exemplar_sheet(opened, unit, images=images)), output)
    log(f"drawn: {output}")


def _card_or(network: str, weights: str | None) -> str | None:
    """Layers are the same whatever the weights, so none are loaded; a card keeps those that it names."""
    from unitscope.networks.registry import origin_of

    return None if weights == "none" and origin_of(network).has_weights else weights


def _told(layer: Layer) -> dict[str, Any]:
    values = layer.to_dict()
    return {key: values[key] for key in ("index", "name", "aliases", "kind", "units", "shape")}


def _shape(layer: Layer) -> str:
    return "×".join(str(size) for size in layer.shape)
