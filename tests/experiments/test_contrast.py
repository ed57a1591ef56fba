"""Structures ranked by contrast: units that respond more than they usually do, compared with an atlas."""

import numpy as np
import pytest

import unitscope
from unitscope.analyses.contrast import Baseline, top_by
from unitscope.engine.session import Session
from unitscope.errors import NetworkError


@pytest.fixture
def atlas(network, folder, tmp_path):
    return unitscope.scan(network, folder, tmp_path / "a.atlas").atlas


def test_contrasts_are_deviations_from_the_means_of_the_atlas(atlas):
    layer, stored = atlas.find("relu"), atlas.responses("relu")
    found = Baseline(atlas).contrasts(layer, stored)
    mean, std = stored.mean(0, dtype=np.float64), stored.std(0, dtype=np.float64)
    alive = std > 0
    assert not alive.all()
    np.testing.assert_allclose(found[:, alive], ((stored - mean) / np.where(alive, std, 1))[:, alive], rtol=1e-6)
    assert np.isnan(found[:, ~alive]).all()


def test_units_without_a_deviation_never_stand_out():
    assert top_by(np.array([0.5, np.nan, -1, 2, 2, np.nan]), 9).tolist() == [3, 4, 0, 2]
    assert top_by(np.array([np.nan, np.nan]), 9).tolist() == []


def test_a_structure_is_ranked_by_contrast_with_an_atlas(atlas, network, folder):
    file = folder / atlas.images["image"][7]
    found = unitscope.structure(network, file, top=3, contrast_with=atlas)
    (column,) = found.columns
    expected = Baseline(atlas).contrasts(column.layer, atlas.responses("relu")[7])
    order = [unit for unit in np.argsort(-expected, kind="stable") if not np.isnan(expected[unit])][:3]
    assert column.units.tolist() == order
    np.testing.assert_allclose(column.contrasts, expected[order], rtol=1e-3, atol=1e-4)
    assert found.ranking == "contrast"
    assert found.baseline == "the 40 images of a.atlas"
    assert found.baseline in list(found.tables())[1]
    again = unitscope.structure(network, file, top=3, contrast_with=Baseline(atlas))
    np.testing.assert_array_equal(again.columns[0].units, column.units)


def test_without_an_atlas_units_are_ranked_by_response(atlas, network, folder):
    found = unitscope.structure(network, folder / atlas.images["image"][7])
    assert (found.ranking, found.columns[0].contrasts) == ("response", None)
    assert "Top units" in list(found.tables())[1]
    assert "by response α" in list(found.tables())[1]


def test_an_atlas_of_another_network_is_refused(atlas, network, folder):
    other = unitscope.load(network.module.__class__(), preprocess=network.preprocessing)
    with pytest.raises(NetworkError, match="whose weights differ from those of"):
        unitscope.structure(Session(other), folder / atlas.images["image"][0], contrast_with=atlas)
