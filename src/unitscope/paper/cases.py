"""The networks of a report, ready to be asked: loaded, traced, scanned.

In: references and folders. Out: `Case` values; a network without training or images has no atlas.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.graph import Trace, trace_of
from unitscope.images import ImageSet, open_images
from unitscope.networks import Network, load
from unitscope.scanning import Options, scan
from unitscope.units import ACTIVATION, Layer

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A network, and the folder with images of its own classes where these are not the report's."""

    network: str
    folder: Path | None = None

    @classmethod
    def parse(cls, text: str) -> "Asked":
        """Return what ``NETWORK`` or ``NETWORK=FOLDER`` asks for."""
        network, _, folder = text.partition("=")
        return cls(network, Path(folder) if folder else None)

    @property
    def name(self) -> str:
        """A short name, for files and headings."""
        return Path(self.network).stem if self.network.endswith(".toml") else self.network.rpartition(":")[2]


@dataclass(frozen=True, eq=False)
class Case:
    """One network of the report.

    Attributes:
        name: short; no two cases have the same.
        network: loaded.
        trace: of it.
        last: its last convolution's layer, after the activation; see `last_layer`.
        images: those it is measured on; None for an untrained network, or without a folder.
        atlas: over these images.
        coco: over COCO's images; None for a network with images of its own, and without a folder.
    """

    name: str
    network: Network
    trace: Trace
    last: Layer
    images: ImageSet | None
    atlas: Atlas | None
    coco: Atlas | None

    @property
    def trained(self) -> bool:
        """Tell whether the weights are more than random numbers."""
        return not self.network.weights.startswith("random")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the images are, where atlases go, how many images are run."""

    imagenet: Path | None
    coco: Path | None
    output: Path
    limit: int | None = None


def make_cases(asked: Sequence[Asked], sources: Sources, *, say: Say) -> list[Case]:
    """Load and scan the networks, one after the other; atlases that are there already are used again.

    Raises:
        UnitscopeError: if a network can't be loaded, a folder has no images, or two networks have one name.
    """
    names = [one.name for one in asked]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UnitscopeError(f"two networks are called '{twice[0]}'; give one of them as a card of another name")
    # Each folder is read once, and before the networks: one that is not there is told at once.
    folders = {sources.imagenet, sources.coco, *(one.folder for one in asked)} - {None}
    opened = {folder: _limited(folder, sources.limit) for folder in folders if folder is not None}
    return [_make(one, sources, opened, say=say) for one in asked]


def last_layer(trace: Trace, classes: int) -> Layer:
    """Return the last layer whose maps are more than a cell and whose units are not the classes themselves.

    VGG-16's ``conv5_3``, ResNet-50's ``conv5_block3_out``, SqueezeNet's ``features.12``: the paper's last convolution,
    after its activation. Where no layer has maps it is the last activation.
    """
    for layer in reversed(trace.layers):
        if (
            layer.kind in (ACTIVATION, "cat", "add")
            and len(layer.shape) == 3
            and max(layer.shape[place] for place in range(3) if place != layer.unit_axis - 1) > 1
            and layer.units != classes
        ):
            return layer
    return trace.layers.activations[-1]


def _make(asked: Asked, sources: Sources, opened: Mapping[Path, ImageSet], *, say: Say) -> Case:
    say(f"{asked.name}: loading")
    network = load(asked.network)
    traced = trace_of(network)
    last = last_layer(traced, len(network.classes))
    untrained = network.weights.startswith("random")
    folder = None if untrained else asked.folder or sources.imagenet
    coco = None if untrained or asked.folder else sources.coco
    images = None if folder is None else opened[folder]
    scans = [
        None if some is None else _scan(network, last, some, sources.output / f"{asked.name}-{kind}.atlas", say)
        for kind, some in (("images", images), ("coco", None if coco is None else opened[coco]))
    ]
    return Case(asked.name, network, traced, last, images, scans[0], scans[1])


def _limited(folder: Path, limit: int | None) -> ImageSet:
    images = open_images(folder)
    return images if limit is None else images.limit(limit)


def _scan(network: Network, last: Layer, images: ImageSet, atlas: Path, say: Say) -> Atlas:
    say(f"{network.reference}: scanning {len(images)} images of '{images.root}'")
    atlas.parent.mkdir(parents=True, exist_ok=True)
    return scan(network, images, atlas, options=Options(layers=("act:*", last.name))).atlas
