"""The recording of the explorer in the README: an animated WebP, taken of the demo's atlas in Chromium.

In: a demo (`make demo`). Out: docs/images/demo.webp. Run from the project's folder: ``python docs/recording.py``.
"""

import io
from collections.abc import Iterator

from PIL import Image
from playwright.sync_api import Page
from screenshots import CAT_UNITS, HERE, explorer

Frame = tuple[Image.Image, int]  # a picture, and how many milliseconds it stays


def main() -> None:
    """Record the scenes and save them as one file."""
    with explorer() as (address, browser):
        page = browser.new_page(viewport={"width": 960, "height": 700})
        frames = [frame for scene in (_unit, _image, _lab) for frame in scene(page, address)]
    pictures, times = zip(*frames, strict=True)
    target = HERE / "images" / "demo.webp"
    first, *others = pictures
    first.save(target, "WEBP", save_all=True, append_images=others, duration=times, loop=0, quality=72, method=6)


def _unit(page: Page, address: str) -> Iterator[Frame]:
    """A unit's exemplars: the photographs fade to its activation maps and back."""
    page.goto(f"{address}/unit/act:20/448")
    page.wait_for_selector("#exemplars[data-ready=yes]", timeout=120_000)
    page.wait_for_load_state("networkidle")
    for share, time in ((0, 1800), (25, 120), (50, 120), (75, 900), (100, 900), (75, 120), (55, 2200)):
        page.locator("#fade").fill(str(share))
        yield _frame(page, time)


def _image(page: Page, address: str) -> Iterator[Frame]:
    """A photograph: the units of each layer that respond most to it."""
    page.goto(f"{address}/image/nature/cat.jpg")
    page.wait_for_selector("#structure button.map", timeout=120_000)
    page.wait_for_load_state("networkidle")
    yield _frame(page, 1500)
    yield from _scrolled(page, "#structure", 2500)


def _lab(page: Page, address: str) -> Iterator[Frame]:
    """The lab: its top units are removed one by one, and the prediction changes."""
    page.goto(f"{address}/lab?image=nature/cat.jpg")
    page.wait_for_selector("#structure[data-ready]", timeout=120_000)
    page.wait_for_load_state("networkidle")
    page.locator("#lab").evaluate("form => scrollTo(0, form.getBoundingClientRect().top - 16)")
    yield _frame(page, 1500)
    for count, unit in enumerate(CAT_UNITS, 1):
        page.locator("[name=unit]").fill(f"act:33:{unit}")
        page.locator("#lab button").first.click()
        while page.locator("#removed li").count() != count or page.locator("[aria-busy=true]").count():
            page.wait_for_timeout(100)
        yield _frame(page, 350 if count < len(CAT_UNITS) else 3500)


def _scrolled(page: Page, selector: str, time: int) -> Iterator[Frame]:
    """Scroll to an element in a few steps; the last frame stays."""
    top = page.locator(selector).bounding_box()
    goal = 0 if top is None else max(0, int(top["y"]) - 80)
    for step in range(1, 5):
        page.evaluate(f"scrollTo(0, {goal * step // 4})")
        yield _frame(page, 80 if step < 4 else time)


def _frame(page: Page, time: int) -> Frame:
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB"), time


if __name__ == "__main__":
    main()
