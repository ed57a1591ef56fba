"""A damaged or hostile atlas: a wrong number is never given, and no code of it is run."""

import json
import pickle
import random
import shutil
import zlib
from dataclasses import replace

import numpy as np
import pytest
import zarr

from tests.bound_by_permissions import CAN_BE_BOUND, run_bound
from unitscope.analyses.sparsity import sparsity
from unitscope.atlas import open_atlas
from unitscope.atlas.schema import Manifest, _checksum
from unitscope.errors import AtlasError, UnitscopeError

FLIPS, MUTATIONS = 200, 500


@pytest.fixture
def atlas(make_atlas):
    responses = np.random.default_rng(0).normal(size=(60, 300)).astype(np.float32)
    return make_atlas(responses, layers={"a": 20, "b": 280}, labels=["cat", "dog", "cat,dog"] * 20, shard_size=40)


ANSWERS = {
    "exemplars": lambda atlas: atlas.exemplars("b:7").to_dict(),
    "lowest": lambda atlas: atlas.exemplars("a:3", lowest=True).to_dict(),
    "all rows": lambda atlas: atlas.responses("b").tolist(),
    "one row": lambda atlas: atlas.responses("b", np.array([41])).tolist(),
    "one unit": lambda atlas: atlas.responses("b", units=slice(270, 271)).tolist(),
    "class means": lambda atlas: atlas.class_means.tolist(),
    "units": lambda atlas: atlas.units.to_json(),
    "images": lambda atlas: atlas.images.to_json(),
    "sparsity": lambda atlas: sparsity(atlas, "a").to_dict(),
    "network": lambda atlas: str(atlas.manifest),
    "dataset": lambda atlas: {name: array.values.tobytes() for name, array in atlas.dataset.items()},
    "part of a dataset": lambda atlas: atlas.dataset["responses"].isel(image=[3, 50], unit=slice(5, 9)).values.tolist(),
}


def answers(folder):
    """The answer to each question, or the error, which is never a traceback of Python."""
    try:
        atlas = open_atlas(folder)
    except UnitscopeError as problem:
        return dict.fromkeys(ANSWERS, problem)
    found = {}
    for name, ask in ANSWERS.items():
        try:
            found[name] = ask(atlas)
        except UnitscopeError as problem:
            found[name] = problem
    return found


def test_a_flipped_bit_anywhere_changes_no_answer(atlas):
    right, dice = answers(atlas.path), random.Random(0)
    assert not [answer for answer in right.values() if isinstance(answer, UnitscopeError)]
    files = sorted(path for path in atlas.path.rglob("*") if path.is_file())
    refused = 0
    for number in range(FLIPS):
        path = files[number % len(files)]
        content = path.read_bytes()
        changed = bytearray(content)
        changed[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        path.write_bytes(changed)
        for name, answer in answers(atlas.path).items():
            refused += isinstance(answer, AtlasError)
            assert isinstance(answer, AtlasError) or answer == right[name], (path, name)
        path.write_bytes(content)
    assert refused > FLIPS
    assert answers(atlas.path) == right


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("units.parquet", "units"),
        ("images.parquet", "images"),
        ("arrays.zarr/top_values/c/0/0", "exemplars"),
        ("arrays.zarr/class_sums/c/0/0", "class means"),
        ("arrays.zarr/responses/c/0/0", "all rows"),
        ("arrays.zarr/mean/zarr.json", "exemplars"),
    ],
)
def test_the_error_names_the_damaged_file_and_what_to_do(atlas, name, ask):
    content = (atlas.path / name).read_bytes()
    (atlas.path / name).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(AtlasError, match=rf"{name}.*; copy it again, or scan again into a new folder"):
        ANSWERS[ask](open_atlas(atlas.path))


def rewrite(folder, change):
    """Change the manifest, with the right checksum."""
    values = json.loads((folder / "manifest.json").read_text("utf-8"))
    change(values)
    values.pop("crc32c", None)
    (folder / "manifest.json").write_text(json.dumps({**values, "crc32c": _checksum(values)}), "utf-8")


