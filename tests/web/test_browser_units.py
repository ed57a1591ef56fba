"""Pages of layers and units in Chromium: cards, and maps overlaid on exemplars."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from PIL import Image

import unitscope
from tests.web.conftest import explorer_of, network_session, served, until
from unitscope.engine.session import Session
from unitscope.inspection.inspector import Inspector
from unitscope.networks import Preprocessing
from unitscope.web.app import create_app
from unitscope.web.image_files import ImageFiles
from unitscope.web.lazy_inspector import LazyInspector


def test_units_are_sorted_filtered_and_loaded_on_scrolling(page, site, atlas):
    page.goto(f"{site}/layer/act:-1")
    cards = page.locator("#units .card")
    assert 60 <= cards.count() <= 180
    page.select_option("[name=sort]", "max")
    units = atlas.units[atlas.units["layer"] == "_swish_1"]
    best = int(units.sort_values("max", ascending=False)["channel"].iloc[0])
    assert cards.first.locator(".name").inner_text() == f"unit {best}"
    assert page.locator("[name=label]").count() == 0  # crops of one photograph show no class
    before = cards.count()
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    until(page, f"document.querySelectorAll('#units .card').length > {before}")
    cards.first.click()
    page.wait_for_url("**/unit/_swish_1/*")


def test_units_are_filtered_by_the_class_that_they_are_selective_for(page, make_atlas, tmp_path):
    responses = np.random.default_rng(0).random((40, 30), np.float32)
    responses[::2, :9] += 4
    explorer, pictures = explorer_of(make_atlas(responses, labels=["cat", "dog"] * 20), tmp_path / "pictures")
    shown = explorer.atlas_cache.selectivity(explorer.atlas_cache.atlas.find("relu"))["selective_class"]
    with served(create_app(explorer, pictures, LazyInspector(missing="none"))) as address:
        page.goto(f"{address}/layer/relu")
        page.fill("[name=label]", "cat")
        assert page.inner_text("#count") == f"{(shown == 'cat').sum()} of 30 units"
        assert "cat 0." in page.locator("#units .card .note").first.inner_text()
        page.reload()
        assert page.input_value("[name=label]") == "cat"


def test_a_window_taller_than_the_first_cards_is_filled(page, site):
    page.set_viewport_size({"width": 1280, "height": 9000})
    page.goto(f"{site}/layer/act:-1")
    until(page, "document.getElementById('more').getBoundingClientRect().top > innerHeight + 900")
    assert 120 < page.locator("#units .card").count() < 1280


def test_maps_are_overlaid_on_exemplars_with_adjustable_opacity(page, site):
    page.goto(f"{site}/unit/_swish_1/725")
    page.wait_for_selector("#exemplars[data-ready=yes]")
    canvas = page.locator("canvas.map").first
    cells = "(c) => c.getContext('2d').getImageData(0, 0, 320, 320).data"
    assert canvas.evaluate(f"(c) => ({cells})(c).filter((_, n) => n % 4 === 0).reduce((a, b) => a + b)") > 1_000_000
    page.locator("#fade").fill("0")
    assert canvas.evaluate("(c) => getComputedStyle(c).opacity") == "0"
    page.locator("#fade").fill("100")
    assert canvas.evaluate("(c) => getComputedStyle(c).opacity") == "1"
    assert page.locator(".js-plotly-plot .bars .point").count() > 10


def test_the_reason_for_missing_maps_is_shown(lenient_page, atlas, tmp_path):
    explorer, pictures = explorer_of(atlas, tmp_path / "pictures")
    moved = ImageFiles(explorer.atlas_cache, atlas.source(tmp_path / "moved"), pictures.cache)
    page = lenient_page
    with served(create_app(explorer, moved, network_session(atlas))) as address:
        page.goto(f"{address}/unit/_swish_1/725")
        until(page, "document.getElementById('maps-state').textContent.includes('--image-root')")
        assert "<" not in page.inner_text("#maps-state")


@pytest.fixture
def wide(tmp_path):
    """The address of an atlas without labels, of a network with input 32×64 whose unit 0 responds to red."""
    conv = torch.nn.Conv2d(3, 2, 1)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[1.0, -1, -1], [-1, 1, -1]])[..., None, None])
        conv.bias.zero_()
    layers = [("conv", conv), ("see", torch.nn.ReLU()), ("pool", torch.nn.AdaptiveAvgPool2d(1))]
    layers += [("flat", torch.nn.Flatten()), ("mean", torch.nn.ReLU())]
    module = torch.nn.Sequential(OrderedDict(layers))
    network = unitscope.load(module, preprocess=Preprocessing(32, (32, 64), "bilinear"))
    (tmp_path / "images").mkdir()
    for number in range(4):
        pixels = np.zeros((64, 160, 3), np.uint8)
        pixels[:, 80 + 8 * number : 96 + 8 * number, 0] = 250
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    atlas = unitscope.scan(network, tmp_path / "images", tmp_path / "wide.atlas").atlas
    explorer, pictures = explorer_of(atlas, tmp_path / "pictures")
    with served(
        create_app(explorer, pictures, LazyInspector(lambda: Inspector(Session(network), tuple(atlas.layers))))
    ) as address:
        yield address


def test_a_map_covers_exactly_the_picture(page, wide):
    page.goto(f"{wide}/unit/see/0")
    page.wait_for_selector("#exemplars[data-ready=yes]")
    page.wait_for_load_state("networkidle")
    box = page.locator(".seen").first.bounding_box()
    assert box["width"] / box["height"] == pytest.approx(2, abs=0.02)
    for part in ("img", "canvas"):
        assert page.locator(f".seen {part}").first.bounding_box() == box
    # Where the map is bright, the picture is red: columns of both, brought to one width.
    columns = """(node) => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 1 });
      canvas.getContext("2d").drawImage(node, 0, 0, 64, 1);
      return [...canvas.getContext("2d").getImageData(0, 0, 64, 1).data].filter((_, place) => place % 4 === 0);
    }"""
    red, bright = (np.array(page.locator(f".seen {part}").first.evaluate(columns)) for part in ("img", "canvas"))
    centres = [(values * np.arange(64)).sum() / values.sum() for values in (red, bright)]
    assert centres[0] == pytest.approx(centres[1], abs=1)


def test_a_single_cell_map_has_no_opacity_control(page, wide):
    page.goto(f"{wide}/unit/mean/0")
    page.wait_for_load_state("networkidle")
    assert page.locator(".seen img").count() == 4
    assert page.locator("#fade, .seen canvas").count() == 0
    assert "1×1" in page.inner_text("#exemplars")
