"""Number formats of the pages, in Python and in the browser."""

import json
import math
from pathlib import Path

import pytest

import unitscope.web
from unitscope.web.number_format import number

WRITTEN = [
    (0.0, 3, "0"),
    (0.5, 3, "0.5"),
    (-0.25, 3, "−0.25"),
    (0.123456, 3, "0.123"),
    (0.00031, 2, "0.00031"),
    (3.14e-5, 2, "3.1 × 10⁻⁵"),
    (-2e-12, 1, "−2 × 10⁻¹²"),
    (9.996, 3, "10"),
    (12.34, 3, "12.3"),
    (1234.6, 2, "1,235"),
    (2.5e7, 3, "2.5 × 10⁷"),
    (float("nan"), 3, "–"),
    (None, 3, "–"),
]


@pytest.mark.parametrize(("value", "digits", "text"), WRITTEN)
def test_numbers_are_formatted_for_reading(value, digits, text):
    assert number(value, digits) == text


def test_the_browser_formats_numbers_the_same_way(page):
    page.set_content("<main></main>")
    page.add_script_tag(path=Path(unitscope.web.__file__).parent / "static" / "page.js")
    for value, digits, text in WRITTEN:
        given = "null" if value is None or math.isnan(value) else json.dumps(value)
        assert page.evaluate(f"number({given}, {digits})") == text
