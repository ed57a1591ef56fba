"""Images that can't be read end every experiment with a message; they are not left out."""

import pytest

import unitscope
from unitscope import AblationGrid, Noise, RunOptions, ablate, perturb
from unitscope.engine import loader
from unitscope.errors import ImageAccessError, ImageError
from unitscope.experiments.inhibition import category_inhibition, inhibition_by_removal
from unitscope.inspection import exemplar_sheet
from unitscope.inspection.inhibition import inhibition_sheet
from unitscope.inspection.perturbation import perturbed_sheet

from .planted_coco import make_coco, planted_network

LOST = r"'.*{}' can't be read: Input/output error"
MOVED = LOST + r"\. If the images have moved, give their new folder"


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch):
    monkeypatch.setattr(loader, "_RETRY_AFTER", (0.01,))


def lose(file):
    """Put in place of an image a file that opens, and can't be read."""
    file.unlink()
    file.symlink_to("/proc/self/mem")


def test_removing_and_changing_units_stops_at_an_image_that_can_not_be_read(network, folder):
    images, options = unitscope.open_images(folder), RunOptions(batch_size=4)
    kept = perturb(network, images, [Noise(0.1)], units=["relu:0"], options=options)
    for file in (folder / "green").iterdir():
        lose(file)
    with pytest.raises(ImageAccessError, match=LOST.format("green/01.png")):
        ablate(network, images, AblationGrid(layers=("relu",), fractions=(0.5,)), options=options)
    with pytest.raises(ImageAccessError, match=LOST.format("green/01.png")):
        perturb(network, images, [Noise(0.1)], options=options)
    for file in (folder / "red").iterdir():
        lose(file)
    with pytest.raises(ImageAccessError, match=LOST.format("red/[0-9]+.png")):
        perturbed_sheet(network, kept)


def test_an_image_that_can_not_be_decoded_is_left_out_of_experiments(network, folder):
    (folder / "green" / "01.png").write_bytes(b"no")
    images = unitscope.open_images(folder)
    assert perturb(network, images, [Noise(0.1)]).images == 39


def test_verify_and_exemplars_stop_at_an_image_that_can_not_be_read(network, folder, tmp_path):
    atlas = unitscope.scan(network, folder, tmp_path / "a").atlas
    victim = folder / atlas.exemplars("relu:1")["image"].iloc[0]
    lose(victim)
    for look in (
        lambda: unitscope.verify(atlas, network=network),
        lambda: exemplar_sheet(atlas, "relu:1", network=network),
    ):
        with pytest.raises(ImageAccessError, match=MOVED.format(victim.name)):
            look()
    victim.unlink()
    victim.write_bytes(b"no")
    with pytest.raises(ImageError, match=r"is not an image.*; the scan could read it"):
        unitscope.verify(atlas, network=network)


def test_inhibition_stops_at_an_image_that_can_not_be_read(tmp_path):
    network, root = planted_network(), make_coco(tmp_path / "coco")
    atlas = unitscope.scan(network, root, tmp_path / "a").atlas
    found = category_inhibition(atlas, "relu", "red square", network=network)
    lose(root / found.images[0])
    for look in (
        lambda: category_inhibition(atlas, "relu", "red square", network=network),
        lambda: inhibition_by_removal(atlas, found, class_name="red square", network=network),
        lambda: inhibition_sheet(atlas, found, network=network),
    ):
        with pytest.raises(ImageAccessError, match=MOVED.format(found.images[0])):
            look()
