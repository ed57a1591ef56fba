"""Complete scans of a network with known units."""

import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import zarr

import unitscope
from tests.conftest import without_checksums
from unitscope import AblationGrid, ScanOptions
from unitscope.atlas.parts import Parts
from unitscope.errors import AtlasError, ImageError, LayerError, NetworkError, UnitscopeError
from unitscope.images import decode
from unitscope.scanning import NullProgress

from .conftest import PHI, Planted, StopError, Stopping, brute_force

# Slow on purpose: each image of 640×640 and shards of eight leave time to be killed between parts.
SCRIPT = """
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

import unitscope

folder = Path(sys.argv[1])
if not (folder / "images").exists():
    random = np.random.default_rng(0)
    (folder / "making").mkdir()
    for number in range(80):
        pixels = random.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "making" / f"{number:03d}.png")
    (folder / "making").rename(folder / "images")
torch.manual_seed(0)
module = nn.Sequential(nn.Conv2d(3, 32, 5), nn.ReLU(), nn.Conv2d(32, 32, 5), nn.ReLU())
phi = {"size": [96, 96], "mean": [127, 127, 127], "std": [60, 60, 60]}
options = unitscope.ScanOptions(shard_size=8, batch_size=4)
unitscope.scan(unitscope.load(module, preprocess=phi), folder / "images", folder / sys.argv[2], options=options)
"""


def arrays_of(atlas: Path) -> dict[str, np.ndarray]:
    group = zarr.open_group(atlas / "arrays.zarr", mode="r")
    return {name: array[...] for name, array in group.arrays()}


def test_responses_and_summaries_equal_brute_force(network, folder, tmp_path):
    atlas = unitscope.scan(network, folder, tmp_path / "a", options=ScanOptions(shard_size=16, batch_size=4)).atlas
    expected = brute_force(network, folder, atlas.images["image"])
    np.testing.assert_allclose(atlas.responses("relu"), expected, rtol=1e-5, atol=1e-7)
    stored = atlas.responses("relu").astype(np.float64)
    units = atlas.units
    np.testing.assert_allclose(units["mean"], stored.mean(0), rtol=1e-12)
    np.testing.assert_allclose(units["std"], stored.std(0), rtol=1e-9)
    assert units["dead"].tolist() == [False, False, False, False, True, False]
    for channel in range(6):
        order = sorted(range(40), key=lambda row, c=channel: (-stored[row, c], row))[:9]
        order = [row for row in order if stored[row, channel] != 0]  # a response of zero is none
        found = atlas.exemplars(f"relu:{channel}")
        assert found["image"].tolist() == atlas.images["image"].iloc[order].tolist()
        lowest = sorted(range(40), key=lambda row, c=channel: (stored[row, c], row))[: 0 if channel == 4 else 9]
        assert atlas.exemplars(f"act:1:{channel}", lowest=True)["image"].tolist() == [
            atlas.images["image"].iloc[row] for row in lowest
        ]


def test_class_means_and_accuracy_use_the_folder_labels(network, folder, tmp_path):
    atlas = unitscope.scan(network, folder, tmp_path / "a").atlas
    labels = np.array([names[0] for names in atlas.images["labels"]])
    responses = atlas.responses("relu").astype(np.float64)
    for position, label in enumerate(atlas.manifest.labels):
        sums = atlas.dataset["class_sums"][position].to_numpy()
        np.testing.assert_allclose(sums, responses[labels == label.label].sum(0), rtol=1e-12)
    predicted = np.array([network.classes[row[0]] for row in atlas.images["top5_classes"]])
    right = atlas.images["correct"].astype(bool).to_numpy()
    np.testing.assert_array_equal(right, predicted == labels)
    assert atlas.manifest.accuracy["images"] == 40
    assert atlas.manifest.accuracy["top1_correct"] == right.sum()


