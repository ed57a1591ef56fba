import re
from itertools import islice, product

import numpy as np
import pytest
from matplotlib.text import Text
from scipy import stats

from tests.paper.conftest import Counts
from unitscope.errors import UnitscopeError
from unitscope.experiments.run_options import RunOptions
from unitscope.paper.claim_tests import TESTS, sparser_than
from unitscope.paper.claims import claims_of
from unitscope.paper.figures import draw_all
from unitscope.paper.report_items import Missing, Picture
from unitscope.paper.unit_figures import figure_7, inhibition_of, noise_of


@pytest.fixture(scope="module")
def case(make_case, coco):
    """The small network, with batches of three images."""
    return make_case("small", coco=coco(6, 2), options=RunOptions(3, progress=Counts()))


@pytest.fixture(scope="module")
def items(case):
    """All report items of the small network, by the start of their titles."""
    return {item.title.partition(".")[0]: item for item in draw_all(case, log=lambda text: None)}


def _texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def test_the_p_value_of_the_best_pair_is_corrected_for_the_number_of_pairs(case, items):
    images = case.atlas.images
    tops = {
        image: set(np.argsort(-row, kind="stable")[:9])
        for image, row in zip(images["image"], case.atlas.responses(case.last), strict=True)
        if np.isfinite(row).all()
    }
    cats, dogs = ([image for image in tops if image.startswith(kind)] for kind in ("cat", "dog"))
    best = max(len(tops[cat] & tops[dog]) for cat, dog in product(cats, dogs))
    alone = stats.hypergeom(case.last.units, 9, 9).sf(best - 1)
    corrected = f"p = {min(1, 16 * alone):.2g}, corrected for 16 pairs"
    assert 16 * alone < 1  # or the correction would not show
    picture = items["Figure 4"]
    assert corrected in picture.note
    assert "of 16 pairs of a cat's image and a dog's, this one shares most" in picture.note
    assert corrected in re.sub(r"\s+", " ", _texts(picture.figure))
    assert f"{alone:.2g}" not in _texts(picture.figure)


def test_too_few_coco_images_are_a_reason_and_not_an_error(items):
    assert isinstance(items["Figure 2"], Missing)
    assert re.search(
        r"a unit has 9 exemplars, but only 8 images in '.*' can be read; give a folder", items["Figure 2"].reason
    )
    assert isinstance(items["Figure 3"], Picture)


def test_a_class_without_readable_images_is_not_chosen(case, items):
    assert "broken" in {label.name for label in case.atlas.manifest.labels}
    assert items["Figures 5 and 6"].note.startswith("ant, cat, dog (of the paper's classes here: ant)")


def test_batches_have_the_requested_size_in_every_experiment(case, items):
    batches = case.options.progress.batches
    assert {what: max(sizes) for what, sizes in batches.items()} == {"maps": 3, "perturbing": 3}
    assert case.coco.manifest.scan["batch_size"] == 3


def test_units_that_are_all_dead_are_a_reason_and_not_an_error(make_case, coco):
    drawn = draw_all(make_case("dead", coco=coco(6, 4)), log=lambda text: None)
    _, second, third = islice(drawn, 3)
    assert re.match(
        "every unit of 3 has constant responses over the images in '.*'; give other images with --coco", second.reason
    )
    assert third.reason == "no unit of 3 has a positive mean outside 'person'"


def test_figures_show_image_ids_without_local_folders(items, folder):
    assert "ant/02.png" in _texts(items["Figure 1"].figure)
    assert str(folder / "pictures") not in _texts(items["Figure 1"].figure)


def test_a_network_without_activations_is_reported_once(make_case):
    (item,) = draw_all(make_case("bare"), log=lambda text: None)
    assert item == Missing("Figures: bare", "it has no activation layers, which the paper's tables and figures need")


@pytest.fixture(scope="module")
def vgg(make_case, coco):
    """A network with the form of VGG-16, and the figures that show its units."""
    case = make_case("vgg", coco=coco(14, 4))
    return case, {item.title.partition(".")[0]: item for item in islice(draw_all(case, log=lambda text: None), 3)}


def test_figures_2_and_3_show_the_papers_units_in_a_network_with_the_form_of_vgg_16(vgg):
    case, figures = vgg
    first, second = case.own_units
    assert (first.channel, second.channel) == (71, 11)
    assert figures["Figure 2"].note.startswith(f"{first}, the paper's unit, conv5_3:71.")
    assert figures["Figure 3"].note.startswith(f"Units of {second.layer} that are darker on a 'person'")
    ranked = inhibition_of(case).units["unit"].tolist()
    assert f"is number {ranked.index(11) + 1} of {len(ranked)}" in figures["Figure 3"].note
    shown = [text.get_text() for text in figures["Figure 3"].figure.findobj(Text)]
    units = [found[1] for text in shown if (found := re.match(r"unit (\d+):", text))]
    assert units[0] == "11"


def test_figure_7_follows_the_papers_units_and_says_whether_predictions_stand_noise(vgg):
    case, _ = vgg
    _, note = figure_7(case)
    assert [(effect.layer.name, effect.unit) for effect in noise_of(case).effects[0].units] == [
        (unit.layer, unit.channel) for unit in case.own_units
    ]
    assert "the paper's own units" in note
    maps = next(test for test in TESTS if test.claim.startswith("Units' maps"))
    with pytest.raises(UnitscopeError, match="maps of 4 cells are too small to correlate"):
        maps.judge(case)
    assert "these data neither support nor contradict the claim that predictions stand this noise" in note


def test_a_network_with_its_own_images_has_figure_2_on_these(make_case, folder, coco):
    case = make_case("vgg", coco=coco(6, 4), own=folder / "pictures")
    _, on_coco, on_own, *_ = islice(draw_all(case, log=lambda text: None), 3)
    assert on_coco == Missing("Figure 2. A unit over COCO: vgg", "it has its own images, so it was not run on COCO")
    assert on_own.title == "Figure 2 on own images. A unit over its own images: vgg"
    assert "conv5_3:71. Its images show" in on_own.note


def test_networks_are_compared_on_the_same_images_only(make_case, case, coco):
    same, other = sparser_than.judge(case, case), make_case("small", own=coco(6, 4))
    assert (same.number.value, same.why) == (0, "12 images; 20 are needed")
    with pytest.raises(UnitscopeError, match="they were run on different images"):
        sparser_than.judge(case, other)


def test_each_claim_has_a_verdict_or_a_reason(case):
    claims = list(claims_of([case]))
    assert len({claim.claim for claim in claims}) == len(claims) == 13
    for claim in claims:
        values = claim.to_dict()
        assert values["verdict"] in {"supported", "not supported", "can't be told"}
        assert (values["number"] is not None) or values["remark"]
    by_claim = {claim.claim: claim.verdict for claim in claims}
    assert by_claim["A cat and a dog share units"].why == "4 images of cats and 4 of dogs; 10 of each are needed"
    assert "needs a network with the form of ResNet-50" in by_claim["ResNet-50 is sparser than VGG-16"].why
