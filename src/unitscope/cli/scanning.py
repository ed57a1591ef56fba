"""Commands that run a network over images: scan, verify, demo.

In: the command line. Out: an atlas; a table or JSON on stdout; progress on stderr.
"""

import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unitscope.cli.options import (
    AtlasArgument,
    Device,
    ImagesArgument,
    Json,
    Limit,
    NetworkArgument,
    Preprocess,
    Seed,
    Weights,
    atlas_at,
)
from unitscope.cli.output import duration, log, print_json, print_table, size
from unitscope.cli.progress import bar
from unitscope.errors import UnitscopeError
from unitscope.text import count_noun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unitscope.atlas.storage import StoragePath
    from unitscope.scanning import ScanResult
    from unitscope.scanning.plan import Plan
    from unitscope.scanning.runners import ScanRunner


def scan(
    network: NetworkArgument,
    images: ImagesArgument,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="ATLAS", help="The atlas to make.", parser=atlas_at, show_default=False),
    ],
    layers: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Layers to tap, by name, alias or pattern; may be repeated. [every activation]",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Exemplars kept for each unit.")] = 9,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images in a batch. [16; what fits on a GPU]")] = None,
    shard_size: Annotated[
        int, typer.Option(min=1, help="Images in a shard; a stopped scan does a few of them again.")
    ] = 512,
    device: Device = "cpu",
    engine: Annotated[str, typer.Option(help="auto, eager, compile or openvino.")] = "auto",
    precision: Annotated[str, typer.Option(help="float32, bf16, or on a GPU tf32.")] = "float32",
    responses: Annotated[
        str, typer.Option(help="How each image's responses are kept: float32, float16 or none.")
    ] = "float32",
    decoder: Annotated[
        str, typer.Option(help="pillow, or torchcodec, which decodes JPEG files on the GPU.")
    ] = "pillow",
    runner: Annotated[str, typer.Option(help="local or ray.")] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes, or actors of Ray. [1; one for each GPU]")
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a Ray cluster that is running. [a new one here]")
    ] = None,
    limit: Limit = None,
    weights: Weights = None,
    seed: Seed = None,
    preprocess: Preprocess = None,
    as_json: Json = False,
) -> None:
    """Run a network over images and leave an atlas; picks up where a stopped scan was."""
    from unitscope.atlas.schema import check_not_taken
    from unitscope.images import open_images

    if isinstance(output, Path):  # in a store it may be what a killed scan has half merged
        check_not_taken(output)
    elif output.protocol == "memory":
        raise UnitscopeError(f"'{output}' would be gone when this command ends; give -o a folder or another store")
    _refuse_runner(runner, address)
    image_set = open_images(images)

    from unitscope.networks import load
    from unitscope.scanning import ScanOptions
    from unitscope.scanning import scan as run

    options = ScanOptions(
        tuple(layers or ()),
        top,
        batch_size,
        shard_size,
        device,
        engine,
        precision,
        responses,
        decoder,
        limit,
    )
    who = _runner(runner, workers, address)
    loaded = load(network, weights=weights, seed=seed, preprocess=preprocess)
    with progress_shown(output) as progress:
        result = run(loaded, image_set, output, options=options, runner=who, progress=progress)
    values = summary(result)
    if as_json:
        print_json(values)
        return
    report(result, values)


def _runner(name: str, workers: int | None, address: str | None) -> "ScanRunner | None":
    """Who does the shards; None leaves it to the scan."""
    from unitscope.scanning import ProcessRunner, RayRunner

    if name == "ray":
        return RayRunner(address, workers)
    return None if workers is None else ProcessRunner(workers)


def _refuse_runner(name: str, address: str | None) -> None:
    """Check --runner and --address, before PyTorch is loaded, which takes a while."""
    if name not in ("local", "ray"):
        raise UnitscopeError(f"no runner '{name}'; choose local or ray")
    if name == "local" and address is not None:
        raise UnitscopeError("--address is of a Ray cluster; say --runner ray as well, or leave it out")


def verify(
    atlas: AtlasArgument,
    units: Annotated[int, typer.Option(help="How many random units.")] = 20,
    images: Annotated[int, typer.Option(help="How many random images, besides exemplars.")] = 8,
    seed: Annotated[int, typer.Option(help="Seed of the choice.")] = 0,
    as_json: Json = False,
) -> None:
    """Do random units again by brute force, with plain hooks, and compare."""
    from unitscope.atlas import open_atlas
    from unitscope.experiments.verify import verify as run

    found = run(open_atlas(atlas), units=units, images=images, seed=seed)
    told = [
        {"what": m.what, "unit": m.unit, "image": m.image, "stored": m.stored, "recomputed": m.recomputed}
        for m in found.mismatches
    ]
    if as_json:
        print_json({"checked": found.checked, "mismatches": len(told), "details": told})
    else:
        print_table(("checked", "mismatches"), [(found.checked, len(told))])
        if told:
            print_table(tuple(told[0]), [tuple(row.values()) for row in told])
    if told:
        raise typer.Exit(1)


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where to put it.")] = Path("demo"),
    as_json: Json = False,
) -> None:
    """Go the whole way on a small real network and photographs that packages ship."""
    from unitscope.demo import run

    with progress_shown(output / "atlas") as progress:
        result = run(output, progress=progress, say=log)
    if as_json:
        print_json({"atlas": str(result.scan.atlas.path), "figures": [str(path) for path in result.figures]})
        return
    report(result.scan, summary(result.scan))
    print_table(("most selective unit", "for", "selectivity"), result.found, title="What it found")
    log(f"\nPictures are in '{output}': " + ", ".join(path.name for path in result.figures))
    atlas = result.scan.atlas.path
    unit = result.found[0][0]
    log("Next:")
    log(f"  unitscope exemplars {atlas} {unit} -o unit.png")
    log(f"  unitscope verify {atlas}")
    log("  unitscope scan package:efficientnet-lite0 YOUR_FOLDER -o your.atlas")


