import pytest

from unitscope.figures.text_layout import number, printable, shorten, width, wrap

NAME = "features.denseblock4.denselayer16.relu2"


@pytest.mark.parametrize("room", [30, 100, 200, 399])
@pytest.mark.parametrize("keep_end", [True, False])
def test_a_shortened_text_fits_and_could_not_be_longer(room, keep_end):
    cut = shorten(NAME * 3, 9, room, keep_end=keep_end)
    rest = len(cut) - 1
    longer = "…" + (NAME * 3)[-rest - 1 :] if keep_end else (NAME * 3)[: rest + 1] + "…"
    assert width(cut, 9) <= room < width(longer, 9)


def test_a_text_that_fits_is_unchanged():
    assert shorten("tabby", 9, 500) == "tabby"


def test_a_name_breaks_after_its_dots():
    assert wrap(NAME, 8, 250, after=".") == ["features.denseblock4.", "denselayer16.relu2"]


def test_wrapped_lines_fit_and_keep_the_text():
    text = "each map by itself, from its least value to the percentile " * 3
    lines = wrap(text, 9, 300)
    assert all(width(entry, 9) <= 300 for entry in lines)
    assert " ".join(lines) == printable(text)


def test_text_is_one_line_of_printable_glyphs():
    assert printable("a\n b\tc \U000f0000") == "a b c □"


@pytest.mark.parametrize(("value", "text"), [(11, "11.00"), (-0.5, "−0.5000"), (1.5e12, "1.500e+12")])
def test_responses_have_four_digits_and_a_unicode_minus(value, text):
    assert number(value) == text
