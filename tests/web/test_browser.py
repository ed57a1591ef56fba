"""The pages in a real Chromium: what is drawn, what keys and pointers do, the camera, the dark."""

import io

import numpy as np
import pytest
from PIL import Image


def until(page, expression):
    """Wait till an expression is true; the pages' policy forbids what Playwright would do to wait for it."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"it did not come true: {expression}")


PAGES = {
    "/": "package:efficientnet-lite0",
    "/layer/_swish_1": "_swish_1",
    "/unit/_swish_1/725": "_swish_1:725",
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", PAGES)
def test_every_page_is_drawn_without_complaint_and_can_be_read(page, site, address, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(site + address)
    assert page.inner_text("h1") == PAGES[address]
    page.wait_for_load_state("networkidle")
    assert page.evaluate(CONTRAST) == []
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(22, 22, 26)"
    assert dark == (scheme == "dark")
    unnamed = "[...document.querySelectorAll('img')].filter((picture) => !picture.hasAttribute('alt')).length"
    assert page.evaluate(unnamed) == 0
    nameless = "[...document.querySelectorAll('input, select')].filter((e) => !e.labels?.length && !e.ariaLabel).length"
    assert page.evaluate(nameless) == 0


@pytest.mark.parametrize("width", [360, 2560])
@pytest.mark.parametrize("address", PAGES)
def test_no_page_is_wider_than_the_window(page, site, address, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(site + address)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_strip_leads_to_layers(page, site):
    page.goto(site)
    bars = page.locator(".strip a")
    assert bars.count() == 33
    heights = [bars.nth(n).locator(".bar").bounding_box()["height"] for n in (0, 32)]
    assert heights[1] > heights[0] > 10
    bars.nth(32).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/layer/_swish_1")


def test_units_are_sorted_filtered_and_added_as_one_scrolls(page, site, atlas):
    page.goto(f"{site}/layer/act:-1")
    cards = page.locator("#units .card")
    assert 60 <= cards.count() <= 180
    page.select_option("[name=sort]", "max")
    units = atlas.units[atlas.units["layer"] == "_swish_1"]
    best = int(units.sort_values("max", ascending=False)["channel"].iloc[0])
    assert cards.first.locator(".name").inner_text() == f"unit {best}"
    page.fill("[name=label]", "chelsea")
    of_class = units[units["selective_class"] == "chelsea"]
    assert page.inner_text("#count") == f"{len(of_class)} of 1280 units"
    page.reload()
    assert page.input_value("[name=label]") == "chelsea"
    page.fill("[name=label]", "")
    before = cards.count()
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    until(page, f"document.querySelectorAll('#units .card').length > {before}")
    cards.first.click()
    page.wait_for_url("**/unit/_swish_1/*")


def test_maps_are_laid_over_exemplars_and_fade(page, site):
    page.goto(f"{site}/unit/_swish_1/725")
    page.wait_for_selector("#exemplars[data-ready=yes]", timeout=60_000)
    canvas = page.locator("canvas.map").first
    cells = "(c) => c.getContext('2d').getImageData(0, 0, 320, 320).data"
    assert canvas.evaluate(f"(c) => ({cells})(c).filter((_, n) => n % 4 === 0).reduce((a, b) => a + b)") > 1_000_000
    page.locator("#fade").fill("0")
    assert canvas.evaluate("(c) => getComputedStyle(c).opacity") == "0"
    page.locator("#fade").fill("100")
    assert canvas.evaluate("(c) => getComputedStyle(c).opacity") == "1"
    assert page.locator(".js-plotly-plot .bars .point").count() > 10


def test_keys_lead_from_unit_to_unit_to_the_layer_and_to_the_search(page, site):
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
    page.wait_for_url("**/search?q=act*")
    page.click("main a:has-text('_blocks.1._swish:4')")
    page.wait_for_url("**/unit/_blocks.1._swish/4")


def test_a_map_of_a_structure_is_enlarged_and_leads_to_its_unit(page, site):
    page.goto(f"{site}/image/chelsea/00.jpg")
    page.wait_for_selector("#structure button.map", timeout=60_000)
    assert page.locator("#structure .column").count() >= 11
    last = page.locator("#structure .column").last.locator("button.map").first
    unit = last.inner_text().strip()
    last.click()
    page.click("dialog a:has-text('exemplars')")
    page.wait_for_url(f"**/{unit}")


def test_a_picture_of_ones_own_is_looked_at(page, site, demo):
    page.goto(f"{site}/images")
    page.set_input_files("[name=picture]", str(demo / "whole" / "coffee.png"))
    page.wait_for_url("**/upload/*")
    page.wait_for_selector("#structure button.map", timeout=60_000)


def test_what_is_no_picture_is_refused_in_words(browser, site, tmp_path):
    page = browser.new_page()  # the browser complains of the refusal, which is as it should be
    page.goto(f"{site}/images")
    (tmp_path / "no.png").write_text("no picture")
    page.set_input_files("[name=picture]", str(tmp_path / "no.png"))
    until(page, "document.querySelector('#upload output').textContent.includes('not an image')")
    page.close()


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(page, site, how):
    page.goto(f"{site}/images")
    with io.BytesIO() as buffer:
        Image.fromarray(np.random.default_rng(1).integers(0, 256, (50, 60, 3), np.uint8)).save(buffer, "PNG")
        data = list(buffer.getvalue())
    page.evaluate(
        """([data, how]) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(data)], "mine.png", { type: "image/png" }));
          const event = how === "drop"
            ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
            : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true });
          document.querySelector("main").dispatchEvent(event);
        }""",
        [data, how],
    )
    page.wait_for_url("**/upload/*")


def test_units_taken_away_in_the_lab_change_the_answer(page, site):
    page.goto(f"{site}/lab?image=chelsea/00.jpg")
    page.wait_for_selector("#structure[data-ready='1']", timeout=60_000)
    before = page.inner_text("#predictions")
    assert "cat" in before
    page.locator("[name=top]").fill("9")
    page.wait_for_selector("#structure[data-ready='2']")
    assert page.inner_text("#predictions") != before
    assert "→" in page.inner_text("#predictions")
    taken = page.inner_text("#removed")
    assert taken.count("_swish_1:") == 9
    page.click("#back")
    until(page, "document.getElementById('removed').textContent === 'none'")
    until(page, "!document.getElementById('predictions').innerText.includes('→')")
    page.locator("[name=sigma]").fill("0.3")
    until(page, "document.getElementById('predictions').innerText.includes('→')")


def test_a_unit_that_does_not_exist_is_refused_in_words(browser, site):
    page = browser.new_page()  # as above
    page.goto(f"{site}/lab?image=chelsea/00.jpg")
    page.fill("[name=unit]", "nonsense")
    page.keyboard.press("Enter")
    page.wait_for_selector("#structure .reason", timeout=60_000)
    page.close()


def test_the_camera_is_seen_and_units_are_pinned(page, site):
    page.goto(f"{site}/live")
    page.click("#camera")
    until(page, "Number(document.getElementById('rate').dataset.frames) >= 5")
    assert page.locator("#predictions li").count() == 5
    assert "frames a second" in page.inner_text("#rate")
    page.locator("#maps button").first.click()
    page.wait_for_selector("#pinned .tiles img")
    page.select_option("[name=layer]", "_blocks.1._swish")
    until(page, "document.getElementById('layer-name').textContent.includes('_blocks.1._swish')")
    page.click("#stop")
    assert page.inner_text("#rate") == ""


def test_a_comparison_is_made_by_hand(page, site):
    page.goto(f"{site}/compare")
    page.locator("input[name=a]").nth(0).fill("class:chelsea")
    page.locator("input[name=a]").nth(1).fill("china/00.jpg")
    page.click("button:has-text('Compare')")
    page.wait_for_selector("h1:has-text('chelsea · china/00.jpg')")
    painted = page.locator("table.matrix td").nth(2)
    assert painted.evaluate("(cell) => cell.style.backgroundColor") != ""


def test_a_page_that_is_not_there_says_so(browser, site):
    opened = browser.new_page()
    assert opened.goto(f"{site}/unit/_swish_1/99999").status == 404
    assert "there is no unit 99999" in opened.inner_text(".reason")
    opened.close()
