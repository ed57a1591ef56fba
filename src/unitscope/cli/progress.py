"""Progress bar of a scan, on stderr.

In: the plan of a scan. Out: a progress bar with a rate, and the callbacks that advance it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import typer

from unitscope.cli.output import duration, log
from unitscope.progress import rich_bar
from unitscope.text import byte_count, count_noun

if TYPE_CHECKING:
    from unitscope.atlas.storage import StoragePath
    from unitscope.scanning.plan import Plan


@contextmanager
def scan_progress(atlas: "StoragePath") -> "Iterator[_ScanProgress]":
    """Show a scan's progress on stderr within the context; after Ctrl-C, print how to resume it."""
    from rich.progress import TextColumn

    try:
        with rich_bar(TextColumn("{task.fields[rate]}")) as shown:
            yield _ScanProgress(shown)
    except KeyboardInterrupt:
        from unitscope.atlas.parts import Parts

        parts, kept = Parts.for_atlas(atlas), ""
        with suppress(Exception):  # a store that can't be reached now
            if parts.plan() is not None:
                kept = f"; finished shards are kept in '{parts.folder}'; run the same command again to resume"
        log(f"stopped{kept}")
        raise typer.Exit(130) from None


def _units(plan: "Plan") -> str:
    return f"{count_noun(plan.units, 'unit')} in {count_noun(len(plan.layers), 'layer')}"


class _ScanProgress:
    """Reports a scan on stderr; see `unitscope.scanning.Progress`."""

    def __init__(self, bar: Any) -> None:
        self.bar, self.task, self.started, self.done, self.estimated = bar, None, 0.0, 0, False

    def on_plan(self, plan: "Plan", *, done: int, target: "StoragePath") -> None:
        """Print what will be read, tapped and written."""
        images, network = plan.images, plan.network
        for note in plan.trace.notes:
            log(f"note:  {note}")
        files = f"{count_noun(len(images), 'file')}, {byte_count(plan.image_bytes)}"
        log(f"read:  {files}, from '{images.root}' ({images.layout})")
        log(f"units: {_units(plan)} of {network.name} ({network.weights})")
        parts = f"{byte_count(plan.bytes_of_parts())} of parts next to it until they are merged"
        log(f"write: about {byte_count(plan.bytes_written())} to '{target}', and {parts}")
        engine = f"engine {plan.engine} in {plan.precision}, decoder {plan.options.decoder}"
        log(f"with:  {engine}, batches of {plan.batch_size}, shards of {plan.options.shard_size}")
        if done:
            log(f"resuming: {count_noun(done, 'image')} already done")
        if plan.engine == "compile" and done < len(images):
            log("compiling the network first; this can take a minute")
        self.task = self.bar.add_task("scanning", total=len(images), completed=done, rate="")
        self.left, self.started = len(images) - done, time.perf_counter()

    def on_message(self, what: str) -> None:
        """Print a message."""
        log(what)

    def on_batch(self, images: int) -> None:
        """Advance the bar; print an estimate of the total time once the speed is known (after the first batch)."""
        self.done += images
        now = time.perf_counter()
        if self.done == images:
            self.started, self.first = now, images
        elif not self.estimated and now - self.started > 3:
            self.estimated = True
            pace = (now - self.started) / (self.done - self.first)
            log(f"time:  about {duration(pace * self.left)} in total, {1 / pace:.1f} images per second")
        seconds = now - self.started
        rate = f"{(self.done - self.first) / seconds:.1f}/s" if seconds > 0 and self.done > self.first else ""
        self.bar.update(self.task, advance=images, rate=rate)

    def on_merge(self) -> None:
        """Show that the parts are being merged."""
        self.bar.update(self.task, description="merging")
