"""What a scan will do, settled before it starts.

In: a network, images, options. Out: a `Plan`; all that bears on the numbers is in `Plan.to_dict`, so that parts made
by another plan are known for stale, and by which of its points.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from unitscope.atlas.schema import Label
from unitscope.engine import Engine, choose_engine
from unitscope.errors import AtlasError, LayerError, UnitscopeError
from unitscope.graph import Trace
from unitscope.images import ImageSet, match_classes
from unitscope.networks import Network
from unitscope.units import Layer, UnitIndex


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may choose of a scan.

    Attributes:
        layers: names, patterns or aliases of the layers to tap; none means every activation call.
        top: k, how many greatest and least images to keep for each unit.
        batch_size: images in a batch; None lets the device decide.
        shard_size: images in a shard, the most that a killed scan does again.
        device: ``cpu``, ``cuda``, ``cuda:1``, …
        engine: ``auto``, ``eager`` or ``compile``.
        limit: scan only so many images, evenly spaced; None scans all.
    """

    layers: tuple[str, ...] = ()
    top: int = 9
    batch_size: int | None = None
    shard_size: int = 512
    device: str = "cpu"
    engine: str = "auto"
    limit: int | None = None

    def __post_init__(self) -> None:
        for name in ("top", "batch_size", "shard_size", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UnitscopeError(f"{name.replace('_', ' ')} must be at least 1, not {value}")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A scan, settled: what is read, tapped and written."""

    network: Network
    trace: Trace
    images: ImageSet
    layers: tuple[Layer, ...]
    labels: tuple[Label, ...]
    engine: Engine
    batch_size: int
    options: Options
    data: str = field(repr=False)  # the fingerprint of the images

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
        """Return about how much the atlas will weigh."""
        one_a_unit = 8 * 4 + 4 * 2 + self.options.top * 2 * 12 + len(self.labels) * 16
        return self.units * (4 * len(self.images) + one_a_unit)

    def to_dict(self) -> dict[str, Any]:
        """Return all that bears on the numbers in the atlas, as plain values."""
        return {
            "network": self.network.reference,
            "weights": self.network.fingerprint,
            "preprocessing": self.network.preprocessing.to_dict(),
            "layers": [layer.name for layer in self.layers],
            "images": len(self.images),
            "data": self.data,
            "top": self.options.top,
            "engine": self.engine,
            "batch size": self.batch_size,
            "shard size": self.options.shard_size,
            "device": self.options.device.partition(":")[0],
            "torch": torch.__version__,
        }


def make_plan(network: Network, trace: Trace, images: ImageSet, options: Options) -> Plan:
    """Return the plan of a scan.

    Raises:
        LayerError: if a layer is named that the network does not have, or it has no activation calls.
        UnitscopeError: if the engine can't be had.
    """
    layers = trace.layers.match(options.layers) if options.layers else trace.layers.activations
    if not layers:
        raise LayerError(
            f"{network.reference} has no activation calls to tap; name layers with --layers "
            f"(list them with `unitscope layers {network.reference}`)"
        )
    return Plan(
        network,
        trace,
        images,
        layers,
        labels_of(images, network),
        choose_engine(options.engine, images=len(images), trace=trace),
        _batch_size(options, trace),
        options,
        images.fingerprint(),
    )


def labels_of(images: ImageSet, network: Network) -> tuple[Label, ...]:
    """Return the images' labels, each with the network's class that it is, if it is one.

    COCO's categories say what is in an image, not what the image is of, so none makes a prediction right or wrong.
    """
    names = () if images.layout == "coco" else images.label_names
    numbers = match_classes(names, network.classes, network.wnids)
    return tuple(
        Label(label, network.classes[numbers[label]] if label in numbers else label, numbers.get(label))
        for label in images.label_names
    )


def refuse_stale(made_by: dict[str, Any], plan: dict[str, Any], folder: Path) -> None:
    """Check that parts were made by this plan.

    Raises:
        AtlasError: if not; the message says in which points they differ.
    """
    points = [name for name in plan if made_by.get(name) != plan[name]]
    if points:
        told = "; ".join(_difference(name, made_by.get(name), plan[name]) for name in points[:3])
        raise AtlasError(
            f"'{folder}' holds parts of another scan: {told}; scan with the earlier settings to go on with it, "
            "choose another -o, or remove that folder to start over"
        )


def _difference(name: str, before: Any, now: Any) -> str:
    if name == "data":
        return "the image files were others, or have changed since"
    if name == "weights":
        return "the network's weights were others"
    if isinstance(now, (list, dict)) or isinstance(before, (list, dict)):
        return f"its {name} were others"
    return f"its {name} was {before}, now {now}"


def _batch_size(options: Options, trace: Trace) -> int:
    """Hooked networks run one image at a time: their forward pass may depend on the values in the batch."""
    if trace.loss:
        return 1
    return options.batch_size or (128 if options.device.startswith("cuda") else 16)
