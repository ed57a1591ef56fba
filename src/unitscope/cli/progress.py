"""Progress of long commands, shown on stderr.

In: a number of images, or the plan of a scan. Out: progress bars, and what advances them.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import typer

from unitscope.cli.output import duration, log, size
from unitscope.text import count_noun

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

    from unitscope.atlas.storage import StoragePath
    from unitscope.scanning.plan import Plan


def bar(*columns: "ProgressColumn") -> "Progress":
    """Return a bar with a description, the count, more columns, and the time remaining."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    before = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*before, *columns, TimeRemainingColumn(), console=Console(stderr=True))


@contextmanager
def counted(title: str, images: int) -> Iterator[Callable[[int], None]]:
    """Show a bar while the context lasts; yield the function that takes the number of images of each batch done."""
    with bar() as shown:
        task = shown.add_task(title, total=images)
        yield lambda done: shown.advance(task, done)


@contextmanager
def scan_progress(atlas: "StoragePath") -> "Iterator[_ScanProgress]":
    """Show a scan's progress on stderr while the context lasts; if stopped, say how to go on."""
    from rich.progress import TextColumn

    try:
        with bar(TextColumn("{task.fields[rate]}")) as shown:
            yield _ScanProgress(shown)
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


class _ScanProgress:
    """Reports a scan on stderr; see `unitscope.scanning.Progress`."""

    def __init__(self, bar: Any) -> None:
        self.bar, self.task, self.started, self.done, self.estimated = bar, None, 0.0, 0, False

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
        elif not self.estimated and now - self.started > 3:
            self.estimated = True
            pace = (now - self.started) / (self.done - self.first)
            log(f"takes: about {duration(pace * self.left)} in all, {1 / pace:.1f} images a second")
        seconds = now - self.started
        rate = f"{(self.done - self.first) / seconds:.1f}/s" if seconds > 0 and self.done > self.first else ""
        self.bar.update(self.task, advance=images, rate=rate)

    def on_merge(self) -> None:
        """Say that the atlas is put together."""
        self.bar.update(self.task, description="merging")
