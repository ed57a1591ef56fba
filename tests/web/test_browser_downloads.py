"""Downloads of tables and charts in Chromium, and words that explain themselves."""

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

ADDRESS = "/compare?a=class:chelsea&a=class:flower"


def downloaded(page, within, text):
    with page.expect_download() as found:
        page.locator(within).locator("xpath=following-sibling::*[1]").get_by_role("button", name=text).click()
    return found.value.suggested_filename, Path(found.value.path()).read_bytes()


def test_a_table_is_downloaded_with_plain_numbers(page, site, page_json):
    page.goto(site + ADDRESS)
    name, data = downloaded(page, ".wide:has(caption:text-is('Shared units by layer'))", "CSV")
    assert name.endswith(".csv")
    header, *rows = csv.reader(io.StringIO(data.decode(), newline=""))
    assert header == ["layer", "shared of the top 9", "by chance", "p", "cosine"]
    expected = page_json(ADDRESS)["layers"]
    assert [row[0] for row in rows] == [one["layer"] for one in expected]
    assert [int(row[1]) for row in rows] == [one["shared"] for one in expected]
    assert [float(row[4]) for row in rows] == pytest.approx([one["cosine"] for one in expected], rel=0.01)
    assert [float(row[2]) for row in rows] == pytest.approx([one["expected"] for one in expected], rel=0.1)
    _, data = downloaded(page, ".wide:has(caption:text-is('Shared units by layer'))", "JSON")
    assert [one["shared of the top 9"] for one in json.loads(data)] == [one["shared"] for one in expected]


@pytest.fixture
def page_json(site):
    import httpx

    return lambda address: httpx.get(site + address.replace("?", ".json?"), timeout=60).json()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_is_downloaded_as_a_picture_on_the_pages_background(page, site, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(site + ADDRESS)
    page.wait_for_selector(".main-svg")
    name, data = downloaded(page, "figure.chart", "PNG")
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    assert name == "chelsea-flower-depth.png"
    assert picture.getpixel((2, 2)) == {"light": (255, 255, 255), "dark": (22, 22, 26)}[scheme]
    assert len(picture.getcolors(2**20)) > 100
    _, data = downloaded(page, "figure.chart", "SVG")
    assert b"<svg" in data[:200]
    assert b"cosine" in data


def test_the_units_of_a_layer_are_downloaded(page, site, atlas):
    page.goto(f"{site}/layer/act:1")
    page.wait_for_selector("#units .card")
    _, data = downloaded(page, "#tools", "CSV")
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    units = atlas.units_of("act:1")
    assert [float(row["mean"]) for row in rows] == pytest.approx(units["mean"].tolist(), rel=1e-4)


def test_a_word_opens_its_definition_by_keyboard(page, site):
    page.goto(site + ADDRESS)
    word = page.get_by_role("button", name="cosine", exact=True)
    definition = page.locator("#word-cosine")
    assert not definition.is_visible()
    word.focus()
    page.keyboard.press("Enter")
    assert definition.is_visible()
    assert "patterns of mean responses" in definition.inner_text()
    page.keyboard.press("Escape")
    assert not definition.is_visible()
