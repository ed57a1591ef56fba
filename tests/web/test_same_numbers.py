"""Pages show the results of the Python functions, also for units with NaN responses."""

import json

import numpy as np
import pytest

import unitscope
from unitscope.analyses.class_contrast import class_inhibition
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.pages.class_page import class_page
from unitscope.web.pages.compare import compare_page
from unitscope.web.pages.home import home_page
from unitscope.web.pages.unit import unit_page
from unitscope.web.templating import to_json

IMAGES, UNITS = 90, 12
NAN_UNITS = (4, 7, 11)


def planted(*, nan):
    """Units that respond to one class each, two identical ones, a dead one; with ``nan``, some responses are NaN."""
    random = np.random.default_rng(8)
    found = np.maximum(random.normal(0.3, 1, (IMAGES, UNITS)), 0).astype(np.float32)
    for label in range(3):
        found[label::3, label] += 3
    found[:, 6] = found[:, 5] + 0.1 * random.random(IMAGES)
    found[::3, 8] *= 0.05
    found[:, 9] = 0
    found[20] = np.nan
    if nan:
        found[3, 4], found[4, 7], found[:, 11] = np.nan, np.inf, np.nan
    return found


@pytest.fixture(params=[False, True], ids=["numbers", "some NaN"])
def atlas(request, make_atlas):
    labels = [("cat", "dog", "hen")[row % 3] for row in range(IMAGES)]
    return make_atlas(planted(nan=request.param), layers={"first": 3, "wide": 9}, labels=labels, shard_size=16)


def as_json(page):
    return json.loads(to_json(page))


def rows(table):
    """A data frame as in JSON: one list per row."""
    return json.loads(to_json([list(row) for row in table.itertuples(index=False, name=None)]))


def units_of(atlas):
    return [(layer, channel) for layer in atlas.layers for channel in range(layer.units)]


def test_similar_units(atlas):
    cache = AtlasCache(atlas)
    for layer, channel in units_of(atlas):
        page = as_json(unit_page(cache, layer, channel))
        found = unitscope.similar_units(atlas, f"{layer.name}:{channel}")
        assert [[one["channel"], one["correlation"]] for one in page["alike"]] == rows(found.units)
        assert page["alike_images"] == found.images
    alike = unitscope.similar_units(atlas, "wide:2").units
    assert alike["unit"].iloc[0] == 3
    assert set(alike["unit"]).isdisjoint({2, 6, *(() if np.isfinite(atlas.responses("wide")[3, 1]) else (1, 4, 8))})


def test_histogram_and_class_means_of_a_unit(atlas):
    cache = AtlasCache(atlas)
    for layer, channel in units_of(atlas):
        page = as_json(unit_page(cache, layer, channel))
        found = unitscope.unit_responses(atlas, f"{layer.name}:{channel}")
        assert page["histogram"]["counts"] == found.histogram.tolist()
        assert page["histogram"]["start"] == found.edges[0]
        assert page["histogram"]["width"] == pytest.approx(np.diff(found.edges).mean())
        assert [list(one.values()) for one in page["classes"]] == rows(found.classes)
        responses = atlas.responses(layer)[:, channel]
        assert found.histogram.sum() == np.isfinite(responses).sum()
        for one in found.classes.itertuples():
            of_class = responses[atlas.rows_labelled(one.label)].astype(float)
            assert one.mean == pytest.approx(of_class[np.isfinite(of_class)].mean(), rel=1e-12)
            assert one.images == 30 - (one.label == "hen")


def test_selective_units_and_the_distribution_of_class_means(atlas):
    cache = AtlasCache(atlas)
    for layer in atlas.layers:
        for label in ("cat", "dog", "hen"):
            page = as_json(class_page(cache, label, layer))
            result = unitscope.selective_units(atlas, layer, label)
            assert [one["channel"] for one in page["selective"]["units"]] == result.found["unit"].tolist()
            assert page["selective"]["note"].lower().startswith(result.note.lower() + ".")
            assert result.units["selectivity"].is_monotonic_decreasing
            spread = unitscope.sparsity(atlas, layer, [label])
            assert page["spread"]["of_class"] == spread.classes[0].histogram.tolist()
            assert page["spread"]["of_all"] == spread.overall.histogram.tolist()
            assert page["spread"]["edges"] == spread.edges.tolist()
            for name in ("zero_fraction", "gini", "treves_rolls"):
                assert page["spread"][name] == getattr(spread.classes[0], name)
    assert unitscope.selective_units(atlas, "first", "cat").units["unit"].tolist() == [0]


@pytest.mark.parametrize("most", [50, 4096])
def test_units_that_a_class_inhibits(atlas, monkeypatch, most):
    monkeypatch.setattr("unitscope.analyses.class_contrast.MAX_IMAGES", most)
    cache = AtlasCache(atlas)
    for layer in atlas.layers:
        page = class_page(cache, "cat", layer)
        found = class_inhibition(atlas, layer, "cat")
        sure = found.units[found.units["p_corrected"] < 0.05]
        assert [one.channel for one in page.inhibitory.units] == sure["unit"].tolist()
        assert f"{len(sure)} of {layer.units} units respond less to this class than to {found.others} other" in (
            page.inhibitory.note
        )
        total = f"other images of {found.others_in_atlas}, without near-duplicates"
        assert (total in page.inhibitory.note) == (found.others < found.others_in_atlas)
        assert (found.others < found.others_in_atlas) or most > 50
    assert class_inhibition(atlas, "wide", "cat").units["unit"].iloc[0] == 5


def test_what_classes_and_images_have_in_common_at_each_layer(atlas):
    names = ["class:cat", "class:dog", "00005.png"]
    page = as_json(compare_page(AtlasCache(atlas), names, atlas.find("wide"), top=4))
    found = unitscope.layer_overlap(atlas, names, 4).table
    assert [list(one.values()) for one in page["layers"]] == rows(found)
    groups = unitscope.image_groups(atlas, names, "wide")
    rule = unitscope.intersection(groups, unitscope.TopK(4))
    assert (found["shared"][1], found["expected"][1]) == (len(rule.units), rule.expected)
    assert found["p_value"][1] == rule.p_value


def test_the_share_of_zeros_and_the_dead_units_of_a_layer(atlas):
    page = as_json(home_page(AtlasCache(atlas)))
    table = unitscope.sparsity_by_layer(atlas).table
    assert [[one["layer"], one["zero_fraction"], one["dead"]] for one in page["layers"]] == rows(
        table[["layer", "zero_fraction", "dead"]]
    )
