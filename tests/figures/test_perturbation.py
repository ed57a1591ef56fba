"""Figures of perturbations: curves over strength and depth, and units' maps clean and changed."""

import numpy as np
import pytest

from unitscope.analyses.estimates import Estimate, Proportion
from unitscope.analyses.perturb_result import Effect, LayerEffect
from unitscope.display.perturbed_sheet import PerturbedImage, PerturbedMap, PerturbedSheet, PerturbedUnit
from unitscope.errors import UnitscopeError
from unitscope.figures import perturbation, perturbed

from .conftest import assert_tidy, at_each_width, layer, pixels, texts

NAN = float("nan")


def effect(kind, value, *, layers=8, flips=(3,), name="layer{}.relu_2", units=64):
    def estimate(number):
        return Estimate(max(0.0, 1 - value / 10 - 0.01 * number), 0.01, NAN, 20)

    effects = tuple(
        LayerEffect(layer(n, name.format(n), units, (7, 7)), estimate(n), 9 / units, estimate(n)) for n in range(layers)
    )
    return Effect(kind, value, (0,), flips and Proportion(flips, 20), (), None, None, effects, ())


def sheet(*sizes, images=9, perturbations=(("noise", 0.05), ("noise", 0.1), ("jpeg", 10)), correlation=-0.05):
    rng = np.random.default_rng(1)

    def seen(size, r):
        map_ = rng.gamma(0.3, size=size).astype(np.float32)
        return PerturbedMap(rng.integers(0, 256, (32, 40, 3)).astype(np.uint8), map_, float(map_.mean()), r)

    units = [
        PerturbedUnit(
            layer(n, f"features.{n}", 512, size),
            n,
            tuple(
                PerturbedImage(
                    f"n02123597/ILSVRC2012_val_{k}.JPEG",
                    seen(size, 1.0),
                    tuple(seen(size, correlation) for _ in perturbations),
                )
                for k in range(images)
            ),
        )
        for n, size in enumerate(sizes)
    ]
    return PerturbedSheet("torchvision:vgg16", perturbations, tuple(units))


ALL_KINDS = [
    *(effect("noise", sigma) for sigma in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)),
    *(effect("blur", radius) for radius in (1, 2)),
    effect("brightness", 0.5),
    *(effect("jpeg", quality) for quality in range(1, 100, 6)),
]


@pytest.mark.parametrize(
    "effects",
    [
        [effect("noise", 0.1)],
        [effect("noise", 0.1, flips=None)],
        [effect("noise", 0.0, flips=(0,)), effect("noise", 1.0, flips=(20, 19))],
        [effect("noise", 0.1, layers=1)],
        [effect("noise", 0.1, layers=120, name="features.denseblock4.denselayer{}.relu2")],
        ALL_KINDS,
    ],
    ids=["one", "no-classes", "extremes", "one-layer", "deep", "all"],
)
@at_each_width
def test_no_text_of_the_curves_overlaps_or_is_clipped(effects, width):
    assert_tidy(perturbation(effects, title="torchvision:resnet50 over val: $1 " * 8, width=width))


def test_a_single_strength_is_said_in_words_instead_of_a_chart_with_one_point():
    figure = perturbation([effect("noise", 0.1, flips=(10, 12)), effect("blur", 1, flips=(10, 10))])
    assert len(figure.axes) == 4
    caption = " ".join(text for text, _ in texts(figure))
    assert "Noise σ = 0.1: 55.0% of the predictions change (" in caption
    assert "Blur 1 px: 50.0% of the predictions change (" in caption


