"""The command ``perturb``: how maps, responses, selections and predictions change when images are perturbed.

In: the command line. Out: tables or JSON, and figures with ``-o`` and ``--maps``; progress on stderr.
"""

from dataclasses import replace
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
    check_figure_path,
)
from unitscope.cli.output import FigureFile, draw_to, emit, log, log_skipped
from unitscope.errors import UnitscopeError
from unitscope.progress import terminal_bar
from unitscope.text import count_noun

if TYPE_CHECKING:
    from unitscope.experiments.corruptions import Perturbation

Repeated = list[float] | None

OLD_OPTIONS = {"--sigma": "--noise"}


def perturb(
    network: NetworkArgument,
    images: ImagesArgument,
    units: Annotated[
        list[str] | None,
        typer.Option("--unit", metavar="LAYER:UNIT", help="Measure this unit's map and response; may be repeated."),
    ] = None,
    noise: Annotated[
        Repeated,
        typer.Option(metavar="S", help="Gaussian noise with this σ, on a scale where white is 1; may be repeated."),
    ] = None,
    blur: Annotated[
        Repeated, typer.Option(metavar="R", help="Gaussian blur with this radius in pixels; may be repeated.")
    ] = None,
    brightness: Annotated[
        Repeated, typer.Option(metavar="F", help="Multiply all values by this factor; may be repeated.")
    ] = None,
    jpeg: Annotated[
        list[int] | None,
        typer.Option(metavar="Q", help="JPEG compression with this quality, 1 to 100; may be repeated."),
    ] = None,
    noise_seeds: Annotated[
        list[int] | None,
        typer.Option("--noise-seed", metavar="N", help="Seed of the noise; may be repeated.", show_default="0"),
    ] = None,
    layers: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            metavar="PATTERN",
            help="Layers whose selections are compared, by name, alias or pattern; may be repeated.",
            show_default="all activations",
        ),
    ] = None,
    top: Annotated[int, typer.Option(help="Units in a selection.")] = 9,
    output: Figure = None,
    width: FigureWidth = None,
    title: FigureTitle = None,
    maps: Annotated[
        Path | None,
        typer.Option(
            metavar="FIGURE",
            help="Draw the units' maps, clean and perturbed (the paper's figure 7).",
            callback=check_figure_path,
        ),
    ] = None,
    limit: Limit = None,
    batch_size: BatchSize = None,
    device: Device = "cpu",
    weights: Weights = None,
    seed: Seed = None,
    preprocess: Preprocess = None,
    as_json: Json = False,
) -> None:
    """Perturb images by noise, blur, brightness or JPEG, and measure how maps, responses and predictions change."""
    figure = FigureFile.of(output or maps, width, title)
    from unitscope.images import open_images

    if not (noise or blur or brightness or jpeg):
        raise UnitscopeError("no perturbation was given; give one or more of --noise, --blur, --brightness and --jpeg")
    if maps is not None and not units:
        raise UnitscopeError("--maps draws the maps of units, but no unit was given; add --unit LAYER:UNIT")
    image_set = open_images(images)
    log_skipped(image_set)

    from unitscope.engine.session import Session
    from unitscope.experiments.perturbation import perturb as run
    from unitscope.experiments.run_options import RunOptions
    from unitscope.networks import load

    changes = _changes(noise or [], blur or [], brightness or [], jpeg or [])
    options = RunOptions(batch_size, device, limit, terminal_bar)
    image_set = options.select_images(image_set)
    loaded = load(network, weights=weights, seed=seed, preprocess=preprocess)
    session = Session(loaded, device=device, batch_size=batch_size)
    result = run(
        session,
        image_set,
        changes,
        units=units or (),
        layers=layers or (),
        seeds=noise_seeds or (0,),
        top=top,
        options=options,
    )
    if result.note:
        log(f"note: {result.note}")
    if result.failed:
        log(f"could not read {result.failed} of {count_noun(len(image_set), 'file')}")
    emit(result, as_json=as_json, output=figure if output else None)
    if figure is not None and maps is not None:
        from unitscope.inspection.perturbation import perturbed_sheet

        draw_to(replace(figure, path=maps), perturbed_sheet(session, result))


def _changes(
    noise: list[float], blur: list[float], brightness: list[float], jpeg: list[int]
) -> "tuple[Perturbation, ...]":
    from unitscope.experiments.corruptions import Blur, Brightness, Jpeg, Noise

    return (*map(Noise, noise), *map(Blur, blur), *map(Brightness, brightness), *map(Jpeg, jpeg))
