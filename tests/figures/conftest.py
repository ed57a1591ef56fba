"""Views with known maps, and helpers to inspect figures."""

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from unitscope.display.exemplar_sheet import Exemplar, ExemplarSheet
from unitscope.display.structure import Enlargement, LayerTopUnits, Prediction, Structure
from unitscope.figures import structure
from unitscope.units import Layer

at_each_width = pytest.mark.parametrize("width", ["85mm", "170mm"])
exact_pixels = pytest.mark.skipif(
    matplotlib.__version_info__ < (3, 11), reason="before 3.11, matplotlib draws images up to one pixel too large"
)


def layer(index, name, units, size):
    return Layer(index, name, "activation", units, (units, *size))


def column(index, name, size, *, top=9, units=512):
    rng = np.random.default_rng(index)
    maps = rng.gamma(0.3, size=(top, *size)).astype(np.float32)
    channels = np.sort(rng.choice(units, top, replace=False))[::-1].astype(np.int64)
    return LayerTopUnits(layer(index, name, units, size), channels, maps.mean((1, 2)), maps)


def view(sizes, *, top=9, units=512, name="layer{}.relu_2", predictions=5, enlarged=0, picture=(224, 224)):
    columns = tuple(
        column(number, name.format(number), size, top=top, units=units) for number, size in enumerate(sizes)
    )
    large = tuple(
        Enlargement(entry.layer, int(entry.units[0]), float(entry.responses[0]), entry.maps[0])
        for entry in columns[:enlarged]
    )
    chances = tuple(Prediction(n, f"class number {n} " * (n + 1), 0.5 / (n + 1)) for n in range(predictions))
    pixels = np.random.default_rng(7).integers(0, 256, (*picture, 3)).astype(np.uint8)
    return Structure("torchvision:resnet50", "photos/cat_$1.jpg", pixels, chances, columns, large)


def exemplar(rank, *, label="Siamese cat", image="n02123597/cat.JPEG", size=(14, 14), picture=(224, 224)):
    rng = np.random.default_rng(rank)
    pixels = rng.integers(0, 256, (*picture, 3)).astype(np.uint8)
    return Exemplar(rank, image, 10.0 / rank, label, pixels, rng.gamma(0.3, size=size).astype(np.float32))


def sheet_of(*exemplars, name="features.29"):
    return ExemplarSheet("torchvision:vgg16", layer(29, name, 512, (14, 14)), 71, exemplars)


def texts(figure):
    """Every visible text with its bounding box in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    found = [*figure.texts]
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes._left_title, axes._right_title]
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            found += [
                tick.label1
                for tick in axis.get_major_ticks()
                if low <= tick.get_loc() <= high and tick.label1.get_visible()
            ]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in found if text.get_text().strip()]


def assert_tidy(figure):
    """Assert that no text leaves the canvas, overlaps another text or lies on an image."""
    width, height = figure.canvas.get_width_height()
    placed = texts(figure)
    for text, box in placed:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text
    corners = np.array([[box.x0, box.y0, box.x1, box.y1] for _, box in placed])
    images = np.array([image_box(image) for axes in figure.axes for image in axes.images]).reshape(-1, 4)
    for number, (text, _) in enumerate(placed):
        for other in np.flatnonzero(overlaps(corners[number], corners)):
            assert other == number, (text, placed[other][0])
        assert not overlaps(corners[number], images).any(), text


def overlaps(box, others):
    """Whether a box overlaps each of the others by more than a pixel."""
    wide = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    high = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    return (wide > 1) & (high > 1)


def image_box(image):
    box = image.get_window_extent()
    return box.x0, box.y0, box.x1, box.y1


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


@pytest.fixture(scope="package")
def resnet_view():
    return view([(56, 56)] * 2 + [(28, 28)] * 4 + [(14, 14)] * 6 + [(7, 7)], enlarged=3)


@pytest.fixture(scope="package")
def resnet_figure(resnet_view):
    return structure(resnet_view, proportional=True, width="400mm")
