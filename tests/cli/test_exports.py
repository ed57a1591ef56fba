"""Each command exports a network only once."""

import pytest
import torch

from tests.experiments import planted_coco
from tests.experiments.planted_coco import CLASSES, SIDE, make_coco


@pytest.fixture(scope="module")
def planted(run, tmp_path_factory):
    """A folder with a card of the planted network, images in COCO's layout, class folders, and an atlas of each."""
    folder = tmp_path_factory.mktemp("exports")
    (folder / "net.toml").write_text(
        f'factory = "{planted_coco.__file__}:dark_on_red"\nclasses = {CLASSES}\ntrained = true\n'
        f"[preprocess]\nsize = [{SIDE}, {SIDE}]\nmean = [0, 0, 0]\nstd = [255, 255, 255]\n"
    )
    make_coco(folder / "coco")
    for number, image in enumerate(sorted((folder / "coco" / "train").iterdir())):
        place = folder / "classes" / CLASSES[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / image.name).write_bytes(image.read_bytes())
    image.rename(folder / "new.png")
    for name in ("coco", "classes"):
        run("scan", folder / "net.toml", folder / name, "-o", folder / f"{name}.atlas")
    return folder


@pytest.fixture
def exports(monkeypatch):
    """The modules that `torch.export.export` was called with."""
    called, export = [], torch.export.export

    def counting(module, *args, **options):
        called.append(module)
        return export(module, *args, **options)

    monkeypatch.setattr(torch.export, "export", counting)
    return called


COMMANDS = {
    "layers": "layers net.toml",
    "scan": "scan net.toml classes -o again.atlas",
    "structure": "structure net.toml new.png -o structure.png",
    "exemplars": "exemplars classes.atlas relu:1 --network net.toml -o exemplars.png",
    "rule": "rule classes.atlas --layer relu --shared new.png --shared class:plain --top 3 --network net.toml -o r.png",
    "similarity": "similarity classes.atlas new.png class:plain --layer relu --network net.toml",
    "similarity by layer": "similarity classes.atlas new.png class:plain --by-layer --network net.toml",
    "inhibitory": "inhibitory coco.atlas --layer relu --ablate-each --network net.toml -o inhibitory.png --category",
    "ablate": "ablate net.toml classes --layer relu --count 2 --order random --order low -o ablate.png",
    "perturb": "perturb net.toml classes --unit relu:1 --noise 0.1 --maps maps.png -o curves.png",
    "verify": "verify classes.atlas --network net.toml",
    "export": "export classes.atlas site --network net.toml",
    "paper": "paper --imagenet classes --coco coco --network net.toml -o report",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_exports_its_network_at_most_once(name, planted, exports, run, monkeypatch):
    monkeypatch.chdir(planted)
    words = COMMANDS[name].split() + (["red square"] if name == "inhibitory" else [])
    run(*words)
    assert len(exports) == 1