def test_results_do_not_depend_on_batches_or_shards(network, folder, tmp_path):
    one = unitscope.scan(network, folder, tmp_path / "a", options=ScanOptions(batch_size=40)).atlas
    two = unitscope.scan(network, folder, tmp_path / "b", options=ScanOptions(batch_size=3, shard_size=7)).atlas
    first, second = arrays_of(one.path), arrays_of(two.path)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-6, atol=1e-7, err_msg=name)
    np.testing.assert_array_equal(first["top_images"], second["top_images"])


def test_unreadable_files_are_rows_with_their_errors(network, folder, tmp_path):
    (folder / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much of a picture")
    (folder / "red" / "empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("not an image")
    atlas = unitscope.scan(network, folder, tmp_path / "a").atlas
    bad = atlas.images[atlas.images["error"] != ""]
    assert bad["image"].tolist() == ["notes.txt", "red/broken.jpg", "red/empty.png"]
    assert atlas.manifest.images["failed"] == 3
    assert np.isnan(atlas.responses("relu")[bad.index]).all()
    assert (atlas.units["count"] == 40).all()


def test_no_readable_image_is_an_error_and_leaves_no_files(network, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_text("no")
    with pytest.raises(ImageError, match=r"^'.*a.png' is not an image"):
        unitscope.scan(network, tmp_path / "images", tmp_path / "a")
    (tmp_path / "images" / "b.png").write_text("no")
    with pytest.raises(ImageError, match=r"none of the 2 files in '.*' could be read; the first: '.*a.png' is not an"):
        unitscope.scan(network, tmp_path / "images", tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "a.parts").exists()


def test_a_batch_is_no_larger_than_the_number_of_images(network, folder, tmp_path):
    few = unitscope.scan(network, folder, tmp_path / "few", options=ScanOptions(limit=3)).atlas
    cut = unitscope.scan(network, folder, tmp_path / "cut", options=ScanOptions(shard_size=5)).atlas
    assert few.manifest.scan["batch_size"] == 3
    assert cut.manifest.scan["batch_size"] == 5


def test_a_scan_stopped_by_an_error_resumes_to_the_same_arrays(network, folder, tmp_path):
    options = ScanOptions(shard_size=8, batch_size=4)
    whole = unitscope.scan(network, folder, tmp_path / "whole", options=options).atlas
    with pytest.raises(StopError):
        unitscope.scan(network, folder, tmp_path / "a", options=options, progress=Stopping(21))
    assert not (tmp_path / "a").exists()
    result = unitscope.scan(network, folder, tmp_path / "a", options=options)
    assert result.scanned == 40 - 24
    first, second = arrays_of(whole.path), arrays_of(result.atlas.path)
    for name in first:
        assert first[name].tobytes() == second[name].tobytes(), name
    assert not (tmp_path / "a.parts").exists()


def test_kill_9_at_any_moment_resumes_to_the_same_bytes(tmp_path):
    (tmp_path / "run.py").write_text(SCRIPT)

    def run_here(atlas):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["run.py", str(tmp_path), atlas])
            runpy.run_path(str(tmp_path / "run.py"))

    run_here("whole")
    part = tmp_path / "killed.parts"
    for parts_wanted in (1, 3, 6):
        process = subprocess.Popen([sys.executable, tmp_path / "run.py", tmp_path, "killed"])
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if len(list(part.glob("part-*.npz"))) >= parts_wanted:
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    run_here("killed")
    whole, killed = arrays_of(tmp_path / "whole"), arrays_of(tmp_path / "killed")
    for name in whole:
        assert whole[name].tobytes() == killed[name].tobytes(), name
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "whole/images.parquet"), pd.read_parquet(tmp_path / "killed/images.parquet")
    )
    assert not part.exists()


def test_parts_of_another_network_are_refused_with_the_reason(network, folder, tmp_path):
    parts = Parts.for_atlas(tmp_path / "a")
    with parts.locked():
        parts.write_plan({"network": "other", "top": 3})
    with pytest.raises(AtlasError, match="network other before, Planted now"):
        unitscope.scan(network, folder, tmp_path / "a")


