"""The command ``verify``: recompute part of an atlas by brute force.

In: the command line. Out: tables or JSON; exit status 1 if a value differs.
"""

from typing import Annotated

import typer

from unitscope.cli.options import AtlasArgument, AtlasNetwork, ImageRoot, Json
from unitscope.cli.output import emit

OLD_OPTIONS = {"--units": "--n-units", "--images": "--n-images", "--seed": "--sample-seed"}


def verify(
    atlas: AtlasArgument,
    n_units: Annotated[int, typer.Option(metavar="N", help="Number of random units.")] = 20,
    n_images: Annotated[
        int, typer.Option(metavar="N", help="Number of random images, plus each unit's first exemplar.")
    ] = 8,
    sample_seed: Annotated[int, typer.Option(metavar="N", help="Seed of the random units and images.")] = 0,
    network: AtlasNetwork = None,
    image_root: ImageRoot = None,
    as_json: Json = False,
) -> None:
    """Recompute random units by brute force, with plain forward hooks, and compare them with the atlas."""
    from unitscope.atlas import open_atlas
    from unitscope.experiments.verify import verify as run

    how = {"units": n_units, "images": n_images, "seed": sample_seed}
    found = run(open_atlas(atlas), **how, network=network, image_root=image_root)
    emit(found, as_json=as_json, csv=False)
    if found.mismatches:
        raise typer.Exit(1)
