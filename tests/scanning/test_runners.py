"""Scans with worker processes: the same atlas bit for bit, even if workers die."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import active_children, get_context
from pathlib import Path

import numpy as np
import pytest
import zarr

import unitscope
from unitscope import InProcessRunner, ProcessRunner, ScanOptions
from unitscope.engine.session import Session
from unitscope.errors import AtlasError, NetworkError, UnitscopeError
from unitscope.images import open_images
from unitscope.scanning import NullProgress
from unitscope.scanning.job import Job
from unitscope.scanning.plan import make_plan
from unitscope.scanning.runners import _ProcessPool, distribute

OPTIONS = ScanOptions(shard_size=5, batch_size=4)


def arrays_of(atlas) -> dict[str, np.ndarray]:
    group = zarr.open_group(atlas.path / "arrays.zarr", mode="r")
    return {name: array[...] for name, array in group.arrays()}


def assert_same(one, other):
    first, second = arrays_of(one), arrays_of(other)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert one.images.equals(other.images)
    assert one.units.equals(other.units)


@pytest.fixture
def card(tmp_path):
    """A network that every process can load from its reference."""
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\n\n\ndef make():\n    torch.manual_seed(4)\n"
        "    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),\n"
        "                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))\n",
        encoding="utf-8",
    )
    phi = {"size": [32, 32], "mean": [127, 127, 127], "std": [60, 60, 60]}
    return unitscope.load(f"{tmp_path}/net.py:make", preprocess=phi, classes=["red", "green", "blue"])


@pytest.fixture
def forked(monkeypatch):
    """Start workers as forks of a server that has imported PyTorch, which saves four seconds for each.

    Users' workers start afresh, as in the tests without this.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["unitscope.scanning.job", "torch._dynamo"])
    monkeypatch.setattr("unitscope.scanning.runners.get_context", lambda method: context)


class Notes(NullProgress):
    """Records the notes."""

    def __init__(self):
        self.notes = []

    def on_message(self, what):
        self.notes.append(what)


class KillingAll(NullProgress):
    """Kills all workers after a number of shards."""

    def __init__(self, when):
        self.when, self.done, self.killed = when, 0, 0

    def on_batch(self, images):
        self.done += 1
        for child in active_children() if self.done == self.when else ():
            os.kill(child.pid, signal.SIGKILL)
            child.join()
            self.killed += 1


class Killing(Notes):
    """Kills a worker after the first shard."""

    def __init__(self, victims):
        super().__init__()
        self.victims, self.killed, self.seen = victims, 0, 0

    def on_batch(self, images):
        self.seen += images
        if not self.killed:
            os.kill(self.victims()[0], signal.SIGKILL)
            self.killed += 1


def test_several_processes_give_the_same_atlas_as_one(network, folder, tmp_path):
    """The network is a Python module, which is pickled for the process; the next test uses two processes."""
    alone = unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS, runner=InProcessRunner()).atlas
    together = unitscope.scan(network, folder, tmp_path / "b", options=OPTIONS, runner=ProcessRunner(1)).atlas
    assert_same(alone, together)
    assert not active_children()


@pytest.mark.usefixtures("forked")
def test_the_shard_of_a_killed_process_is_done_by_another(card, folder, tmp_path):
    alone = unitscope.scan(card, folder, tmp_path / "a", options=OPTIONS).atlas
    killing = Killing(lambda: [child.pid for child in active_children()])
    together = unitscope.scan(
        card, folder, tmp_path / "b", options=OPTIONS, runner=ProcessRunner(2), progress=killing
    ).atlas
    assert killing.killed == 1
    starting, died = killing.notes
    assert starting == "starting 2 workers; this takes a moment"
    assert re.fullmatch(r"a worker died \(exit status -9\); retrying its shard, which starts at '.*'", died)
    assert killing.seen == 40
    assert not active_children()
    assert_same(alone, together)


@pytest.mark.usefixtures("forked")
def test_workers_that_die_during_a_shard_are_replaced(card, folder, tmp_path):
    options = ScanOptions(shard_size=14)
    alone = unitscope.scan(card, folder, tmp_path / "a", options=options).atlas
    deaths, progress = tmp_path / "deaths", Notes()
    source = (tmp_path / "net.py").read_text("utf-8")
    (tmp_path / "net.py").write_text(
        f"{source.replace('def make', 'def whole')}\n\ndef make():\n    import multiprocessing, os\n"
        f"    if multiprocessing.parent_process() and os.path.getsize({str(deaths)!r}) < 3:\n"
        f"        open({str(deaths)!r}, 'a').write('x')\n        os._exit(9)\n    return whole()\n",
        encoding="utf-8",
    )
    deaths.touch()
    again = unitscope.scan(
        card, folder, tmp_path / "b", options=options, runner=ProcessRunner(1), progress=progress
    ).atlas  # fmt: skip
    assert deaths.read_text("utf-8") == "xxx"
    died = [note.split(";")[0] for note in progress.notes[1:]]
    assert died == ["a worker died (exit status 9)"] * 3  # one for each shard
    assert_same(alone, again)


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize(
    ("workers", "when"),
    [(1, 3), (2, 2)],  # of three shards: when all are done; while one of two workers is at the last, the other is idle
)
def test_workers_that_die_while_idle_are_replaced(card, folder, tmp_path, workers, when):
    options = ScanOptions(shard_size=14)
    alone = unitscope.scan(card, folder, tmp_path / "a", options=options).atlas
    killing = KillingAll(when)
    again = unitscope.scan(
        card, folder, tmp_path / "b", options=options, runner=ProcessRunner(workers), progress=killing
    ).atlas  # fmt: skip
    assert killing.killed == workers
    assert_same(alone, again)


