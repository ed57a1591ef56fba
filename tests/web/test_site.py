"""The static site: complete, without a server, each link of it leading somewhere."""

import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from tests.web.conftest import explorer_of, network_studio
from tests.web.test_pages import Links
from unitscope.errors import UnitscopeError
from unitscope.web.site import Site
from unitscope.web.studio import NoStudio

LAYER = "act:12"


def write(atlas, base, **more):
    explorer, pictures = explorer_of(atlas, base / "cache")
    site = Site(explorer, pictures, (atlas.find(LAYER),), **more)
    told = []
    studio = network_studio(atlas) if site.maps else NoStudio("none")
    site.write(base / "site", studio, advanced=told.append)
    return site, base / "site", sum(told)


@pytest.fixture(scope="module")
def whole(atlas, tmp_path_factory):
    return write(atlas, tmp_path_factory.mktemp("site"))


def pages(folder: Path):
    return sorted(folder.rglob("*.html"))


def test_it_has_all_the_pages_that_were_promised(whole):
    site, folder, told = whole
    assert len(pages(folder)) == told == site.pages == 2 + 1 + 240 + 11 + 55
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert 0.6 < size / site.bytes < 1.6


def test_every_link_leads_to_a_file_of_the_site(whole):
    _, folder, _ = whole
    for page in pages(folder):
        for link in Links(page.read_text("utf-8")).found:
            assert not link.startswith(("http", "/", "data:")), (page, link)
            if not link.startswith("#"):
                assert (page.parent / unquote(link)).is_file(), (page, link)


def test_it_needs_no_server(whole):
    _, folder, _ = whole
    for script in (folder / "static").glob("*.js"):
        if script.name != "plotly.min.js":
            assert "import(" not in script.read_text("utf-8")
    for page in pages(folder):
        text = page.read_text("utf-8")
        assert 'type="module"' not in text
        assert not re.search(r'(href|action)="/', text)


def test_maps_are_those_that_the_server_shows(whole, atlas):
    from unitscope.thumbnails import map_shape, shrunk
    from unitscope.tones import tone

    _, folder, _ = whole
    layer = atlas.find(LAYER)
    strip = np.asarray(Image.open(folder / "maps" / str(layer.index) / "17.png"))
    rows = atlas.dataset["top_images"][:, atlas.index.flat(layer, 17)].to_numpy()
    maps = network_studio(atlas).maps([atlas.root / atlas.images["image"][row] for row in rows], layer, 17)
    shape = map_shape(maps[0].shape)
    expected = np.concatenate([shrunk(tone(one), shape) for one in maps], 1)
    assert strip.shape == expected.shape
    assert np.abs(strip / 255 - expected).max() < 0.01


def test_it_works_from_the_disk(whole, page, atlas):
    _, folder, _ = whole
    index = atlas.find(LAYER).index
    page.goto((folder / "index.html").as_uri())
    page.click(f"table a[href='layer/{index}.html']")
    page.select_option("[name=sort]", "selectivity")
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
    page.wait_for_selector(".js-plotly-plot")


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


def test_without_a_network_it_has_no_maps_and_asks_for_none(atlas, tmp_path):
    _, folder, _ = write(atlas, tmp_path, maps=False)
    assert not (folder / "maps").exists()
    for page in pages(folder):
        for link in Links(page.read_text("utf-8")).found:
            assert link.startswith("#") or (page.parent / unquote(link)).is_file(), (page, link)


def test_a_folder_that_is_there_is_left_alone(atlas, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "mine.txt").write_text("mine")
    with pytest.raises(UnitscopeError, match="is there already"):
        write(atlas, tmp_path, maps=False)
    assert (tmp_path / "site" / "mine.txt").read_text() == "mine"


def test_a_site_that_fails_leaves_nothing_behind(atlas, tmp_path):
    explorer, pictures = explorer_of(atlas, tmp_path / "cache")
    site = Site(explorer, pictures, (atlas.find(LAYER),))
    with pytest.raises(UnitscopeError, match="no network here"):
        site.write(tmp_path / "site", NoStudio("no network here"))
    assert {path.name for path in tmp_path.iterdir()} == {"cache"}
