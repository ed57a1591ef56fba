"""Every page in Chromium: no errors, readable in light and dark mode, no horizontal overflow; keyboard shortcuts."""

import pytest

PAGES = {
    "/": "package:efficientnet-lite0",
    "/layer/_swish_1": "_swish_1 act:33",
    "/unit/_swish_1/725": "_swish_1:725 act:33:725",
    "/images": "Images",
    "/image/chelsea/00.jpg": "chelsea/00.jpg",
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


def test_the_layer_strip_links_to_layers(page, site):
    page.goto(site)
    bars = page.locator(".strip a")
    assert bars.count() == 33
    heights = [bars.nth(n).locator(".bar").bounding_box()["height"] for n in (0, 32)]
    assert heights[1] > heights[0] > 10
    bars.nth(32).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/layer/_swish_1")


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
