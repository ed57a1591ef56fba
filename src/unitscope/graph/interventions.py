"""Remove units from a layer's output: replace their activation maps by a constant, zero or the unit's mean.

In: a layer's value, a mask of the units to remove for each image, and the replacement. Out: edited values, or logits.
Also runs edits where the graph can't be split: the whole graph, or the module under hooks, once for each variant.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unitscope.errors import NetworkError
from unitscope.graph.hooks import calls, logits_of, mean_map
from unitscope.graph.logits import Head
from unitscope.networks import eval_mode
from unitscope.units import Layer


@dataclass(frozen=True, slots=True, eq=False)
class SplitActivations:
    """The values of one batch at a cut.

    Attributes:
        responses: α of the layer's units, float32 ``[image, unit]``.
        nonzero: whether a unit's map has a value other than zero, bool ``[image, unit]``.
        live: the values that cross the cut, each ``[image, …]``; the first is the one to edit.
    """

    responses: Tensor
    nonzero: Tensor
    live: tuple[Tensor, ...]

    @property
    def nbytes(self) -> int:
        """Memory that the values take, in bytes."""
        return sum(value.nbytes for value in (self.responses, self.nonzero, *self.live))


def replace_units(value: Tensor, removed: Tensor, replacement: Tensor, *, axis: int) -> Tensor:
    """Return variants of a layer's value, ``[variant, image, …]``, each with its removed units replaced.

    Args:
        value: ``[image, …]``.
        removed: bool ``[variant, image or 1, unit]``.
        replacement: the value of removed units, ``[1, …]``.
        axis: the unit axis of ``value``.
    """
    return torch.where(over_axis(removed, axis, value.ndim), replacement[None], value[None])


def over_axis(removed: Tensor, axis: int, ndim: int) -> Tensor:
    """Reshape a mask ``[variant, image, unit]`` so that it broadcasts over values ``[variant, image, …]``."""
    shape = [*removed.shape[:2], *[1] * (ndim - 1)]
    shape[1 + axis] = removed.shape[2]
    return removed.reshape(shape)


def constant_maps(fill: Tensor, layer: Layer) -> Tensor:
    """Return a layer's value ``[1, …]`` in which the map of unit ``u`` is ``fill[u]`` everywhere."""
    shape = [1] * len(layer.shape)
    shape[layer.unit_axis - 1] = layer.units
    return fill.reshape(shape).expand(layer.shape)[None]


@dataclass(frozen=True, eq=False)
class UnsplitGraph:
    """A graph that can't be cut; the only value that crosses the cut is the images themselves.

    Attributes:
        tapped: from ``x`` to ``(responses, nonzero)``.
        edited: from ``(x, removed, replacement)`` to logits.
        layer: the layer of the units.
    """

    tapped: nn.Module
    edited: nn.Module
    layer: Layer

    def prefix(self, x: Tensor) -> SplitActivations:
        """See `SplitNetwork.prefix`."""
        responses, nonzero = self.tapped(x)
        return SplitActivations(responses, nonzero, (x,))

    def suffix(self, live: tuple[Tensor, ...], removed: Tensor, fill: Tensor) -> Tensor:
        """See `SplitNetwork.suffix`."""
        (x,) = live
        replacement = constant_maps(fill.to(x.device), self.layer)
        masks = over_axis(removed, self.layer.unit_axis, replacement.ndim)
        return torch.stack([self.edited(x, mask, replacement) for mask in masks])


def no_logits_error(head: Head) -> NetworkError:
    """Return the error for a network that is not a classifier."""
    reason = head.note or f"{head.name} returns no logits [image, class]"
    return NetworkError(f"{reason}; so the effect of a removal can't be measured")


@dataclass(frozen=True, eq=False)
class HookedSplit:
    """A module that runs under hooks, one image at a time, since its control flow may depend on the values in a batch.

    Attributes:
        module: the network's module.
        layer: the layer of the units.
        head: which of the network's outputs is the logits.
    """

    module: nn.Module
    layer: Layer
    head: Head

    def prefix(self, x: Tensor) -> SplitActivations:
        """See `SplitNetwork.prefix`; responses are NaN where an image's forward pass skips the layer.

        Raises:
            NetworkError: if the network returns no logits; hooks can't tell before the first run.
        """
        responses = torch.full((len(x), self.layer.units), torch.nan, device=x.device)
        nonzero = torch.zeros_like(responses, dtype=torch.bool)

        def keep(name: str, leaf: nn.Module, given: Tensor, output: Tensor) -> None:
            if name == self.layer.name:
                responses[image] = mean_map(output, self.layer.unit_axis)[0]
                nonzero[image] = (output != 0).transpose(0, self.layer.unit_axis).flatten(1).any(1)

        for image in range(len(x)):
            with calls(self.module, keep):
                self._logits(x[image : image + 1])
        return SplitActivations(responses, nonzero, (x,))

    def suffix(self, live: tuple[Tensor, ...], removed: Tensor, fill: Tensor) -> Tensor:
        """See `SplitNetwork.suffix`."""
        (x,) = live
        masks = removed.expand(len(removed), len(x), -1)
        return torch.stack(
            [
                torch.cat([self._run(image, units, fill) for image, units in zip(x[:, None], mask, strict=True)])
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
        with eval_mode(self.module):
            logits = logits_of(self.module, x, self.head)
        if logits is None:
            raise no_logits_error(self.head)
        return logits
