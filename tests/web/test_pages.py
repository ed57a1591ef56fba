"""Contents of pages against the atlas and brute force; responses of the server without a browser."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import quote

import numpy as np
import pytest
from fastapi.testclient import TestClient

import unitscope
from tests.web.conftest import WHY, explorer_of
from unitscope.analyses.image_groups import image_group
from unitscope.analyses.selection import TopK
from unitscope.analyses.shuffled_labels import LabelledGroups
from unitscope.analyses.similarity import similarity
from unitscope.analyses.sparsity import sparsity
from unitscope.analyses.unit_rules import intersection
from unitscope.demo import NETWORK
from unitscope.web.app import create_app
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.pages.class_page import class_page
from unitscope.web.pages.compare import compare_page
from unitscope.web.pages.unit import unit_page


@pytest.fixture(scope="module")
def client(reading_app):
    return TestClient(reading_app)


class Links(HTMLParser):
    """All URLs that a page links to."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("href", "src", "data-maps") and value]


PAGES = [
    "/",
    "/layer/_swish_1",
    "/layer/act:1",
    "/unit/_swish_1/725",
    "/images",
    "/images?page=2",
    "/images?predicted=e&sort=confidence",
    "/notes",
    "/image/chelsea/00.jpg",
    "/class/chelsea",
    "/class/chelsea?layer=act:5",
    "/compare",
    "/compare?a=class:chelsea",
    "/compare?a=class:chelsea&a=class:flower&a=china/00.jpg&layer=act:20&top=5",
    "/search?q=che",
    "/search?q=12",
    "/lab",
    "/live",
]


@pytest.mark.parametrize("address", PAGES)
def test_every_page_opens_without_a_network_and_all_its_links_work(client, address):
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    links = set(Links(answer.text).found)
    assert links
    for link in sorted(links):
        if link.startswith(("/maps/", "#", "/unit/")) and link != "/unit/_swish_1/724":
            continue
        assert client.get(link).status_code == 200, link


@pytest.mark.parametrize("address", PAGES)
def test_every_page_has_a_json_version(client, address):
    path, _, query = address.partition("?")
    twin = "/index.json" if path == "/" else f"{path}.json"
    output = client.get(f"{twin}?{query}")
    assert output.status_code == 200
    assert isinstance(output.json(), dict)


def test_the_lab_and_live_json_have_the_initial_state(client, atlas):
    lab, live = (client.get(address).json() for address in ("/lab.json?image=chelsea/00.jpg", "/live.json"))
    known = client.get("/image/chelsea/00.jpg.json").json()["predictions"]
    assert lab["images"] == [{"image": "chelsea/00.jpg", "predictions": known}]
    assert lab["layers"] == live["layers"] == [layer.name for layer in atlas.layers]
    assert lab["missing"] == live["missing"] == WHY
    assert client.get("/lab.json").json()["images"][0]["image"] == atlas.images["image"][0]
    assert client.get("/lab.json?image=gone.jpg").status_code == 404
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths["/lab.json"]) == {"get", "post"}
    assert set(paths["/live.json"]) == {"get"}


def test_a_units_page_agrees_with_the_atlas(client, atlas):
    output = client.get("/unit/act:-1/725.json").json()
    layer = atlas.find("act:-1")
    responses = atlas.responses(layer)[:, 725]
    assert output["layer"] == layer.name
    assert output["statistics"]["mean"] == pytest.approx(responses.mean(dtype=float))
    order = np.argsort(-responses, kind="stable")[:9]
    assert [one["row"] for one in output["exemplars"]] == order.tolist()
    assert [one["response"] for one in output["exemplars"]] == pytest.approx(responses[order].tolist())
    histogram = output["histogram"]
    edges = histogram["start"] + histogram["width"] * np.arange(len(histogram["counts"]) + 1)
    assert sum(histogram["counts"]) == len(responses)
    assert edges[0] == 0
    assert edges[-1] == pytest.approx(responses.max())


