"""The lab in Chromium: removed units, noise, the URL and the predictions."""

from tests.web.conftest import until


def test_removing_units_in_the_lab_changes_the_predictions(page, site):
    page.goto(f"{site}/lab?image=chelsea/00.jpg")
    page.wait_for_selector("#structure[data-ready='1']")
    before = page.inner_text("#predictions")
    assert "cat" in before
    assert page.input_value("[name=layer]") == "_blocks.8._swish"  # in the middle, so that maps behind it change
    page.select_option("[name=layer]", "_swish_1")
    page.locator("[name=top]").fill("9")
    until(page, "document.getElementById('removed').textContent !== 'none'")
    assert page.inner_text("#predictions") != before
    assert "→" in page.inner_text("#predictions")
    taken = page.inner_text("#removed")
    assert taken.count("_swish_1:") == 9
    page.click("#back")
    until(page, "document.getElementById('removed').textContent === 'none'")
    until(page, "!document.getElementById('predictions').innerText.includes('→')")
    page.locator("[name=sigma]").fill("0.3")
    until(page, "document.getElementById('predictions').innerText.includes('→')")


def test_the_url_of_the_lab_holds_its_state(page, site):
    page.goto(f"{site}/lab?image=chelsea/00.jpg&remove=_swish_1:112")
    page.wait_for_selector("#structure[data-ready='1']")
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
    page.click("button:has-text('Load')")
    page.wait_for_url("**/lab?image=flower*sigma=0.2*")
    page.wait_for_selector("#structure[data-ready='1']")
    assert page.inner_text("#removed").startswith("_swish_1:112, _swish:")


def test_the_lab_lists_the_top_classes_before_and_after(page, site, atlas):
    given = []
    page.on("request", lambda request: given.append(request.url) if ".json" in request.url else None)
    page.goto(f"{site}/lab?image=chelsea/00.jpg&layer=_swish_1&top=9")
    page.wait_for_selector("#structure[data-ready='1']")
    before = page.request.get(f"{site}/structure.json?image=chelsea/00.jpg").json()
    body = {"image": "chelsea/00.jpg", "removed": page.inner_text("#removed").split(", ")}
    after = page.request.post(f"{site}/lab.json", data=body, headers={"origin": site}).json()
    was, now = ({one["name"]: one["probability"] for one in output["predictions"]} for output in (before, after))
    assert set(was) != set(now)
    rows = {row.locator(".name").inner_text(): row.locator(".n").inner_text() for row in rows_of(page)}
    assert list(rows) == [*now, *(name for name in was if name not in now)]
    classes = {one["name"]: one["class"] for output in (before, after) for one in output["predictions"]}
    for name, words in rows.items():
        one, other = (f"{100 * output['probabilities'][classes[name]]:.1f}" for output in (before, after))
        assert words == (f"{other}%" if one == other else f"{one} → {other}%")
    page.locator("[name=top]").fill("4")
    page.wait_for_selector("#structure[data-ready='2']")
    assert [url.split("?")[0].removeprefix(site) for url in given] == ["/structure.json", "/lab.json", "/lab.json"]


def rows_of(page):
    return page.locator("#predictions li").all()


def test_a_missing_unit_is_refused_with_a_message(lenient_page, site):
    page = lenient_page
    page.goto(f"{site}/lab?image=chelsea/00.jpg")
    page.fill("[name=unit]", "nonsense")
    page.keyboard.press("Enter")
    page.wait_for_selector("#structure .reason")
    page.fill("[name=unit]", "_swish_1:3")
    page.keyboard.press("Enter")
    page.wait_for_selector("#structure button.map")
    assert page.inner_text("#removed") == "_swish_1:3"
