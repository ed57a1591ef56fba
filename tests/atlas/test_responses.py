"""Rows of the response matrix, read directly from the files, against zarr."""

from dataclasses import replace

import numpy as np
import pytest
import zarr

from unitscope.atlas.schema import ARRAYS
from unitscope.errors import AtlasError

LAYERS = {"narrow": 40, "wide": 600}
IMAGES, SHARD = 57, 10


@pytest.fixture
def atlas(make_atlas):
    responses = np.random.default_rng(0).standard_normal((IMAGES, 640), np.float32)
    responses[3] = np.nan
    responses[20:30] = np.nan  # a shard that zarr does not write
    responses[31:, 300:600] = np.nan  # chunks that it does not write
    return make_atlas(responses, layers=LAYERS, shard_size=SHARD)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "rows",
    [
        slice(None),
        slice(7, 23),
        slice(50, None, 3),
        np.array([5]),
        np.array([56, 0, 30, 3, 3, 24]),
        np.arange(IMAGES) % 9 == 4,
        np.array([], int),
        np.array([-1]),
    ],
    ids=str,
)
def test_rows_equal_those_read_by_zarr(atlas, layer, rows):
    whole = zarr.open_group(atlas.path / ARRAYS, mode="r")["responses"][:]
    expected = whole[:, atlas.index.span(atlas.find(layer))][rows]
    np.testing.assert_array_equal(atlas.responses(layer, rows), expected)


@pytest.mark.parametrize(
    "units", [slice(0, 1), slice(250, 300), slice(-5, None), slice(590, 700), slice(4, 4)], ids=str
)
@pytest.mark.parametrize("rows", [slice(None), np.array([40, 2])], ids=str)
def test_some_units_are_those_columns_of_their_layer(atlas, rows, units):
    np.testing.assert_array_equal(atlas.responses("wide", rows, units), atlas.responses("wide", rows)[:, units])


def test_a_missing_row_is_an_error(atlas):
    with pytest.raises(IndexError, match="out of bounds"):
        atlas.responses("wide", np.array([IMAGES]))


@pytest.mark.parametrize("stored", [{"compressors": "auto"}, {"compressors": None}, {"shards": (20, 640)}], ids=str)
def test_a_response_array_rewritten_with_another_encoding_reads_the_same(atlas, stored):
    expected = atlas.responses("wide")
    group = zarr.open_group(atlas.path / ARRAYS, mode="r+")
    values = group["responses"][:]
    del group["responses"]
    group.create_array("responses", data=values, chunks=(10, 64), fill_value=np.nan, **stored)
    anew = type(atlas)(atlas.path, replace(atlas.manifest, files={}))
    np.testing.assert_array_equal(anew.responses("wide"), expected)
    np.testing.assert_array_equal(anew.responses("wide", np.array([40, 2])), expected[[40, 2]])


@pytest.mark.parametrize("left", [0, 3, 1000])
def test_a_damaged_file_is_named(atlas, left):
    path = atlas.path / ARRAYS / "responses" / "c" / "1" / "0"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(AtlasError, match="c/1/0' is damaged"):
        atlas.responses("wide")
    assert len(atlas.responses("wide", slice(0, 10))) == 10


def test_images_are_found_by_any_of_their_labels(make_atlas):
    atlas = make_atlas(np.ones((5, 2)), labels=["cat", "", "dog,cat", "dog", "cat"])
    assert atlas.rows_labelled("cat").tolist() == [0, 2, 4]
    assert atlas.rows_labelled("dog").tolist() == [2, 3]
    assert atlas.rows_labelled("cow").tolist() == []
