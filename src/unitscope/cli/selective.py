"""The command ``selective``: the units of a layer that are most selective for a class.

In: the command line. Out: a table or JSON, and a figure with ``-o``.
"""

from typing import Annotated

import typer

from unitscope.cli.options import AtlasArgument, Figure, FigureTitle, FigureWidth, Json
from unitscope.cli.output import FigureFile, emit


def selective(
    atlas: AtlasArgument,
    layer: Annotated[str, typer.Option(metavar="LAYER", help="The layer, by name or alias.", show_default=False)],
    class_name: Annotated[
        str, typer.Option("--class", metavar="NAME", help="The class, by label or name.", show_default=False)
    ],
    output: Figure = None,
    width: FigureWidth = None,
    title: FigureTitle = None,
    as_json: Json = False,
) -> None:
    """List the units whose highest class mean is that of a class, by the selectivity index."""
    figure = FigureFile.of(output, width, title)
    from unitscope.analyses.selectivity import selective_units
    from unitscope.atlas import open_atlas

    emit(selective_units(open_atlas(atlas), layer, class_name), as_json=as_json, output=figure)
