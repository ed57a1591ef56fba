"""The lab in Chromium: units removed by their maps, layers by name, several images, undo, the URL, predictions."""

import pytest

from tests.web.conftest import until

CAT, FLOWER = "chelsea/00.jpg", "flower/00.jpg"
WIDTHS = """
() => [...document.querySelectorAll(".columns")].map((strip) => {
  const { left, right } = strip.getBoundingClientRect();
  return [...strip.children].filter((column) => {
    const box = column.getBoundingClientRect();
    return box.left < right - 5 && box.right > left + 5 && (box.right > right + 1 || box.left < left - 1);
  }).length;
})
"""


def open_lab(page, site, query=f"image={CAT}"):
    page.goto(f"{site}/lab?{query}")
    page.wait_for_selector("#structure[data-ready='1']")


def wait_for_answer(page, number):
    page.wait_for_selector(f"#structure[data-ready='{number}']")


def removed(page):
    return page.locator("#removed span").all_inner_texts()


def map_of(page, unit, image=CAT):
    return page.locator(f"section[aria-label='{image}'] .before [data-unit='{unit}']")


def top_units(page, site, layer, image=CAT):
    layers = page.request.get(f"{site}/structure.json?image={image}&layer={layer}").json()["layers"]
    return [f"{layer}:{one['unit']}" for one in layers[0]["units"]]


def test_a_unit_is_removed_and_restored_by_clicking_its_map(page, site):
    open_lab(page, site)
    assert "cat" in page.inner_text(".predictions")
    unit = top_units(page, site, "_swish_1")[0]
    one = map_of(page, unit)
    assert one.get_attribute("aria-pressed") == "false"
    one.click()
    wait_for_answer(page, 2)
    assert removed(page) == [unit]
    assert one.get_attribute("aria-pressed") == "true"
    assert "→" in page.inner_text(".predictions")
    column = page.locator(".column", has=page.locator(f"[data-unit='{unit}']"))
    assert column.locator(".after .map").count() == 9
    assert column.locator(f".after [data-unit='{unit}']").count() == 0
    assert column.locator(".after .moved").count() == 1
    one.click()
    wait_for_answer(page, 3)
    assert removed(page) == []
    assert "→" not in page.inner_text(".predictions")
    assert page.locator(".after .map").count() == 0


def test_the_top_units_of_a_layer_are_removed_at_once_and_undone(page, site):
    open_lab(page, site)
    before = page.inner_text(".predictions")
    page.click("button[aria-label='remove the top 9 units of _swish_1']")
    wait_for_answer(page, 2)
    assert removed(page) == top_units(page, site, "_swish_1")
    assert "cat" in page.inner_text("#state")
    page.locator("[name=sigma]").fill("0.3")
    wait_for_answer(page, 3)
    assert page.locator(".views img").count() == 2
    page.click("[name=undo]")
    wait_for_answer(page, 4)
    assert page.input_value("[name=sigma]") == "0"
    assert len(removed(page)) == 9
    page.keyboard.press("Control+z")
    wait_for_answer(page, 5)
    assert removed(page) == []
    assert page.inner_text(".predictions") == before
    assert page.is_disabled("[name=undo]")
    page.go_forward()
    wait_for_answer(page, 6)
    assert len(removed(page)) == 9
    page.click("[name=reset]")
    wait_for_answer(page, 7)
    assert page.inner_text(".predictions") == before
    page.click("[name=undo]")
    wait_for_answer(page, 8)
    assert len(removed(page)) == 9


def test_a_layer_is_removed_by_name_or_number(page, site):
    open_lab(page, site)
    page.fill("[name=unit]", "act:33")
    page.keyboard.press("Enter")
    wait_for_answer(page, 2)
    assert removed(page) == ["_swish_1"]
    assert page.input_value("[name=unit]") == ""
    output = {one.get_attribute("aria-pressed") for one in page.locator(".before [data-unit^='_swish_1:']").all()}
    assert output == {"true"}
    after = page.request.post(
        f"{site}/lab.json", data={"image": CAT, "removed": ["_swish_1"], "layers": ["act:33"]}, headers={"origin": site}
    ).json()
    assert {one["response"] for one in after["layers"][0]["units"]} == {0}
    page.click("[aria-label='restore _swish_1']")
    wait_for_answer(page, 3)
    assert removed(page) == []


