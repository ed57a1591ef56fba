"""Images that can't be opened or read while a scan runs: gone, refused, or on a disk that fails."""

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import unitscope
from tests.conftest import bytes_of
from unitscope import ProcessRunner, ScanOptions
from unitscope.engine import loader
from unitscope.errors import AtlasError, ImageError
from unitscope.images.folder import ImageFolder
from unitscope.scanning import MissingImagesError, NullProgress

from .conftest import StopError, Stopping
from .test_runners import card, forked  # noqa: F401 - fixtures

OPTIONS = ScanOptions(shard_size=5, batch_size=4)


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch):
    monkeypatch.setattr(loader, "_RETRY_AFTER", (0.01, 0.01, 0.01))


class Away(NullProgress):
    """Moves the folder of the images away after some images, and back after some more."""

    def __init__(self, folder, *, after, back=None):
        self.folder, self.after, self.back = folder, after, back
        self.done, self.messages = 0, []

    def on_message(self, what):
        self.messages.append(what)

    def on_batch(self, images):
        before, self.done = self.done, self.done + images
        if before < self.after <= self.done:
            self.folder.rename(self.folder.with_name("away"))
        if self.back is not None and before < self.back <= self.done:
            self.come_back()

    def come_back(self):
        self.folder.with_name("away").rename(self.folder)


@dataclass(frozen=True)
class Flaky(ImageFolder):
    """A folder on a disk that fails the first times that some images are opened; a file counts the failures."""

    def open(self, row):
        marks = Path(self.root).with_name("failures")
        wanted, kind = marks.read_text().split()
        so_far = marks.with_name("count")
        count = len(so_far.read_text()) if so_far.exists() else 0
        if self.ids[row].endswith(("07.png", "08.png")) and count < int(wanted):
            so_far.write_text("x" * (count + 1))
            raise OSError(int(kind), os.strerror(int(kind)))
        return super().open(row)


def flaky(folder, *, failures, kind=errno.EIO):
    folder.with_name("failures").write_text(f"{failures} {kind}")
    found = unitscope.open_images(folder)
    return Flaky(found.root, found.layout, found.ids, found.labels)


@pytest.mark.parametrize("decoder", ["pillow", "torchcodec"])
def test_a_folder_that_was_away_for_a_while_is_scanned_again_to_the_same_bytes(network, folder, tmp_path, decoder):
    if decoder == "torchcodec":
        pytest.importorskip("torchcodec", reason="torchcodec is not installed")
        for path in folder.rglob("*.png"):
            Image.open(path).save(path.with_suffix(".jpg"), quality=95)
            path.unlink()
    options = ScanOptions(shard_size=4, batch_size=4, decoder=decoder)
    whole = unitscope.scan(network, folder, tmp_path / "whole", options=options).atlas.path
    away = Away(folder, after=12, back=32)
    with pytest.raises(MissingImagesError, match=r"^16 of 40 images can't be read, in shards 4, 5, 6, 7, so ") as found:
        unitscope.scan(network, folder, tmp_path / "a", options=options, progress=away)
    assert "no image file" in str(found.value)
    assert f"give the same command again: finished shards are kept in '{tmp_path}/a.parts'. To" in str(found.value)
    assert [each.shard for each in found.value.shards] == [4, 5, 6, 7]
    summary = found.value.summary.to_dict()
    assert (summary["missing"], summary["scanned"], summary["images"]) == (16, 24, 40)
    assert summary["missing_shards"][0]["images"] == 4
    assert summary["missing_shards"][0]["reason"].startswith("no image file")
    assert away.messages[0].startswith("shard 4: 4 images missing; no image file '")
    assert not (tmp_path / "a").exists()
    again = unitscope.scan(network, folder, tmp_path / "a", options=options)
    assert again.scanned == 16
    assert bytes_of(tmp_path / "a") == bytes_of(whole)


def test_a_folder_that_stays_away_leaves_no_row_of_errors_and_names_the_shards(network, folder, tmp_path):
    away = Away(folder, after=8)
    with pytest.raises(MissingImagesError, match=r"3[02] of 40 images can't be read, in shards [12], 3"):
        unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS, progress=away)
    with pytest.raises(ImageError, match="no file or folder"):
        unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS)
    away.come_back()
    result = unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS)
    assert result.scanned in (30, 35)
    assert result.atlas.manifest.images["failed"] == 0


