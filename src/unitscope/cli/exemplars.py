"""The command ``exemplars``: the images with a unit's highest responses.

In: the command line. Out: a table or JSON, and a figure with ``-o``.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from unitscope.cli.options import AtlasArgument, AtlasNetwork, Figure, FigureTitle, FigureWidth, ImageRoot, Json
from unitscope.cli.output import FigureFile, emit

if TYPE_CHECKING:
    from unitscope.display.exemplar_sheet import ExemplarSheet

OLD_OPTIONS = {"--images": "--image-root"}


def exemplars(
    atlas: AtlasArgument,
    unit: Annotated[str, typer.Argument(metavar="LAYER:UNIT", help="A unit, such as act:46:68.", show_default=False)],
    output: Figure = None,
    width: FigureWidth = None,
    title: FigureTitle = None,
    lowest: Annotated[
        bool,
        typer.Option("--lowest", help="List and draw the images with the lowest responses."),
    ] = False,
    network: AtlasNetwork = None,
    image_root: ImageRoot = None,
    as_json: Json = False,
) -> None:
    """List a unit's exemplars, and draw them with activation maps (the paper's figure 2)."""
    figure = FigureFile.of(output, width, title)
    from unitscope.analyses.exemplars import unit_exemplars
    from unitscope.atlas import open_atlas

    opened = open_atlas(atlas)

    def sheet() -> "ExemplarSheet":  # images and maps need the network, and so torch
        from unitscope.inspection import exemplar_sheet

        return exemplar_sheet(opened, unit, lowest=lowest, network=network, image_root=image_root)

    emit(unit_exemplars(opened, unit, lowest=lowest), as_json=as_json, output=figure, sheet=sheet)