def test_more_layers_are_shown_on_request(page, site, atlas):
    open_lab(page, site)
    assert page.locator(".column").count() == 13
    assert page.inner_text("#shown") == "13 of 33 layers"
    page.click("#all")
    wait_for_answer(page, 2)
    names = page.locator(".column h3 a").all_inner_texts()
    assert names == [layer.name for layer in atlas.layers]
    page.fill("[name=layers]", "act:3, _blocks.1.*")
    page.keyboard.press("Enter")
    wait_for_answer(page, 3)
    assert page.locator(".column h3 a").all_inner_texts() == ["_blocks.1._swish", "_blocks.1._swish_1"]
    page.reload()
    wait_for_answer(page, 1)
    assert page.locator(".column").count() == 2


def test_several_images_are_shown_side_by_side_with_the_same_units_removed(page, site):
    open_lab(page, site)
    page.fill("[name=image]", FLOWER)
    page.click("[name=add]")
    wait_for_answer(page, 2)
    assert page.locator(".trial h2 a").all_inner_texts() == [CAT, FLOWER]
    unit = top_units(page, site, "_swish_1", FLOWER)[0]
    map_of(page, unit, FLOWER).click()
    wait_for_answer(page, 3)
    assert page.locator(".trial.changed").count() == 2
    assert page.inner_text("#state") == "0 of 2 predictions changed."
    page.reload()
    wait_for_answer(page, 1)
    assert removed(page) == [unit]
    page.click(f"[aria-label='leave out {CAT}']")
    wait_for_answer(page, 2)
    assert page.locator(".trial h2 a").all_inner_texts() == [FLOWER]
    page.click("[name=undo]")
    wait_for_answer(page, 3)
    assert page.locator(".trial h2 a").all_inner_texts() == [CAT, FLOWER]


def test_at_most_four_images_are_shown(page, site):
    images = [f"chelsea/0{n}.jpg" for n in range(5)]
    open_lab(page, site, "&".join(f"image={image}" for image in images[:4]))
    assert page.locator(".trial").count() == 4
    assert page.is_disabled("[name=add]")
    answer = page.request.get(f"{site}/lab.json", params="&".join(f"image={image}" for image in images))
    assert (answer.status, answer.json()["message"]) == (400, "the lab shows at most 4 images, not 5; leave out some")


def test_the_url_of_the_lab_holds_its_state(page, site):
    open_lab(page, site, f"image={CAT}&remove=_swish_1:112")
    assert removed(page) == ["_swish_1:112"]
    page.locator("[name=sigma]").fill("0.2")
    until(page, "location.search.includes('sigma=0.2')")
    answer = page.inner_text(".predictions")
    page.reload()
    wait_for_answer(page, 1)
    assert (removed(page), page.inner_text(".predictions")) == (["_swish_1:112"], answer)
    page.fill("[name=image]", FLOWER)
    page.click("button:has-text('Load')")
    page.wait_for_url("**/lab?image=flower*sigma=0.2*")
    assert removed(page) == ["_swish_1:112"]
    assert page.locator(".trial").count() == 1


def test_the_lab_lists_the_top_classes_before_and_after(page, site):
    given = []
    page.on("request", lambda request: given.append(request.url) if ".json" in request.url else None)
    units = top_units(page, site, "_swish_1")
    open_lab(page, site, f"image={CAT}&" + "&".join(f"remove={unit}" for unit in units))
    before = page.request.get(f"{site}/structure.json?image={CAT}").json()
    body = {"image": CAT, "removed": units}
    after = page.request.post(f"{site}/lab.json", data=body, headers={"origin": site}).json()
    was, now = ({one["name"]: one["probability"] for one in output["predictions"]} for output in (before, after))
    assert set(was) != set(now)
    rows = {row.locator(".name").inner_text(): row.locator(".n").inner_text() for row in rows_of(page)}
    assert list(rows) == [*now, *(name for name in was if name not in now)]
    classes = {one["name"]: one["class"] for output in (before, after) for one in output["predictions"]}
    for name, words in rows.items():
        one, other = (f"{100 * output['probabilities'][classes[name]]:.1f}" for output in (before, after))
        assert words == (f"{other}%" if one == other else f"{one} → {other}%")
    page.click(f"[aria-label='restore {units[0]}']")
    wait_for_answer(page, 2)
    assert [url.split("?")[0].removeprefix(site) for url in given] == ["/structure.json", "/lab.json", "/lab.json"]


