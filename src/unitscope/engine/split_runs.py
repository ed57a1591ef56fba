"""Run images up to the split layer, and cache the activations if they fit into memory.

In: a session, a layer, images. Out: `SplitBatch` values, in order.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unitscope.engine.batch_sizes import none_if_out_of_memory, out_of_memory_error
from unitscope.engine.loader import no_readable_images_error
from unitscope.engine.session import Session
from unitscope.engine.unit_means import UnitMeans, UnitSums
from unitscope.graph.interventions import SplitActivations
from unitscope.graph.split import SplitNetwork
from unitscope.images import ImageSource
from unitscope.units import Layer

# Activations of all images are cached up to this size, so that means need no second pass.
KEPT_BYTES = 2**30
# Maximum rows and bytes of variants in the suffix at once: enough for all cores, few enough for the CPU's caches.
_ROWS, _BYTES = 256, 2**26


@dataclass(frozen=True, slots=True, eq=False)
class SplitBatch:
    """A batch at the cut; the last batch is padded with its last image, so that all have the same shape.

    Attributes:
        rows: row numbers of the images, int64.
        activations: values of the images at the cut, ``[image, …]``, including padding.
    """

    rows: NDArray[np.int64]
    activations: SplitActivations

    @property
    def filled_rows(self) -> list[int]:
        """Row numbers of the images, including padding."""
        missing = len(self.activations.responses) - len(self.rows)
        return [*self.rows.tolist(), *[int(self.rows[-1])] * missing]

    @property
    def variants_at_once(self) -> int:
        """Number of variants of the batch to run through the suffix at once."""
        row = sum(value[0].nbytes for value in self.activations.live)
        return max(1, min(_ROWS, _BYTES // row) // len(self.activations.responses))


@dataclass(frozen=True, eq=False)
class SplitRun:
    """All images of a source, run up to one layer.

    Attributes:
        session: the network.
        layer: where it is split.
        images: the images.
        batch_size: number of images in a batch; None uses the session's.
        failures: why images could not be decoded, by id; filled by `batches`.
    """

    session: Session
    layer: Layer
    images: ImageSource
    batch_size: int | None = None
    failures: dict[str, str] = field(default_factory=dict)

    @cached_property
    def halves(self) -> SplitNetwork:
        """The network split at the layer."""
        return self.session.split(self.layer)

    def batches(self) -> Iterator[SplitBatch]:
        """Yield the batches in order, without images that can't be decoded; halve them if one runs out of memory.

        Raises:
            ImageError: if an image can't be read, or none can be decoded.
            UnitscopeError: if a single image does not fit into memory.
        """
        session, count = self.session, len(self.images)
        size = min(session.images_at_once(self.batch_size), count)
        if self.batch_size is None:  # even sizes, so that the last batch needs little padding
            size = math.ceil(count / math.ceil(count / size))
        readable = 0
        for batch in session.batches(self.images, batch_size=size):
            self.failures.update(batch.failures(self.images))
            if not batch.good:
                continue
            readable += len(batch.good)
            prepared, rows = batch.tensor(), np.array([picture.image for picture in batch.good], np.int64)
            while len(rows):
                activations = self._prefix(_padded(prepared[:size], size))
                if activations is None:
                    size = session.halve(size)
                    continue
                yield SplitBatch(rows[:size], activations)
                prepared, rows = prepared[size:], rows[size:]
        if not readable:
            raise no_readable_images_error(self.images, next(iter(self.failures.values()), ""))

    def logits(self, batch: SplitBatch, removed: Tensor, fill: Tensor) -> Tensor:
        """Return the logits of a batch after removing units, ``[variant, image, class]``; see `SplitNetwork.suffix`.

        If that runs out of memory, half of the images run at once, down to one, and then half of the variants.

        Raises:
            UnitscopeError: if one variant of one image does not fit into memory.
        """
        return self._suffix(batch.activations.live, removed, fill)

    def _prefix(self, prepared: Tensor) -> SplitActivations | None:
        """Return the activations at the cut; None if there is too little memory for so many images."""
        session = self.session

        def run() -> SplitActivations:
            x = session.network.preprocessing.normalize(prepared.to(session.device))
            return self.halves.prefix(x.contiguous(memory_format=torch.channels_last))

        return none_if_out_of_memory(run)

    def _suffix(self, live: tuple[Tensor, ...], removed: Tensor, fill: Tensor) -> Tensor:
        logits = none_if_out_of_memory(lambda: self.halves.suffix(live, removed, fill))
        if logits is not None:
            return logits
        if len(live[0]) > 1:
            halves = zip(*(value.tensor_split(2) for value in live), strict=True)
            masks = (removed, removed) if removed.shape[1] == 1 else removed.tensor_split(2, 1)
            return torch.cat([self._suffix(some, mask, fill) for some, mask in zip(halves, masks, strict=True)], 1)
        if len(removed) == 1:
            raise out_of_memory_error(self.session.device)
        return torch.cat([self._suffix(live, some, fill) for some in removed.tensor_split(2)])

    def kept(self, on_batch: Callable[[int], None]) -> tuple[list[SplitBatch] | None, UnitMeans]:
        """Return all batches (None if they are larger than `KEPT_BYTES`) and the units' means over the images.

        ``on_batch`` is called with the number of images after each batch.
        """
        kept: list[SplitBatch] | None = []
        size, sums = 0, UnitSums(self.layer.units)
        for batch in self.batches():
            sums.add(batch.activations.responses[: len(batch.rows)].cpu().numpy())
            size += batch.activations.nbytes
            if kept is not None:
                kept.append(batch)
            if size > KEPT_BYTES:
                kept = None
            on_batch(len(batch.rows))
        return kept, sums.means


def _padded(prepared: Tensor, size: int) -> Tensor:
    """Return images, with the last one repeated until there are ``size``."""
    return torch.cat([prepared, prepared[-1:].expand(size - len(prepared), *prepared.shape[1:])])
