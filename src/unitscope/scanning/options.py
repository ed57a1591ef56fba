"""Options of a scan.

In: what the user asks for. Out: a `ScanOptions` whose values are valid, before anything is loaded.
"""

from dataclasses import dataclass

from unitscope.engine import ENGINES, PRECISIONS, check_known
from unitscope.errors import UnitscopeError
from unitscope.notebook import short_repr

RESPONSES = {"float32": 4, "float16": 2, "none": 0}
"""Formats of stored responses, with the bytes per response."""
DECODERS = ("pillow", "torchcodec")


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """Options of a scan.

    Attributes:
        layers: names, patterns or aliases of the layers to tap; all activation calls if empty.
        top: k, the number of images with the highest and with the lowest responses, stored for each unit.
        batch_size: images in a batch; None chooses it by the device.
        shard_size: images in a shard; a resumed scan repeats unfinished shards, about one per worker.
        device: ``cpu``, ``cuda``, ``cuda:1``, …
        engine: ``auto``, ``eager``, ``compile`` or ``openvino``.
        precision: ``float32``, ``tf32`` (NVIDIA GPUs) or ``bf16``.
        responses: format of the stored responses: ``float32``, ``float16``, or ``none`` to store none.
        decoder: decoder of JPEG files: ``pillow``, or ``torchcodec``, which also decodes on GPUs.
        limit: number of images to scan, evenly spaced; None for all.
        skip_missing: finish also if images can't be opened or read, which then are rows with an error.
        peaks: also find, for each unit, the images with the greatest value at a single place of its map, and the place;
            only where places have a receptive field.
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
    skip_missing: bool = False
    peaks: bool = False

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if isinstance(self.layers, str):  # otherwise each of its letters would be a pattern
            raise UnitscopeError(f"layers must be a tuple of names and patterns; write ('{self.layers}',)")
        for name in ("top", "batch_size", "shard_size", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UnitscopeError(f"{name.replace('_', ' ')} must be at least 1, not {value}")
        for name, known in (("engine", ENGINES), ("precision", PRECISIONS), ("decoder", DECODERS)):
            check_known(name, getattr(self, name), known)
        if self.responses not in RESPONSES:
            raise UnitscopeError(
                f"responses can't be stored as '{self.responses}'; choose one of {', '.join(RESPONSES)}"
            )