@pytest.mark.parametrize("kind", [errno.EIO, errno.EACCES, errno.ENOENT, errno.ESTALE, errno.EMFILE, errno.ETIMEDOUT])
def test_an_error_that_passes_is_tried_again_and_leaves_no_trace(network, folder, tmp_path, kind):
    whole = unitscope.scan(network, folder, tmp_path / "whole", options=OPTIONS).atlas.path
    result = unitscope.scan(network, flaky(folder, failures=3, kind=kind), tmp_path / "a", options=OPTIONS)
    assert folder.with_name("count").read_text() == "xxx"
    assert bytes_of(result.atlas.path) == bytes_of(whole)


@pytest.mark.usefixtures("forked")
def test_a_worker_process_tries_again_and_reports_what_is_missing(card, folder, tmp_path):  # noqa: F811
    options = ScanOptions(shard_size=20, batch_size=4)
    whole = unitscope.scan(card, folder, tmp_path / "whole", options=options).atlas.path
    images = flaky(folder, failures=99)
    with pytest.raises(MissingImagesError, match=r"^2 of 40 images can't be read, in shard 0, .*Input/output error"):
        unitscope.scan(card, images, tmp_path / "a", options=options, runner=ProcessRunner(1))
    flaky(folder, failures=0)
    unitscope.scan(card, images, tmp_path / "a", options=options, runner=ProcessRunner(1))
    assert bytes_of(tmp_path / "a") == bytes_of(whole)


def test_one_file_that_stays_unreadable_stops_its_shard_only_and_can_be_skipped(network, folder, tmp_path):
    victim = folder / "green" / "07.png"
    content = victim.read_bytes()
    victim.unlink()
    victim.symlink_to("/proc/self/mem")  # it opens, and reading it is an I/O error
    with pytest.raises(
        MissingImagesError, match=r"^1 of 40 images can't be read, in shard 3, .*Input/output error"
    ) as one:
        unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS)
    assert "add --skip-missing (ScanOptions(skip_missing=True) in Python)" in str(one.value)
    assert len(list((tmp_path / "a.parts").glob("part-*"))) == 7
    skipping = ScanOptions(shard_size=5, batch_size=4, skip_missing=True)
    result = unitscope.scan(network, folder, tmp_path / "a", options=skipping)
    assert result.scanned == 5
    assert [shard.images for shard in result.missing] == [1]
    failed = result.atlas.images.query("error != ''")
    assert failed["image"].tolist() == ["green/07.png"]
    assert "Input/output error" in failed["error"].iloc[0]
    victim.unlink()
    victim.write_bytes(content)


def test_skipping_does_not_take_a_folder_that_is_away_for_missing_files(network, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("unitscope.scanning.shard_writer._MAX_MISSING", 9)
    options = ScanOptions(shard_size=4, batch_size=4, skip_missing=True)
    away = Away(folder, after=12)
    with pytest.raises(MissingImagesError, match="It stopped, since nothing could be read any more"):
        unitscope.scan(network, folder, tmp_path / "a", options=options, progress=away)
    away.come_back()
    result = unitscope.scan(network, folder, tmp_path / "a", options=options)
    assert (result.scanned, result.atlas.manifest.images["failed"]) == (24, 0)


def test_images_that_are_missing_at_the_start_stop_the_scan_before_its_first_image(network, folder, tmp_path):
    images = unitscope.open_images(folder)
    (folder / "green" / "07.png").unlink()
    with pytest.raises(
        MissingImagesError, match=r"^1 of 40 images can't be read, in shard 3, .* no image file .*07.png"
    ):
        unitscope.scan(network, images, tmp_path / "a", options=OPTIONS)
    assert not list(tmp_path.glob("a*"))


@pytest.mark.parametrize("how", ["content", "time"])
def test_an_image_that_changes_during_the_scan_stops_it(network, folder, tmp_path, how):
    class Changing(NullProgress):
        done = False

        def on_batch(self, images):
            victim = folder / "red" / "39.png"
            if not self.done and how == "content":
                victim.write_bytes(victim.read_bytes() + b"more")
            if not self.done and how == "time":
                os.utime(victim, ns=(1, 1))
            self.done = True

    with pytest.raises(
        ImageError, match=r"'.*red/39.png' has changed since the scan began, and an atlas is of one state"
    ):
        unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS, progress=Changing())
    assert not (tmp_path / "a").exists()


