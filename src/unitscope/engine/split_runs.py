"""Images on their way to a cut: decoded, prepared, run through the prefix, kept where there is room.

In: a network, its trace, a layer, images. Out: `CutBatch` values, the activations of each batch at the cut.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from unitscope.engine import optimize_for_eager
from unitscope.engine.loader import batches, nothing_readable
from unitscope.graph import Trace, device_of
from unitscope.graph.interventions import CutActivations
from unitscope.graph.split import SplitGraph, SplitNetwork, split_at
from unitscope.images import ImageSource
from unitscope.networks import Network
from unitscope.units import Layer

# What all images bring to the cut is kept up to this size, so that means need no second pass.
KEPT_BYTES = 2**30
# Rows of variants in the suffix at once: enough to keep the cores busy, few enough for the caches.
_ROWS, _BYTES = 256, 2**26


@dataclass(frozen=True, slots=True, eq=False)
class CutBatch:
    """A batch at the cut; the last one is filled up with its last image, so that all have the same shape.

    Attributes:
        rows: numbers of the images, int64.
        halfway: what they bring, ``[image, …]``, at least as many as there are rows.
    """

    rows: NDArray[np.int64]
    halfway: CutActivations

    @property
    def filled_rows(self) -> list[int]:
        """The numbers of the images with those that fill the batch up."""
        missing = len(self.halfway.responses) - len(self.rows)
        return [*self.rows.tolist(), *[int(self.rows[-1])] * missing]

    @property
    def variants_at_once(self) -> int:
        """How many variants of the batch may run through the suffix together."""
        row = sum(value[0].nbytes for value in self.halfway.live)
        return max(1, min(_ROWS, _BYTES // row) // len(self.halfway.responses))


@dataclass(frozen=True, eq=False)
class PrefixRun:
    """All images of a set up to one layer."""

    network: Network
    trace: Trace
    layer: Layer
    images: ImageSource
    batch_size: int

    @cached_property
    def halves(self) -> SplitNetwork:
        """The network cut at the layer, each half as it runs fastest."""
        halves, device = split_at(self.trace, self.layer), device_of(self.network.module)
        if isinstance(halves, SplitGraph):
            before, after = (optimize_for_eager(half, device) for half in (halves.before, halves.after))
            return SplitGraph(before, after, halves.commuting, halves.layer, halves.axis)
        return halves

    def stops(self) -> Iterator[CutBatch]:
        """Yield the batches in order, images that can't be read left out.

        Raises:
            ImageError: if none can be read.
        """
        phi, device, every = self.network.preprocessing, device_of(self.network.module), (0, range(len(self.images)))
        seen, first_error = 0, ""
        for batch in batches(self.images, [every], phi=phi, batch_size=self.batch_size, device=device):
            first_error = first_error or next((picture.error for picture in batch.pictures if picture.error), "")
            if not batch.good:
                continue
            seen += len(batch.good)
            prepared = batch.tensor()
            missing = self.batch_size - len(prepared)
            prepared = torch.cat([prepared, prepared[-1:].expand(missing, *prepared.shape[1:])])
            x = phi.normalize(prepared.to(device))
            halfway = self.halves.prefix(x.contiguous(memory_format=torch.channels_last))
            yield CutBatch(np.array([picture.image for picture in batch.good], np.int64), halfway)
        if not seen:
            raise nothing_readable(self.images, first_error)

    def kept(self, on_batch: Callable[[int], None]) -> tuple[list[CutBatch] | None, NDArray[np.float64]]:
        """Return all batches (None where they are larger than `KEPT_BYTES`) and the mean responses ``[unit]``.

        ``on_batch`` is told the number of images after each batch.
        """
        kept: list[CutBatch] | None = []
        size, count = 0, 0
        sums = np.zeros(self.layer.units)
        for stop in self.stops():
            responses = stop.halfway.responses[: len(stop.rows)].cpu().numpy().astype(np.float64)
            sums += np.nansum(responses, 0)
            count += np.isfinite(responses).sum(0)
            size += stop.halfway.nbytes
            if kept is not None:
                kept.append(stop)
            if size > KEPT_BYTES:
                kept = None
            on_batch(len(stop.rows))
        return kept, sums / np.maximum(count, 1)
