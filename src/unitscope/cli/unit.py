"""The command ``unit``: how a unit responds to classes and images, or which units are similar to it.

In: the command line. Out: tables or JSON, and a figure with ``-o``.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from unitscope.cli.options import AtlasArgument, Figure, FigureTitle, FigureWidth, Json
from unitscope.cli.output import FigureFile, emit

if TYPE_CHECKING:
    from unitscope.results import Result


def unit(
    atlas: AtlasArgument,
    unit: Annotated[str, typer.Argument(metavar="LAYER:UNIT", help="A unit, such as act:46:68.", show_default=False)],
    bins: Annotated[int, typer.Option(help="Bins of the histogram.")] = 60,
    similar: Annotated[
        int | None,
        typer.Option(metavar="N", help="List the N most correlated units of the layer instead.", show_default=False),
    ] = None,
    output: Figure = None,
    width: FigureWidth = None,
    title: FigureTitle = None,
    as_json: Json = False,
) -> None:
    """Show a unit's histogram of responses and class means, or the units most correlated with it."""
    figure = FigureFile.of(output, width, title)
    from unitscope.analyses.unit_correlation import similar_units
    from unitscope.analyses.unit_responses import unit_responses
    from unitscope.atlas import open_atlas

    opened = open_atlas(atlas)
    found: Result = unit_responses(opened, unit, bins=bins) if similar is None else similar_units(opened, unit, similar)
    emit(found, as_json=as_json, output=figure)
