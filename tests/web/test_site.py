"""The static site: complete, usable without a server, all links valid."""

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import unitscope
from tests.scanning.conftest import PHI, Planted
from tests.web.conftest import explorer_of, network_session
from tests.web.test_pages import Links
from unitscope.analyses.image_groups import image_group
from unitscope.analyses.similarity import similarity
from unitscope.display.heatmaps import tone
from unitscope.display.thumbnails import map_shape, shrunk
from unitscope.errors import ImageError, UnitscopeError
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.pages.home import home_page
from unitscope.web.static_export import StaticSite

LAYER = "act:12"


def write(atlas, base, *, session=None, layer=LAYER, **more):
    explorer, pictures = explorer_of(atlas, base / "cache")
    site = StaticSite(explorer, pictures, (atlas.find(layer),), **more)
    output = []
    session = (session or network_session(atlas)) if site.maps else LazyInspector(missing="none")
    site.write(base / "site", session, on_batch=output.append)
    return site, base / "site", sum(output)


def narrow():
    """A network whose last layer has four units."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 12, 1), nn.ReLU(), nn.Conv2d(12, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers)


def planted(base, *, module=Planted, pictures=12, labels=("red", "green", "blue"), broken=0, top=9):
    """An atlas of seeded pictures, and a session of its network; the first pictures can't be read."""
    from unitscope.engine.session import Session
    from unitscope.inspection.inspector import Inspector
    from unitscope.scanning.scan import ScanOptions

    random = np.random.default_rng(3)
    for number in range(pictures):
        place = base / "images" / (labels[number % len(labels)] if labels else "")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (20, 24, 3), np.uint8)).save(place / f"{number:02d}.png")
        if number < broken:
            (place / f"{number:02d}.png").write_bytes(b"not an image")
    network = unitscope.load(module(), preprocess=PHI)
    unitscope.scan(network, base / "images", base / "planted.atlas", options=ScanOptions(top=top))
    atlas = unitscope.open_atlas(base / "planted.atlas")
    return atlas, LazyInspector(lambda: Inspector(Session(network), tuple(atlas.layers)))


KINDS = {
    "as usual": {},
    "without labels": {"labels": ()},
    "with images that can't be read": {"broken": 5},
    "with a label of which none can be read": {"pictures": 3, "broken": 1},
    "with more exemplars than cards show": {"pictures": 30, "top": 16},
    "with fewer images than exemplars": {"pictures": 5},
    "with a last layer of four units": {"module": narrow},
}


@pytest.fixture(params=KINDS)
def strange(request, tmp_path):
    """An atlas of some kind, a session, its site."""
    atlas, session = planted(tmp_path, **KINDS[request.param])
    return atlas, session, *write(atlas, tmp_path, session=session, layer="act:-1")


@pytest.fixture(scope="module")
def whole(atlas, tmp_path_factory):
    return write(atlas, tmp_path_factory.mktemp("site"))


def pages(folder: Path):
    return sorted(folder.rglob("*.html"))


def test_the_site_has_all_planned_pages(whole):
    site, folder, output = whole
    assert len(pages(folder)) == site.pages == 2 + 1 + 240 + 11 + 55
    assert output == site.steps == site.pages + len(site.rows) + len(site.exemplar_rows)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert 0.6 < size / site.bytes < 1.6


def test_every_link_leads_to_a_file_of_the_site(whole):
    _, folder, _ = whole
    check_links(folder)


def check_links(folder):
    for page in pages(folder):
        for link in Links(page.read_text("utf-8")).found:
            assert not link.startswith(("http", "/", "data:")), (page, link)
            if not link.startswith("#"):
                assert (page.parent / unquote(link)).is_file(), (page, link)


def test_the_site_needs_no_server(whole):
    _, folder, _ = whole
    for script in (folder / "static").glob("*.js"):
        if script.name != "plotly.min.js":
            assert not re.search(r"\b(import|fetch)\(", script.read_text("utf-8")), script
    for page in pages(folder):
        text = page.read_text("utf-8")
        assert 'type="module"' not in text
        assert not re.search(r'(href|action)="/', text)


def test_maps_equal_those_of_the_server(whole, atlas):
    _, folder, _ = whole
    layer = atlas.find(LAYER)
    strip = np.asarray(Image.open(folder / "maps" / str(layer.index) / "17.png"))
    rows = atlas.dataset["top_images"][:, atlas.index.flat(layer, 17)].to_numpy()
    maps = network_session(atlas).get().maps(atlas.source().take(rows), layer, 17)
    shape = map_shape(maps[0].shape)
    expected = np.concatenate([shrunk(tone(one), shape) for one in maps], 1)
    assert strip.shape == expected.shape
    assert np.abs(strip / 255 - expected).max() < 0.01


