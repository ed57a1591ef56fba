"""Remote atlases, responses in half precision or not stored, and other image decoders."""

import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
import zarr
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import unitscope
from tests.conftest import without_checksums
from unitscope import ScanOptions
from unitscope.atlas.parts import Parts
from unitscope.atlas.storage import storage_path
from unitscope.engine.torchcodec_loader import MAX_PIXELS_AT_ONCE, check_usable, pixel_groups
from unitscope.errors import AtlasError, UnitscopeError

from .conftest import StopError, Stopping, StopsWhileMerging

OPTIONS = ScanOptions(shard_size=7, batch_size=4)
SUMMARIES = ("top_values", "top_images", "bottom_values", "bottom_images", "class_sums", "class_counts")


def kept_as(responses, **others):
    return ScanOptions(shard_size=7, batch_size=4, responses=responses, **others)


@pytest.mark.parametrize("responses", ["float16", "none"])
def test_summaries_do_not_depend_on_how_responses_are_kept(network, folder, tmp_path, responses):
    whole = unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS).atlas
    other = unitscope.scan(network, folder, tmp_path / "b", options=kept_as(responses)).atlas
    assert other.units.equals(whole.units)
    for name in SUMMARIES:
        np.testing.assert_array_equal(other.dataset[name], whole.dataset[name], err_msg=name)


def test_half_precision_is_read_as_rounded_float32(network, folder, tmp_path):
    whole = unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS).atlas.responses("relu")
    atlas = unitscope.scan(network, folder, tmp_path / "b", options=kept_as("float16")).atlas
    assert atlas.dataset["responses"].dtype == np.float16
    half = atlas.responses("relu", np.array([5, 30, 6]))
    assert half.dtype == np.float32
    np.testing.assert_array_equal(half, whole[[5, 30, 6]].astype(np.float16).astype(np.float32))


def test_without_responses_exemplars_work_and_other_analyses_are_refused(network, folder, tmp_path):
    atlas = unitscope.scan(network, folder, tmp_path / "b", options=kept_as("none")).atlas
    assert len(atlas.exemplars("relu:0")) == 9
    assert "responses" not in atlas.dataset
    with pytest.raises(
        AtlasError, match=r"was made with --store-responses none, .* scan again with --store-responses float16"
    ):
        atlas.responses("relu")


def test_parts_without_responses_hold_class_sums_instead(network, folder, tmp_path):
    options = ScanOptions(shard_size=10, responses="none")
    with pytest.raises(StopError):
        unitscope.scan(network, folder, tmp_path / "b", options=options, progress=StopsWhileMerging())
    part = Parts.for_atlas(tmp_path / "b").read(0)
    assert part.responses.shape == (10, 0)
    assert part.classes.numbers.tolist() == [0]  # the first ten are of one class, as ids are sorted
    assert (
        unitscope.scan(
            network, folder, tmp_path / "b", options=ScanOptions(shard_size=10, responses="none")
        ).atlas.units.shape[0]
        == 6
    )


@pytest.mark.parametrize("responses", ["float32", "float16", "none"])
def test_verify_agrees_for_every_storage_of_responses(network, folder, tmp_path, responses):
    atlas = unitscope.scan(network, folder, tmp_path / "b", options=kept_as(responses)).atlas
    found = unitscope.verify(atlas, network=network)
    assert found.checked > 15
    assert not found.mismatches


def test_an_atlas_in_a_store_equals_the_one_in_a_folder(network, folder, tmp_path):
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    local = unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS).atlas
    address = f"memory://{tmp_path.name}/my.atlas"
    stored = unitscope.scan(network, folder, address, options=OPTIONS).atlas
    again = unitscope.open_atlas(address)
    assert again.images.equals(local.images)
    assert again.units.equals(stored.units)
    assert again.units.equals(local.units)
    for name in (*SUMMARIES, "responses"):
        np.testing.assert_array_equal(again.dataset[name], local.dataset[name], err_msg=name)
    np.testing.assert_array_equal(again.responses("relu", np.array([3, 1])), local.responses("relu", np.array([3, 1])))
    assert again.exemplars("relu:1").equals(local.exemplars("relu:1"))
    assert not storage_path(f"{address}.parts").exists()
    assert unitscope.scan(network, folder, address, options=OPTIONS).scanned == 0
    with pytest.raises(AtlasError, match="already holds an atlas of another scan"):
        unitscope.scan(network, folder, address, options=ScanOptions(shard_size=6))


