"""The plan of a scan, made before it starts.

In: a network, images, options. Out: a `Plan`. `Plan.to_dict` has everything that influences the numbers, so that parts
made by a different plan are recognised, and the message can say what differs.
"""

from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unitscope.atlas.schema import Label
from unitscope.atlas.storage import StoragePath
from unitscope.engine import (
    Engine,
    Precision,
    batch_size_for,
    choose_engine,
    choose_precision,
)
from unitscope.engine.session import Session
from unitscope.engine.torchcodec_loader import check_usable
from unitscope.errors import AtlasError, ImageError, LayerError, UnitscopeError, first_line
from unitscope.graph import Trace
from unitscope.images import ImageSource, match_classes
from unitscope.images.stamps import Stamps
from unitscope.networks import Network
from unitscope.scanning.options import RESPONSES, ScanOptions
from unitscope.units import Layer, ReceptiveField, UnitIndex

# Packages whose versions are part of the plan, since rounding may change between versions.
# Pillow always is, since it reads the files that torchcodec can't.
_PACKAGES = {"openvino": "openvino", "torchcodec": "torchcodec", "pillow": "PIL"}


@dataclass(frozen=True, eq=False)
class Plan:
    """The plan of a scan: what is read, tapped and written."""

    session: Session
    images: ImageSource
    layers: tuple[Layer, ...]
    labels: tuple[Label, ...]
    engine: Engine
    precision: Precision
    batch_size: int
    options: ScanOptions
    data: str = field(repr=False)  # the fingerprint of the images
    stamps: Stamps | None = field(default=None, repr=False)  # None in a worker

    @property
    def network(self) -> Network:
        """The network, on its device."""
        return self.session.network

    @property
    def trace(self) -> Trace:
        """The network as a graph of calls."""
        return self.session.trace

    @cached_property
    def receptive_fields(self) -> dict[Layer, ReceptiveField]:
        """The receptive fields of the tapped layers that have one, if peaks are wanted; see `ScanOptions.peaks`."""
        known = self.trace.receptive_fields if self.options.peaks else {}
        return {layer: known[layer] for layer in self.layers if layer in known}

    @cached_property
    def peak_units(self) -> NDArray[np.int64]:
        """Positions of the units whose peaks are found, on the flat unit axis."""
        index = UnitIndex(self.layers)
        return np.concatenate(
            [np.empty(0, np.int64), *(np.arange(self.units)[index.span(layer)] for layer in self.receptive_fields)]
        )

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-len(self.images) // self.options.shard_size)

    @property
    def image_bytes(self) -> int:
        """Total size of the images in bytes."""
        return self.images.total_bytes() if self.stamps is None else int(self.stamps.sizes.sum())

    @property
    def units(self) -> int:
        """Number of tapped units."""
        return len(UnitIndex(self.layers))

    def shard(self, number: int) -> range:
        """Return the ids of a shard's images."""
        first = number * self.options.shard_size
        return range(first, min(first + self.options.shard_size, len(self.images)))

    def check_unchanged(self, shard: int) -> None:
        """Check that the images of a shard are still as they were when the plan was made, or missing.

        Raises:
            ImageError: if one has changed; the message says what to do.
        """
        rows = self.shard(shard)
        if self.stamps is not None:
            for position in self.stamps.changed(Stamps.of(self.images, rows), slice(rows.start, rows.stop)):
                raise changed_error(self.images, rows[position])

    def bytes_written(self) -> int:
        """Return the approximate size of the atlas, without class counts, which are compressed to almost nothing."""
        bytes_per_unit = self._bytes_of_summary + len(self.labels) * 8
        return self.units * (RESPONSES[self.options.responses] * len(self.images) + bytes_per_unit)

    def bytes_of_parts(self) -> int:
        """Return the approximate size of the parts, which exist until they are merged."""
        bytes_per_unit = self.shards * self._bytes_of_summary
        for rows in map(self.shard, range(self.shards)):
            responses = 4 * len(rows)
            if self.options.responses == "none":  # sums by class, unless those are larger
                classes = set(chain.from_iterable(self.members[rows.start : rows.stop]))
                responses = min(responses, 16 * len(classes))
            bytes_per_unit += responses
        return self.units * bytes_per_unit

    @property
    def _bytes_of_summary(self) -> int:
        """Size of one unit's moments, extremes and peaks."""
        return 8 * 4 + 4 * 2 + self.options.top * (2 * 12 + 16 * bool(self.receptive_fields))

    @cached_property
    def members(self) -> tuple[tuple[int, ...], ...]:
        """Label numbers of each image, positions in ``labels``."""
        number = {label.label: position for position, label in enumerate(self.labels)}
        return tuple(tuple(number[name] for name in names) for names in self.images.labels)

    def to_dict(self) -> dict[str, Any]:
        """Return everything that influences the numbers in the atlas, as plain values.

        Raises:
            UnitscopeError: if the engine's package can't be loaded.
        """
        return {
            "network": self.network.reference,
            "weights": self.network.fingerprint,
            "graph": self.trace.fingerprint,
            "preprocessing": self.network.preprocessing.to_dict(),
            "layers": [layer.name for layer in self.layers],
            "images": len(self.images),
            "data": self.data,
            "top": self.options.top,
            "peaks": [layer.name for layer in self.receptive_fields],
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
        session: a session of the network on the device in ``options``.
        images: the images to scan.
        options: the user's options.
        data: the fingerprint of the images, if it is already known.

    Raises:
        LayerError: if the network does not have one of the layers, or has no activation calls.
        UnitscopeError: if the engine, the precision or the decoder is not available.
    """
    if options.decoder == "torchcodec":
        check_usable(session.device)
    session.see(images)
    network, traced = session.network, session.trace
    layers = traced.layers.match(options.layers) if options.layers else traced.layers.activations
    if not layers:
        raise LayerError(
            f"{network.reference} has no activation calls to tap; give layers with --layer "
            f"(list them with `unitscope layers {network.reference}`)"
        )
    engine = choose_engine(options.engine, images=len(images), trace=traced, device=options.device)
    precision = choose_precision(options.precision, engine=engine, device=options.device)
    stamps = Stamps.of(images, range(len(images))) if data is None else None  # before the fingerprint, see `Stamps`
    batch_size = None if traced.single_image else options.batch_size
    batch_size = batch_size or batch_size_for(network, traced, layers, precision=precision)
    return Plan(
        session,
        images,
        layers,
        labels_of(images, network),
        engine,
        precision,
        min(batch_size, len(images), options.shard_size),  # a larger batch would only be padded
        options,
        data or images.fingerprint(),
        stamps,
    )


def changed_error(images: ImageSource, row: int) -> ImageError:
    """Return the error for an image that has changed during a scan."""
    return ImageError(
        f"'{images.name(row)}' has changed since the scan began, and an atlas is of one state of the images. If the "
        "file is as before again, the same command goes on; otherwise remove the scan's .parts folder to start over"
    )


def processor(device: str) -> str:
    """Return the kind of processor, which influences rounding: the CPU's instruction set, or the name of the GPU."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    return torch.backends.cpu.get_cpu_capability()


def _version(package: str) -> str:
    try:
        return str(import_module(_PACKAGES[package]).__version__)
    except (ImportError, OSError, RuntimeError) as problem:  # not installed, or a library that it needs is missing
        raise UnitscopeError(
            f"{package} can't be used here ({first_line(problem)}); install it with pip install {package}, "
            "or choose another --engine or --decoder"
        ) from problem


def labels_of(images: ImageSource, network: Network) -> tuple[Label, ...]:
    """Return the images' labels, each with the matching class of the network, if there is one.

    COCO's categories are not matched: they name objects in an image, so a prediction is neither right nor wrong.
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
        AtlasError: if they were not; the message says what differs.
    """
    if changes := differences(made_by, plan):
        raise AtlasError(
            f"'{folder}' holds parts of another scan: {changes}; use the earlier settings to resume it, "
            "choose another -o, or remove that folder to start over"
        )


def differences(made_by: dict[str, Any], plan: dict[str, Any], *, where: tuple[str, str] = ("before", "now")) -> str:
    """Return the first differences between two plans as text; empty if there are none."""
    made_by = {"peaks": []} | made_by  # which earlier versions did not find
    names = [name for name in plan | made_by if made_by.get(name) != plan.get(name)]
    if "graph" not in made_by:  # plans of earlier versions don't say
        names = [name for name in names if name != "graph"]
    if "images" in names:  # with another number of images, the fingerprint differs anyway
        names = [name for name in names if name != "data"]
    return "; ".join(_difference(name, made_by.get(name), plan.get(name), where) for name in names[:3])


def _difference(name: str, one: Any, other: Any, where: tuple[str, str]) -> str:
    if name == "data":
        return "the image files have changed"
    if name in ("weights", "graph"):
        return f"the network's {'weights have' if name == 'weights' else 'forward pass has'} changed"
    if isinstance(other, (list, dict)) or isinstance(one, (list, dict)):
        return f"the {name} {'have' if name.endswith('s') else 'has'} changed"
    return f"{name} {one} {where[0]}, {other} {where[1]}"