def summary(result: "ScanResult") -> dict[str, Any]:
    """Return what a scan did, as the JSON tells it."""
    atlas = result.atlas
    count = atlas.manifest.images["count"]
    return {
        "atlas": str(atlas.path),
        "images": count,
        "failed": atlas.manifest.images["failed"],
        "layers": len(atlas.layers),
        "units": len(atlas.index),
        "seconds": round(result.seconds, 3),
        "scanned": result.scanned,
        "images_per_second": round(result.scanned / result.seconds, 3) if result.seconds else 0.0,
        "waiting_for_images": round(result.data_wait, 3),
    } | atlas.manifest.accuracy_rates()


def report(result: "ScanResult", values: dict[str, Any]) -> None:
    """Print what a scan did, for people."""
    if result.found:
        log("nothing to do: an atlas of the same scan is there already")
    print_table(tuple(values), [tuple(values.values())])
    failed = result.atlas.images.query("error != ''")
    for row in failed.head(5).itertuples():
        log(f"could not read: {row.error}")
    if len(failed) > 5:
        log(f"and {len(failed) - 5} more: see the column 'error' of images.parquet")


@contextmanager
def progress_shown(atlas: "StoragePath") -> "Iterator[_Shown]":
    """Show a scan's progress on stderr while the context lasts; a stopped one is told how to go on."""
    from rich.progress import TextColumn

    try:
        with bar(TextColumn("{task.fields[rate]}")) as shown:
            yield _Shown(shown)
    except KeyboardInterrupt:
        from unitscope.atlas.parts import Parts

        parts, kept = Parts.beside(atlas), ""
        with suppress(Exception):  # a store that can't be asked now
            if parts.plan() is not None:
                kept = f"; what is done is kept in '{parts.folder}': the same command goes on from there"
        log(f"stopped{kept}")
        raise typer.Exit(130) from None


def _units(plan: "Plan") -> str:
    return f"{count_noun(plan.units, 'unit')} in {count_noun(len(plan.layers), 'layer')}"


class _Shown:
    """Tells people on stderr how a scan goes; see `unitscope.scanning.Progress`."""

    def __init__(self, bar: Any) -> None:
        self.bar, self.task, self.started, self.done, self.told = bar, None, 0.0, 0, False

    def on_plan(self, plan: "Plan", *, done: int, target: "StoragePath") -> None:
        """Say what will be read, tapped and written."""
        images, network = plan.images, plan.network
        if plan.trace.fallback_reason:
            log(f"note:  {plan.trace.fallback_reason}")
        files = f"{count_noun(len(images), 'file')}, {size(images.total_bytes())}"
        log(f"read:  {files}, from '{images.root}' ({images.layout})")
        log(f"tap:   {_units(plan)} of {network.reference} ({network.weights})")
        parts = f"parts of {size(plan.bytes_of_parts())} beside it until they are merged"
        log(f"write: about {size(plan.bytes_written())} to '{target}', and {parts}")
        engine = f"engine {plan.engine} in {plan.precision}, decoder {plan.options.decoder}"
        log(f"how:   {engine}, batches of {plan.batch_size}, shards of {plan.options.shard_size}")
        if done:
            log(f"going on: {count_noun(done, 'image')} done already")
        if plan.engine == "compile" and done < len(images):
            log("compiling the network first, which can take a minute")
        self.task = self.bar.add_task("scanning", total=len(images), completed=done, rate="")
        self.left, self.started = len(images) - done, time.perf_counter()

    def on_message(self, what: str) -> None:
        """Say it."""
        log(what)

    def on_batch(self, images: int) -> None:
        """Move the bar; once the pace is known (the first batch warms up), say how long it will take."""
        self.done += images
        now = time.perf_counter()
        if self.done == images:
            self.started, self.first = now, images
        elif not self.told and now - self.started > 3:
            self.told = True
            pace = (now - self.started) / (self.done - self.first)
            log(f"takes: about {duration(pace * self.left)} in all, {1 / pace:.1f} images a second")
        seconds = now - self.started
        rate = f"{(self.done - self.first) / seconds:.1f}/s" if seconds > 0 and self.done > self.first else ""
        self.bar.update(self.task, advance=images, rate=rate)

    def on_merge(self) -> None:
        """Say that the atlas is put together."""
        self.bar.update(self.task, description="merging")
