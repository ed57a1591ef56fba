import re
from itertools import islice, product

import numpy as np
import pytest
from scipy import stats

from tests.paper.conftest import Counts
from unitscope.experiments.run_options import RunOptions
from unitscope.paper.figures import draw_all
from unitscope.paper.report_items import Missing, Picture


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
