"""Writing on a full disk: a small file system if root may mount one, and a limit on the size of files."""

import resource
import subprocess
import sys
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from matplotlib.figure import Figure

import unitscope
from tests.conftest import bytes_of
from unitscope import ScanOptions
from unitscope.errors import WriteError
from unitscope.files import atomic_path
from unitscope.scanning import NullProgress

OPTIONS = ScanOptions(shard_size=8, batch_size=8)


@pytest.fixture
def disk(tmp_path):
    """A file system of one megabyte, mounted in a folder."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "unitscope-test", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small file system can't be mounted; run as root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk, *, leave):
    """Fill the disk with a file, so that some bytes are left."""
    with (disk / "filler").open("wb", buffering=0) as file:
        with suppress(OSError):
            while file.write(bytes(4096)):
                pass
        file.truncate(max(0, file.tell() - leave))


class Filling(NullProgress):
    """Fills the disk after some images, or before merging."""

    def __init__(self, disk, *, after=None, leave=0):
        self.disk, self.after, self.leave, self.done = disk, after, leave, 0

    def on_batch(self, images):
        before, self.done = self.done, self.done + images
        if self.after is not None and before < self.after <= self.done:
            fill(self.disk, leave=self.leave)

    def on_merge(self):
        if self.after is None:
            fill(self.disk, leave=self.leave)


@pytest.mark.parametrize(
    ("after", "leave", "file"),
    [
        (16, 0, r"a.parts/part-00000\d.npz"),
        (None, 0, "a.parts/atlas"),
        (None, 20_000, "a.parts/atlas/"),
        (None, 60_000, "a.parts/atlas/"),
    ],
)
def test_a_scan_on_a_full_disk_names_the_file_and_goes_on_later(network, folder, tmp_path, disk, after, leave, file):
    whole = bytes_of(unitscope.scan(network, folder, tmp_path / "whole", options=OPTIONS).atlas.path)
    message = (
        rf"^can't write '{disk}/{file}.*': the disk is full.* are free in '{disk}.*'\. Free .*, about .*, then give"
    )
    with pytest.raises(WriteError, match=message):
        unitscope.scan(network, folder, disk / "a", options=OPTIONS, progress=Filling(disk, after=after, leave=leave))
    assert not (disk / "a").exists()
    left = {path.name for path in (disk / "a.parts").iterdir()}
    assert left <= {"lock", "plan.json", "images.parquet", *(f"part-00000{shard}.npz" for shard in range(5))}
    assert (after is not None) == (len(left) < 8)
    (disk / "filler").unlink()
    again = unitscope.scan(network, folder, disk / "a", options=OPTIONS)
    assert again.scanned < 40 if after else again.scanned == 0
    assert bytes_of(disk / "a") == whole


def test_a_read_only_disk_is_named(network, folder, disk):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(
        unitscope.UnitscopeError, match=r"can't write to '.*/a.parts': the file system is read-only; make it"
    ):
        unitscope.scan(network, folder, disk / "a", options=OPTIONS)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_figure_on_a_full_disk_is_named_and_leaves_no_half_file(disk, suffix):
    figure = Figure()
    figure.add_subplot().imshow(np.random.default_rng(0).random((200, 200)))
    fill(disk, leave=4096)
    with pytest.raises(
        WriteError, match=rf"can't write '{disk}/a.{suffix}': the disk is full, and .* are free in '{disk}'"
    ):
        unitscope.figures.save(figure, disk / f"a.{suffix}")
    assert [path.name for path in disk.iterdir()] == ["filler"]


@contextmanager
def files_of_at_most(count):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_over_the_limit_of_the_process_is_named(tmp_path):
    def write():
        with files_of_at_most(1000), atomic_path(tmp_path / "a.json") as temporary:
            temporary.write_bytes(bytes(5000))

    with pytest.raises(WriteError, match=r"can't write '.*a.json': it is larger than .*`ulimit -f`"):
        write()
    assert not list(tmp_path.iterdir())


def test_a_scan_under_a_limit_of_file_sizes_goes_on_later(network, folder, tmp_path):
    with (
        pytest.raises(
            WriteError, match=r"can't write '.*part-000000.npz': it is larger than .* then give the same command"
        ),
        files_of_at_most(3000),
    ):
        unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS)
    assert not list(tmp_path.glob("a*"))
    assert unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS).scanned == 40


@pytest.mark.parametrize("arguments", [["layers", "NET", "--json"], ["--version"]])
def test_a_full_output_is_an_error_with_status_1(tmp_path, arguments):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\ndef make():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())\n"
    )
    command = [arg.replace("NET", f"{tmp_path}/net.py:make") for arg in arguments]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        found = subprocess.run(
            [sys.executable, "-m", "unitscope", *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1:] == [
        "error: can't write what the command prints: the disk is full. Free some space"
    ]
