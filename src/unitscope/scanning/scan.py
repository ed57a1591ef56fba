"""Scan images with a network: run the shards that have no part yet, then merge the parts into an atlas.

In: a network, images, the path of the atlas. Out: the atlas; if the scan is stopped, its finished parts.
"""

import platform
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from unitscope.analyses.scan_summary import ScanSummary
from unitscope.atlas.atlas import Atlas, open_atlas
from unitscope.atlas.parts import Parts
from unitscope.atlas.schema import MANIFEST, ImageList, Manifest, check_not_taken, is_taken
from unitscope.atlas.storage import StoragePath, storage_path
from unitscope.atlas.writer import write_atlas
from unitscope.engine.loader import no_readable_images_error
from unitscope.engine.session import Session
from unitscope.errors import AtlasError, UnitscopeError
from unitscope.images import ImageSource, open_images
from unitscope.networks import Network
from unitscope.notebook import failure_notes, notes_html
from unitscope.scanning.image_record import gone_message, read_record, record_bytes
from unitscope.scanning.missing import MissingImagesError, MissingShard, message, missing_at_start
from unitscope.scanning.options import ScanOptions
from unitscope.scanning.plan import Plan, check_not_stale, differences, make_plan
from unitscope.scanning.progress import BarProgress, Progress
from unitscope.scanning.runners import InProcessRunner, ProcessRunner, ScanRunner
from unitscope.scanning.shard_writer import Written, write_shards
from unitscope.version import versions