def test_parts_of_another_scan_are_refused_with_the_reason(network, folder, tmp_path):
    with pytest.raises(StopError):
        unitscope.scan(
            network,
            folder,
            tmp_path / "a",
            options=ScanOptions(top=3, shard_size=8, batch_size=4),
            progress=Stopping(12),
        )
    with pytest.raises(AtlasError, match="top 3 before, 4 now"):
        unitscope.scan(network, folder, tmp_path / "a", options=ScanOptions(top=4, shard_size=8, batch_size=4))


def test_parts_without_their_plan_are_not_used_by_another_scan(network, folder, tmp_path):
    options = ScanOptions(shard_size=8, batch_size=4)
    for top in (3, 4):
        with pytest.raises(StopError):
            unitscope.scan(
                network, folder, tmp_path / "a", options=replace(options, top=top), progress=Stopping(41 - 8 * top)
            )
        left = sorted(path.name for path in (tmp_path / "a.parts").glob("part-*"))
        assert left == [f"part-00000{shard}.npz" for shard in range(5 - top)]
        if top == 3:
            (tmp_path / "a.parts/plan.json").unlink()
    assert unitscope.scan(network, folder, tmp_path / "a", options=replace(options, top=4)).scanned == 32


def test_a_scan_stopped_before_its_first_part_blocks_no_other_scan(network, folder, tmp_path):
    with pytest.raises(StopError):
        unitscope.scan(network, folder, tmp_path / "a", options=ScanOptions(top=3), progress=Stopping(1))
    assert not (tmp_path / "a.parts").exists()
    assert unitscope.scan(network, folder, tmp_path / "a", options=ScanOptions(top=4)).scanned == 40


def test_an_atlas_is_never_overwritten_and_the_same_scan_returns_it(network, folder, tmp_path):
    unitscope.scan(network, folder, tmp_path / "a")
    before = (tmp_path / "a" / "manifest.json").read_bytes()
    assert unitscope.scan(network, folder, tmp_path / "a").scanned == 0
    with pytest.raises(AtlasError, match="already holds an atlas of another scan"):
        unitscope.scan(network, folder, tmp_path / "a", options=ScanOptions(top=3))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").touch()
    with pytest.raises(AtlasError, match="is not an atlas"):
        unitscope.scan(network, folder, tmp_path / "b")
    assert (tmp_path / "a" / "manifest.json").read_bytes() == before


def test_an_empty_folder_becomes_the_atlas(network, folder, tmp_path):
    (tmp_path / "a").mkdir()
    assert unitscope.scan(network, folder, tmp_path / "a").scanned == 40
    assert len(unitscope.open_atlas(tmp_path / "a").images) == 40


class Notes(NullProgress):
    def __init__(self):
        self.notes = []

    def on_message(self, message):
        self.notes.append(message)


class SometimesNan(Planted):
    """The logits of reddish images are NaN."""

    def forward(self, x):
        logits = super().forward(x)
        return torch.where(logits[:, :3].argmax(1, keepdim=True) == 0, torch.nan, logits)


def test_images_whose_logits_are_nan_have_no_prediction(folder, tmp_path):
    network = unitscope.load(SometimesNan(), preprocess=PHI, classes=["red", "green", "blue", "sum", "dead", "dark"])
    told = Notes()
    atlas = unitscope.scan(network, folder, tmp_path / "a", progress=told).atlas
    none = [not len(classes) for classes in atlas.images["top5_classes"]]
    with torch.no_grad():
        pictures = [network.preprocessing.prepare(decode(folder / image)) for image in atlas.images["image"]]
        logits = network.module(network.preprocessing.normalize(torch.stack(pictures)))
    assert none == logits.isnan().any(1).tolist()
    assert 0 < sum(none) < 40
    assert (atlas.images["prediction"] == "").tolist() == none
    assert any(f"(NaN) for {sum(none)} images, which have no prediction" in note for note in told.notes)
    with pytest.raises(NetworkError, match=rf"not numbers \(NaN\) for {sum(none)} of 40 images"):
        unitscope.ablate(network, folder, grid=AblationGrid(("relu",), fractions=(0.5,)))
    with pytest.raises(NetworkError, match=rf"not numbers \(NaN\) for {sum(none)} of 40 images"):
        unitscope.perturb(network, folder, [unitscope.Noise(0.1)])


