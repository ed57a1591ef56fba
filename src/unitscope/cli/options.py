"""Arguments and options that several commands share.

In: nothing. Out: annotated types for typer. A file that is named is looked for when the command line is read, before
any command imports torch, which takes seconds.
"""

from pathlib import Path
from typing import Annotated

import typer

from unitscope.errors import require_file
from unitscope.plugins import NETWORKS, file_in, find_plugins


def network_there(network: str | None) -> str | None:
    """Return a reference; if it names a file, that must be there."""
    if network and (file := file_in(network)):
        require_file(Path(file))
    return network


def network_forms() -> str:
    """Return how networks are referred to, of all origins that are installed."""
    names = sorted(plugin.name for plugin in find_plugins(NETWORKS))
    files = [f"FILE{name}" for name in names if name.startswith(".")]
    return ", ".join([f"{name}:NAME" for name in names if not name.startswith(".")] + files)


def weights_there(weights: str | None) -> str | None:
    """Return what weights are wanted; a file must be there."""
    if weights not in (None, "none"):
        require_file(Path(weights))
    return weights


def drawable(figure: Path | None) -> Path | None:
    """Return where a figure goes; its name must say in which format."""
    if figure is not None:
        from unitscope.figures.saving import check_name

        check_name(figure)
    return figure


def atlas_at(text: str) -> Path:
    """Return where an atlas is: a folder, or a place that an address such as ``s3://bucket/my.atlas`` names."""
    if "://" not in text:
        return Path(text)
    from unitscope.atlas.storage import storage_path

    return storage_path(text)  # type: ignore[return-value]


NetworkArgument = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK",
        help=f"Such as torchvision:resnet50 or model.py:build. [{network_forms()}]",
        callback=network_there,
        show_default=False,
    ),
]
AtlasArgument = Annotated[
    Path, typer.Argument(metavar="ATLAS", help="An atlas, made by `scan`.", parser=atlas_at, show_default=False)
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Weights: a .safetensors, state-dict or .h5 file, or 'none' for random ones.",
        callback=weights_there,
    ),
]
Seed = Annotated[int | None, typer.Option(help="Seed of random weights.")]
Preprocess = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Preprocessing: caffe, imagenet, tf or inception. [that of the weights]"),
]
ImagesArgument = Annotated[
    str,
    typer.Argument(
        metavar="IMAGES",
        help="A folder of images, in any usual layout; or one image; or an address that a plug-in opens.",
        show_default=False,
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Use this many images, evenly spaced.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Images in a batch.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, …")]
ImageRoot = Annotated[
    str | None,
    typer.Option("--image-root", metavar="FOLDER", help="Where the images are now, if they have moved."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else.")]
Figure = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FIGURE",
        help="Draw it: a .png, .svg or .pdf file.",
        show_default=False,
        callback=drawable,
    ),
]