def test_maps_hardly_depend_on_which_images_are_run_together(atlas):
    session, layers = network_session(atlas), [atlas.find(address) for address in ("act:5", "act:16", "act:-1")]
    ids = list(atlas.images["image"][:19])
    ids.insert(7, "gone.png")
    together = list(session.get().all_maps(atlas.source(ids=ids), layers))
    assert [place for place, maps in enumerate(together) if maps is None] == [7]
    for place in (0, 6, 8, 15, 16, 19):
        (alone,) = session.get().all_maps(atlas.source(ids=[ids[place]]), layers)
        for one, other in zip(together[place], alone, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * np.abs(other).max())


def test_the_site_works_from_the_file_system(whole, page, atlas):
    _, folder, _ = whole
    index = atlas.find(LAYER).index
    page.goto((folder / "index.html").as_uri())
    page.click(f"table a[href='layer/{index}.html']")
    page.select_option("[name=sort]", "max")
    page.locator("#units .card").first.click()
    page.wait_for_selector("#exemplars[data-ready=yes]")
    page.wait_for_selector(".js-plotly-plot")
    unit = int(Path(page.url).stem)
    page.keyboard.press("ArrowRight" if unit < 239 else "ArrowLeft")
    page.wait_for_url(f"**/{unit + 1 if unit < 239 else unit - 1}.html")
    page.wait_for_selector("#exemplars[data-ready=yes]")
    page.goto((folder / "compare" / "0-1.html").as_uri())
    page.wait_for_selector(".js-plotly-plot")
    page.goto((folder / "class" / "1.html").as_uri())
    assert page.wait_for_selector(".js-plotly-plot").is_visible()


def test_without_images_no_picture_of_them_is_written(atlas, tmp_path, page):
    _, folder, _ = write(atlas, tmp_path, images=False)
    assert not list(folder.rglob("*.webp"))
    index = atlas.find(LAYER).index
    text = (folder / "unit" / str(index) / "17.html").read_text("utf-8")
    assert not re.search(r"thumbnail|picture/", text)
    page.goto((folder / "unit" / str(index) / "17.html").as_uri())
    page.wait_for_selector("#exemplars[data-ready=yes]")
    page.goto((folder / "layer" / f"{index}.html").as_uri())
    assert page.locator("#units .tile").count() > 100


def test_without_a_network_the_site_has_and_requests_no_maps(tmp_path):
    _, folder, _ = write(planted(tmp_path)[0], tmp_path, layer="act:-1", maps=False)
    assert len(pages(folder)) == 15
    assert not (folder / "maps").exists()
    check_links(folder)


def test_an_existing_folder_is_not_changed(atlas, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "mine.txt").write_text("mine")
    with pytest.raises(UnitscopeError, match="already exists"):
        write(atlas, tmp_path, maps=False)
    assert (tmp_path / "site" / "mine.txt").read_text() == "mine"


def test_a_site_that_fails_leaves_nothing_behind(atlas, tmp_path):
    explorer, pictures = explorer_of(atlas, tmp_path / "cache")
    site = StaticSite(explorer, pictures, (atlas.find(LAYER),))
    with pytest.raises(UnitscopeError, match="no network here"):
        site.write(tmp_path / "site", LazyInspector(missing="no network here"))
    assert {path.name for path in tmp_path.iterdir()} == {"cache"}


def test_the_site_of_any_atlas_is_complete(strange):
    _, _, site, folder, output = strange
    assert len(pages(folder)) == site.pages
    assert output == site.steps
    check_links(folder)


def test_a_page_shows_its_exemplars_in_the_order_of_the_maps(strange):
    atlas, session, _, folder, _ = strange
    layer = atlas.find("act:-1")
    for unit in range(layer.units):
        page = (folder / "unit" / str(layer.index) / f"{unit}.html").read_text("utf-8")
        images = atlas.source(ids=atlas.exemplars(f"{layer.name}:{unit}")["image"])
        maps = session.get().maps(images, layer, unit)
        if not maps:
            continue
        strip = np.asarray(Image.open(folder / "maps" / str(layer.index) / f"{unit}.png"))
        assert int(re.search(r'data-count="(\d+)"', page)[1]) == page.count("<canvas") == len(maps)
        expected = np.concatenate([shrunk(tone(one), map_shape(one.shape)) for one in maps], 1)
        assert strip.shape == expected.shape
        assert np.abs(strip / 255 - expected).max() < 0.01


