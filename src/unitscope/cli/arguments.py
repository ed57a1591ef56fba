"""Arguments that several commands share, each told once.

In: nothing. Out: annotated types for typer.
"""

from pathlib import Path
from typing import Annotated

import typer

NetworkArgument = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK",
        help="torchvision:NAME, timm:NAME, keras:NAME, package:NAME, FILE.py:FUNCTION or CARD.toml.",
        show_default=False,
    ),
]
AtlasArgument = Annotated[Path, typer.Argument(metavar="ATLAS", help="An atlas, made by `scan`.", show_default=False)]
Weights = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Weights: a .safetensors, state-dict or .h5 file, or 'none' for random ones."),
]
Seed = Annotated[int | None, typer.Option(help="Seed of random weights.")]
Preprocess = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Preprocessing: caffe, imagenet, tf or inception; else the weights' own."),
]
ImagesArgument = Annotated[
    Path,
    typer.Argument(metavar="IMAGES", help="A folder of images, in any usual layout, or one.", show_default=False),
]
Limit = Annotated[int | None, typer.Option(help="Only so many images, evenly spaced.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Images in a batch.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, …")]
MovedImages = Annotated[
    str | None,
    typer.Option("--images", metavar="FOLDER", help="Where the images are now, if they have moved."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else.")]
Figure = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FIGURE", help="Draw it: a .png, .svg or .pdf file.", show_default=False),
]
