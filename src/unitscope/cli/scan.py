"""The command ``scan``: run a network over images and write an atlas.

In: the command line. Out: an atlas; a table or JSON on stdout; progress on stderr.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unitscope.cli.options import (
    AtlasPath,
    BatchSize,
    Device,
    ImagesArgument,
    Json,
    Limit,
    NetworkArgument,
    Preprocess,
    Seed,
    Weights,
    parse_atlas_path,
)
from unitscope.cli.output import emit, log, log_skipped
from unitscope.cli.progress import scan_progress
from unitscope.errors import UnitscopeError

if TYPE_CHECKING:
    from unitscope.scanning import ScanResult
    from unitscope.scanning.runners import ScanRunner

OLD_OPTIONS = {"--layers": "--layer", "--responses": "--store-responses"}


def scan(
    network: NetworkArgument,
    images: ImagesArgument,
    output: Annotated[
        AtlasPath,
        typer.Option(
            "-o", "--output", metavar="ATLAS", help="The atlas to write.", parser=parse_atlas_path, show_default=False
        ),
    ],
    layers: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            metavar="PATTERN",
            help="Layers to tap, by name, alias or pattern; may be repeated.",
            show_default="all activations",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Number of exemplars per unit.")] = 9,
    batch_size: BatchSize = None,
    shard_size: Annotated[
        int, typer.Option(min=1, help="Images in a shard; a resumed scan repeats unfinished shards.")
    ] = 512,
    device: Device = "cpu",
    engine: Annotated[str, typer.Option(help="auto, eager, compile or openvino.")] = "auto",
    precision: Annotated[str, typer.Option(help="float32, bf16, or on GPUs tf32.")] = "float32",
    store_responses: Annotated[
        str, typer.Option(help="How to store the responses to each image: float32, float16 or none.")
    ] = "float32",
    decoder: Annotated[
        str, typer.Option(help="pillow, or torchcodec, which can decode JPEG files on the GPU.")
    ] = "pillow",
    runner: Annotated[str, typer.Option(help="local or ray.")] = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of worker processes or Ray actors.",
            show_default="1; with --device cuda one per GPU; with Ray on CPUs one per machine",
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address of a running Ray cluster.",
            show_default="the cluster of this machine, or a new one",
        ),
    ] = None,
    limit: Limit = None,
    skip_missing: Annotated[
        bool,
        typer.Option("--skip-missing", help="Finish also if images can't be opened or read; they become failed rows."),
    ] = False,
    peaks: Annotated[
        bool,
        typer.Option(
            "--peaks", help="Also find the greatest values at single places, which units of early layers need."
        ),
    ] = False,
    weights: Weights = None,
    seed: Seed = None,
    preprocess: Preprocess = None,
    as_json: Json = False,
) -> None:
    """Run a network over images and write an atlas; resume a scan that was stopped."""
    from unitscope.atlas.schema import check_not_taken
    from unitscope.images import open_images

    if isinstance(output, Path):  # in a remote store it may be a half merged atlas of a killed scan
        check_not_taken(output)
    elif output.protocol == "memory":
        raise UnitscopeError(f"'{output}' is lost when this command ends; write to a folder or another store with -o")
    _check_runner(runner, address)
    image_set = open_images(images)
    log_skipped(image_set)

    from unitscope.networks import load
    from unitscope.scanning import MissingImagesError, ScanOptions
    from unitscope.scanning import scan as run

    options = ScanOptions(
        tuple(layers or ()),
        top,
        batch_size,
        shard_size,
        device,
        engine,
        precision,
        store_responses,
        decoder,
        limit,
        skip_missing,
        peaks,
    )
    scan_runner = _runner(runner, workers, address)
    loaded = load(network, weights=weights, seed=seed, preprocess=preprocess)
    try:
        with scan_progress(output) as progress:
            result = run(loaded, image_set, output, options=options, runner=scan_runner, progress=progress)
    except MissingImagesError as problem:
        emit(problem.summary, as_json=as_json, csv=False)
        raise
    emit(result.summary, as_json=as_json, csv=False)
    if not as_json:
        log_failures(result)


def _runner(name: str, workers: int | None, address: str | None) -> "ScanRunner | None":
    """Return the runner of the shards; None for the default."""
    from unitscope.scanning import ProcessRunner, RayRunner

    if name == "ray":
        return RayRunner(address, workers)
    return None if workers is None else ProcessRunner(workers)


def _check_runner(name: str, address: str | None) -> None:
    """Check --runner and --address before PyTorch is imported, which takes seconds."""
    if name not in ("local", "ray"):
        raise UnitscopeError(f"no runner '{name}'; choose local or ray")
    if name == "local" and address is not None:
        raise UnitscopeError("--address is the address of a Ray cluster; add --runner ray, or omit --address")


def log_failures(result: "ScanResult") -> None:
    """Print on stderr whether the atlas existed already, and the first images that could not be read."""
    for note in result.notes:
        log(note.replace("see .failures", "see the column 'error' of images.parquet"))
