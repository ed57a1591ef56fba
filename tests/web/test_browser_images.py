"""Pages of images in Chromium: structures and uploads."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.web.conftest import until


def test_a_map_of_a_structure_is_enlarged_and_links_to_its_unit(page, site):
    page.goto(f"{site}/image/chelsea/00.jpg")
    page.wait_for_selector("#structure button.map")
    columns = page.locator("#structure .column")
    assert page.inner_text("#shown").startswith(f"{columns.count()} of 33 layers")
    assert columns.count() == 13
    strip = page.locator("#structure").evaluate("(strip) => [strip.scrollWidth > strip.clientWidth, strip.className]")
    assert strip == [True, "columns"]
    assert page.locator("#structure").evaluate("(strip) => getComputedStyle(strip, '::after').content") == "none"
    last = page.locator("#structure .column").last.locator("button.map").first
    unit = last.inner_text().strip()
    last.click()
    assert page.locator("dialog .tiles img").count() == 4
    page.click("dialog a:has-text('exemplars')")
    page.wait_for_url(f"**/{unit}")


def test_an_uploaded_image_is_analysed(page, site, demo):
    page.goto(f"{site}/images")
    page.set_input_files("[name=picture]", str(demo / "whole" / "coffee.png"))
    page.wait_for_url("**/upload/*")
    page.wait_for_selector("#structure button.map")
    assert page.locator("#structure button.map").count() > 9


def test_an_upload_that_is_not_an_image_is_refused_with_a_message(lenient_page, site, tmp_path):
    page = lenient_page  # the browser complains of the refusal, which is as it should be
    page.goto(f"{site}/images")
    (tmp_path / "no.png").write_text("no picture")
    page.set_input_files("[name=picture]", str(tmp_path / "no.png"))
    until(page, "document.querySelector('#upload output').textContent.includes('not an image')")
    assert page.url == f"{site}/images"


@pytest.mark.parametrize("address", ["/images", "/image/chelsea/00.jpg"])
@pytest.mark.parametrize("how", ["drop", "paste"])
def test_an_image_can_be_dropped_or_pasted(page, site, how, address):
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
    assert page.locator("img.large").count() == 1