def test_curves_show_the_means_of_each_strength_over_layers_and_chance_level():
    effects = [effect("noise", 0.2, flips=(10, 12)), effect("noise", 0.1)]
    overlap, cosine, flips = perturbation(effects).axes
    chance, weak, strong = overlap.lines
    assert chance.get_ydata() == pytest.approx([9 / 64] * 8)
    assert weak.get_ydata() == pytest.approx([each.overlap.value for each in effects[1].layers])
    assert strong.get_ydata() == pytest.approx([each.overlap.value for each in effects[0].layers])
    assert cosine.lines[1].get_ydata() == pytest.approx([each.cosine.value for each in effects[0].layers])
    named = [text for text, _ in texts(overlap.figure)]
    assert [text for text in named if text in {"by chance", "σ = 0.1", "σ = 0.2"}] == [
        "by chance",
        "σ = 0.1",
        "σ = 0.2",
    ]
    assert flips.lines[0].get_xdata().tolist() == [0.1, 0.2]
    assert flips.lines[0].get_ydata() == pytest.approx([3 / 20, 11 / 20])


def test_stronger_perturbations_are_darker_also_in_greyscale():
    _, *lines = perturbation([effect("noise", sigma) for sigma in (0.3, 0.1, 0.2, 0.05)]).axes[0].lines
    grey = [np.dot(line.get_color()[:3], (0.299, 0.587, 0.114)) for line in lines]
    assert grey == sorted(grey, reverse=True)
    assert min(-np.diff(grey)) > 0.1
    assert len({line.get_marker() for line in lines}) == 4


def test_values_that_are_none_leave_a_gap():
    broken = effect("noise", 0.1)
    missing = Estimate(NAN, NAN, NAN, 0)
    lost = LayerEffect(broken.layers[0].layer, missing, 0.1, missing)
    empty = Effect("noise", 0.1, (0,), None, (), None, None, (lost,), ())
    assert np.isnan(perturbation([empty]).axes[1].lines[0].get_ydata()).all()


def test_nothing_to_draw_is_refused():
    with pytest.raises(UnitscopeError, match="no perturbation to draw"):
        perturbation([])


@pytest.mark.parametrize(
    "view",
    [
        sheet((14, 14), (7, 7)),
        sheet((56, 56), images=1, correlation=NAN),
        sheet((1, 49), perturbations=(("brightness", 0.5),)),
        sheet((7, 7), images=0),
    ],
    ids=["two-units", "one-image", "flat-maps", "no-image"],
)
@at_each_width
def test_no_text_of_the_maps_overlaps_or_is_clipped(view, width):
    assert_tidy(perturbed(view, width=width))


def test_each_unit_shows_every_image_in_every_state():
    view = sheet((14, 14), (7, 7), images=3, perturbations=(("noise", 0.05), ("jpeg", 10)))
    figure = perturbed(view)
    assert len(figure.axes[0].images) == 2 * 3 * 3 * 2
    output = [text for text, _ in texts(figure)]
    assert output.count("Clean") == output.count("Noise σ = 0.05") == output.count("JPEG quality 10") == 2
    assert output.count("r −0.05") == 2 * 3 * 2


def test_units_that_a_page_does_not_hold_are_left_out_with_a_note():
    many = perturbed(sheet(*[(7, 7)] * 9, images=9), width="85mm")
    assert many.get_size_inches()[1] * 25.4 < 250
    caption = " ".join(text for text, _ in texts(many))
    assert "The first 1 of 9, as many as a page holds. The first 5 of 9 images." in caption


def test_maps_of_one_image_share_one_scale():
    bright = np.zeros((4, 4), np.float32)
    bright[0, 0] = 10.0
    picture = np.zeros((8, 8, 3), np.uint8)
    states = [PerturbedMap(picture, bright * share, 0.0, 1.0) for share in (1.0, 0.1)]
    unit = PerturbedUnit(layer(0, "relu", 8, (4, 4)), 0, (PerturbedImage("a.png", states[0], (states[1],)),))
    figure = perturbed(PerturbedSheet("tiny", (("noise", 0.1),), (unit,)))
    _, clean, _, changed = (image.get_array() for image in figure.axes[0].images)
    assert clean.max() == 1
    assert changed.max() == pytest.approx(0.1**0.6, rel=0.01)
    assert pixels(figure).std() > 0
