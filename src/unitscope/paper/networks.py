"""The networks of a report: loaded, traced and scanned.

In: references and folders. Out: `ReportNetwork` values, with the reason for each network that can't be scanned.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, cast

from unitscope.atlas import Atlas
from unitscope.engine.session import Session
from unitscope.errors import LayerError, UnitscopeError
from unitscope.experiments.run_options import RunOptions
from unitscope.images import ImageSource
from unitscope.networks import Network, load
from unitscope.networks.cards import read_card
from unitscope.paper import published_values as values
from unitscope.paper.own_units import own_units
from unitscope.plugins import file_in
from unitscope.scanning import ScanOptions, scan
from unitscope.units import ACTIVATION, Layer, LayerTable, Unit

Log = Callable[[str], None]
T = TypeVar("T")

_NO_ACTIVATIONS = "it has no activation layers, which the paper's tables and figures need"
_NO_IMAGES = "no images of its classes were given; give a folder with --imagenet"
_NO_COCO = "no COCO images were given; give a folder with --coco"
OWN_IMAGES = "it has its own images, so it was not run on COCO"


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network, and images of its own classes where these are not the report's."""

    network: str
    images: str | Path | None = None

    @classmethod
    def parse(cls, text: str) -> "NetworkSpec":
        """Return what ``NETWORK`` or ``NETWORK=IMAGES`` asks for."""
        network, _, images = text.partition("=")
        return cls(network, images or None)

    @property
    def name(self) -> str:
        """A short name, for files and headings."""
        file = file_in(self.network)
        return Path(file).stem if file == self.network else self.network.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Sources:
    """The images, each a folder or a URL, and the folder for the report and its atlases."""

    imagenet: str | Path | None
    coco: str | Path | None
    output: Path


@dataclass(frozen=True, slots=True)
class Scanned:
    """The images that a network was scanned on, and their atlas."""

    images: ImageSource
    atlas: Atlas


@dataclass(frozen=True, slots=True)
class Unscanned:
    """The reason why a network was not scanned on some images."""

    reason: str


