"""What a scan will do, settled before it starts.

In: a network, images, options. Out: a `Plan`; all that bears on the numbers is in `Plan.to_dict`, so that parts made
by another plan are known for stale, and by which of its points.
"""

from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from itertools import chain
from typing import Any

import torch

from unitscope.atlas.schema import Label
from unitscope.atlas.storage import StoragePath
from unitscope.engine import (
    ENGINES,
    PRECISIONS,
    Engine,
    Precision,
    batch_size_for,
    check_known,
    choose_engine,
    choose_precision,
)
from unitscope.engine.session import Session
from unitscope.engine.torchcodec_loader import check_usable
from unitscope.errors import AtlasError, LayerError, UnitscopeError, first_line
from unitscope.graph import Trace
from unitscope.images import ImageSource, match_classes
from unitscope.networks import Network
from unitscope.units import Layer, UnitIndex

RESPONSES = {"float32": 4, "float16": 2, "none": 0}
"""How responses may be kept, and the bytes that each takes."""
DECODERS = ("pillow", "torchcodec")
# Engines and decoders of other packages, which round in their own way from version to version.
# Pillow reads what torchcodec can't, so it always counts.
_PACKAGES = {"openvino": "openvino", "torchcodec": "torchcodec", "pillow": "PIL"}


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What the user may choose of a scan.

    Attributes:
        layers: names, patterns or aliases of the layers to tap; none means every activation call.
        top: k, how many greatest and least images to keep for each unit.
        batch_size: images in a batch; None lets the device decide.
        shard_size: images in a shard; a killed scan does a few shards again, and with workers one more for each.
        device: ``cpu``, ``cuda``, ``cuda:1``, …
        engine: ``auto``, ``eager``, ``compile`` or ``openvino``.
        precision: ``float32``, ``tf32`` (NVIDIA GPUs) or ``bf16``.
        responses: how each image's responses are kept: as ``float32``, as ``float16``, or not at all (``none``).
        decoder: what decodes JPEG files, ``pillow`` or ``torchcodec``, which a GPU does on the GPU.
        limit: scan only so many images, evenly spaced; None scans all.
    """

    layers: tuple[str, ...] = ()
    top: int = 9
    batch_size: int | None = None
    shard_size: int = 512
    device: str = "cpu"
    engine: str = "auto"
    precision: str = "float32"
    responses: str = "float32"
    decoder: str = "pillow"
    limit: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.layers, str):  # or each of its letters would be a pattern
            raise UnitscopeError(f"layers is a tuple of names and patterns; write ('{self.layers}',)")
        for name in ("top", "batch_size", "shard_size", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UnitscopeError(f"{name.replace('_', ' ')} must be at least 1, not {value}")
        for name, known in (("engine", ENGINES), ("precision", PRECISIONS), ("decoder", DECODERS)):
            check_known(name, getattr(self, name), known)
        if self.responses not in RESPONSES:
            raise UnitscopeError(f"responses can't be kept as '{self.responses}'; choose one of {', '.join(RESPONSES)}")


@dataclass(frozen=True, eq=False)
class Plan:
    """A scan, settled: what is read, tapped and written."""

    session: Session
    images: ImageSource
    layers: tuple[Layer, ...]
    labels: tuple[Label, ...]
    engine: Engine
    precision: Precision
    batch_size: int
    options: ScanOptions
    data: str = field(repr=False)  # the fingerprint of the images

    @property
    def network(self) -> Network:
        """The network, on the device that it runs on."""
        return self.session.network

    @property
    def trace(self) -> Trace:
        """The network as a graph of calls."""
        return self.session.trace

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-len(self.images) // self.options.shard_size)

    @property
    def units(self) -> int:
        """How many units are tapped."""
        return len(UnitIndex(self.layers))

    def shard(self, number: int) -> range:
        """Return the ids of a shard's images."""
        first = number * self.options.shard_size
        return range(first, min(first + self.options.shard_size, len(self.images)))

    def bytes_written(self) -> int:
        """Return about how much the atlas will weigh; class counts hardly do, as they are stored compressed."""
        one_a_unit = self._bytes_of_summary + len(self.labels) * 8
        return self.units * (RESPONSES[self.options.responses] * len(self.images) + one_a_unit)

    def bytes_of_parts(self) -> int:
        """Return about how much the parts weigh, which lie beside the atlas until they are merged."""
        one_a_unit = self.shards * self._bytes_of_summary
        for rows in map(self.shard, range(self.shards)):
            responses = 4 * len(rows)
            if self.options.responses == "none":  # their sums by class, unless those weigh more
                classes = set(chain.from_iterable(self.members[rows.start : rows.stop]))
                responses = min(responses, 16 * len(classes))
            one_a_unit += responses
        return self.units * one_a_unit

    @property
    def _bytes_of_summary(self) -> int:
        """Of each unit: moments and extremes."""
        return 8 * 4 + 4 * 2 + self.options.top * 2 * 12

    @cached_property
    def members(self) -> tuple[tuple[int, ...], ...]:
        """The numbers of each image's labels, in the order of ``labels``."""
        number = {label.label: position for position, label in enumerate(self.labels)}
        return tuple(tuple(number[name] for name in names) for names in self.images.labels)

    def to_dict(self) -> dict[str, Any]:
        """Return all that bears on the numbers in the atlas, as plain values.

        Raises:
            UnitscopeError: if the engine's package can't be loaded.
        """
        return {
            "network": self.network.reference,
            "weights": self.network.fingerprint,
            "preprocessing": self.network.preprocessing.to_dict(),
            "layers": [layer.name for layer in self.layers],
            "images": len(self.images),
            "data": self.data,
            "top": self.options.top,
            "engine": self.engine,
            "precision": self.precision,
            "responses": self.options.responses,
            "decoder": self.options.decoder,
            "batch size": self.batch_size,
            "shard size": self.options.shard_size,
            "device": self.options.device.partition(":")[0],
            "processor": processor(self.options.device),
            "torch": torch.__version__,
            **{name: _version(name) for name in _PACKAGES if name in (self.engine, self.options.decoder, "pillow")},
        }


