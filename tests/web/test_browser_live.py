"""The live page in Chromium with a fake camera: frames, pinned units, files."""

import re
import wave

import pytest

from tests.web.conftest import until


def test_camera_frames_are_analysed_and_units_can_be_pinned(page, site):
    page.goto(f"{site}/live")
    page.click("#camera")
    until(page, "Number(document.getElementById('rate').dataset.frames) >= 5")
    assert page.locator("#predictions li").count() == 5
    until(page, "document.getElementById('rate').textContent.includes('frames per second')")
    assert page.inner_text("#source").startswith("fake_device")
    assert page.get_attribute("#video", "controls") is None
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
    assert page.inner_text("#rate") == page.inner_text("#source") == ""


def test_top_units_stand_beside_their_exemplars(page, site, atlas):
    page.goto(f"{site}/live")
    page.click("#camera")
    until(page, f"{FRAMES} >= 2")
    page.locator("#maps button").first.focus()
    page.keyboard.press("Shift")  # keeps the order
    for card in page.locator("#maps li").all():
        exemplars = atlas.exemplars(f"_swish_1:{card.get_attribute('data-unit')}")["image"]
        assert [one.get_attribute("alt") for one in card.locator(".tiles img").all()] == list(exemplars[:4])
    assert page.evaluate("[...document.querySelectorAll('#maps .tiles img')].every((one) => one.naturalWidth > 0)")


@pytest.fixture(scope="session")
def video(browser, tmp_path_factory):
    """A video file of two seconds, recorded by the browser."""
    script = """
    async () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [320, 240];
      const context = canvas.getContext("2d");
      const timer = setInterval(() => {
        context.fillStyle = `hsl(${performance.now() / 5}, 80%, 50%)`;
        context.fillRect(0, 0, 320, 240);
      }, 40);
      const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: "video/webm" });
      const parts = [];
      recorder.ondataavailable = (event) => parts.push(event.data);
      recorder.start();
      await new Promise((done) => setTimeout(done, 2000));
      await new Promise((done) => { recorder.onstop = done; recorder.stop(); });
      clearInterval(timer);
      return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
    }
    """
    file = tmp_path_factory.mktemp("video") / "holiday.webm"
    page = browser.new_page()
    file.write_bytes(bytes(page.evaluate(script)))
    page.close()
    return file


def test_a_video_file_is_named_and_has_controls_and_a_paused_frame_is_analysed_once(page, site, video):
    page.goto(f"{site}/live")
    page.set_input_files("#file", str(video))
    until(page, f"{FRAMES} >= 3")
    assert page.inner_text("#source") == "holiday.webm"
    assert page.evaluate("document.getElementById('video').controls")
    page.evaluate("document.getElementById('video').pause()")
    until(page, "document.getElementById('rate').textContent === 'Paused'")
    page.wait_for_timeout(500)
    frames = page.evaluate(FRAMES)
    page.wait_for_timeout(1500)
    assert page.evaluate(FRAMES) == frames
    page.select_option("[name=layer]", "_swish")
    until(page, f"{FRAMES} === {frames + 1}")
    assert page.get_attribute("#maps", "data-layer") == "_swish"
    page.click("#stop")
    page.evaluate("document.getElementById('video').play()")
    until(page, f"{FRAMES} > {frames + 3}")
    assert page.is_enabled("#stop")


def test_the_rate_is_that_of_answers_and_falls_to_zero_without_them(page, site):
    page.goto(f"{site}/live")
    page.click("#camera")
    until(page, f"{FRAMES} >= 3")
    page.wait_for_timeout(4500)
    first = page.evaluate(f"[performance.now(), {FRAMES}]")
    page.wait_for_timeout(4000)
    answered, played = rates(page)
    now, frames = page.evaluate(f"[performance.now(), {FRAMES}]")
    assert answered == pytest.approx((frames - first[1]) / ((now - first[0]) / 1000), abs=1)
    assert answered < played <= 31
    page.evaluate("() => { WebSocket.prototype.send = () => {}; }")  # the server gets nothing any more
    until(page, "document.getElementById('rate').textContent.startsWith('0.0 of')")


def rates(page):
    return [float(word) for word in re.findall(r"[\d.]+", page.inner_text("#rate"))]


def test_units_pinned_in_several_layers_come_with_each_frame(page, site):
    page.goto(f"{site}/live")
    page.click("#camera")
    for layer in ("_blocks.1._swish", "_blocks.5._swish", "_swish_1"):
        page.select_option("[name=layer]", layer)
        until(page, f"document.getElementById('maps').dataset.layer === '{layer}'")
        page.locator("#maps button").nth(2).click()
    until(page, "[...document.querySelectorAll('#pinned li')].filter((pin) => pin.dataset.frames > 3).length === 3")
    output = page.evaluate("[...document.querySelectorAll('#pinned li')].map((pin) => Number(pin.dataset.frames))")
    assert output == sorted(output, reverse=True)
    assert page.locator("#maps li").count() == 9


ORDER = "[...document.querySelectorAll('#maps img')].map((map) => map.alt).join()"


FRAMES = "Number(document.getElementById('rate').dataset.frames)"


def test_the_order_of_maps_is_kept_while_they_are_hovered_or_focused(page, site):
    page.goto(f"{site}/live")
    page.click("#camera")
    until(page, f"{FRAMES} >= 3")
    for enter, leave in (
        (page.locator("#maps li").first.hover, lambda: page.mouse.move(1, 1)),
        (lambda: page.locator("#maps button").first.press("Shift"), lambda: page.locator("#stop").focus()),
    ):
        enter()
        until(page, f"{FRAMES} > {page.evaluate(FRAMES) + 1}")
        order, focus, seen = page.evaluate(ORDER), page.evaluate("document.activeElement.innerText"), []
        first = page.locator("#maps img").first.get_attribute("src")
        for _ in range(10):
            until(page, f"{FRAMES} > {page.evaluate(FRAMES)}")
            seen.append(page.evaluate(ORDER))
        assert set(seen) == {order}
        assert page.locator("#maps img").first.get_attribute("src") != first
        assert page.evaluate("document.activeElement.innerText").split(" ·")[0] == focus.split(" ·")[0]
        leave()
        until(page, f"{ORDER} !== {order!r}")


@pytest.mark.parametrize("data", [b"no video", "sound"], ids=["nothing", "sound alone"])
def test_a_file_that_is_not_a_video_is_refused_with_a_message(page, site, tmp_path, data):
    file = tmp_path / "holiday.mp4"
    if data == "sound":
        with wave.open(str(file), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(bytes(16000))
    else:
        file.write_bytes(data)
    page.goto(f"{site}/live")
    page.set_input_files("#file", str(file))
    until(page, "document.getElementById('state').textContent.includes('play “holiday.mp4” as a video')")
    assert page.is_disabled("#stop")
    page.click("#camera")
    until(page, f"{FRAMES} >= 2")


def test_one_frame_is_in_flight_at_a_time_when_the_layer_changes(page, site):
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
