"""The command ``sparsity``: the fraction of zero responses, and sparsity indices.

In: the command line. Out: tables or JSON, and a figure with ``-o``.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from unitscope.cli.options import AtlasArgument, Figure, FigureTitle, FigureWidth, Json
from unitscope.cli.output import FigureFile, emit

if TYPE_CHECKING:
    from unitscope.results import Result

OLD_OPTIONS = {"--depth": "--by-layer", "--seed": "--sample-seed"}


def sparsity(
    atlas: AtlasArgument,
    layer: Annotated[
        str | None, typer.Option(metavar="LAYER", help="The layer, by name or alias.", show_default=False)
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="NAME", help="Also analyse the images of this class; may be repeated."),
    ] = None,
    by_layer: Annotated[bool, typer.Option("--by-layer", help="Compare all layers, shallow to deep.")] = False,
    bins: Annotated[int, typer.Option(help="Bins of the histograms.")] = 50,
    sample_seed: Annotated[int, typer.Option(help="Seed of the sample, if there are more than 1,024 images.")] = 0,
    output: Figure = None,
    width: FigureWidth = None,
    title: FigureTitle = None,
    as_json: Json = False,
) -> None:
    """Measure how sparse a layer is: zeros, Gini, Hoyer, Treves-Rolls, dead units (the paper's figures 5 and 6)."""
    figure = FigureFile.of(output, width, title)
    from unitscope.analyses.sparsity import sparsity as of_layer
    from unitscope.analyses.sparsity_by_layer import sparsity_by_layer
    from unitscope.atlas import open_atlas

    _check(layer, classes or [], by_layer=by_layer)
    opened = open_atlas(atlas)
    if layer is None:
        found: Result = sparsity_by_layer(opened)
    else:
        found = of_layer(opened, layer, classes or [], bins=bins, seed=sample_seed)
    emit(found, as_json=as_json, output=figure)


def _check(layer: str | None, classes: list[str], *, by_layer: bool) -> None:
    if layer is None and not by_layer:
        raise typer.BadParameter("no layer was given; give --layer LAYER, or --by-layer to compare all layers")
    if layer is not None and by_layer:
        raise typer.BadParameter(f"--by-layer compares all layers; omit --by-layer or --layer {layer}")
    if by_layer and classes:
        raise typer.BadParameter("--class needs --layer and can't be combined with --by-layer")
