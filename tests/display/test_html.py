"""HTML with embedded pictures for notebooks: an atlas, a unit, a selection, a structure."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

import unitscope
from unitscope.display.exemplar_sheet import Exemplar, ExemplarSheet
from unitscope.display.structure import LayerTopUnits, Prediction, Structure
from unitscope.units import Layer

LAYER = Layer(0, "features.<3>", "activation", 4, (4, 2, 2))


def pictures(html):
    found = re.findall(r'src="data:image/(?:webp|png);base64,([^"]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


@pytest.fixture
def atlas(make_atlas, tmp_path):
    """Five grey pictures, one of which is deleted."""
    for number in range(4):
        Image.new("L", (12, 9), 50 * number).save(tmp_path / f"{number:05d}.png")
    return make_atlas(np.arange(20).reshape(5, 4), labels=["a", "b", "a", "b", "<i>"])


def test_an_atlas_shows_its_facts_and_the_strip_of_its_layers(atlas):
    html = atlas._repr_html_()
    assert "planted" in html
    assert "relu: 4 units" in html


def test_an_atlas_has_a_one_line_repr(atlas):
    assert re.fullmatch(r"Atlas\('.*': planted, 5 images, 4 units in 1 layers\)", repr(atlas))


def test_a_unit_shows_its_exemplars_and_a_blank_for_a_missing_image(atlas):
    html = atlas["relu:2"]._repr_html_()
    assert "relu:2: mean 10" in html
    assert [picture.size for picture in pictures(html)] == [(12, 9), (12, 9)]
    assert html.count("α") == 3


def test_a_selection_names_its_units_and_an_atlas_shows_them(atlas):
    chosen = unitscope.Selection(atlas.find("relu"), (1, 3))
    assert "2 of 4 units of relu" in chosen._repr_html_()
    assert "1, 3" in chosen._repr_html_()
    html = atlas[chosen]._repr_html_()
    assert "relu:1" in html
    assert "relu:3" in html
    assert "relu:2" not in html


def test_a_unit_that_the_atlas_lacks_is_an_error(atlas):
    with pytest.raises(unitscope.UnitscopeError, match="there is no unit 9"):
        atlas["relu:9"]


def test_a_structure_shows_the_picture_and_all_maps():
    grey = np.full((8, 8, 3), 128, np.uint8)
    column = LayerTopUnits(LAYER, np.array([3, 1]), np.array([2.0, 1.0], np.float32), np.ones((2, 2, 2), np.float32))
    html = Structure("net", "a<b.png", grey, (Prediction(1, "cat & dog", 0.5),), (column,))._repr_html_()
    assert len(pictures(html)) == 3
    assert "cat &amp; dog 50.0%" in html
    assert "features.&lt;3&gt;" in html
    assert "a<b" not in html


def test_exemplars_are_shown_with_their_maps_overlaid():
    grey = np.full((8, 8, 3), 128, np.uint8)
    bright = np.array([[0, 1], [0, 0]], np.float32)
    seen = Exemplar(1, "a.png", 2.5, "cat", grey, bright)
    gone = Exemplar(2, "b.png", 2.0, "dog")
    html = ExemplarSheet("net", LAYER, 3, (seen, gone))._repr_html_()
    (shown,) = pictures(html)
    pixels = np.asarray(shown.convert("L")).astype(int)
    assert pixels[1, 6] > pixels[6, 1] + 40
    assert "2: α 2 dog" in html
