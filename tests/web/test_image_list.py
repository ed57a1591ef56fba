"""The list of images and the search: filters against loops over the table, counts, pages, similar names."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from tests.web.conftest import explorer_of
from unitscope.atlas import Label
from unitscope.web.app import create_app
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.name_search import similar_names
from unitscope.web.pages.image_list import ImageFilter, filtered_rows, image_list
from unitscope.web.pages.search import search_page

CLASSES = ("tabby cat", "Siamese cat", "golden retriever")
IMAGES = 200


@pytest.fixture
def classified(make_atlas):
    """200 images of three classes, a third of them classified wrongly; the last has no prediction."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, IMAGES)
    top1 = np.where(rng.random(IMAGES) < 1 / 3, (truth + 1) % 3, truth)
    given = make_atlas(rng.random((IMAGES, 4)), labels=[f"n{number}" for number in truth])
    labels = tuple(Label(f"n{number}", name, number) for number, name in enumerate(CLASSES))
    images = given.images.copy()
    images["label_names"] = [[CLASSES[number]] for number in truth]
    images["prediction"] = [CLASSES[number] for number in top1]
    images["top5_probabilities"] = [[value] for value in rng.random(IMAGES)]
    images["correct"] = pd.array(top1 == truth, dtype="boolean")
    images.loc[IMAGES - 1, "prediction"] = ""
    images.at[IMAGES - 1, "top5_probabilities"] = []
    images.loc[IMAGES - 1, "correct"] = pd.NA
    atlas = replace(given, manifest=replace(given.manifest, labels=labels, classes=CLASSES))
    atlas.__dict__["images"] = images
    return atlas


@pytest.fixture
def client(classified, tmp_path):
    explorer, pictures = explorer_of(classified, tmp_path / "pictures")
    return TestClient(create_app(explorer, pictures, LazyInspector(missing="none"), hosts=frozenset({"testserver"})))


FILTERS = {
    ImageFilter(): lambda row: True,
    ImageFilter(name="0001"): lambda row: "0001" in row["image"],
    ImageFilter(label="SIAMESE cat"): lambda row: row["label_names"] == ["Siamese cat"],
    ImageFilter(label="n2"): lambda row: row["labels"] == ["n2"],
    ImageFilter(predicted="cat"): lambda row: "cat" in row["prediction"],
    ImageFilter(wrong=True, label="tabby cat", predicted="Siamese cat"): lambda row: (
        row["labels"] == ["n0"] and row["prediction"] == "Siamese cat"
    ),
    ImageFilter(low="25", high="50"): lambda row: (
        len(row["top5_probabilities"]) and 0.25 <= row["top5_probabilities"][0] <= 0.5
    ),
    ImageFilter(high="30.5"): lambda row: len(row["top5_probabilities"]) and row["top5_probabilities"][0] <= 0.305,
}


@pytest.mark.parametrize("wanted", FILTERS)
def test_a_filter_leaves_the_images_of_its_definition(classified, wanted):
    expected = [row for row, facts in enumerate(classified.images.to_dict("records")) if FILTERS[wanted](facts)]
    assert 0 < len(expected) <= IMAGES
    assert filtered_rows(AtlasCache(classified), wanted).tolist() == expected


def test_images_are_sorted_by_confidence_and_those_without_come_last(classified):
    cache = AtlasCache(classified)
    confidence = cache.columns.confidence
    high, low = (filtered_rows(cache, ImageFilter(sort=sort)) for sort in ("confidence", "unsure"))
    assert high[-1] == low[-1] == IMAGES - 1
    assert (np.diff(confidence[high[:-1]]) <= 0).all()
    assert (np.diff(confidence[low[:-1]]) >= 0).all()
    by_class = [cache.columns.predicted[row] for row in filtered_rows(cache, ImageFilter(sort="predicted"))]
    assert by_class == [*sorted(by_class[:-1], key=str.casefold), ""]


def test_mistakes_are_counted_by_label_and_prediction_and_lead_to_their_images(classified, client):
    page = image_list(AtlasCache(classified))
    images = classified.images
    wrong = images[~images["correct"].fillna(value=True)]
    for one in page.mistakes:
        rows = wrong[(wrong["labels"].str[0] == one.label) & (wrong["prediction"] == one.predicted)]
        assert one.images == len(rows)
        listed = client.get("/images.json", params={"label": one.label, "predicted": one.predicted, "wrong": 1}).json()
        assert listed["total"] == len(rows)
    assert sum(one.images for one in page.mistakes) == len(wrong)
    assert [one.images for one in page.mistakes] == sorted((one.images for one in page.mistakes), reverse=True)


def test_pages_of_filtered_images_cover_all_of_them_once(client):
    query = {"predicted": "cat", "sort": "unsure"}
    first = client.get("/images.json", params=query).json()
    pages = [client.get("/images.json", params={**query, "page": n + 1}).json() for n in range(first["pages"])]
    listed = [one["image"] for page in pages for one in page["images"]]
    assert first["pages"] == 2
    assert len(set(listed)) == len(listed) == first["total"]
    text = client.get("/images", params=query).text
    assert f"{first['total']} images of {IMAGES}; page 1 of 2" in text
    assert 'href="/images?page=2&amp;predicted=cat&amp;sort=unsure"' in text


def test_an_empty_form_lists_all_images(client):
    answer = client.get("/images?name=&label=&predicted=&low=&high=&sort=")
    assert f"{IMAGES} images in the atlas" in answer.text


@pytest.mark.parametrize(
    ("query", "message"),
    [("low=ten", "0 to 100, not &#39;ten&#39;"), ("high=101", "0 to 100"), ("sort=size", "by &#39;size&#39;")],
)
def test_invalid_filters_are_refused_with_advice(client, query, message):
    answer = client.get(f"/images?{query}")
    assert answer.status_code == 400
    assert message in answer.text


def test_a_class_with_a_typing_error_is_suggested(client):
    found = client.get("/images.json?predicted=golden retreiver").json()
    assert (found["total"], found["suggestions"][0]) == (0, "golden retriever")
    assert client.get("/search.json?q=simese").json()["suggestions"] == ["Siamese cat"]
    assert "/search?q=Siamese%20cat" in client.get("/search?q=simese").text
    assert similar_names("xylophone", CLASSES) == ()


def test_a_search_counts_and_pages_all_images_and_finds_predicted_classes(classified, client):
    page = search_page(AtlasCache(classified), "png")
    assert (page.total, len(page.images), page.pages) == (IMAGES, 60, 4)
    text = client.get("/search?q=png&page=4").text
    assert f'Images <span class="quiet">{IMAGES}</span>' in text
    assert "page 4 of 4" in text
    predicted = {one["name"]: one["images"] for one in client.get("/search.json?q=cat").json()["predicted"]}
    counts = classified.images["prediction"].value_counts()
    assert predicted == {name: counts[name] for name in CLASSES if "cat" in name}


def test_a_search_cuts_nothing(make_atlas):
    labels = [f"class {number:03d}" for number in range(90)]
    atlas = make_atlas(np.eye(90, 4), labels=labels)
    assert len(search_page(AtlasCache(atlas), "class").labels) == 90