def rows_of(page):
    return page.locator(".predictions li").all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [("nonsense", "no layer 'nonsense'"), ("_swish_1:9999", "there is no unit 9999"), ("act:99", "activation calls 1")],
)
def test_a_wrong_unit_is_refused_next_to_its_field_and_the_maps_stay(lenient_page, site, wrong, message):
    page = lenient_page
    open_lab(page, site, f"image={CAT}&remove=_swish_1:112")
    page.evaluate("window.scrollTo(0, 700)")
    page.fill("[name=unit]", wrong)
    page.keyboard.press("Enter")
    until(page, "document.getElementById('problem').textContent")
    assert message in page.inner_text("#problem")
    box, height = page.locator("#problem").bounding_box(), page.viewport_size["height"]
    assert 0 <= box["y"] < box["y"] + box["height"] <= height
    assert page.locator(".reason").count() == 0
    assert page.locator(".before .map").count() == 13 * 9
    assert removed(page) == ["_swish_1:112"]
    assert page.get_attribute("[name=unit]", "aria-invalid") == "true"
    assert page.input_value("[name=unit]") == wrong
    page.fill("[name=unit]", "_swish_1:3")
    page.keyboard.press("Enter")
    wait_for_answer(page, 2)
    assert removed(page) == ["_swish_1:112", "_swish_1:3"]
    assert page.inner_text("#problem") == ""


@pytest.mark.parametrize(("field", "wrong"), [("image", "gone.jpg"), ("layers", "nothing")])
def test_a_wrong_image_or_layer_is_refused_and_the_maps_stay(lenient_page, site, field, wrong):
    page = lenient_page
    open_lab(page, site)
    page.fill(f"[name={field}]", wrong)
    page.keyboard.press("Enter")
    until(page, "document.getElementById('problem').textContent")
    assert wrong in page.inner_text("#problem")
    assert page.locator(".before .map").count() == 13 * 9
    assert wrong not in page.url


def test_a_link_to_a_wrong_unit_shows_the_image_and_the_message(lenient_page, site):
    open_lab(lenient_page, site, f"image={CAT}&remove=nonsense")
    assert "no layer 'nonsense'" in lenient_page.inner_text("#problem")
    assert lenient_page.locator(".before .map").count() == 13 * 9
    assert "nonsense" not in lenient_page.url


@pytest.mark.parametrize("width", [360, 390, 1400, 2200])
def test_whole_columns_are_shown_at_every_width(page, site, width):
    page.set_viewport_size({"width": width, "height": 900})
    open_lab(page, site, f"image={CAT}&image={FLOWER}")
    page.wait_for_timeout(100)
    assert page.evaluate(WIDTHS) == [0, 0]
    page.click("button[aria-label='remove the top 9 units of _swish'] >> nth=0")
    wait_for_answer(page, 2)
    assert page.evaluate(WIDTHS) == [0, 0]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_lab_works_by_keyboard_and_keeps_the_focus(page, site):
    open_lab(page, site)
    unit = top_units(page, site, "_swish")[1]
    map_of(page, unit).focus()
    page.keyboard.press("Enter")
    wait_for_answer(page, 2)
    assert page.evaluate("document.activeElement.dataset.unit") == unit
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == f"enlarge {unit}"
    page.keyboard.press("Enter")
    assert page.locator("dialog .tiles img").count() == 4
    page.keyboard.press("Escape")
    page.locator("#removed button").focus()
    page.keyboard.press("Enter")
    wait_for_answer(page, 3)
    assert page.evaluate("document.activeElement.id") == "removed"