def test_a_scan_into_a_store_resumes_after_it_was_stopped_while_merging(network, folder, tmp_path):
    pytest.importorskip("upath", reason="universal-pathlib is not installed")

    address = f"memory://{tmp_path.name}/my.atlas"
    with pytest.raises(StopError):
        unitscope.scan(network, folder, address, options=OPTIONS, progress=StopsWhileMerging())
    storage_path(
        address,
    ).joinpath("arrays.zarr", "zarr.json").write_bytes(b"half merged")
    with pytest.raises(AtlasError, match="is not an atlas"):
        unitscope.open_atlas(address)
    result = unitscope.scan(network, folder, address, options=OPTIONS)
    assert (result.scanned, result.already_existed) == (0, False)
    assert unitscope.scan(network, folder, address, options=OPTIONS).already_existed
    local = unitscope.scan(network, folder, tmp_path / "a", options=OPTIONS).atlas
    assert result.atlas.units.equals(local.units)


def test_a_scan_into_a_store_without_a_finished_part_leaves_no_files(network, folder, tmp_path):
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    address = f"memory://{tmp_path.name}/my.atlas"
    with pytest.raises(StopError):
        unitscope.scan(network, folder, address, options=OPTIONS, progress=Stopping(1))
    assert not storage_path(f"{address}.parts/plan.json").exists()
    assert unitscope.scan(network, folder, address, options=ScanOptions(shard_size=5)).scanned == 40


def test_other_files_in_a_store_are_not_changed(network, folder, tmp_path):
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    address = f"memory://{tmp_path.name}/mine"
    storage_path(address).joinpath("letter.txt").write_text("dear")
    with pytest.raises(AtlasError, match=r"is not an atlas|already"):
        unitscope.scan(network, folder, address, options=OPTIONS)
    assert storage_path(address).joinpath("letter.txt").read_text() == "dear"


@pytest.mark.parametrize(
    ("address", "output"),
    [
        ("memory://", r"the URL 'memory://' has no path in the store"),
        ("http://127.0.0.1:9/my.atlas", r"can't (open|write to) 'http://127.0.0.1:9/my.atlas"),
    ],
)
def test_an_unwritable_address_is_reported(network, folder, address, output):
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    with pytest.raises(AtlasError, match=output):
        unitscope.scan(network, folder, address, options=OPTIONS)


def test_the_planned_size_of_parts_is_correct(network, folder, tmp_path):
    class Weighs(StopsWhileMerging):
        def on_plan(self, plan, *, done, target):
            self.bytes = plan.bytes_of_parts()

    for kept in ("float32", "none"):
        atlas, weighs = tmp_path / kept, Weighs()
        with pytest.raises(StopError):
            unitscope.scan(network, folder, atlas, options=ScanOptions(shard_size=8, responses=kept), progress=weighs)
        parts = [dict(np.load(part)) for part in sorted((tmp_path / f"{kept}.parts").glob("part-*.npz"))]
        of_units = [array for part in parts for array in part.values() if array.shape[-1:] == (6,)]
        assert sum(array.nbytes for array in of_units) == weighs.bytes


def test_a_damaged_file_in_a_store_is_reported(network, folder, tmp_path):
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    address = f"memory://{tmp_path.name}/my.atlas"
    unitscope.scan(network, folder, address, options=OPTIONS)
    storage_path(address).joinpath("units.parquet").write_bytes(b"PAR1")
    with pytest.raises(AtlasError, match=r"is damaged: units.parquet has 4 bytes"):
        unitscope.open_atlas(address)


