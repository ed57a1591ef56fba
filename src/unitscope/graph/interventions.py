"""Units taken out of a layer's output: their maps become constant, zero or their mean.

In: a layer's values, which units go for which image, what takes their place. Out: edited values, or logits.
Also the two ways to run an edit that no cut helps: the whole graph, or the module under hooks, for each variant.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unitscope.errors import NetworkError
from unitscope.graph.hooks import calls, logits_of, mean_map
from unitscope.units import Layer


@dataclass(frozen=True, slots=True, eq=False)
class CutActivations:
    """What a batch brings to a cut.

    Attributes:
        responses: α of the layer's units, float32 ``[image, unit]``.
        live: the values that cross the cut, each ``[image, …]``; the first is the one that is edited.
    """

    responses: Tensor
    live: tuple[Tensor, ...]

    @property
    def nbytes(self) -> int:
        """Return how much memory the values take."""
        return sum(value.nbytes for value in (self.responses, *self.live))


def replace_units(value: Tensor, removed: Tensor, replacement: Tensor, *, axis: int) -> Tensor:
    """Return the variants of a layer's value, ``[variant, image, …]``, units having been replaced.

    Args:
        value: ``[image, …]`` with units on an axis.
        removed: bool ``[variant, image or 1, unit]``.
        replacement: what a removed unit becomes, ``[1, …]``.
        axis: where the units of the value lie.
    """
    return torch.where(over_axis(removed, axis, value.ndim), replacement[None], value[None])


def over_axis(removed: Tensor, axis: int, ndim: int) -> Tensor:
    """Return ``[variant, image, unit]`` so shaped that it broadcasts over values ``[variant, image, …]``."""
    shape = [*removed.shape[:2], *[1] * (ndim - 1)]
    shape[1 + axis] = removed.shape[2]
    return removed.reshape(shape)


def constant_maps(fill: Tensor, layer: Layer) -> Tensor:
    """Return a layer's value for one image in which every map is constant, ``[1, …]``; fill is ``[unit]``."""
    shape = [1] * len(layer.shape)
    shape[layer.unit_axis - 1] = layer.units
    return fill.reshape(shape).expand(layer.shape)[None]


@dataclass(frozen=True, eq=False)
class UnsplitGraph:
    """A graph that can't be cut: what lives across the cut are the images themselves.

    Attributes:
        tapped: from ``x`` to responses.
        edited: from ``(x, removed, replacement)`` to logits.
        layer: where the units are.
    """

    tapped: nn.Module
    edited: nn.Module
    layer: Layer

    def prefix(self, x: Tensor) -> CutActivations:
        """See `split_at.SplitNetwork.prefix`."""
        return CutActivations(self.tapped(x), (x,))

    def suffix(self, live: tuple[Tensor, ...], removed: Tensor, fill: Tensor) -> Tensor:
        """See `split_at.SplitNetwork.suffix`."""
        (x,) = live
        replacement = constant_maps(fill.to(x.device), self.layer)
        masks = over_axis(removed, self.layer.unit_axis, replacement.ndim)
        return torch.stack([self.edited(x, mask, replacement) for mask in masks])


def no_logits(name: str) -> NetworkError:
    """Return the error of a network that is no classifier."""
    return NetworkError(f"{name} gives no logits [image, class], so there is nothing to measure removal by")


@dataclass(frozen=True, eq=False)
class HookedSplit:
    """A module followed with hooks, one image at a time, since its way may depend on the values in a batch.

    Attributes:
        module: what is followed.
        layer: where the units are.
        name: what messages call the network.
    """

    module: nn.Module
    layer: Layer
    name: str

    def prefix(self, x: Tensor) -> CutActivations:
        """See `split_at.SplitNetwork.prefix`; a layer that an image does not call has responses NaN.

        Raises:
            NetworkError: if the network gives no logits, which shows only now.
        """
        responses = torch.full((len(x), self.layer.units), torch.nan, device=x.device)

        def keep(name: str, leaf: nn.Module, given: Tensor, output: Tensor) -> None:
            if name == self.layer.name:
                responses[image] = mean_map(output, self.layer.unit_axis)[0]

        for image in range(len(x)):
            with calls(self.module, keep):
                self._logits(x[image : image + 1])
        return CutActivations(responses, (x,))

    def suffix(self, live: tuple[Tensor, ...], removed: Tensor, fill: Tensor) -> Tensor:
        """See `split_at.SplitNetwork.suffix`."""
        (x,) = live
        masks = removed.expand(len(removed), len(x), -1)
        return torch.stack(
            [
                torch.cat([self._run(one, gone, fill) for one, gone in zip(x[:, None], mask, strict=True)])
                for mask in masks
            ]
        )

    def _run(self, x: Tensor, removed: Tensor, fill: Tensor) -> Tensor:
        def edit(name: str, leaf: nn.Module, given: Tensor, output: Tensor) -> Tensor | None:
            if name != self.layer.name:
                return None
            replacement = constant_maps(fill.to(output.device, output.dtype), self.layer)
            return replace_units(output, removed[None, None], replacement, axis=self.layer.unit_axis)[0]

        with calls(self.module, edit):
            return self._logits(x)

    def _logits(self, x: Tensor) -> Tensor:
        logits = logits_of(self.module(x))
        if logits is None:
            raise no_logits(self.name)
        return logits