@dataclass(frozen=True, eq=False)
class ReportNetwork:
    """One network of the report.

    Attributes:
        name: a short name, unique within the report.
        session: the network on its device, used by all tables and figures.
        options: for experiments.
        images_scan: the scan of images of the network's classes, from the report's folder or its own.
        coco_scan: the scan of COCO's images.
        made: what `once` has made, by function.
    """

    name: str
    session: Session
    options: RunOptions
    images_scan: Scanned | Unscanned
    coco_scan: Scanned | Unscanned
    made: dict[object, object] = field(default_factory=dict)

    def once(self, make: "Callable[[ReportNetwork], T]") -> T:
        """Return what a function makes of this network; it is called once, and what it made is kept."""
        if make not in self.made:
            self.made[make] = make(self)
        return cast("T", self.made[make])

    @property
    def network(self) -> Network:
        """The network."""
        return self.session.network

    @property
    def layers(self) -> LayerTable:
        """Its layers."""
        return self.session.layers

    @property
    def last(self) -> Layer:
        """The layer of its last convolution, after the activation; see `last_layer`."""
        return last_layer(self.layers, len(self.network.classes))

    @property
    def architecture(self) -> str:
        """The paper's name of the network, also if a card holds its reference; the reference if it has none."""
        reference = self.network.reference
        return values.row_of(read_card(Path(reference)).network if reference.endswith(".toml") else reference)

    @property
    def depths(self) -> tuple[Layer, ...]:
        """Activation layers at a third and two thirds of the depth, and `last`: where several layers are compared."""
        calls = [layer for layer in self.layers.activations if layer.index < self.last.index]
        earlier = [calls[len(calls) * part // 3] for part in (1, 2)] if len(calls) >= 3 else []
        return (*dict.fromkeys(earlier), self.last)

    @property
    def own_units(self) -> tuple[Unit, ...]:
        """The paper's own units, conv5_3:71 and conv5_2:11, if it has the form of VGG-16."""
        return own_units(self.layers)

    @property
    def images(self) -> ImageSource:
        """The images of its classes.

        Raises:
            UnitscopeError: if it was not scanned on any, with the reason.
        """
        return _require_scan(self.images_scan).images

    @property
    def atlas(self) -> Atlas:
        """The atlas of these images.

        Raises:
            UnitscopeError: if there is none, with the reason.
        """
        return _require_scan(self.images_scan).atlas

    @property
    def coco(self) -> Atlas:
        """The atlas of COCO's images.

        Raises:
            UnitscopeError: if it was not scanned on them, with the reason.
        """
        return _require_scan(self.coco_scan).atlas


def make_networks(
    specs: Sequence[NetworkSpec], sources: Sources, options: RunOptions, *, log: Log
) -> list[ReportNetwork]:
    """Load and scan the networks, one after the other; atlases that are there already are used again.

    Raises:
        UnitscopeError: if a network can't be loaded, a folder has no images, or two networks have the same name.
    """
    names = [one.name for one in specs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UnitscopeError(f"two networks are named '{twice[0]}'; give one of them as a card with another file name")
    # Each folder is read once, and before the networks: a missing folder is reported at once.
    given = {sources.imagenet, sources.coco, *(one.images for one in specs)}
    opened: dict[str | Path | None, ImageSource] = {
        images: options.select_images(images) for images in given if images is not None
    }
    return [_make(one, sources, opened, options, log) for one in specs]


def last_layer(layers: LayerTable, classes: int) -> Layer:
    """Return the last layer whose maps are larger than 1×1 and whose units are not the classes themselves.

    VGG-16's ``conv5_3``, ResNet-50's ``conv5_block3_out``, SqueezeNet's ``features.12``: the paper's last convolution,
    after its activation. If no layer has such maps, it is the last activation.

    Raises:
        LayerError: if the network has no activation layers.
    """
    if not layers.activations:
        raise LayerError(_NO_ACTIVATIONS)
    for layer in reversed(layers):
        if (
            layer.kind in (ACTIVATION, "cat", "add")
            and len(layer.shape) == 3
            and max(layer.shape[axis] for axis in range(3) if axis != layer.unit_axis - 1) > 1
            and layer.units != classes
        ):
            return layer
    return layers.activations[-1]


def _make(
    spec: NetworkSpec, sources: Sources, opened: Mapping[str | Path | None, ImageSource], options: RunOptions, log: Log
) -> ReportNetwork:
    log(f"{spec.name}: loading")
    session = Session(load(spec.network), device=options.device, batch_size=options.batch_size)
    case = ReportNetwork(spec.name, session, options, Unscanned(""), Unscanned(""))
    reason, atlas = _reason_to_skip(case), sources.output / spec.name
    images_scan = reason or opened.get(spec.images or sources.imagenet, _NO_IMAGES)
    coco_scan = reason or (OWN_IMAGES if spec.images else opened.get(sources.coco, _NO_COCO))
    return replace(
        case,
        images_scan=_scan(case, images_scan, atlas.with_name(f"{atlas.name}-images.atlas"), log),
        coco_scan=_scan(case, coco_scan, atlas.with_name(f"{atlas.name}-coco.atlas"), log),
    )


def _reason_to_skip(case: ReportNetwork) -> str:
    """Return the reason why a network can't be analysed; empty if it can."""
    if not case.network.trained:
        return f"it is untrained ({Path(case.network.weights).name}), so its units are not informative"
    return "" if case.layers.activations else _NO_ACTIVATIONS


def _scan(case: ReportNetwork, images: ImageSource | str, atlas: Path, log: Log) -> Scanned | Unscanned:
    """Scan a network on images; a string is the reason why there are none."""
    if isinstance(images, str):
        return Unscanned(images)
    log(f"{case.network.name}: scanning {len(images)} images of '{images.root}'")
    atlas.parent.mkdir(parents=True, exist_ok=True)
    options = ScanOptions(layers=("act:*", case.last.name), batch_size=case.options.batch_size)
    return Scanned(images, scan(case.session, images, atlas, options=options).atlas)


def _require_scan(scanned: Scanned | Unscanned) -> Scanned:
    if isinstance(scanned, Unscanned):
        raise UnitscopeError(scanned.reason)
    return scanned
