"""Exemplars of units that are dead, silent for most images, or tied; and units that are classes."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text

from unitscope.analyses.class_units import class_of_unit, class_unit_note, last_feature_layer
from unitscope.analyses.exemplars import unit_exemplars
from unitscope.figures import exemplars as drawn
from unitscope.units import Unit

DEAD, RARE, TIED, SIGNED, FULL = range(5)
RESPONSES = np.array(
    [
        # dead, rare, tied, signed, full
        [0, 0, 1, -1, 5],
        [0, 3, 2, 0, 4],
        [0, 0, 1, 0, 3],
        [-0.0, 1, 1, -2, 2],
        [0, 0, 1, 0, 1],
    ]
)


@pytest.fixture
def atlas(make_atlas):
    return make_atlas(RESPONSES)


def images(atlas, unit, **options):
    return [one.image for one in unit_exemplars(atlas, f"relu:{unit}", **options).exemplars]


@pytest.mark.parametrize("lowest", [False, True])
def test_a_dead_unit_has_no_exemplars_and_says_so(atlas, lowest):
    sheet = unit_exemplars(atlas, f"relu:{DEAD}", lowest=lowest)
    assert (sheet.exemplars, sheet.dead, sheet.above_zero, sheet.tied) == ((), True, None, None)
    words = "This unit is dead: its response to every image is zero, so it has no exemplars."
    assert sheet.note == words
    assert words in next(iter(sheet.tables()))
    assert words in sheet._repr_html_()
    figure = drawn(sheet)
    assert words in " ".join(text.get_text() for text in figure.findobj(Text))
    assert not any(axes.images for axes in figure.axes)
    assert "dead, its response to every image is zero" in atlas[f"relu:{DEAD}"]._repr_html_()


def test_images_that_a_unit_is_silent_for_are_not_its_exemplars(atlas):
    sheet = unit_exemplars(atlas, f"relu:{RARE}")
    assert images(atlas, RARE) == ["00001.png", "00003.png"]
    assert (sheet.above_zero, sheet.note) == (2, "Only 2 images have a response above zero.")


def test_the_lowest_images_of_a_rare_unit_are_those_it_is_silent_for(atlas):
    sheet = unit_exemplars(atlas, f"relu:{RARE}", lowest=True)
    assert images(atlas, RARE, lowest=True) == ["00000.png", "00002.png", "00004.png"]
    assert (sheet.above_zero, sheet.tied, sheet.note) == (None, 0, "Equal responses are ordered by image name.")


def test_ties_with_the_last_exemplar_are_counted(atlas):
    sheet = unit_exemplars(atlas, f"relu:{TIED}")
    assert images(atlas, TIED) == ["00001.png", "00000.png", "00002.png"]
    expected = "2 further images have the same response as the last. Equal responses are ordered by image name."
    assert (sheet.tied, sheet.note) == (2, expected)


def test_a_unit_with_negative_responses_keeps_zeros_as_exemplars(atlas):
    assert images(atlas, SIGNED) == ["00001.png", "00002.png", "00004.png"]
    assert unit_exemplars(atlas, f"relu:{SIGNED}").above_zero is None


def test_a_unit_with_enough_exemplars_has_no_note(atlas):
    assert unit_exemplars(atlas, f"relu:{FULL}").note == ""


def test_no_array_has_a_negative_zero(atlas):
    for name in ("top_values", "bottom_values", "min", "max", "mean"):
        values = atlas.array(name).to_numpy()
        assert not np.signbit(values[values == 0]).any(), name
    assert not np.signbit(atlas.exemplars(f"relu:{RARE}", lowest=True)["response"]).any()


def test_units_of_a_layer_of_classes_are_named(atlas):
    assert class_unit_note(atlas, atlas.find("relu"), 2) == ""
    manifest = replace(
        atlas.manifest, network={**atlas.manifest.network, "class_layers": ["relu"]}, classes=("hen", "pug", "tench")
    )
    named = replace(atlas, manifest=manifest)
    layer = named.find("relu")
    assert [class_of_unit(named, layer, unit) for unit in (1, 4)] == ["pug", "class 4"]
    sheet = unit_exemplars(named, Unit("relu", FULL))
    assert sheet.note == "The units of relu are the network's 5 classes themselves: unit 4 is 'class 4'."


def test_the_last_feature_layer_is_before_the_classes(make_atlas):
    atlas = make_atlas(np.ones((2, 6)), layers={"features": 2, "act": 2, "pool": 2})
    assert last_feature_layer(atlas).name == "pool"
    network = {**atlas.manifest.network, "class_layers": ["act", "pool"]}
    assert last_feature_layer(replace(atlas, manifest=replace(atlas.manifest, network=network))).name == "features"
    only = {**network, "class_layers": ["features", "act", "pool"]}
    assert last_feature_layer(replace(atlas, manifest=replace(atlas.manifest, network=only))).name == "pool"
