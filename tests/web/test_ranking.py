"""Pages rank units by contrast where the atlas has deviations, and say what a unit's exemplars don't show."""

from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.web.conftest import WHY, explorer_of
from unitscope.analyses.contrast import Baseline
from unitscope.web.app import create_app
from unitscope.web.lazy_inspector import LazyInspector

RESPONSES = np.random.default_rng(3).random((30, 24), np.float32)
RESPONSES[:, 5] += 10  # always on
RESPONSES[:, 6] = 0  # dead
RESPONSES[:28, 7] = 0


@pytest.fixture
def open_client(tmp_path):
    def opened(atlas):
        explorer, pictures = explorer_of(atlas, tmp_path / "pictures")
        return TestClient(create_app(explorer, pictures, LazyInspector(missing=WHY), hosts=frozenset({"testserver"})))

    return opened


def test_an_images_page_ranks_units_by_contrast_unless_told_otherwise(make_atlas, open_client):
    atlas = make_atlas(RESPONSES)
    client = open_client(atlas)
    for address, ranking in (
        ("/image/00004.png.json", "contrast"),
        ("/image/00004.png.json?rank=response", "response"),
    ):
        page = client.get(address).json()
        values = RESPONSES[4] if ranking == "response" else Baseline(atlas).contrasts(atlas.find("relu"), RESPONSES[4])
        expected = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[:9]
        assert page["ranking"] == ranking
        assert page["layers"][0]["units"] == expected.tolist()
        assert page["layers"][0]["responses"] == pytest.approx(RESPONSES[4][expected].tolist())
    assert "divided by its standard deviation" in client.get("/image/00004.png").text
    assert "of highest response α" in client.get("/image/00004.png?rank=response").text


def test_an_atlas_of_one_image_has_no_contrasts(make_atlas, open_client):
    client = open_client(make_atlas(RESPONSES[:1]))
    assert client.get("/image/00000.png.json").json()["ranking"] == "response"
    assert 'name="rank"' not in client.get("/image/00000.png").text


def test_a_dead_units_page_shows_no_images_and_says_why(make_atlas, open_client):
    client = open_client(make_atlas(RESPONSES))
    page = client.get("/unit/relu/6.json").json()
    assert (page["exemplars"], page["lowest"]) == ([], [])
    text = client.get("/unit/relu/6").text
    assert "This unit is dead: its response to every image is zero, so it has no exemplars." in text
    assert "<h2" not in text.partition("<main")[2].partition("Similar units")[0]
    assert client.get("/layer/relu.json").json()["exemplars"][6] == []


def test_a_units_page_says_how_many_images_it_responds_to(make_atlas, open_client):
    client = open_client(make_atlas(RESPONSES))
    assert [one["row"] for one in client.get("/unit/relu/7.json").json()["exemplars"]] in ([28, 29], [29, 28])
    assert "Only 2 images have a response above zero." in client.get("/unit/relu/7").text


def test_pages_of_a_layer_of_classes_say_so_and_class_pages_begin_before_it(make_atlas, open_client):
    atlas = make_atlas(RESPONSES, layers={"features": 12, "last": 12}, labels=["hen", "pug"] * 15)
    network = {**atlas.manifest.network, "class_layers": ["last"]}
    client = open_client(replace(atlas, manifest=replace(atlas.manifest, network=network)))
    words = "The units of last are the network&#39;s 12 classes themselves"
    assert words in client.get("/layer/last").text
    assert f"{words}: unit 3 is &#39;class 3&#39;." in client.get("/unit/last/3").text
    assert words not in client.get("/layer/features").text
    assert client.get("/class/hen.json").json()["layer"] == "features"
    assert client.get("/class/hen.json?layer=last").json()["layer"] == "last"