def test_similar_units_are_those_of_the_greatest_correlation(atlas):
    layer = atlas.find("act:-1")
    page = unit_page(AtlasCache(atlas), layer, 725)
    alike, images = page.alike, page.alike_images
    responses = atlas.responses(layer).astype(float)
    spread = responses.std(0) > 0
    expected = np.full(layer.units, -np.inf)
    expected[spread] = [np.corrcoef(responses[:, unit], responses[:, 725])[0, 1] for unit in np.flatnonzero(spread)]
    expected[725] = -np.inf
    assert images == len(responses)
    assert [one.channel for one in alike] == np.argsort(-expected, kind="stable")[: len(alike)].tolist()
    assert [one.correlation for one in alike] == pytest.approx(np.sort(expected)[::-1][: len(alike)], abs=1e-5)


def test_class_means_are_means_over_the_images_of_the_class(atlas):
    layer = atlas.find("act:5")
    found = unit_page(AtlasCache(atlas), layer, 7).classes
    responses = atlas.responses(layer)[:, 7].astype(float)
    for one in found:
        rows = [row for row, labels in enumerate(atlas.images["labels"]) if one.label in labels]
        assert one.mean == pytest.approx(responses[rows].mean(), rel=1e-6)
    assert [one.mean for one in found] == sorted((one.mean for one in found), reverse=True)


def test_correlations_of_nearly_constant_responses_are_accurate(make_atlas):
    responses = 1000 + np.random.default_rng(0).normal(0, 1, (200, 12)).astype(np.float32)
    responses[:, 3] = 1000 + (responses[:, 2] - 1000) * 0.5
    responses[:, 4] = 1000
    atlas = make_atlas(responses)
    alike = unit_page(AtlasCache(atlas), atlas.find("relu"), 2).alike
    assert [alike[0].channel, alike[0].correlation] == [3, pytest.approx(1, abs=1e-3)]
    for one in alike:
        expected = np.corrcoef(responses[:, [2, one.channel]].astype(float).T)[0, 1]
        assert one.correlation == pytest.approx(expected, abs=1e-9)
    assert 4 not in [one.channel for one in alike]
    assert unit_page(AtlasCache(atlas), atlas.find("relu"), 4).alike == ()


def test_the_histogram_of_nearly_constant_responses_counts_all_of_them(make_atlas):
    responses = np.full((50, 3), -5, np.float32)
    responses[::2, 0] = np.nextafter(np.float32(-5), np.float32(0))
    responses[:, 1] = np.float32(1e-45)
    responses[:, 2] += np.arange(50) * 1e-6
    atlas = make_atlas(responses)
    for unit in range(3):
        page = unit_page(AtlasCache(atlas), atlas.find("relu"), unit)
        assert sum(page.histogram.counts) == 50
        assert page.histogram.width > 0


def test_responses_read_in_blocks_cover_each_unit(make_atlas):
    responses = np.random.default_rng(0).random((30, 150), np.float32)
    responses[4] = np.nan
    atlas = make_atlas(responses, layers={"first": 20, "second": 130}, shard_size=7)
    atlas_cache = AtlasCache(atlas)
    for unit in (0, 63, 64, 128, 129):
        np.testing.assert_array_equal(atlas_cache.responses(atlas.find("second"), unit), responses[:, 20 + unit])


def test_a_class_page_agrees_with_the_analyses(atlas):
    atlas_cache, layer = AtlasCache(atlas), atlas.find("act:20")
    for label in atlas.manifest.labels[:3]:
        page = class_page(atlas_cache, label.label, layer)
        spread = sparsity(atlas, layer, [label.label])
        assert page.spread.of_all == tuple(spread.overall.histogram)
        assert page.spread.of_class == tuple(spread.classes[0].histogram)
        assert page.spread.gini == pytest.approx(spread.classes[0].gini, rel=1e-5)


def test_crops_of_one_photograph_are_near_duplicates_and_no_class_claim_is_made(client, atlas):
    """13 crops of each of 11 photographs: without near-duplicates 1 to 4 images are left of each."""
    counts = LabelledGroups.of(atlas).distinct_images
    assert len(counts) == 11
    assert ((counts >= 1) & (counts <= 4)).all()
    page = client.get("/class/chelsea.json").json()
    assert "the 13 images of 'chelsea' are near-duplicates of 1" in page["selective"]["note"].lower()
    assert page["inhibitory"]["note"].startswith("The 13 images of class 'chelsea' are near-duplicates of 1")
    assert "are near-duplicates of others, so they share units anyway" in page["shared"]["note"]
    assert not page["selective"]["units"]
    assert not page["inhibitory"]["units"]
    assert client.get("/unit/act:-1/725.json").json()["statistics"]["selective_class"] is None
    assert "No class is shown: shuffled labels" in client.get("/layer/act:-1").text