def test_two_scans_do_not_write_the_same_atlas(network, folder, tmp_path):
    with Parts.for_atlas(tmp_path / "a").locked(), pytest.raises(AtlasError, match="another scan is writing"):
        unitscope.scan(network, folder, tmp_path / "a")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layers": ("rleu",)}, LayerError, "closest: 'relu'"),
        ({"device": "cuda:7"}, NetworkError, "no device 'cuda:7'"),
        ({"engine": "fast"}, UnitscopeError, "choose one of auto, eager, compile"),
    ],
)
def test_invalid_options_are_reported_and_leave_no_files(network, folder, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        unitscope.scan(network, folder, tmp_path / "a", options=ScanOptions(**options))
    assert not (tmp_path / "a.parts").exists()


def test_a_different_number_of_images_is_not_reported_as_different_files(network, folder, tmp_path):
    unitscope.scan(network, folder, tmp_path / "a", options=ScanOptions(limit=8, batch_size=4))
    with pytest.raises(AtlasError, match=r"another scan: images 8 before, 4 now; choose another -o"):
        unitscope.scan(network, folder, tmp_path / "a", options=ScanOptions(limit=4, batch_size=4))


@pytest.mark.parametrize("name", ["engine", "precision", "decoder"])
def test_unknown_option_values_are_refused_without_a_network(name):
    with pytest.raises(UnitscopeError, match=f"no {name} 'fast'; choose one of "):
        ScanOptions(**{name: "fast"})


def test_strings_in_place_of_tuples_and_runners_are_refused(network, folder, tmp_path):
    with pytest.raises(UnitscopeError, match=r"write \('act:1',\)"):
        ScanOptions(layers="act:1")
    with pytest.raises(UnitscopeError, match=r"runner must be InProcessRunner\(\), .* not 'ray'"):
        unitscope.scan(network, folder, tmp_path / "a", runner="ray")


def test_options_below_one_are_refused():
    with pytest.raises(UnitscopeError, match="top must be at least 1, not 0"):
        ScanOptions(top=0)


def test_the_users_module_is_left_as_found(folder, tmp_path):
    from .conftest import PHI, Planted

    module = Planted().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.random.get_rng_state()
    unitscope.scan(unitscope.load(module, preprocess=PHI), folder, tmp_path / "a")
    assert module.training
    assert module.relu.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert not module.conv._forward_hooks
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.is_contiguous()


def test_verify_passes_a_valid_atlas_and_finds_an_inserted_error(network, folder, tmp_path):
    atlas = unitscope.scan(network, folder, tmp_path / "a").atlas
    found = unitscope.verify(atlas, units=6, network=network)
    assert found.checked > 100
    assert found.mismatches == ()
    responses = zarr.open_group(tmp_path / "a" / "arrays.zarr", mode="r+")["responses"]
    responses[:, 2] = responses[:, 2] * 1.01
    without_checksums(tmp_path / "a")
    broken = unitscope.verify(unitscope.open_atlas(tmp_path / "a"), units=6, network=network)
    assert {mismatch.unit for mismatch in broken.mismatches} == {"relu:2"}
    assert {"mean", "response"} <= {mismatch.what for mismatch in broken.mismatches}


def test_an_atlas_opens_without_torch(network, folder, tmp_path):
    unitscope.scan(network, folder, tmp_path / "a")
    code = (
        "import sys, unitscope; atlas = unitscope.open_atlas(sys.argv[1]); atlas.exemplars('relu:0'); "
        "atlas.dataset['class_sums'].load(); assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "a"], check=True).returncode == 0


def test_damaged_or_foreign_atlases_are_refused(tmp_path):
    with pytest.raises(AtlasError, match="no atlas at"):
        unitscope.open_atlas(tmp_path / "none")
    (tmp_path / "manifest.json").write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(AtlasError, match="was written in schema 99"):
        unitscope.open_atlas(tmp_path)
    for damaged in ("{", "[]", json.dumps({"schema_version": 1})):
        (tmp_path / "manifest.json").write_text(damaged)
        with pytest.raises(AtlasError, match=r"manifest.json' is damaged \("):
            unitscope.open_atlas(tmp_path)
    with pytest.raises(AtlasError, match=r"manifest.json' is not an atlas"):
        unitscope.open_atlas(tmp_path / "manifest.json")


@pytest.mark.parametrize("name", ["arrays.zarr/responses/zarr.json", "arrays.zarr/top_images/c/0/0", "units.parquet"])
def test_an_atlas_with_a_missing_or_truncated_file_is_refused(network, folder, tmp_path, name):
    file = unitscope.scan(network, folder, tmp_path / "a").atlas.path / name
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    with pytest.raises(AtlasError, match=f"a' is damaged: {name} has {len(content) - 1:,} bytes, not {len(content):,}"):
        unitscope.open_atlas(tmp_path / "a")
    file.unlink()
    with pytest.raises(AtlasError, match=f"a' is damaged: {name} is missing; copy it again, or scan again"):
        unitscope.open_atlas(tmp_path / "a")


def test_fewer_images_than_ranks_leave_ranks_empty(network, folder, tmp_path):
    atlas = unitscope.scan(network, folder, tmp_path / "a", options=ScanOptions(limit=4)).atlas
    assert len(atlas.exemplars("relu:0")) == 4
    assert (atlas.dataset["top_images"][4:] == -1).all()


def test_verify_checks_functional_layers_too(folder, tmp_path):
    from .conftest import PHI

    class Functional(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(3, 5, 3)
            self.second = torch.nn.Conv2d(5, 7, 3)

        def forward(self, x):
            return torch.relu(self.second(torch.relu(self.first(x)))).mean((2, 3))

    torch.manual_seed(0)
    network = unitscope.load(Functional(), preprocess=PHI)
    atlas = unitscope.scan(network, folder, tmp_path / "a").atlas
    assert [layer.name for layer in atlas.layers] == ["relu", "relu_1"]
    found = unitscope.verify(atlas, units=12, network=network)
    assert found.mismatches == ()
    assert found.checked > 200


def test_decoding_threads_use_one_torch_thread_and_the_main_thread_keeps_its_own(folder, tmp_path):
    own, found = torch.get_num_threads(), []

    def phi(image):
        found.append((threading.current_thread() is threading.main_thread(), torch.get_num_threads()))
        return torch.from_numpy(np.array(image.resize((16, 16)))).permute(2, 0, 1) / 255

    torch.set_num_threads(3)
    try:
        unitscope.scan(unitscope.load(Planted(), preprocess=phi), folder, tmp_path / "a")
        assert found.count((False, 1)) == 40
        assert {pair for pair in found if pair[0]} == {(True, 3)}
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(own)


def test_what_could_not_be_written_at_the_end_is_refused_at_the_start(network, folder, tmp_path):
    with pytest.raises(AtlasError, match=r"the atlas of this scan could not be read: .*scan.top is 2000000"):
        unitscope.scan(network, folder, tmp_path / "a", options=ScanOptions(top=2_000_000))
    odd = folder.rename(folder.with_name(os.fsdecode(b"im\xffages")))
    with pytest.raises(UnitscopeError, match=r"im\\udcffages' is not valid Unicode, so an atlas can't name it; rename"):
        unitscope.scan(network, odd, tmp_path / "b")
    assert not list(tmp_path.glob("?"))
