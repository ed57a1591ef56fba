"""Arguments and options shared by several commands.

In: nothing. Out: annotated types for typer. Files are checked while the command line is parsed, before a command
imports torch, which takes seconds.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unitscope.errors import require_file
from unitscope.plugins import NETWORKS, file_in, find_plugins

if TYPE_CHECKING:
    from unitscope.atlas.storage import StoragePath


def check_network_file(network: str | None) -> str | None:
    """Return a network reference; its file, if it has one, must exist."""
    if network and (file := file_in(network)):
        require_file(Path(file))
    return network


def network_forms() -> str:
    """Return the forms of network references, for all installed origins."""
    names = sorted(plugin.name for plugin in find_plugins(NETWORKS))
    files = [f"FILE{name}" for name in names if name.startswith(".")]
    return ", ".join([f"{name}:NAME" for name in names if not name.startswith(".")] + files)


def check_weights_file(weights: str | None) -> str | None:
    """Return the choice of weights; a file must exist."""
    if weights not in (None, "none"):
        require_file(Path(weights))
    return weights


def check_figure_path(figure: Path | None) -> Path | None:
    """Return the path of a figure; its suffix must be a supported format."""
    if figure is not None:
        from unitscope.figures.saving import check_name

        check_name(figure)
    return figure


def check_width(width: str | None) -> str | None:
    """Return the width of a figure, which must be one."""
    if width is not None:
        from unitscope.figures.widths import inches

        inches(width)
    return width


def check_output_path(output: Path | None) -> Path | None:
    """Return the path of a figure, or of tables if it ends in .csv; its suffix must be a supported format."""
    return output if output is not None and output.suffix.lower() == ".csv" else check_figure_path(output)


def parse_atlas_path(text: str) -> "StoragePath":
    """Return the path of an atlas: a folder, or a URL such as ``s3://bucket/my.atlas``."""
    if "://" not in text:
        return Path(text)
    from unitscope.atlas.storage import storage_path

    return storage_path(text)


NetworkArgument = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK",
        help=f"A network, such as torchvision:resnet50 or model.py:build ({network_forms()}).",
        callback=check_network_file,
        show_default=False,
    ),
]
if TYPE_CHECKING:
    AtlasPath = StoragePath
else:

    class AtlasPath:
        """A `Path` or ``UPath``; older versions of typer turn what is annotated as a Path into one."""


AtlasArgument = Annotated[
    AtlasPath,
    typer.Argument(metavar="ATLAS", help="An atlas, made by `scan`.", parser=parse_atlas_path, show_default=False),
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Weights: a safetensors, state-dict or Keras (.h5, .keras) file, or 'none' for random ones.",
        callback=check_weights_file,
    ),
]
Seed = Annotated[int | None, typer.Option(help="Seed of random weights.")]
Preprocess = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Preprocessing: caffe, imagenet, tf or inception.", show_default="that of the weights"
    ),
]
ImagesArgument = Annotated[
    str,
    typer.Argument(
        metavar="IMAGES",
        help="A folder of images in any common layout, an image file, or a URL that a plug-in opens.",
        show_default=False,
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Use this many images, evenly spaced.")]
BatchSize = Annotated[
    int | None, typer.Option(min=1, help="Images in a batch.", show_default="16; on a GPU as many as fit")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, …")]
AtlasNetwork = Annotated[
    str | None,
    typer.Option(
        "--network",
        metavar="NETWORK",
        help="The atlas's network, if it was a module in Python or comes from a file with code.",
        callback=check_network_file,
    ),
]
ImageRoot = Annotated[
    str | None,
    typer.Option(
        "--image-root", metavar="FOLDER", help="The folder of the images, if they were moved or links lead out of it."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else.")]
Figure = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FIGURE",
        help="Also draw a figure: a .png, .svg or .pdf file. A .csv file gets the whole tables instead.",
        show_default=False,
        callback=check_output_path,
    ),
]
FigureWidth = Annotated[
    str | None,
    typer.Option(
        "--width",
        metavar="WIDTH",
        help="Width of the figure: 85mm, 3.35in, single (85mm) or double (170mm).",
        show_default="170mm",
        callback=check_width,
    ),
]
FigureTitle = Annotated[
    str | None, typer.Option("--title", metavar="TEXT", help="Title of the figure; '' for none.", show_default=False)
]