def make_plan(session: Session, images: ImageSource, options: ScanOptions, *, data: str | None = None) -> Plan:
    """Return the plan of a scan.

    Args:
        session: of the network, on the device that the options name.
        images: what is scanned.
        options: as the user gave them.
        data: the images' fingerprint, where it is known already.

    Raises:
        LayerError: if a layer is named that the network does not have, or it has no activation calls.
        UnitscopeError: if the engine, the precision or the decoder can't be had.
    """
    if options.decoder == "torchcodec":
        check_usable(session.device)
    network, traced = session.network, session.trace
    layers = traced.layers.match(options.layers) if options.layers else traced.layers.activations
    if not layers:
        raise LayerError(
            f"{network.reference} has no activation calls to tap; name layers with --layer "
            f"(list them with `unitscope layers {network.reference}`)"
        )
    engine = choose_engine(options.engine, images=len(images), trace=traced, device=options.device)
    precision = choose_precision(options.precision, engine=engine, device=options.device)
    batch_size = None if traced.fallback_reason else options.batch_size
    batch_size = batch_size or batch_size_for(network, traced, layers, precision=precision)
    return Plan(
        session,
        images,
        layers,
        labels_of(images, network),
        engine,
        precision,
        min(batch_size, len(images), options.shard_size),  # a larger one would only be filled up
        options,
        data or images.fingerprint(),
    )


def processor(device: str) -> str:
    """Return what kind of processor rounds as this device's does: its instruction set, or the name of the GPU."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    return torch.backends.cpu.get_cpu_capability()


def _version(package: str) -> str:
    try:
        return str(import_module(_PACKAGES[package]).__version__)
    except (ImportError, OSError, RuntimeError) as problem:  # not there, or without a library that it needs
        raise UnitscopeError(
            f"{package} can't be used here ({first_line(problem)}); install it with pip install {package}, "
            "or choose another --engine"
        ) from problem


def labels_of(images: ImageSource, network: Network) -> tuple[Label, ...]:
    """Return the images' labels, each with the network's class that it is, if it is one.

    COCO's categories say what is in an image, not what the image is of, so none makes a prediction right or wrong.
    """
    names = () if images.layout == "coco" else images.label_names
    numbers = match_classes(names, network.classes, network.wnids)
    return tuple(
        Label(label, network.classes[numbers[label]] if label in numbers else label, numbers.get(label))
        for label in images.label_names
    )


def check_not_stale(made_by: dict[str, Any], plan: dict[str, Any], folder: StoragePath) -> None:
    """Check that parts were made by this plan.

    Raises:
        AtlasError: if not; the message says in which points they differ.
    """
    if told := differences(made_by, plan):
        raise AtlasError(
            f"'{folder}' holds parts of another scan: {told}; scan with the earlier settings to go on with it, "
            "choose another -o, or remove that folder to start over"
        )


def differences(made_by: dict[str, Any], plan: dict[str, Any], *, where: tuple[str, str] = ("before", "now")) -> str:
    """Return the first points in which a plan is not that by which parts were made, as a text; empty for none."""
    points = [name for name in plan | made_by if made_by.get(name) != plan.get(name)]
    if "images" in points:  # another number of them says nothing of the files
        points = [name for name in points if name != "data"]
    return "; ".join(_difference(name, made_by.get(name), plan.get(name), where) for name in points[:3])


def _difference(name: str, one: Any, other: Any, where: tuple[str, str]) -> str:
    if name == "data":
        return "the image files were others, or have changed since"
    if name == "weights":
        return "the network's weights were others"
    if isinstance(other, (list, dict)) or isinstance(one, (list, dict)):
        return f"its {name} were others"
    return f"{name} {one} {where[0]}, {other} {where[1]}"