def test_the_command_says_what_is_missing_with_status_1_also_as_json(card, folder, tmp_path):  # noqa: F811
    import subprocess
    import sys

    victim = folder / "green" / "07.png"
    content, times = victim.read_bytes(), victim.stat()
    victim.unlink()
    victim.symlink_to("/proc/self/mem")
    command = [
        str(Path(sys.executable).with_name("unitscope")), "scan", f"{tmp_path}/net.py:make", str(folder), "--json",
        "--preprocess", "tf", "-o", str(tmp_path / "a"), "--shard-size", "5", "--batch-size", "4",
    ]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 1, found.stderr
    summary = json.loads(found.stdout)
    assert (summary["kind"], summary["missing"], summary["images"], summary["scanned"]) == ("scan", 1, 40, 35)
    (shard,) = summary["missing_shards"]
    assert (shard["shard"], shard["images"], shard["first"]) == (3, 1, "green/07.png")
    assert "Input/output error" in shard["reason"]
    assert "error: 1 of 40 images can't be read, in shard 3" in found.stderr.replace("\n", " ")
    victim.unlink()
    victim.write_bytes(content)
    os.utime(victim, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_the_bits_that_deep_images_use_are_noted(network, tmp_path):
    (tmp_path / "images").mkdir()
    for number, highest in enumerate((1000, 4000, 4095)):
        Image.fromarray(np.full((8, 8), highest, np.uint16)).save(tmp_path / "images" / f"{number}.png")
    notes = Away(tmp_path, after=99)
    unitscope.scan(network, tmp_path / "images", tmp_path / "a", progress=notes)
    assert notes.messages == [
        "note: images in files of 16 bits use these numbers of bits: 10 (1 image), 12 (2 images). "
        "Each is scaled from the range of its own bits; see docs/images.md"
    ]


def test_a_scan_goes_on_although_an_image_of_a_finished_shard_is_gone(network, folder, tmp_path):
    whole = unitscope.scan(network, folder, tmp_path / "whole", options=OPTIONS).atlas.path
    with pytest.raises(StopError):
        unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS, progress=Stopping(22))
    (folder / "blue" / "02.png").unlink()
    notes = Away(folder, after=99)
    result = unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS, progress=notes)
    assert result.scanned == 20
    assert notes.messages == [
        "note: 1 image of this scan is gone, such as 'blue/02.png'; to scan the folder as it is now, remove "
        f"'{tmp_path}/a.parts' first"
    ]
    assert bytes_of(tmp_path / "a") == bytes_of(whole)


def test_an_image_that_is_gone_for_good_can_be_left_out_without_losing_the_finished_shards(network, folder, tmp_path):
    with pytest.raises(StopError):
        unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS, progress=Stopping(22))
    for file in (folder / "red").iterdir():
        file.unlink()
    (folder / "red").rmdir()
    with pytest.raises(
        MissingImagesError, match=r"^14 of 40 images can't be read, in shards 5, 6, 7, .* no image file"
    ):
        unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS)
    skipping = ScanOptions(shard_size=5, batch_size=4, skip_missing=True)
    result = unitscope.scan(network, folder, tmp_path / "a", options=skipping)
    assert (result.scanned, result.atlas.manifest.images["failed"]) == (15, 14)
    assert result.atlas.manifest.images["layout"] == "class folders"
    assert [label.label for label in result.atlas.manifest.labels] == ["blue", "green", "red"]


def test_a_scan_with_other_images_than_before_is_still_another_scan(network, folder, tmp_path):
    with pytest.raises(StopError):
        unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS, progress=Stopping(22))
    with pytest.raises(AtlasError, match="holds parts of another scan: images 40 before, 10 now"):
        unitscope.scan(network, folder, tmp_path / "a", options=ScanOptions(shard_size=5, batch_size=4, limit=10))
    (folder / "blue" / "02.png").unlink()
    os.utime(folder / "blue" / "05.png", ns=(1, 1))
    with pytest.raises(AtlasError, match="holds parts of another scan: the image files have changed"):
        unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS)
    (folder / "blue" / "05.png").rename(folder / "blue" / "06.png")
    with pytest.raises(AtlasError, match="holds parts of another scan: images 40 before, 39 now"):
        unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS)