JUNK = (None, -1, 0, 10**30, 1.5, True, "", "../..", "\x00", [], {}, ["x"], [[]], {"a": 1})


def mutate(values, dice):
    """Replace, remove or add one value anywhere in a table or list."""
    place = values
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = dice.choice(keys)
        if not isinstance(place[key], dict | list) or not place[key] or dice.random() < 0.3:
            break
        place = place[key]
    kind = dice.random()
    if kind < 0.6:
        place[key] = dice.choice(JUNK)
    elif kind < 0.8:
        del place[key]
    elif isinstance(place, list):
        place.append(place[key])
    else:
        place[f"{key}x"] = place[key]


def test_mutated_manifests_give_one_sentence_or_answers(atlas):
    dice, original, refused = random.Random(1), (atlas.path / "manifest.json").read_bytes(), 0
    for _ in range(MUTATIONS):
        rewrite(atlas.path, lambda values: mutate(values, dice))
        found = answers(atlas.path)
        refused += isinstance(found["network"], AtlasError)
        assert not [
            problem for problem in found.values() if isinstance(problem, UnitscopeError) and "\n" in str(problem)
        ]
        (atlas.path / "manifest.json").write_bytes(original)
    assert MUTATIONS / 3 < refused < MUTATIONS


class Ran:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["mean", "responses", "planted"])
def test_arrays_of_zarr_v2_are_not_opened(atlas, tmp_path, name):
    group = atlas.path / "arrays.zarr"
    shutil.rmtree(group / name, ignore_errors=True)
    (group / name).mkdir()
    meta = {
        "zarr_format": 2,
        "shape": [1],
        "chunks": [1],
        "dtype": "|O",
        "compressor": {"id": "zlib", "level": 1},
        "fill_value": None,
        "order": "C",
        "filters": [{"id": "pickle", "protocol": 5}],
    }
    (group / name / ".zarray").write_text(json.dumps(meta))
    (group / name / "0").write_bytes(zlib.compress(pickle.dumps(Ran(tmp_path / "ran"))))
    (group / ".zgroup").write_text('{"zarr_format": 2}')
    rewrite(atlas.path, lambda values: values.update(files={}))
    assert isinstance(answers(atlas.path)["exemplars"], AtlasError)
    assert isinstance(answers(atlas.path)["all rows"], AtlasError)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]}, "its codec 'numcodecs.pickle' is none of"),
        ({"data_type": "object"}, "its type is 'object', not float64"),
        ({"data_type": "float32"}, "its type is 'float32', not float64"),
        ({"shape": [10**12]}, r"its shape is \[1000000000000\], not \[300\]"),
        ({"attributes": {"scale_factor": 2}}, "it has attributes"),
        ({"zarr_format": 2}, "not an array of zarr v3"),
        ({"codecs": None}, "'NoneType' object is not iterable"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0]}}}, r"its chunk shape is \[0\]"),
    ],
)
def test_arrays_other_than_those_of_a_scan_are_refused(atlas, change, message):
    path = atlas.path / "arrays.zarr" / "mean" / "zarr.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **change}), "utf-8")
    rewrite(atlas.path, lambda values: values.update(files={}))
    with pytest.raises(AtlasError, match=rf"arrays.zarr/mean/zarr.json: .*{message}"):
        open_atlas(atlas.path).exemplars("a:0")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("layer", "other", "has other layers than the manifest"),
        ("channel", 1, "does not count the units"),
        ("count", -1, "out of their range"),
        ("zero_fraction", 2.0, "out of their range"),
        ("mean", float("nan"), "statistics of units with responses are missing"),
        ("mean", "high", "has the type string, not double"),
    ],
)
def test_tables_other_than_those_of_a_scan_are_refused(atlas, column, value, message):
    atlas.units.assign(**{column: value}).to_parquet(atlas.path / "units.parquet", index=False)
    rewrite(atlas.path, lambda values: values.update(files={}))
    with pytest.raises(AtlasError, match=rf"units.parquet: .*{message}"):
        _ = open_atlas(atlas.path).units


