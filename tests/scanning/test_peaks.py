"""Peaks of a scan: the greatest single values, their places, and what these see."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import unitscope
from tests.engine.test_engine import COMPILER
from unitscope import ScanOptions
from unitscope.errors import AtlasError
from unitscope.graph.peaks import peak
from unitscope.images import decode

PHI = {"size": [24, 32], "mean": [0, 0, 0], "std": [255, 255, 255]}


class Blocks(nn.Module):
    """Convolutions with a residual addition, and a layer without places."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second, self.third = (
            nn.Conv2d(3, 5, 3, 2, 1),
            nn.Conv2d(5, 5, 3, padding=1),
            nn.Conv2d(5, 4, 3),
        )
        self.relu, self.gelu, self.head = nn.ReLU(), nn.GELU(), nn.Linear(4, 3)

    def forward(self, x):
        x = self.relu(self.first(x))
        x = self.relu(x + self.second(x))
        x = self.gelu(self.third(x))
        return self.relu(self.head(x.mean((2, 3))))


@pytest.fixture
def pictures(tmp_path):
    random = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for number in range(23):
        Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8)).save(tmp_path / "images" / f"{number:02d}.png")
    (tmp_path / "images" / "07.png").write_bytes(b"no picture")
    return tmp_path / "images"


def maps_by_hand(network, atlas):
    """The maps ``[image, unit, row, column]`` of each layer, from hooks on the module."""
    seen = {}
    hooks = [
        part.register_forward_hook(lambda _, __, out, name=name: seen.setdefault(name, []).append(out))
        for name, part in network.module.named_children()
    ]
    good = atlas.images["error"] == ""
    source = atlas.source()
    with torch.no_grad():
        prepared = [network.preprocessing.prepare(decode(source.path(row))) for row in np.flatnonzero(good)]
        network.module(network.preprocessing.normalize(torch.stack(prepared)))
    for hook in hooks:
        hook.remove()
    maps = {"relu": seen["relu"][0], "relu_1": seen["relu"][1], "gelu": seen["gelu"][0]}
    return {name: values.numpy() for name, values in maps.items()}, np.flatnonzero(good)


@pytest.mark.parametrize("engine", ["eager", "openvino", "compile"])
def test_peaks_are_the_greatest_values_of_all_maps(pictures, tmp_path, engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    if engine == "compile" and not COMPILER:
        pytest.skip("this machine has no compiler")
    network = unitscope.load(Blocks(), preprocess=PHI)
    options = ScanOptions(shard_size=6, batch_size=4, top=5, engine=engine, peaks=True)
    atlas = unitscope.scan(network, pictures, tmp_path / "a", options=options).atlas
    maps, rows = maps_by_hand(network, atlas)
    assert set(atlas.manifest.receptive_fields) == {"relu", "relu_1", "gelu"}
    for layer, values in maps.items():
        for unit in range(values.shape[1]):
            flat = values[:, unit].reshape(len(rows), -1)
            order = np.argsort(-flat.max(1), kind="stable")[:5]
            found = atlas.peaks(f"{layer}:{unit}")
            assert found["image"].tolist() == atlas.images["image"].to_numpy()[rows[order]].tolist()
            np.testing.assert_allclose(found["value"], flat.max(1)[order], rtol=1e-5)
            at = (found["row"] * values.shape[3] + found["column"]).to_numpy()
            np.testing.assert_allclose(flat[order, at], flat.max(1)[order], rtol=1e-5)
    with pytest.raises(AtlasError, match="has no peaks of layer 'relu_2'"):
        atlas.peaks("relu_2:0")


def test_peaks_do_not_depend_on_batches_or_shards(pictures, tmp_path):
    network = unitscope.load(Blocks(), preprocess=PHI)
    one, other = (
        unitscope.scan(
            network, pictures, tmp_path / str(size), options=ScanOptions(shard_size=size, batch_size=batch, peaks=True)
        ).atlas.dataset
        for size, batch in ((5, 5), (23, 5))
    )
    for name in ("peak_values", "peak_images", "peak_places"):
        np.testing.assert_array_equal(one[name], other[name])


def test_what_a_place_sees_is_all_that_its_value_depends_on(pictures, tmp_path):
    network = unitscope.load(Blocks(), preprocess=PHI)
    atlas = unitscope.scan(network, pictures, tmp_path / "a", options=ScanOptions(peaks=True)).atlas
    session = unitscope.Session(network)
    layer = session.layers.find("gelu")
    for _, found in atlas.peaks("gelu:2").iterrows():
        picture = network.preprocessing.prepare(decode(pictures / found["image"]))
        grey = torch.full_like(picture, 128)
        top, left = max(0, int(found["top"])), max(0, int(found["left"]))
        box = slice(top, int(found["top"] + found["height"])), slice(left, int(found["left"] + found["width"]))
        grey[:, box[0], box[1]] = picture[:, box[0], box[1]]
        before, after = (session.run(x[None], maps=[layer]).maps[0][0, 2] for x in (picture, grey))
        place = found["row"], found["column"]
        assert float(after[place]) == pytest.approx(float(before[place]), rel=1e-5)


@pytest.mark.parametrize("unit_axis", [1, 3])
def test_of_equal_values_the_first_place_counts(unit_axis):
    map_ = torch.zeros(2, 3, 4, 5)
    map_[0, 0, 2, 1] = map_[0, 0, 2, 3] = map_[0, 0, 3, 0] = 7
    map_[1, 2] = -1
    map_[1, 2, 3, 4] = -0.5
    given = map_ if unit_axis == 1 else map_.permute(0, 2, 3, 1)
    for memory in (given, given.contiguous(), given.to(torch.bfloat16)):
        values, places = peak(memory, unit_axis)
        assert values.tolist() == [[7, 0, 0], [0, 0, -0.5]]
        assert places.tolist() == [[11, 0, 0], [0, 0, 19]]


def test_an_earlier_atlas_has_no_peaks(make_atlas):
    atlas = make_atlas(np.ones((4, 2), np.float32), layers={"a": 2})
    assert not atlas.has_peaks
    with pytest.raises(AtlasError, match="has no peaks of layer 'a': it was scanned without --peaks"):
        atlas.peaks("a:0")


def test_peaks_are_found_only_if_asked_and_an_atlas_without_them_is_another_scan(pictures, tmp_path):
    network = unitscope.load(Blocks(), preprocess=PHI)
    assert not unitscope.scan(network, pictures, tmp_path / "a").atlas.has_peaks
    with pytest.raises(AtlasError, match="already holds an atlas of another scan: the peaks have changed"):
        unitscope.scan(network, pictures, tmp_path / "a", options=ScanOptions(peaks=True))
