"""The pages in a real Chromium: what is drawn, what keys and pointers do, the camera, the dark."""

import io
from collections import OrderedDict
from urllib.parse import quote, urlencode

import numpy as np
import pytest
import torch
from PIL import Image

import unitscope
from tests.web.conftest import explorer_of, network_studio, served
from unitscope.experiments.studio import NetworkStudio
from unitscope.networks import Preprocessing
from unitscope.web.app import create_app
from unitscope.web.pictures import Pictures
from unitscope.web.results import Results
from unitscope.web.studio import NoStudio


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


def test_a_window_taller_than_the_first_cards_is_filled(page, site):
    page.set_viewport_size({"width": 1280, "height": 9000})
    page.goto(f"{site}/layer/act:-1")
    until(page, "document.getElementById('more').getBoundingClientRect().top > innerHeight + 900")
    assert 120 < page.locator("#units .card").count() < 1280


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


@pytest.mark.parametrize("address", ["/images", "/image/chelsea/00.jpg"])
@pytest.mark.parametrize("how", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(page, site, how, address):
    page.goto(site + address)
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


def test_the_address_of_the_lab_holds_its_state(page, site):
    page.goto(f"{site}/lab?image=chelsea/00.jpg&remove=_swish_1:112")
    page.wait_for_selector("#structure[data-ready='1']", timeout=60_000)
    assert page.inner_text("#removed") == "_swish_1:112"
    page.select_option("[name=layer]", "_swish")
    page.locator("[name=top]").fill("3")
    page.locator("[name=sigma]").fill("0.2")
    until(page, "location.search.includes('sigma=0.2') && location.search.includes('top=3')")
    taken, answer = page.inner_text("#removed"), page.inner_text("#predictions")
    assert taken.count("_swish:") == 3
    page.reload()
    page.wait_for_selector("#structure[data-ready='1']")
    assert (page.inner_text("#removed"), page.inner_text("#predictions")) == (taken, answer)
    page.locator("#choose [name=image]").fill("flower/00.jpg")
    page.click("text=Take it")
    page.wait_for_url("**/lab?image=flower*sigma=0.2*")
    page.wait_for_selector("#structure[data-ready='1']")
    assert page.inner_text("#removed").startswith("_swish_1:112, _swish:")


def test_the_lab_tells_of_all_classes_that_were_or_are_among_the_first(page, site, atlas):
    asked = []
    page.on("request", lambda request: asked.append(request.url) if ".json" in request.url else None)
    page.goto(f"{site}/lab?image=chelsea/00.jpg&layer=_swish_1&top=9")
    page.wait_for_selector("#structure[data-ready='1']", timeout=60_000)
    before = page.request.get(f"{site}/structure.json?image=chelsea/00.jpg").json()
    body = {"image": "chelsea/00.jpg", "removed": page.inner_text("#removed").split(", ")}
    after = page.request.post(f"{site}/lab.json", data=body, headers={"origin": site}).json()
    was, now = ({one["name"]: one["probability"] for one in told["predictions"]} for told in (before, after))
    assert set(was) != set(now)
    rows = {row.locator(".name").inner_text(): row.locator(".n").inner_text() for row in rows_of(page)}
    assert list(rows) == [*now, *(name for name in was if name not in now)]
    for name, words in rows.items():
        one, other = (
            f"{100 * side[name]:.1f}" if name in side else f"under {100 * min(side.values()):.1f}"
            for side in (was, now)
        )
        assert words == (f"{other}%" if one == other else f"{one} → {other}%")
    page.locator("[name=top]").fill("4")
    page.wait_for_selector("#structure[data-ready='2']")
    assert [url.split("?")[0].removeprefix(site) for url in asked] == ["/structure.json", "/lab.json", "/lab.json"]


def rows_of(page):
    return page.locator("#predictions li").all()


def test_a_unit_that_does_not_exist_is_refused_in_words(browser, site):
    page = browser.new_page()  # as above
    page.goto(f"{site}/lab?image=chelsea/00.jpg")
    page.fill("[name=unit]", "nonsense")
    page.keyboard.press("Enter")
    page.wait_for_selector("#structure .reason", timeout=60_000)
    page.fill("[name=unit]", "_swish_1:3")
    page.keyboard.press("Enter")
    page.wait_for_selector("#structure button.map")
    assert page.inner_text("#removed") == "_swish_1:3"
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
    pin = page.locator("#pinned li")
    assert pin.get_attribute("data-unit").startswith("_swish_1:")
    frames = int(pin.get_attribute("data-frames") or 0)
    until(page, f"Number(document.querySelector('#pinned li').dataset.frames) > {frames + 2}")
    pin.locator("button").click()
    assert pin.count() == 0
    page.click("#stop")
    assert page.inner_text("#rate") == ""


def test_one_frame_is_under_way_at_a_time_however_often_the_layer_is_changed(page, site):
    sockets = []

    def opened(socket):
        counts = [0, 0]  # under way now, and at most
        sockets.append(counts)

        def sent(_):
            counts[0] += 1
            counts[1] = max(counts)

        def came(_):
            counts[0] -= 1

        socket.on("framesent", sent)
        socket.on("framereceived", came)

    page.on("websocket", opened)
    page.goto(f"{site}/live")
    page.click("#camera")
    until(page, "Number(document.getElementById('rate').dataset.frames) >= 2")
    for layer in ("_swish", "_swish_1", "_swish"):
        page.select_option("[name=layer]", layer)
        page.wait_for_timeout(30)
    seen = int(page.locator("#rate").get_attribute("data-frames"))
    until(page, f"Number(document.getElementById('rate').dataset.frames) >= {seen + 8}")
    assert len(sockets) == 4
    assert [most for _, most in sockets if most > 1] == []


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


def test_why_maps_are_missing_is_told_in_words(browser, atlas, tmp_path):
    explorer, pictures = explorer_of(atlas, tmp_path / "pictures")
    moved = Pictures(explorer.shelf, tmp_path / "moved", pictures.cache)
    page = browser.new_page()  # as above
    with served(create_app(explorer, moved, network_studio(atlas))) as address:
        page.goto(f"{address}/unit/_swish_1/725")
        until(page, "document.getElementById('maps-state').textContent.includes('--images')")
        assert "<" not in page.inner_text("#maps-state")
    page.close()


def test_a_bar_of_a_class_leads_to_its_page(page, site):
    page.goto(f"{site}/unit/_swish_1/725")
    page.wait_for_selector("[data-chart=classes] .bars .point")
    bar = page.locator("[data-chart=classes] .bars .point").first
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(300)
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**/class/china")


EVIL = "<a href='https://evil.example'>see</a> & <b>this</b>"


@pytest.fixture
def evil(make_atlas, tmp_path):
    """The address of an atlas whose names are markup, and whose two classes call up opposite responses."""
    responses = np.resize([[1.0, -1.0, 0.5], [-1.0, 1.0, -0.4]], (8, 3)) + 0.01 * np.arange(24).reshape(8, 3)
    atlas = make_atlas(responses, layers={"<i>relu": 3}, labels=[EVIL, "other"] * 4)
    curve = {"layer": "<i>relu", "scope": "dataset", "order": "low", "fraction": None, "agreement": 0.5}
    settings = [
        {**curve, "removed": count, "agreement_interval": [0.4, 0.6], "changed": 1, "images": 8} for count in (1, 2)
    ]
    explorer, pictures = explorer_of(atlas, tmp_path / "pictures", results=Results(tuple(settings)))
    with served(create_app(explorer, pictures, NoStudio("none"))) as address:
        yield address


def test_names_are_text_in_charts(page, evil):
    for address in (
        f"/unit/{quote('<i>relu', safe='')}/1",
        f"/class/{quote(EVIL)}",
        f"/compare?{urlencode({'a': ['class:' + EVIL, 'class:other']}, doseq=True)}",
    ):
        page.goto(evil + address)
        page.wait_for_selector(".js-plotly-plot", timeout=5_000)
        page.wait_for_timeout(200)
        assert page.locator("svg a").count() == 0
        told = page.evaluate("[...document.querySelectorAll('svg text')].map((text) => text.textContent).join()")
        assert "&lt;" not in told
        assert ("<i>relu" if "compare" in address else EVIL) in told


def test_negative_cosines_are_within_their_chart(page, evil):
    page.goto(f"{evil}/compare?{urlencode({'a': ['class:' + EVIL, 'class:other']}, doseq=True)}")
    page.wait_for_selector(".js-plotly-plot")
    assert page.evaluate("document.querySelector('.js-plotly-plot').data[2].y[0]") < -0.9
    assert page.evaluate("document.querySelector('.js-plotly-plot').layout.yaxis2.range[0]") < -1


def test_removal_by_count_is_not_drawn_in_per_cent(page, evil):
    page.goto(f"{evil}/lab")
    page.wait_for_selector(".js-plotly-plot .xtick text")
    told = page.evaluate("[...document.querySelectorAll('.xtick text')].map((text) => text.textContent).join()")
    assert "2" in told
    assert "%" not in told
    assert page.locator(".js-plotly-plot .xtitle").text_content() == "units removed"


@pytest.fixture
def wide(tmp_path):
    """The address of an atlas without labels, of a network that sees pictures of 32×64; its unit 0 sees red."""
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
    with served(create_app(explorer, pictures, NetworkStudio(network, atlas.layers))) as address:
        yield address


def test_a_map_is_stretched_over_exactly_the_picture(page, wide):
    page.goto(f"{wide}/unit/see/0")
    page.wait_for_selector("#exemplars[data-ready=yes]", timeout=60_000)
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


def test_a_single_cell_has_no_map_to_fade(page, wide):
    page.goto(f"{wide}/unit/mean/0")
    page.wait_for_load_state("networkidle")
    assert page.locator(".seen img").count() == 4
    assert page.locator("#fade, .seen canvas").count() == 0
    assert "single cell" in page.inner_text("#exemplars")