@pytest.fixture
def photographs(tmp_path):
    """JPEG files of every kind that is decoded differently, and one that is broken."""
    random = np.random.default_rng(0)
    folder = tmp_path / "jpegs"
    folder.mkdir()
    smooth = np.kron(random.integers(0, 256, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    picture = Image.fromarray(smooth)
    for number in range(5):
        picture.rotate(90 * number, expand=True).save(folder / f"{number}.jpg", quality=95)
    picture.convert("L").save(folder / "grey.jpg", quality=95)
    picture.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(folder / "turned.jpg", exif=exif, quality=95)
    picture.save(folder / "plain.png")
    picture.save(folder / "broken.jpg", quality=95)
    (folder / "broken.jpg").write_bytes((folder / "broken.jpg").read_bytes()[:400])
    return folder


def test_torchcodec_equals_pillow_up_to_rounding(network, photographs, tmp_path):
    pytest.importorskip("torchcodec", reason="torchcodec is not installed")
    pillow = unitscope.scan(network, photographs, tmp_path / "a").atlas
    other = unitscope.scan(network, photographs, tmp_path / "b", options=ScanOptions(decoder="torchcodec")).atlas
    columns = ["image", "width", "height"]
    assert other.images[columns].equals(pillow.images[columns])
    assert (other.images["error"] != "").tolist() == (pillow.images["error"] != "").tolist()
    assert (other.images["error"] != "").sum() == 1
    np.testing.assert_allclose(other.responses("relu"), pillow.responses("relu"), atol=2 / 255)


@given(st.lists(st.integers(0, MAX_PIXELS_AT_ONCE + MAX_PIXELS_AT_ONCE // 4), max_size=12))
def test_pictures_are_decoded_once_in_groups_that_fit_in_memory(pixels):
    turns = list(pixel_groups(pixels))
    assert [pixel for few in turns for pixel in pixels[few]] == pixels
    for few in turns:
        assert sum(pixels[few]) <= MAX_PIXELS_AT_ONCE or np.count_nonzero(pixels[few]) == 1
    for few, following in pairwise(turns):
        assert sum(pixels[few]) + pixels[following.start] > MAX_PIXELS_AT_ONCE


def test_a_missing_decoder_is_reported_before_anything_is_written(network, folder, tmp_path, monkeypatch):
    for name in ("torchcodec", "torchcodec.decoders"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        UnitscopeError, match=r"torchcodec can't decode .* on 'cpu' .*`pip install 'unitscope\[torchcodec\]'"
    ):
        unitscope.scan(network, folder, tmp_path / "a", options=ScanOptions(decoder="torchcodec"))
    assert not (tmp_path / "a.parts").exists()


def test_a_decoder_that_does_not_support_the_device_is_reported_first():
    pytest.importorskip("torchcodec", reason="torchcodec is not installed")
    check_usable(torch.device("cpu"))
    with pytest.raises(UnitscopeError, match=r"^torchcodec can't decode JPEG files on 'meta' \(.*--decoder pillow"):
        check_usable(torch.device("meta"))


@pytest.mark.parametrize(
    ("wrong", "output"),
    [
        ({"responses": "float8"}, "responses can't be stored as 'float8'; choose one of float32, float16, none"),
        ({"decoder": "gimp"}, "no decoder 'gimp'; choose one of pillow, torchcodec"),
    ],
)
def test_unknown_option_values_are_refused(wrong, output):
    with pytest.raises(UnitscopeError, match=output):
        ScanOptions(**wrong)


def test_verify_tolerates_bf16_and_still_finds_errors(network, folder, tmp_path):
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bf16")
    atlas = unitscope.scan(network, folder, tmp_path / "b", options=ScanOptions(precision="bf16")).atlas
    assert not unitscope.verify(atlas, network=network).mismatches
    array = zarr.open_group(atlas.path / "arrays.zarr", mode="r+")["responses"]
    array[...] = array[...] + 1
    without_checksums(atlas.path)
    wrong = unitscope.verify(unitscope.open_atlas(atlas.path), network=network).mismatches
    assert "response" in {one.what for one in wrong}
