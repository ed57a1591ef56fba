"""The scan: do the shards that have no part yet, then merge them into an atlas.

In: a network, a place with images, a place for the atlas. Out: the atlas, or, if stopped, whole parts of it.
"""

import copy
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from unitscope.analyses.answers import top_predictions
from unitscope.atlas.parts import Part, Parts
from unitscope.atlas.schema import ImageList, Manifest
from unitscope.atlas.store import write_atlas
from unitscope.atlas.tables import TOP5
from unitscope.atlas.view import Atlas, open_atlas
from unitscope.engine import Runner, keep_memory, runner
from unitscope.errors import AtlasError, NetworkError
from unitscope.graph import trace
from unitscope.images import ImageSet, open_images
from unitscope.networks import Network, eval_mode
from unitscope.scanning.plan import Options, Plan, make_plan, refuse_stale
from unitscope.scanning.stream import Batch, batches, nothing_readable
from unitscope.summaries import Summary
from unitscope.version import versions


class Progress(Protocol):
    """Is told how a scan goes. The default, `Silent`, says nothing."""

    def planned(self, plan: Plan, *, done: int, target: Path) -> None:
        """Called once, before the first image: what will be done; ``done`` images are in parts already."""

    def advanced(self, images: int) -> None:
        """Called after each batch, with its number of images."""

    def merging(self) -> None:
        """Called when all images are done and the atlas is put together."""


class Silent:
    """Says nothing."""

    def planned(self, plan: Plan, *, done: int, target: Path) -> None:
        """See `Progress`."""

    def advanced(self, images: int) -> None:
        """See `Progress`."""

    def merging(self) -> None:
        """See `Progress`."""


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan did: the atlas, how many images it ran now (not those of parts found), and in how many seconds."""

    atlas: Atlas
    scanned: int
    seconds: float


def scan(
    network: Network,
    images: str | Path | ImageSet,
    atlas: str | Path,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
) -> ScanResult:
    """Run a network over images and leave an atlas of all tapped units' responses.

    A scan that was stopped goes on where it was, if it is asked for the same again.

    Args:
        network: from `unitscope.load`; it is left as found.
        images: a folder in any layout that docs/images.md names, or an opened set.
        atlas: the folder to make; it must not exist yet.
        options: layers, k, device and so on.
        progress: is told how it goes.

    Raises:
        UnitscopeError: if anything the user gave is wrong; see the errors of each part.
    """
    options, target = options or Options(), Path(atlas)
    image_set = images if isinstance(images, ImageSet) else open_images(images)
    if options.limit is not None:
        image_set = image_set.limit(options.limit)
    parts = Parts.beside(target)
    with ready(network, options.device) as prepared, parts.locked():
        plan = make_plan(
            prepared,
            trace(prepared.module, prepared.preprocessing.size, name=prepared.reference),
            image_set,
            options,
        )
        if target.exists():
            return _already(target, parts, plan)
        return _scan(plan, parts, target=target, progress=progress or Silent())


@contextmanager
def ready(network: Network, device: str) -> Iterator[Network]:
    """Give the network in evaluation mode on a device; the one given is left where and as it is.

    Raises:
        NetworkError: if there is no such device.
    """
    try:
        wanted = torch.device(device)
        torch.zeros(1, device=wanted)
    except (RuntimeError, AssertionError) as problem:
        raise NetworkError(f"no device '{device}': {str(problem).splitlines()[0]}; use --device cpu") from problem
    if wanted.type != "cpu":
        network = replace(network, module=copy.deepcopy(network.module).to(wanted))
    with eval_mode(network.module):
        yield network


def _scan(plan: Plan, parts: Parts, *, target: Path, progress: Progress) -> ScanResult:
    made_by = parts.plan()
    if made_by is not None:
        refuse_stale(made_by, plan.to_dict(), parts.folder)
    else:
        parts.write_plan(plan.to_dict())
    todo = [shard for shard in range(plan.shards) if not parts.has(shard)]
    scanned = sum(len(plan.shard(shard)) for shard in todo)
    progress.planned(plan, done=len(plan.images) - scanned, target=target)
    started = time.perf_counter()
    _run(plan, parts, todo, progress)
    seconds = time.perf_counter() - started
    progress.merging()
    _refuse_nothing(plan, parts)
    write_atlas(target, parts, manifest=_manifest(plan), images=_image_list(plan))
    return ScanResult(open_atlas(target), scanned, seconds)


def _run(plan: Plan, parts: Parts, todo: list[int], progress: Progress) -> None:
    if not todo:
        return
    keep_memory()
    run = runner(plan.network, plan.trace, plan.layers, engine=plan.engine, batch_size=plan.batch_size)
    shard = _Shard(plan, todo[0])
    stream = batches(
        plan.images,
        ((number, plan.shard(number)) for number in todo),
        phi=plan.network.preprocessing,
        batch_size=plan.batch_size,
    )
    for batch in stream:
        if batch.shard != shard.number:
            parts.write(shard.number, shard.part())
            shard = _Shard(plan, batch.shard)
        shard.add(batch, run)
        progress.advanced(len(batch.pictures))
    parts.write(shard.number, shard.part())


class _Shard:
    """One shard's results while they come in."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.number, self.rows, self.top = number, plan.shard(number), plan.options.top
        count = len(self.rows)
        self.responses = np.full((count, plan.units), np.nan, np.float32)
        self.top_classes = np.full((count, TOP5), -1, np.int32)
        self.top_probabilities = np.full((count, TOP5), np.nan, np.float32)
        self.sizes = np.zeros((count, 2), np.int32)
        self.errors = [""] * count

    def add(self, batch: Batch, run: Runner) -> None:
        for picture in batch.pictures:
            at = picture.image - self.rows.start
            self.sizes[at] = picture.width, picture.height
            self.errors[at] = picture.error
        at_good = [picture.image - self.rows.start for picture in batch.good]
        if at_good:
            logits, responses = run(batch.tensor())
            self.responses[at_good] = np.where(np.isfinite(responses), responses, np.float32(np.nan))
            if logits is not None:
                best = top_predictions(logits, TOP5)
                width = best[0].shape[1]
                self.top_classes[at_good, :width], self.top_probabilities[at_good, :width] = best

    def part(self) -> Part:
        ids = np.arange(self.rows.start, self.rows.stop)
        return Part(
            np.int64(self.rows.start),  # type: ignore[arg-type]
            self.responses,
            self.top_classes,
            self.top_probabilities,
            self.sizes,
            np.array(self.errors, np.str_),
            Summary.of(self.responses, ids, k=self.top),
        )