def test_a_table_with_a_row_too_few_is_refused(atlas):
    atlas.images.iloc[1:].to_parquet(atlas.path / "images.parquet", index=False)
    rewrite(atlas.path, lambda values: values.update(files={}))
    with pytest.raises(AtlasError, match=r"images.parquet: .*it has 59 rows, not 60"):
        _ = open_atlas(atlas.path).images


def test_an_atlas_of_the_first_schema_without_checksums_is_read(atlas):
    right = answers(atlas.path)
    path = atlas.path / "manifest.json"
    values = json.loads(path.read_text("utf-8"))
    del values["crc32c"]
    files = {name: file["bytes"] for name, file in values["files"].items()}
    path.write_text(json.dumps({**values, "schema_version": 1, "files": files}), "utf-8")
    found = answers(atlas.path)
    assert {name: found[name] for name in found if name != "network"} == {
        name: right[name] for name in right if name != "network"
    }


def test_a_manifest_is_read_as_it_was_written(atlas):
    assert Manifest.read(atlas.path) == atlas.manifest
    assert replace(atlas.manifest, command="é\n\u2028").to_json().count("crc32c") == len(atlas.manifest.files) + 1


def test_the_shards_of_responses_are_read_by_zarr(atlas):
    array = zarr.open_group(atlas.path / "arrays.zarr", mode="r")["responses"]
    np.testing.assert_array_equal(array[:, 20:], atlas.responses("b"))
    path = atlas.path / "arrays.zarr" / "responses" / "c" / "0" / "0"
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="checksum"):
        _ = zarr.open_group(atlas.path / "arrays.zarr", mode="r")["responses"][:]


@pytest.mark.parametrize("codec", ["pickle", "zlib"])
def test_consolidated_metadata_is_not_used(atlas, tmp_path, codec):
    path = atlas.path / "arrays.zarr" / "zarr.json"
    values = json.loads(path.read_text("utf-8"))
    array = json.loads((atlas.path / "arrays.zarr" / "responses" / "zarr.json").read_text("utf-8"))
    array["codecs"] = [{"name": f"numcodecs.{codec}", "configuration": {}}]
    values["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": {"responses": array}}
    path.write_text(json.dumps(values), "utf-8")
    rewrite(atlas.path, lambda values: values.update(files={}))
    found = answers(atlas.path)
    assert isinstance(found["all rows"], AtlasError)
    assert isinstance(found["exemplars"], AtlasError)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values["scan"].update(top=10**12),
        lambda values: values["preprocessing"].update(mean=[10**400]),
        lambda values: values["layers"][0].update(units=10**18, shape=[10**18]),
    ],
)
def test_numbers_that_would_fill_the_memory_are_refused(atlas, change):
    rewrite(atlas.path, change)
    found = answers(atlas.path)
    assert all(isinstance(found[name], AtlasError) for name in found if name not in ("network", "images"))


OPEN = """
import sys
from unitscope.atlas import open_atlas
from unitscope.errors import AtlasError, DamagedAtlasError
try:
    atlas = open_atlas(sys.argv[1])
    atlas.exemplars("a:3"), atlas.responses("a"), atlas.images
except DamagedAtlasError:
    print("damaged")
except AtlasError as problem:
    print(problem)
"""


@pytest.mark.skipif(not CAN_BE_BOUND, reason="root needs `setpriv` to be refused a file")
@pytest.mark.parametrize(
    "closed",
    [
        "manifest.json",
        "images.parquet",
        "arrays.zarr/responses/c/0/0",
        "arrays.zarr/top_values/zarr.json",
        "arrays.zarr/top_values",
        "arrays.zarr",
    ],
)
def test_an_atlas_without_permission_to_read_it_is_not_called_damaged(atlas, closed):
    (atlas.path / closed).chmod(0)
    said = run_bound(OPEN, str(atlas.path))
    (atlas.path / closed).chmod(0o755)
    assert said == f"no permission to read '{atlas.path / closed}'; ask the owner of the atlas for it\n"
