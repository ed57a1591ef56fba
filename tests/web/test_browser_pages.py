"""Every page in Chromium: no errors, readable in light and dark mode, no horizontal overflow; keyboard shortcuts."""

import numpy as np
import pytest

from tests.web.conftest import explorer_of, served
from unitscope.web.app import create_app
from unitscope.web.lazy_inspector import LazyInspector

PAGES = {
    "/": "package:efficientnet-lite0",
    "/layer/_swish_1": "_swish_1 act:33",
    "/unit/_swish_1/725": "_swish_1:725 act:33:725",
    "/images": "Images",
    "/image/chelsea/00.jpg": "chelsea/00.jpg",
    "/images?wrong=1&sort=unsure": "Images",
    "/notes": "Notes",
    "/class/chelsea": "chelsea",
    "/compare?a=class:chelsea&a=class:flower": "chelsea · flower",
    "/search?q=che": "“che”",
    "/lab?image=chelsea/00.jpg": "Lab",
    "/live": "Live",
}


# The contrast of text that WCAG asks for at level AA, measured in the page itself.
CONTRAST = """
() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (c) => {
    const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = c.slice(0, 3).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll("main *, header *, footer *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.offsetParent || node.closest("svg, .hidden, table.matrix, script, option")) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName} ${node.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return poor;
}
"""


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 2560)])
@pytest.mark.parametrize("address", PAGES)
def test_every_page_renders_without_errors_or_overflow_and_is_readable(page, site, address, scheme, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.goto(site + address)
    assert page.inner_text("h1") == PAGES[address]
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(22, 22, 26)"
    assert dark == (scheme == "dark")
    unnamed = "[...document.querySelectorAll('img')].filter((picture) => !picture.hasAttribute('alt')).length"
    assert page.evaluate(unnamed) == 0
    nameless = "[...document.querySelectorAll('input, select')].filter((e) => !e.labels?.length && !e.ariaLabel).length"
    assert page.evaluate(nameless) == 0


def test_a_bar_of_the_strip_leads_to_pictures_of_the_layer_and_these_to_its_page(page, site):
    page.goto(site)
    bars = page.locator(".strip a")
    assert bars.count() == page.locator(".of-layer").count() == 33
    heights = [bars.nth(n).locator(".bar").bounding_box()["height"] for n in (0, 32)]
    assert heights[1] > heights[0] > 10
    bars.nth(32).focus()
    page.keyboard.press("Enter")
    shown = page.locator(".of-layer:target")
    assert shown.locator(".card").count() == 3
    assert bars.nth(32).get_attribute("aria-current") is not None
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/layer/_swish_1")


def test_a_phone_shows_the_first_page_without_endless_scrolling(page, site):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(site)
    assert page.evaluate("document.documentElement.scrollHeight") < 5 * 800
    tenth = page.locator(".of-layer").nth(9)
    page.locator(".strip a").nth(9).click()
    box = tenth.bounding_box()
    assert 0 <= box["x"] < 390


def test_classes_are_filtered_by_name(page, tmp_path, make_atlas):
    labels = [f"class {number:02d}" for number in range(40)]
    explorer, pictures = explorer_of(make_atlas(np.eye(40, 4), labels=labels), tmp_path / "pictures")
    with served(create_app(explorer, pictures, LazyInspector(missing="none"))) as address:
        page.goto(address)
        page.get_by_label("Find a class").fill("Class 1")
        visible = [one.inner_text() for one in page.locator(".labels li").all() if one.is_visible()]
        assert visible == [f"class {number} 1" for number in range(10, 20)]
        assert page.inner_text("output") == "10 of 40"


def test_keyboard_shortcuts_open_other_units_the_layer_and_the_search(page, site):
    page.goto(f"{site}/unit/_swish_1/725")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/unit/_swish_1/726")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/unit/_swish_1/725")
    page.keyboard.press("ArrowUp")
    page.wait_for_url("**/layer/_swish_1")
    page.keyboard.press("/")
    page.keyboard.type("act:3:4")
    page.keyboard.press("Enter")
    page.wait_for_url("**/unit/_blocks.1._swish/4")
    assert page.url.endswith("/unit/_blocks.1._swish/4")


def test_a_missing_page_is_reported(lenient_page, site):
    assert lenient_page.goto(f"{site}/unit/_swish_1/99999").status == 404
    assert "there is no unit 99999" in lenient_page.inner_text(".reason")
