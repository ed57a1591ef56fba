"""The inspector that the pages use, against the public functions."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import unitscope
from unitscope.display.structure import Change
from unitscope.engine.session import Session
from unitscope.images import decode, image_files
from unitscope.inspection.inspector import Inspector
from unitscope.scanning.scan import ScanOptions


@pytest.fixture
def given(network, folder, tmp_path):
    atlas = unitscope.scan(network, folder, tmp_path / "a.atlas").atlas
    return atlas, Inspector(Session(network), tuple(atlas.layers)), folder / atlas.images["image"][0]


def test_a_structure_equals_that_of_the_command(given, network):
    _, inspector, file = given
    found = inspector.structure(file, top=4)
    expected = unitscope.structure(network, file, top=4)
    assert found.predictions == expected.predictions
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    np.testing.assert_array_equal(found.picture, expected.picture)
    for one, other in zip(found.columns, expected.columns, strict=True):
        np.testing.assert_array_equal(one.units, other.units)
        np.testing.assert_array_equal(one.maps, other.maps)


def test_a_units_maps_have_its_responses_as_means(given):
    atlas, inspector, _ = given
    files = [atlas.root / image for image in atlas.images["image"][:20]]
    maps = inspector.maps(image_files([*files, atlas.root / "gone.png"]), atlas.layers[0], 1)
    assert maps[-1] is None
    expected = atlas.responses("relu")[:20, 1]
    np.testing.assert_allclose([map_.mean() for map_ in maps[:-1]], expected, rtol=1e-5)


def test_all_maps_equal_those_of_each_unit(given):
    atlas, inspector, file = given
    output = list(inspector.all_maps(image_files([file, atlas.root / "gone.png"]), atlas.layers))
    assert output[1] is None
    for unit in range(6):
        np.testing.assert_array_equal(output[0][0][unit], inspector.maps(image_files([file]), atlas.layers[0], unit)[0])


def test_a_removed_unit_is_missing_from_maps_and_predictions(given, network):
    _, inspector, file = given
    gone = inspector.structure(file, change=Change({"relu": (0, 3)}), top=6)
    responses = dict(zip(gone.columns[0].units.tolist(), gone.columns[0].responses.tolist(), strict=True))
    assert responses[0] == responses[3] == 0
    with torch.no_grad():
        x = network.preprocessing.normalize(network.preprocessing.prepare(decode(file))[None])
        maps = network.module.relu(network.module.conv(x))
        maps[:, [0, 3]] = 0
        expected = network.module.head(maps.mean((2, 3))).softmax(1)[0]
    np.testing.assert_allclose(gone.probabilities, expected, rtol=1e-5)
    for one in gone.predictions:
        assert one.probability == gone.probabilities[one.index]


CONVOLUTIONS = (
    torch.ops.aten.conv2d.default,
    torch.ops.aten.convolution.default,
    torch.ops.mkldnn._convolution_pointwise.default,
)


class Convolutions(TorchDispatchMode):
    """Counts the convolutions that are run."""

    count = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.count += operation in CONVOLUTIONS
        return operation(*args, **(kwargs or {}))


def test_several_layers_are_read_in_one_pass(network, folder, tmp_path):
    atlas = unitscope.scan(network, folder, tmp_path / "all.atlas", options=ScanOptions(layers=["*"])).atlas
    inspector = Inspector(Session(network), tuple(atlas.layers))
    file, chosen = folder / atlas.images["image"][0], (atlas.layers[2], atlas.layers[0])
    inspector.structure(file, layers=chosen, top=99)  # makes the graph
    with Convolutions() as run:
        found = inspector.structure(file, layers=chosen, top=99)
    assert run.count == 1
    assert [column.layer for column in found.columns] == list(chosen)
    for column, layer in zip(found.columns, chosen, strict=True):
        assert len(column.units) == layer.units
        alone = inspector.structure(file, layers=(layer,), top=layer.units).columns[0]
        np.testing.assert_array_equal(column.units, alone.units)
        np.testing.assert_array_equal(column.maps, alone.maps)


def test_noise_is_seeded(given):
    _, inspector, file = given
    one, same, other = (inspector.structure(file, change=Change(sigma=0.1, seed=seed)).picture for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).mean() > 0.5


def test_custom_preprocessing_is_unchanged_and_has_no_noise(network, folder, tmp_path):
    def centred(image):
        values = torch.from_numpy(np.array(image.resize((16, 16)))).permute(2, 0, 1).float()
        return (values / 255 - 0.5) / 0.25

    own = unitscope.load(network.module, preprocess=centred)
    atlas = unitscope.scan(own, folder, tmp_path / "own.atlas").atlas
    inspector = Inspector(Session(own), tuple(atlas.layers))
    found = inspector.structure(folder / atlas.images["image"][3], top=6).columns[0]
    np.testing.assert_allclose(found.responses, atlas.responses("relu")[3][found.units], rtol=1e-5)
    with pytest.raises(unitscope.UnitscopeError, match="scale of a custom preprocessing is unknown"):
        inspector.structure(folder / atlas.images["image"][3], change=Change(sigma=0.1))


def test_threads_get_the_same_results_as_one(given):
    atlas, inspector, _ = given
    files = [atlas.root / image for image in atlas.images["image"][:6]]
    alone = [inspector.structure(file).columns[0].responses for file in files]
    together = {}

    def ask(number):
        together[number] = inspector.structure(files[number]).columns[0].responses

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for number, expected in enumerate(alone):
        np.testing.assert_array_equal(together[number], expected)


def test_a_missing_device_is_an_error(network):
    with pytest.raises(unitscope.UnitscopeError, match="no device"):
        Session(replace(network), device="cuda:99")
