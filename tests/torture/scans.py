"""Scans that are killed at every file event, run twice at once, or run out of disk space.

Each trial is a process of its own, forked after the network is loaded. The atlas has to be the same, byte for byte, as
that of a scan that nothing disturbed.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

import unitscope
from tests.torture.campaign import Outcome
from unitscope.engine.session import Session
from unitscope.errors import UnitscopeError

OPTIONS = unitscope.ScanOptions(shard_size=8, batch_size=4)
PHI = {"size": [48, 48], "mean": [127, 127, 127], "std": [60, 60, 60]}
DONE, REFUSED, CRASHED = 0, 1, 3
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate")
_DISKS = 48  # sizes of the disk, from almost nothing to enough


def campaign(folder: Path, scale: float) -> Iterator[Outcome]:
    """Yield the outcomes of scans."""
    torch.set_num_threads(1)
    images, session = _images(folder / "images"), _session()
    assert _forked(lambda: _scan(session, images, folder / "whole")) == DONE
    right = content(folder / "whole")
    yield _killed(session, images, folder / "killed", right, scale)
    yield _at_once(session, images, folder / "both", right, scale)
    if os.geteuid() == 0:
        yield _full_disk(session, images, folder / "disk", right, scale)


def content(atlas: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of an atlas, except the manifest, which holds the command and the time."""
    files = sorted(path for path in atlas.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {str(path.relative_to(atlas)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _images(folder: Path) -> Path:
    random = np.random.default_rng(0)
    for number in range(40):
        path = folder / ("cat" if number % 2 else "dog") / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 50, 3), np.uint8)).save(path)
    return folder


def _session() -> Session:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 16, 5),
        nn.ReLU(),
        nn.Conv2d(16, 8, 5),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )
    session = Session(unitscope.load(module, preprocess=PHI))
    assert session.layers  # exported once, before the forks
    return session


def _scan(session: Session, images: Path, target: Path) -> None:
    unitscope.scan(session, images, target, options=OPTIONS)


def _forked(work: Callable[[], Any], *, say: Path | None = None) -> int:
    """Run work in a process of its own; return how it ended: a status, or the negative number of a signal."""
    child = os.fork()
    if child == 0:
        status = CRASHED
        try:
            work()
            status = DONE
        except UnitscopeError as problem:
            status = REFUSED
            if say:
                say.write_text(str(problem))
        except BaseException:
            if say:
                say.write_text(traceback.format_exc())
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _kill_at(event: int, folder: Path) -> Callable[[], list[int]]:
    """Kill this process before its n-th change to a folder; return a function that gives the number of changes."""
    seen = [0]

    def hook(name: str, given: tuple[Any, ...]) -> None:
        changes = isinstance(given[2], int) and given[2] & _WRITING if name == "open" else name in _EVENTS
        if changes and any(str(folder) in str(value) for value in given[:2]):
            if seen[0] == event:
                os.kill(os.getpid(), signal.SIGKILL)
            seen[0] += 1

    sys.addaudithook(hook)
    return lambda: seen


def _killed(session: Session, images: Path, target: Path, right: dict[str, str], scale: float) -> Outcome:
    outcome, event, killed = Outcome("a scan is killed before its n-th change to a file, then run again"), 0, True
    while killed:

        def work(event: int = event) -> None:
            _kill_at(event, target)
            _scan(session, images, target)

        killed = _forked(work) == -signal.SIGKILL
        again = _forked(lambda: _scan(session, images, target))
        left = [path.name for path in target.parent.glob(f"{target.name}*") if path != target]
        outcome.check(again == DONE and content(target) == right and not left, f"event {event}: {again}, left {left}")
        shutil.rmtree(target, ignore_errors=True)
        event += max(1, round(1 / scale))
    return outcome


def _at_once(session: Session, images: Path, target: Path, right: dict[str, str], scale: float) -> Outcome:
    outcome = Outcome("two scans write the same atlas at once")
    for number in range(max(2, round(50 * scale))):
        children = []
        for _ in range(2):
            child = os.fork()
            if child == 0:
                try:
                    _scan(session, images, target)
                    os._exit(DONE)
                except UnitscopeError:
                    os._exit(REFUSED)
                finally:
                    os._exit(CRASHED)
            children.append(child)
        ends = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
        outcome.check(
            ends in ([DONE, DONE], [DONE, REFUSED]) and content(target) == right, f"trial {number}: ended with {ends}"
        )
        shutil.rmtree(target, ignore_errors=True)
    return outcome


def _full_disk(session: Session, images: Path, disk: Path, right: dict[str, str], scale: float) -> Outcome:
    """Scan to a file system of each size; then enlarge it, and scan again."""
    outcome, said, messages = Outcome("the disk is full during a scan, then has room"), disk.parent / "said", set[str]()
    disk.mkdir()
    needed = 4 * sum(path.stat().st_size for path in (disk.parent / "whole").rglob("*"))
    steps = max(4, round(_DISKS * scale))
    for step in range(1, steps + 1):
        size = needed * step // steps // 4096 * 4096 + 8192
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True)
        try:
            said.write_text("")
            first = _forked(lambda: _scan(session, images, disk / "atlas"), say=said)
            message = said.read_text()
            subprocess.run(["mount", "-o", f"remount,size={10 * needed}", disk], check=True)
            again = _forked(lambda: _scan(session, images, disk / "atlas"))
            sentence = first == DONE or (first == REFUSED and "\n" not in message and "space" in message)
            outcome.check(
                sentence and again == DONE and content(disk / "atlas") == right,
                f"{size:,} bytes: {first}, then {again}: {message[-300:]}",
            )
            messages.add("refused" if first == REFUSED else "done")
        finally:
            subprocess.run(["umount", disk], check=True)
    outcome.also = f"from 8 kB to {needed / 1e6:.1f} MB; ended as {' and '.join(sorted(messages))}"
    return outcome
