"""The command ``ablate``: remove units and measure the effect on predictions.

In: the command line. Out: tables or JSON, and curves with ``-o``.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unitscope.cli.options import (
    BatchSize,
    Device,
    Figure,
    FigureTitle,
    FigureWidth,
    ImagesArgument,
    Json,
    Limit,
    NetworkArgument,
    Preprocess,
    Seed,
    Weights,
)
from unitscope.cli.output import FigureFile, emit, log, log_skipped
from unitscope.progress import terminal_bar
from unitscope.text import count_noun

if TYPE_CHECKING:
    from unitscope.analyses.ablation import Ablation
    from unitscope.atlas import Atlas

OLD_OPTIONS = {"--value": "--replace-with"}

FRACTIONS = (0.1, 0.2, 0.5, 0.8)
MIN_IMAGES = 30


def ablate(
    network: NetworkArgument,
    images: ImagesArgument,
    layers: Annotated[
        list[str],
        typer.Option(
            "--layer", metavar="LAYER", help="Layer to remove units from; may be repeated.", show_default=False
        ),
    ],
    fractions: Annotated[
        list[float] | None,
        typer.Option(
            "--fraction",
            metavar="F",
            help="Fraction of units, 0 to 1; may be repeated.",
            show_default="0.1 0.2 0.5 0.8",
        ),
    ] = None,
    counts: Annotated[
        list[int] | None, typer.Option("--count", metavar="N", help="Number of units; may be repeated.")
    ] = None,
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help="image or dataset; may be repeated.", show_default="both"),
    ] = None,
    orders: Annotated[
        list[str] | None,
        typer.Option(
            "--order",
            help="low, high, random, low-abs or high-abs (by |α|); may be repeated.",
            show_default="low high random",
        ),
    ] = None,
    among: Annotated[
        list[str] | None,
        typer.Option(
            "--among", help="all units, or the active ones (α is not zero); may be repeated.", show_default="all"
        ),
    ] = None,
    replace_with: Annotated[str, typer.Option(help="Value of removed maps: zero or mean.")] = "zero",
    random_seeds: Annotated[
        list[int] | None,
        typer.Option("--random-seed", metavar="N", help="Seed of a random order; may be repeated.", show_default="0"),
    ] = None,
    atlas: Annotated[Path | None, typer.Option(metavar="ATLAS", help="Take the units' means from this atlas.")] = None,
    output: Figure = None,
    width: FigureWidth = None,
    title: FigureTitle = None,
    limit: Limit = None,
    batch_size: BatchSize = None,
    device: Device = "cpu",
    weights: Weights = None,
    seed: Seed = None,
    preprocess: Preprocess = None,
    as_json: Json = False,
) -> None:
    """Remove units, and count correct predictions before and after (the paper's algorithm 4, tables 4 and 5)."""
    figure = FigureFile.of(output, width, title)
    from unitscope.experiments.ablation_grid import ORDERS, SCOPES, AblationGrid
    from unitscope.images import open_images

    settings = AblationGrid(
        layers,
        fractions or (() if counts else FRACTIONS),
        counts or (),
        scopes or SCOPES,
        orders or ORDERS,
        replace_with,
        random_seeds or (0,),
        among or ("all",),
    )
    image_set, means = open_images(images), None if atlas is None else _open_atlas(atlas, layers)
    log_skipped(image_set)

    from unitscope.experiments.ablation import ablate as run
    from unitscope.experiments.run_options import RunOptions
    from unitscope.networks import load

    loaded = load(network, weights=weights, seed=seed, preprocess=preprocess)
    options = RunOptions(batch_size, device, limit, terminal_bar)
    found = run(loaded, image_set, settings, atlas=means, options=options)
    _log_notes(found)
    emit(found, as_json=as_json, output=figure)


def _open_atlas(path: Path, layers: list[str]) -> "Atlas":
    """Return an atlas after checking that it has the layers."""
    from unitscope.atlas import open_atlas

    atlas = open_atlas(path)
    for layer in layers:
        atlas.find(layer)
    return atlas


def _log_notes(found: "Ablation") -> None:
    from unitscope.analyses.ablation_notes import removal_notes

    if found.failed:
        log(f"note: left out {count_noun(found.failed, 'file')} that could not be read")
    if found.images < MIN_IMAGES:
        log(
            f"note: too few images ({found.images}) to measure the effect of units, because the intervals are wide; "
            f"use {MIN_IMAGES} or more"
        )
    for note in removal_notes(found.outcomes):
        log(f"note: {note}")
    if not found.baseline.images:
        log("note: no label is a class of the network, so the table shows agreement with the unmodified network")