@pytest.mark.parametrize("left", ["", "damaged"])
def test_missing_images_are_counted_and_nothing_is_written(tmp_path, left):
    atlas, session = planted(tmp_path)
    for gone in ("images/red/00.png", "images/green/01.png"):
        (tmp_path / gone).unlink()
        if left:
            (tmp_path / gone).write_text(left)
    for more in ({}, {"images": False}, {"maps": False}):
        with pytest.raises(
            ImageError, match=r"2 of the 12 images .* with --image-root, or .*--no-images.*--no-network"
        ):
            write(atlas, tmp_path, session=session, layer="act:-1", **more)
        assert not [path for path in tmp_path.iterdir() if "site" in path.name]
    write(atlas, tmp_path, layer="act:-1", images=False, maps=False)


def test_a_site_contains_no_paths_of_the_scanning_machine(tmp_path):
    atlas, session = planted(tmp_path)
    known = {name: value for name, value in atlas.manifest.network.items() if name != "name"}
    network = {**known, "reference": "/home/me/secret/net.py:make", "weights": "/home/me/secret/w.pth"}
    command = r"/opt/bin/unitscope scan ./secret/net.py:make C:\secret\images --weights=/home/me/secret/w.pth --top 9"
    manifest = replace(atlas.manifest, network=network, command=command)
    _, folder, _ = write(replace(atlas, manifest=manifest), tmp_path, session=session, layer="act:-1")
    index = (folder / "index.html").read_text("utf-8")
    assert "<code>… scan … … --weights=… --top 9</code>" in index
    assert "<h1>net.py:make</h1>" in index
    assert "<dt>images in</dt><dd>images</dd>" in index
    for page in pages(folder):
        text = page.read_text("utf-8")
        assert "secret" not in text
        assert str(tmp_path) not in text
    assert str(tmp_path) in dict(home_page(explorer_of(atlas, tmp_path / "cache")[0].atlas_cache).facts)["images in"]


def test_pairs_of_up_to_16_classes_are_a_table_of_cosines(whole, atlas):
    site, folder, _ = whole
    index = (folder / "compare" / "index.html").read_text("utf-8")
    cells = re.findall(r'<td class="n" data-value="([^"]+)"><a href="\.\./compare/(\d+)-(\d+)\.html"', index)
    assert len(cells) == 2 * len(site.pairs) == 110
    layer = atlas.find(LAYER)
    for value, *places in cells[:12]:
        subjects = [image_group(atlas, f"class:{site.labels[int(place)]}", layer) for place in places]
        assert float(value) == pytest.approx(similarity(subjects).matrix[0, 1])


def test_pairs_of_more_classes_are_listed_by_class(make_atlas, tmp_path):
    atlas = make_atlas(np.random.default_rng(0).random((17, 2)), labels=[f"{label:03d}" for label in range(17)])
    site, folder, _ = write(atlas, tmp_path, layer="relu", images=False, maps=False)
    index = (folder / "compare" / "index.html").read_text("utf-8")
    assert index.count("<dt>") == 17
    assert index.count("../compare/") == 2 * len(site.pairs) + 1
    check_links(folder)


def test_no_files_are_left_in_the_cache_of_the_server(tmp_path):
    atlas, session = planted(tmp_path)
    write(atlas, tmp_path, session=session, layer="act:-1")
    assert not list((tmp_path / "cache").iterdir())


def test_labels_that_share_images_are_not_compared(make_atlas, tmp_path):
    atlas = make_atlas(np.eye(6, 4), layers={"relu": 4}, labels=["cat,pet"] * 3 + ["dog"] * 3)
    site, folder, _ = write(atlas, tmp_path, layer="relu", images=False, maps=False)
    assert site.pairs == (("cat", "dog"), ("dog", "pet"))
    check_links(folder)


@pytest.mark.parametrize(("labels", "pairs"), [(1, 0), (2, 1), (16, 120), (17, 120), (200, 120)])
def test_the_number_of_pairs_is_bounded(make_atlas, tmp_path, labels, pairs):
    atlas = make_atlas(np.ones((labels, 2)), labels=[f"{label:03d}" for label in range(labels)])
    explorer, pictures = explorer_of(atlas, tmp_path / "cache")
    found = StaticSite(explorer, pictures, (atlas.find("relu"),)).pairs
    assert len(found) == len(set(found)) == pairs
    assert all(one < other for one, other in found)
    if labels == 17:
        assert len({label for pair in found for label in pair}) == 17