@pytest.mark.usefixtures("forked")
def test_a_shard_that_kills_its_workers_ends_the_scan_and_names_its_images(folder, tmp_path):
    (tmp_path / "deadly.py").write_text(
        "import multiprocessing, os\nfrom torch import nn\n\n\nclass Deadly(nn.Conv2d):\n    def forward(self, x):\n"
        "        if multiprocessing.parent_process():\n            os._exit(9)\n"
        "        return super().forward(x)\n\n\ndef make():\n    return nn.Sequential(Deadly(3, 4, 3), nn.ReLU())\n",
        encoding="utf-8",
    )
    network = unitscope.load(
        f"{tmp_path}/deadly.py:make", preprocess={"size": [16, 16], "mean": [0] * 3, "std": [9] * 3}
    )
    output = r"the worker of shard \d \(first image 'blue/.*'\) died 3 times \(exit status 9\)"
    with pytest.raises(UnitscopeError, match=output):
        unitscope.scan(network, folder, tmp_path / "a", options=ScanOptions(shard_size=40), runner=ProcessRunner(1))


@pytest.mark.usefixtures("forked")
def test_an_error_in_a_worker_is_reported(card, folder, tmp_path):
    (tmp_path / "net.py").write_text((tmp_path / "net.py").read_text("utf-8").replace("seed(4)", "seed(5)"), "utf-8")
    with pytest.raises(AtlasError, match=r"the network's weights have changed"):
        unitscope.scan(card, folder, tmp_path / "a", options=OPTIONS, runner=ProcessRunner(1))


@pytest.mark.usefixtures("forked")
def test_a_worker_with_different_files_at_the_same_path_is_reported(card, folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere)
    images = open_images(folder)
    (elsewhere / images.ids[1]).unlink()
    plan = make_plan(Session(card), images, OPTIONS)
    job = replace(Job.of(plan), images=replace(images, root=elsewhere))
    with pytest.raises(UnitscopeError, match=rf"'.*{images.ids[1]}' has no bytes on a worker, but \d+ bytes here"):
        list(distribute(_ProcessPool(job, 1), [0], plan, NullProgress()))


def test_a_network_that_cannot_be_pickled_is_reported(network, folder, tmp_path):
    network.module.secret = lambda: None
    with pytest.raises(NetworkError, match=r"Planted can't be sent to workers \(.*\); load it by a reference"):
        unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS, runner=ProcessRunner(1))


def test_zero_workers_are_refused():
    with pytest.raises(UnitscopeError, match=r"^workers must be at least 1, not 0"):
        ProcessRunner(0)


def test_a_killed_driver_resumes(card, folder, tmp_path):
    check_killed_driver(folder, tmp_path, "--workers", "1")


def descendants(process):
    """Yield the processes that a process started, those that these started, and so on."""
    for child in Path(f"/proc/{process}/task/{process}/children").read_text("utf-8").split():
        yield Path("/proc", child)
        yield from descendants(child)


def check_killed_driver(folder, tmp_path, *who):
    """Kill the command after some parts, and run it again.

    Its workers go with it; of Ray's own processes, agents stay for a minute.
    """
    options = ScanOptions(shard_size=2, batch_size=2)
    network = unitscope.load(f"{tmp_path}/net.py:make", preprocess="tf")
    alone = unitscope.scan(network, folder, tmp_path / "a", options=options).atlas
    command = [
        str(Path(sys.executable).with_name("unitscope")), "scan", f"{tmp_path}/net.py:make", str(folder),
        "--preprocess", "tf",
        "-o", str(tmp_path / "b"), "--shard-size", "2", "--batch-size", "2", *who,
    ]  # fmt: skip
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parts = tmp_path / "b.parts"
    deadline = time.monotonic() + 300
    while running.poll() is None and len(list(parts.glob("part-*.npz"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running.poll() is None, "it was done before it could be killed"
    workers = [process for process in descendants(running.pid) if b"Agent" not in (process / "cmdline").read_bytes()]
    running.send_signal(signal.SIGKILL)
    running.wait()
    before = {path.name for path in parts.glob("part-*.npz")}
    assert 3 <= len(before) < 20, "it was done before it could be killed"
    assert workers
    while any(worker.exists() for worker in workers):
        assert time.monotonic() < deadline, "its workers have not gone with it"
        time.sleep(0.1)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "resuming" in done.stderr
    assert_same(alone, unitscope.open_atlas(tmp_path / "b"))