@dataclass(frozen=True, slots=True)
class ScanResult:
    """The result of a scan.

    Attributes:
        atlas: the atlas.
        scanned: number of images run now, without those of existing parts.
        seconds: time taken.
        data_wait: fraction of the time spent waiting for decoded images (mean over workers).
        already_existed: whether the atlas already existed, so that there was nothing to do.
        missing: the shards with images that could not be opened or read now, with ``skip_missing``.
        skipped: what could not be listed among the images, with the reason.
    """

    atlas: Atlas
    scanned: int
    seconds: float
    data_wait: float = 0.0
    already_existed: bool = False
    missing: tuple[MissingShard, ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def failures(self) -> dict[str, str]:
        """The images that could not be read, by id, each with the reason."""
        failed = self.atlas.images.query("error != ''")
        return dict(zip(failed["image"], failed["error"], strict=True))

    @property
    def notes(self) -> list[str]:
        """What the user should know: that nothing was scanned, and the first five images that could not be read."""
        existed = ["nothing to do: the atlas of this scan exists already"] * self.already_existed
        return existed + failure_notes(self.failures)

    def __repr__(self) -> str:
        return "\n".join([f"ScanResult({self.atlas!r}, {self.seconds:.1f} s)", *self.notes])

    def _repr_html_(self) -> str:
        return self.summary._repr_html_() + notes_html(self.notes)

    @property
    def summary(self) -> ScanSummary:
        """The scan in numbers."""
        atlas, images = self.atlas, self.atlas.manifest.images
        return ScanSummary(
            str(atlas.path),
            images["count"],
            images["failed"],
            len(atlas.layers),
            len(atlas.index),
            self.seconds,
            self.scanned,
            self.data_wait,
            atlas.manifest.accuracy_rates(),
            tuple(shard.values() for shard in self.missing),
            self.skipped,
        )


def scan(
    network: Network | Session,
    images: str | Path | ImageSource,
    atlas: str | StoragePath,
    *,
    options: ScanOptions | None = None,
    runner: ScanRunner | None = None,
    progress: Progress | None = None,
) -> ScanResult:
    """Run a network over images and write an atlas of the responses of all tapped units.

    A scan that was stopped is resumed if it is called with the same arguments.

    Args:
        network: from `unitscope.load`, or a session of it; it is not modified.
        images: a folder in any layout of docs/images.md, or an opened source.
        atlas: the folder to write, or a URL such as ``s3://bucket/my.atlas``; it must not exist yet.
        options: layers, number of exemplars, device and so on.
        runner: `InProcessRunner`, `ProcessRunner` or `RayRunner`; None uses this process, or with ``cuda`` and several
            GPUs one process per GPU.
        progress: callbacks for progress; None shows a bar in notebooks and on terminals.

    Raises:
        MissingImagesError: if images can't be opened or read, although tried again. Finished shards are kept, and the
            same call goes on from them.
        UnitscopeError: if an argument is invalid, or the scan fails; see the subclasses in `unitscope.errors`.
    """
    if isinstance(runner, str):
        raise UnitscopeError(f"runner must be InProcessRunner(), ProcessRunner(2) or RayRunner(), not '{runner}'")
    options, target = options or ScanOptions(), storage_path(atlas)
    image_set = images if isinstance(images, ImageSource) else open_images(images)
    if options.limit is not None:
        image_set = image_set.limit(options.limit)
    parts = Parts.for_atlas(target)
    session = network if isinstance(network, Session) else Session(network, device=options.device)
    if network is session or not str(session.device).startswith(options.device):  # a module stays where it is
        options = replace(options, device=str(session.device))
    with ExitStack() as bars, parts.locked():
        progress = progress or BarProgress(bars)
        plan = _plan(session, image_set, _with_earlier_batch_size(options, parts, target), parts)
        if len(plan.images) > len(image_set):
            progress.on_message(gone_message(plan, image_set, parts.folder))
        if _exists(target, parts):
            return _existing(target, parts, plan)
        return _scan(
            plan,
            parts,
            target=target,
            runner=runner or _runner(options, session.network),
            progress=progress,
        )


def _plan(session: Session, images: ImageSource, options: ScanOptions, parts: Parts) -> Plan:
    """Return the plan of a scan; if some images of an earlier, stopped scan are gone, with these images."""
    record, made_by = read_record(parts.images()), parts.plan()
    restored = record.restore(images) if record and made_by else None
    plan = make_plan(session, restored or images, options)
    return record.continued(plan, made_by["data"]) if restored and record and made_by else plan


def _with_earlier_batch_size(options: ScanOptions, parts: Parts, target: StoragePath) -> ScanOptions:
    """Return options with the batch size of existing parts: on a GPU it depends on the free memory."""
    if options.batch_size is not None or not options.device.startswith("cuda"):
        return options
    made_by = parts.plan()
    if made_by is None and (target / MANIFEST).exists():
        made_by = open_atlas(target).manifest.scan.get("plan", {})
    return replace(options, batch_size=made_by.get("batch size")) if made_by else options


def _runner(options: ScanOptions, network: Network) -> ScanRunner:
    """Return the default runner. A module given in Python runs in this process, since workers may import its script."""
    devices = torch.cuda.device_count() if options.device == "cuda" and network.source else 1
    return ProcessRunner(devices) if devices > 1 else InProcessRunner()


def _exists(target: StoragePath, parts: Parts) -> bool:
    """Return whether the target is taken; in a remote store, a half merged atlas of a killed scan does not count."""
    if isinstance(target, Path) or parts.plan() is None:
        return is_taken(target)
    return (target / MANIFEST).exists()


def _scan(plan: Plan, parts: Parts, *, target: StoragePath, runner: ScanRunner, progress: Progress) -> ScanResult:
    made_by = parts.plan()
    if made_by is None and not plan.options.skip_missing and (missing := missing_at_start(plan)):
        raise _incomplete(plan, parts, target=target, written=Written(missing=list(missing)))
    if made_by is not None:
        check_not_stale(made_by, plan.to_dict(), parts.folder)
    _manifest(plan).check()
    try:
        if made_by is None:
            parts.write_plan(plan.to_dict(), record_bytes(plan))
        todo = [shard for shard in range(plan.shards) if not parts.has(shard)]
        scanned = sum(len(plan.shard(shard)) for shard in todo)
        progress.on_plan(plan, done=len(plan.images) - scanned, target=target)
        started = time.perf_counter()
        written = write_shards(runner.run(plan, todo, progress), plan, parts, progress) if todo else Written()
        seconds = time.perf_counter() - started
        if written.stopped or (written.missing and not plan.options.skip_missing):
            raise _incomplete(plan, parts, target=target, written=written, seconds=seconds)
    except BaseException:
        if made_by is None:
            with suppress(Exception):  # report the first error only
                parts.remove_unused_plan(plan.shards)
        raise
    progress.on_merge()
    _check_readable(plan, parts)
    write_atlas(target, parts, manifest=_manifest(plan), images=ImageList(plan.images.ids, plan.members))
    data_wait = written.data_wait / written.seconds if written.seconds else 0.0
    finished = replace(open_atlas(target), follow_links=True)
    missing, skipped = tuple(written.missing), plan.images.skipped
    return ScanResult(finished, scanned, seconds, data_wait, missing=missing, skipped=skipped)


def _incomplete(
    plan: Plan, parts: Parts, *, target: StoragePath, written: Written, seconds: float = 0.0
) -> MissingImagesError:
    """Return the error for a scan with missing images."""
    kept = str(parts.folder) if any(map(parts.has, range(plan.shards))) else ""
    summary = ScanSummary(
        str(target),
        len(plan.images),
        written.failed or sum(shard.images for shard in written.missing),
        len(plan.layers),
        plan.units,
        seconds,
        written.images,
        written.data_wait / written.seconds if written.seconds else 0.0,
        {},
        tuple(shard.values() for shard in written.missing),
        plan.images.skipped,
    )
    text = message(plan, written.missing, kept=kept, stopped=written.stopped)
    return MissingImagesError(text, written.missing, summary)


def _existing(target: StoragePath, parts: Parts, plan: Plan) -> ScanResult:
    """Return the existing atlas if it has the same plan; never overwrite another one."""
    check_not_taken(target)
    atlas = open_atlas(target)
    atlas = replace(atlas, follow_links=atlas.manifest.images["root"] == plan.images.address)
    if changes := differences(atlas.manifest.scan.get("plan", {}), plan.to_dict()):
        raise AtlasError(
            f"'{target}' already holds an atlas of another scan: {changes}; choose another -o, or remove it first"
        )
    parts.remove()
    return ScanResult(atlas, 0, 0.0, already_existed=True, skipped=plan.images.skipped)


def _check_readable(plan: Plan, parts: Parts) -> None:
    """Raise ImageError if no image could be read."""
    first = ""
    for shard in range(plan.shards):
        errors = parts.read(shard).errors
        if (errors == "").any():
            return
        first = first or str(errors[0])
    parts.remove()
    raise no_readable_images_error(plan.images, first)


def _manifest(plan: Plan) -> Manifest:
    network = plan.network
    return Manifest(
        network={
            "reference": network.reference,
            "name": network.name,
            "weights": network.weights,
            "fingerprint": network.fingerprint,
            "parameters": network.parameter_count,
            "source": network.source,
            "class_layers": list(plan.trace.class_layers),
        },
        preprocessing=network.preprocessing.to_dict(),
        layers=plan.layers,
        receptive_fields={layer.name: field for layer, field in plan.receptive_fields.items()},
        all_layers=plan.trace.layers.layers,
        classes=network.classes,
        labels=plan.labels,
        images={
            "root": plan.images.address,
            "layout": plan.images.layout,
            "count": len(plan.images),
            "fingerprint": plan.data,
        },
        scan={
            "engine": plan.engine,
            "precision": plan.precision,
            "responses": plan.options.responses,
            "batch_size": plan.batch_size,
            "shard_size": plan.options.shard_size,
            "top": plan.options.top,
            "device": plan.options.device,
            "plan": plan.to_dict(),
        },
        versions={**versions(), "python": platform.python_version()},
        command=" ".join(sys.argv),
    )
