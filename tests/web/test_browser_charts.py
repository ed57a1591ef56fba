"""Comparisons and charts in Chromium: the drawn values, and the escaping of names."""

import json
from itertools import pairwise
from urllib.parse import quote, urlencode

import numpy as np
import pytest

from tests.web.conftest import explorer_of, served, until
from unitscope.web.app import create_app
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.measurements import Measurements


def test_a_comparison_can_be_entered_in_the_form(page, site):
    page.goto(f"{site}/compare")
    page.locator("input[name=a]").nth(0).fill("class:chelsea")
    page.locator("input[name=a]").nth(1).fill("china/00.jpg")
    page.click("button:has-text('Compare')")
    page.wait_for_selector("h1:has-text('chelsea · china/00.jpg')")
    painted = page.locator("table.matrix td").nth(2)
    assert painted.evaluate("(cell) => cell.style.backgroundColor") != ""


def test_layer_names_below_a_chart_are_thinned_to_fit(page, site):
    page.goto(f"{site}/compare?a=class:chelsea&a=class:flower")
    page.wait_for_selector(".js-plotly-plot .xtick text")
    places = "[...document.querySelectorAll('.xtick text')].map((text) => text.getBoundingClientRect().right)"
    for width, least in ((2200, 30), (360, 6)):
        page.set_viewport_size({"width": width, "height": 900})
        until(page, f"{places}.length {'>' if width == 2200 else '<'} 20")
        found = page.evaluate(places)
        assert len(found) >= least
        assert min(after - before for before, after in pairwise(found)) > 14
    assert page.locator(".xtick text").first.text_content() == "act:1"


def test_a_bar_of_a_class_links_to_its_page(page, site):
    page.goto(f"{site}/unit/_swish_1/725")
    page.wait_for_selector("[data-chart=classes] .bars .point")
    bar = page.locator("[data-chart=classes] .bars .point").first
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".hoverlayer .hovertext")  # a click counts once its bar is the one hovered over
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**/class/china")
    assert page.inner_text("h1") == "china"


EVIL = "<a href='https://evil.example'>see</a> & <b>this</b>"


@pytest.fixture
def evil(make_atlas, tmp_path):
    """The address of an atlas whose names are markup and whose two classes have opposite responses."""
    responses = np.resize([[1.0, -1.0, 0.5], [-1.0, 1.0, -0.4]], (8, 3)) + 0.01 * np.arange(24).reshape(8, 3)
    atlas = make_atlas(responses, layers={"<i>relu": 3}, labels=[EVIL, "other"] * 4)
    curve = {"layer": "<i>relu", "scope": "dataset", "order": "low", "fraction": None, "agreement": 0.5}
    curve |= {"agreement_interval": [0.4, 0.6], "images": 8, "of_atlas": True}
    settings = [{**curve, "removed": count, "units": list(range(count))} for count in (1, 2)]
    explorer, pictures = explorer_of(atlas, tmp_path / "pictures", results=Measurements(tuple(settings)))
    with served(create_app(explorer, pictures, LazyInspector(missing="none"))) as address:
        yield address


def test_names_in_charts_are_escaped(page, evil):
    for address in (
        f"/unit/{quote('<i>relu', safe='')}/1",
        f"/class/{quote(EVIL)}",
        f"/compare?{urlencode({'a': ['class:' + EVIL, 'class:other']}, doseq=True)}",
    ):
        page.goto(evil + address)
        page.wait_for_selector(".js-plotly-plot")
        name = "<i>relu" if "compare" in address else EVIL
        text = "[...document.querySelectorAll('svg text')].map((text) => text.textContent).join()"
        until(page, f"{text}.includes({json.dumps(name)})")
        assert page.locator("svg a").count() == 0
        assert "&lt;" not in page.evaluate(text)


def test_negative_cosines_are_within_their_chart(page, evil):
    page.goto(f"{evil}/compare?{urlencode({'a': ['class:' + EVIL, 'class:other']}, doseq=True)}")
    page.wait_for_selector(".js-plotly-plot")
    assert page.evaluate("document.querySelector('.js-plotly-plot').data[2].y[0]") < -0.9
    assert page.evaluate("document.querySelector('.js-plotly-plot').layout.yaxis2.range[0]") < -1


def test_ablation_by_count_is_not_drawn_in_percent(page, evil):
    page.goto(f"{evil}/lab")
    page.wait_for_selector(".js-plotly-plot .xtick text")
    output = page.evaluate("[...document.querySelectorAll('.xtick text')].map((text) => text.textContent).join()")
    assert "2" in output
    assert "%" not in output
    assert page.locator(".js-plotly-plot .xtitle").text_content() == "units removed"
