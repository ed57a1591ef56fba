"""The command ``structure``: the top units of each layer for one image.

In: the command line. Out: tables or JSON, and a figure with ``-o``.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unitscope.cli.options import (
    AtlasPath,
    Figure,
    FigureTitle,
    FigureWidth,
    Json,
    NetworkArgument,
    Preprocess,
    Seed,
    Weights,
    parse_atlas_path,
)
from unitscope.cli.output import FigureFile, emit
from unitscope.errors import UnitscopeError

if TYPE_CHECKING:
    from matplotlib.figure import Figure as DrawnFigure

    from unitscope.display.structure import Structure


class Rank(StrEnum):
    """What units are ranked by."""

    response = "response"
    contrast = "contrast"


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
    rank: Annotated[
        Rank,
        typer.Option(
            help="Rank units by response α, or by contrast: α minus the unit's mean over an atlas, divided by its "
            "standard deviation there."
        ),
    ] = Rank.response,
    atlas: Annotated[
        AtlasPath | None,
        typer.Option(
            metavar="ATLAS", help="With --rank contrast: an atlas of the same network.", parser=parse_atlas_path
        ),
    ] = None,
    proportional: Annotated[
        bool, typer.Option("--proportional", help="Draw all maps in true proportion, as in the paper's figure 1.")
    ] = False,
    weights: Weights = None,
    seed: Seed = None,
    preprocess: Preprocess = None,
    as_json: Json = False,
) -> None:
    """Show the top units of each layer for one image, shallow to deep (the paper's figure 1)."""
    figure = FigureFile.of(output, width, title)
    if rank is Rank.contrast and atlas is None:
        raise UnitscopeError("--rank contrast compares with the images of an atlas; add --atlas ATLAS, or scan some")
    if rank is Rank.response and atlas is not None:
        raise UnitscopeError("--atlas goes with --rank contrast, not with --rank response; add --rank contrast")
    from unitscope.images import decode

    decode(Path(image))  # report an unreadable image before importing torch, which takes seconds

    from unitscope.atlas import open_atlas

    baseline = None if atlas is None else open_atlas(atlas)

    from unitscope import inspection
    from unitscope.networks import load

    loaded = load(network, weights=weights, seed=seed, preprocess=preprocess)
    layers = inspection.LayerRange(start, stop, step)
    chosen = layers if layers != inspection.LayerRange() else None
    found = inspection.structure(loaded, image, layers=chosen, top=top, enlarge=enlarge or (), contrast_with=baseline)
    emit(found, as_json=as_json, output=figure, draw=_draw_proportional if proportional else None)


def _draw_proportional(view: "Structure", *, width: str | None, title: str | None) -> "DrawnFigure":
    from unitscope import figures

    return figures.structure(view, proportional=True, width=width, title=title)