def test_two_classes_of_the_same_name_have_separate_units(make_atlas):
    from unitscope.atlas import Label

    responses = np.tile(np.eye(3), (6, 2)) * np.arange(1, 19)[:, None]
    given = make_atlas(responses, labels=["a", "b", "c"] * 6)
    labels = (Label("a", "crane", None), Label("b", "crane", None), Label("c", "c", None))
    units = given.units.replace({"selective_class": {"a": "crane", "b": "crane"}})
    atlas = replace(given, manifest=replace(given.manifest, labels=labels))
    atlas.__dict__["units"] = units
    atlas_cache, layer = AtlasCache(atlas), atlas.find("relu")
    found = [[one.channel for one in class_page(atlas_cache, label, layer).selective.units] for label in "abc"]
    assert found == [[0, 3], [1, 4], [2, 5]]


def test_no_more_units_are_compared_than_a_layer_has(make_atlas):
    responses = np.random.default_rng(0).random((8, 4))
    atlas = make_atlas(responses, labels=["a", "b"] * 4)
    page = compare_page(AtlasCache(atlas), ["class:a", "class:b"], atlas.find("relu"), top=9)
    assert page.top == 4
    assert page.shared.count == 4


def test_a_units_page_needs_no_labels(make_atlas, tmp_path):
    from tests.web.conftest import explorer_of
    from unitscope.web.app import create_app
    from unitscope.web.lazy_inspector import LazyInspector

    given = make_atlas(np.random.default_rng(0).random((9, 4)))
    explorer, pictures = explorer_of(given, tmp_path / "pictures")
    client = TestClient(create_app(explorer, pictures, LazyInspector(missing="none"), hosts=frozenset({"testserver"})))
    output = client.get("/unit/relu/1.json").json()["statistics"]
    assert output["selective_class"] is None
    assert client.get("/unit/relu/1").status_code == 200


def test_a_layers_page_lists_all_its_units(client, atlas):
    output = client.get("/layer/act:20.json").json()
    layer = atlas.find("act:20")
    assert len(output["columns"]["mean"]) == len(output["exemplars"]) == layer.units
    assert output["exemplars"][3] == [int(row) for row in atlas.dataset["top_images"][:9, atlas.index.flat(layer, 3)]]


def test_a_comparison_equals_the_unit_rules(client, atlas):
    import unitscope

    output = client.get("/compare.json?a=class:chelsea&a=class:astronaut&layer=act:24&top=9").json()
    subjects = unitscope.image_groups(atlas, ["class:chelsea", "class:astronaut"], "act:24")
    found = unitscope.intersection(subjects, unitscope.TopK(9))
    assert [one["channel"] for one in output["shared"]["units"]] == found.units.tolist()
    assert output["shared"]["p_value"] == pytest.approx(found.p_value)
    assert output["matrix"][0][1] == pytest.approx(unitscope.similarity(subjects).matrix[0, 1])
    assert len(output["layers"]) == len(atlas.layers)


def test_a_comparison_at_each_layer_equals_the_unit_rules(make_atlas):
    responses = np.random.default_rng(0).normal(0, 1, (40, 150)).astype(np.float32)
    responses[3] = np.nan
    atlas = make_atlas(responses, layers={"first": 20, "second": 130}, labels=["a", "a,b", "b", "c"] * 10)
    names = ["class:a", "class:b", "00006.png"]
    for output, layer in zip(
        compare_page(AtlasCache(atlas), names, atlas.layers[0], top=7).layers, atlas.layers, strict=True
    ):
        subjects = [image_group(atlas, name, layer) for name in names]
        rule = intersection(subjects, TopK(7))
        assert (output.layer, output.shared) == (layer.name, len(rule.units))
        assert (output.expected, output.p_value) == pytest.approx((rule.expected, rule.p_value))
        assert output.cosine == pytest.approx(similarity(subjects).matrix.min())


