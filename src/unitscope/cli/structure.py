"""The command ``structure``: the top units of each layer for one image.

In: the command line. Out: tables or JSON, and a figure with ``-o``.
"""

from pathlib import Path
from typing import Annotated

import typer

from unitscope.cli.options import Figure, FigureTitle, FigureWidth, Json, NetworkArgument, Preprocess, Seed, Weights
from unitscope.cli.output import FigureFile, emit


def structure(
    network: NetworkArgument,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image file.", show_default=False)],
    output: Figure = None,
    width: FigureWidth = None,
    title: FigureTitle = None,
    start: Annotated[int | None, typer.Option(help="First activation call shown, 1-based.")] = None,
    stop: Annotated[int | None, typer.Option(help="Last activation call shown.")] = None,
    step: Annotated[int | None, typer.Option(help="Show every STEP-th activation call.")] = None,
    top: Annotated[int, typer.Option(help="Number of maps per layer.")] = 9,
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
    figure = FigureFile.of(output, width, title)
    from unitscope.images import decode

    decode(Path(image))  # report an unreadable image before importing torch, which takes seconds

    from unitscope import inspection
    from unitscope.networks import load

    loaded = load(network, weights=weights, seed=seed, preprocess=preprocess)
    layers = inspection.LayerRange(start, stop, step)
    found = inspection.structure(loaded, image, layers=layers, top=top, enlarge=enlarge or ())
    emit(found, as_json=as_json, output=figure)