def _already(target: Path, parts: Parts, plan: Plan) -> ScanResult:
    """An atlas of the same plan is what was asked for; any other is not ours to overwrite."""
    parts.remove()
    made_by = open_atlas(target).manifest.scan["plan"]
    if made_by != plan.to_dict():
        raise AtlasError(f"'{target}' already holds an atlas of another scan; choose another -o, or remove it first")
    return ScanResult(open_atlas(target), 0, 0.0)


def _refuse_nothing(plan: Plan, parts: Parts) -> None:
    """An atlas of no images would only mislead."""
    first = ""
    for shard in range(plan.shards):
        errors = parts.read(shard).errors
        if (errors == "").any():
            return
        first = first or str(errors[0])
    parts.remove()
    raise nothing_readable(plan.images, first)


def _image_list(plan: Plan) -> ImageList:
    number = {label.label: position for position, label in enumerate(plan.labels)}
    return ImageList(plan.images.ids, tuple(tuple(number[name] for name in names) for names in plan.images.labels))


def _manifest(plan: Plan) -> Manifest:
    network = plan.network
    return Manifest(
        network={
            "reference": network.reference,
            "weights": network.weights,
            "fingerprint": network.fingerprint,
            "parameters": network.parameter_count,
            "source": network.source,
        },
        preprocessing=network.preprocessing.to_dict(),
        layers=plan.layers,
        all_layers=plan.trace.layers.layers,
        classes=network.classes,
        labels=plan.labels,
        images={
            "root": str(plan.images.root.resolve()),
            "layout": plan.images.layout,
            "count": len(plan.images),
            "fingerprint": plan.data,
        },
        scan={
            "engine": plan.engine,
            "batch_size": plan.batch_size,
            "shard_size": plan.options.shard_size,
            "top": plan.options.top,
            "device": plan.options.device,
            "plan": plan.to_dict(),
        },
        versions={**versions(), "python": platform.python_version()},
        command=" ".join(sys.argv),
    )