def test_classes_can_be_given_without_a_prefix(client):
    bare, full = (client.get(f"/compare.json?a={p}chelsea&a={p}astronaut").json() for p in ("", "class:"))
    assert bare == full
    assert client.get("/search.json?q=class:chel").json()["labels"][0]["label"] == "chelsea"


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("act:33:12", "/unit/_swish_1/12"),
        (" _swish_1:12 ", "/unit/_swish_1/12"),
        ("act:3", "/layer/_blocks.1._swish"),
        ("act:-1", "/layer/_swish_1"),
        ("_blocks.15._swish_1", "/layer/_blocks.15._swish_1"),
        ("UNIT 1279", "/unit/_swish_1/1279"),
        ("unit1279", "/unit/_swish_1/1279"),
        ("chelsea/03", "/image/chelsea/03.jpg"),
    ],
)
def test_a_single_search_result_redirects_to_its_page(client, query, page):
    answer = client.get("/search", params={"q": query}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, page)


def test_a_bare_number_finds_the_unit_of_each_layer_that_has_it(client, atlas):
    wide = [layer for layer in atlas.layers if layer.units > 725]
    assert 1 < len(wide) < len(atlas.layers)
    for query in ("725", "unit 725"):
        output = client.get("/search.json", params={"q": query}).json()
        assert output["units"] == [[layer.name, 725] for layer in wide]
    text = client.get("/search?q=725").text
    assert "_swish_1:725" in text
    assert "act:33:725" in text


@pytest.mark.parametrize("address", ["/layer/act:-1", "/unit/act:-1/5", "/class/chelsea", "/search?q=_swish_1"])
def test_layers_are_shown_by_both_their_names(client, address):
    assert '_swish_1<span class="call"> act:33' in client.get(address).text.replace(":5", "")


def test_unreadable_images_are_neither_counted_nor_linked(make_atlas, tmp_path):
    from tests.web.conftest import explorer_of
    from unitscope.web.app import create_app
    from unitscope.web.lazy_inspector import LazyInspector

    responses = np.random.default_rng(0).random((6, 4))
    responses[[0, 5]] = np.nan
    given = make_atlas(responses, labels=["cat", "cat", "cat", "dog", "dog", "gone"])
    labels = tuple(replace(one, network_class=number) for number, one in enumerate(given.manifest.labels))
    atlas = replace(given, manifest=replace(given.manifest, labels=labels, classes=("cat", "dog", "gone")))
    images = given.images.copy()
    images["top5_classes"] = [np.arange(3)] * 6
    images["top5_probabilities"] = [np.full(3, 1 / 3)] * 6
    atlas.__dict__["images"] = images
    assert (images["error"] != "").tolist() == [True, False, False, False, False, True]
    assert atlas.label_counts == {"cat": 2, "dog": 2}
    explorer, pictures = explorer_of(atlas, tmp_path / "pictures")
    client = TestClient(create_app(explorer, pictures, LazyInspector(missing="none"), hosts=frozenset({"testserver"})))
    assert [one["label"] for one in client.get("/image/00001.png.json").json()["predictions"]] == ["cat", "dog", ""]
    assert "/class/gone" not in client.get("/").text


def test_captions_of_exemplars_link_to_their_classes(client):
    assert (
        '<a href="/class/china">china</a></span> <span class="id">china/07.jpg' in client.get("/unit/act:-1/725").text
    )


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/layer/nothing", "no layer &#39;nothing&#39;"),
        ("/unit/act:-1/99999", "there is no unit 99999"),
        ("/image/no/such.jpg", "no image &#39;no/such.jpg&#39;"),
        ("/class/unicorn", "no class &#39;unicorn&#39;"),
        ("/compare?a=unicorn.jpg&a=class:chelsea", "unicorn.jpg"),
        ("/thumbnail/9999.webp", "no image 9999"),
        ("/picture-of?image=../../../etc/passwd", "no image"),
        ("/picture-of?image=upload:../../x", "has been deleted"),
        ("/upload/" + "0" * 64, "has been deleted"),
        ("/nowhere", "There is no page"),
    ],
)
def test_a_missing_page_is_a_clear_404(client, address, message):
    answer = client.get(address)
    assert answer.status_code == 404
    assert message in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("address", ["/maps/act:-1/725.png", "/structure.json?image=chelsea/00.jpg"])
def test_requests_that_need_a_network_say_how_to_get_one(client, address):
    answer = client.get(address)
    assert answer.status_code == 404
    assert "--no-network" in answer.text


def test_pages_that_need_a_network_say_so(client):
    for address in ("/lab", "/live", "/unit/act:-1/725", "/image/chelsea/00.jpg", "/images"):
        assert WHY in client.get(address).text


def test_invalid_numbers_are_refused(client):
    assert client.get("/unit/act:-1/minus").status_code == 404
    assert client.get("/compare?top=0&a=class:chelsea&a=class:flower").status_code == 400
    assert client.get("/images?page=last").status_code == 422
    assert client.post("/lab.json", json={"image": "chelsea/00.jpg", "sigma": 7}).status_code == 422


def test_names_with_line_breaks_have_a_page(make_atlas, tmp_path):
    from tests.web.conftest import explorer_of
    from unitscope.web.app import create_app
    from unitscope.web.lazy_inspector import LazyInspector

    odd = "one\ntwo\u2028three"
    given = make_atlas(np.eye(6, 4), layers={"re\nlu": 4}, labels=[odd, "b", odd, "b", odd, "b"])
    explorer, pictures = explorer_of(given, tmp_path / "pictures")
    client = TestClient(create_app(explorer, pictures, LazyInspector(missing="none"), hosts=frozenset({"testserver"})))
    for address in (f"/class/{quote(odd)}", "/layer/re%0Alu", "/unit/re%0Alu/1", "/"):
        assert client.get(address).status_code == 200, address


def test_names_in_an_atlas_are_escaped(make_atlas, tmp_path):
    """An atlas may be untrusted; its labels and layers are shown as text, never as markup."""
    from tests.web.conftest import explorer_of
    from unitscope.web.app import create_app
    from unitscope.web.lazy_inspector import LazyInspector

    evil = "</script><script>alert(1)</script>"
    given = make_atlas(np.eye(6, 4), layers={"relu": 4}, labels=[evil, "b", evil, "b", evil, "b"])
    explorer, pictures = explorer_of(given, tmp_path / "pictures")
    client = TestClient(create_app(explorer, pictures, LazyInspector(missing=evil), hosts=frozenset({"testserver"})))
    pages = ["/", "/layer/relu", "/unit/relu/1", f"/class/{quote(evil)}", f"/search?q={quote(evil)}", "/lab", "/live"]
    for address in pages:
        answer = client.get(address)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text


def test_json_pages_hold_no_nan_or_infinity(make_atlas, tmp_path):
    from tests.web.conftest import explorer_of
    from unitscope.web.app import create_app
    from unitscope.web.lazy_inspector import LazyInspector

    responses = np.random.default_rng(0).random((9, 4))
    responses[:, 2] = 0
    responses[4] = np.nan
    given = make_atlas(responses, layers={"relu": 4})
    explorer, pictures = explorer_of(given, tmp_path / "pictures")
    client = TestClient(create_app(explorer, pictures, LazyInspector(missing="none"), hosts=frozenset({"testserver"})))
    for address in ("/layer/relu.json", "/unit/relu/2.json", "/image/00004.png.json", "/index.json"):
        json.loads(client.get(address).text, parse_constant=pytest.fail)
    for address in ("/layer/relu", "/unit/relu/2", "/image/00004.png", "/"):
        assert client.get(address).status_code == 200


@pytest.fixture(scope="module")
def bare(demo, tmp_path_factory):
    """An atlas of a scan that stored no responses."""
    options = unitscope.ScanOptions(layers=("act:-1",), responses="none", limit=40)
    folder = tmp_path_factory.mktemp("bare")
    return unitscope.scan(unitscope.load(NETWORK), demo / "photographs", folder / "atlas", options=options).atlas


def test_pages_of_an_atlas_without_responses_say_what_is_missing(bare, tmp_path):
    explorer, pictures = explorer_of(bare, tmp_path)
    client = TestClient(create_app(explorer, pictures, LazyInspector(missing=WHY), hosts=frozenset({"testserver"})))
    layer = bare.layers.layers[0].name
    unit = client.get(f"/unit/{layer}/725").text
    assert unit.count("<figcaption>") == 9
    assert "stored exemplars and summaries only" in unit
    label = client.get("/class/chelsea").text
    assert "Most selective units" in label
    assert label.count("the scan stored none") == 2
    for path in (
        "/",
        f"/layer/{layer}",
        f"/image/{bare.images['image'][0]}",
        "/search?q=che",
        f"/unit/{layer}/725.json",
    ):
        assert client.get(path).status_code == 200, path
    compared = client.get("/compare?a=class:chelsea&a=class:flower")
    assert 400 <= compared.status_code < 500
    assert "--store-responses none" in compared.text
