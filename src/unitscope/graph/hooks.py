"""Tap a network with forward hooks, for networks that can't be exported.

In: any module. Out: the calls of its leaf modules as layers, and a module that returns their responses or maps.
All hooks of the project live here; they are removed when the forward pass ends, also after an error.
A hook reduces or copies its tensor at once, since a later in-place op may overwrite it.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from unitscope.graph.aliases import with_aliases
from unitscope.graph.ops import CONVOLUTION, LINEAR, NORM, POOL, mask_shape
from unitscope.networks import eval_mode
from unitscope.units import ACTIVATION, Layer

# Name of the call, module, input, output; a tensor that it returns replaces the output.
OnCall = Callable[[str, nn.Module, Tensor, Tensor], Tensor | None]

_ON_AXIS_1 = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
)
_ON_LAST_AXIS = (nn.Linear, nn.LayerNorm, nn.RMSNorm)
_NO_ACTIVATION = (nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Softmin, nn.MultiheadAttention, nn.GLU)


def record_layers(module: nn.Module, example: Tensor) -> tuple[Layer, ...]:
    """Return the calls of leaf modules in one forward pass, as layers."""
    layers: list[Layer] = []
    outputs: list[tuple[Tensor, int]] = []  # earlier outputs and their unit axes

    def record(name: str, leaf: nn.Module, given: Tensor, output: Tensor) -> None:
        axis = _unit_axis(leaf, given, output, outputs)
        outputs.append((output, axis))
        kind = _kind(leaf)
        if kind and 0 < axis < output.ndim and output.shape[0] == example.shape[0]:
            shape = tuple(output.shape)
            layers.append(Layer(len(layers), name, kind, shape[axis], shape[1:], axis))

    with torch.no_grad(), calls(module, record):
        module(example)
    return tuple(with_aliases(layers))


@contextlib.contextmanager
def calls(module: nn.Module, on_call: OnCall) -> Iterator[None]:
    """Call ``on_call`` for each call of a leaf module, with its name in the layer table, while the context lasts."""
    counts: Counter[str] = Counter()

    def hook_for(path: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor | None]:
        def hook(leaf: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            name = f"{path}_{counts[path]}" if counts[path] else path
            counts[path] += 1
            if isinstance(output, Tensor) and args and isinstance(args[0], Tensor):
                return on_call(name, leaf, args[0], output)
            return None

        return hook

    with contextlib.ExitStack() as stack:
        for path, leaf in module.named_modules():
            if path and not any(True for _ in leaf.children()):
                stack.callback(leaf.register_forward_hook(hook_for(path)).remove)
        yield


class HookedTaps(nn.Module):
    """A module from ``(x, *masks)`` to ``(logits | None, responses | None, *maps)``; see `Trace.tapped`.

    Values are NaN for a layer that the input's forward pass skips.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        means: tuple[Layer, ...] = (),
        maps: tuple[Layer, ...] = (),
        masks: tuple[Layer, ...] = (),
    ) -> None:
        super().__init__()
        self.module, self.means, self.maps, self.masks = module, means, maps, masks

    def forward(self, x: Tensor, *masks: Tensor) -> tuple[Tensor | None, ...]:
        """Run the network once, with hooks registered for this call only."""
        means = {layer.name: _missing((layer.units,), x) for layer in self.means}
        maps = {layer.name: _missing(layer.shape, x) for layer in self.maps}
        axes = {layer.name: layer.unit_axis for layer in self.means}
        masked = {layer.name: mask.reshape(mask_shape(layer)) for layer, mask in zip(self.masks, masks, strict=True)}

        def keep(name: str, leaf: nn.Module, given: Tensor, output: Tensor) -> Tensor | None:
            edited = output * masked[name] if name in masked else output
            if name in means:
                means[name] = mean_map(edited, axes[name])
            if name in maps:
                maps[name] = edited.clone()
            return edited if name in masked else None

        with eval_mode(self.module), calls(self.module, keep):
            output = self.module(x)
        responses = torch.cat([means[layer.name] for layer in self.means], 1) if self.means else None
        return (logits_of(output), responses, *(maps[layer.name] for layer in self.maps))


def mean_map(output: Tensor, unit_axis: int) -> Tensor:
    """Return the mean over all axes except those of images and units, float32 ``[image, unit]``."""
    dims = [dim for dim in range(1, output.ndim) if dim != unit_axis]
    return output.mean(dims, dtype=torch.float32) if dims else output.float().clone()


def _missing(shape: tuple[int, ...], x: Tensor) -> Tensor:
    return torch.full((len(x), *shape), torch.nan, device=x.device)


def logits_of(output: Any) -> Tensor | None:
    """Return the first tensor of shape ``[image, class]`` in a network's output, None if there is none."""
    values = output.values() if isinstance(output, dict) else output
    values = values if isinstance(values, (tuple, list)) else [values] if isinstance(values, Tensor) else list(values)
    return next((value for value in values if isinstance(value, Tensor) and value.ndim == 2), None)


def _kind(leaf: nn.Module) -> str:
    if isinstance(leaf, nn.modules.conv._ConvNd):
        return CONVOLUTION
    if isinstance(leaf, nn.Linear):
        return LINEAR
    if isinstance(leaf, (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)):
        return NORM
    if "pool" in type(leaf).__name__.lower():
        return POOL
    named = type(leaf).__module__ == "torch.nn.modules.activation"
    return ACTIVATION if named and not isinstance(leaf, _NO_ACTIVATION) else ""


def _unit_axis(leaf: nn.Module, given: Tensor, output: Tensor, outputs: list[tuple[Tensor, int]]) -> int:
    if isinstance(leaf, _ON_AXIS_1) or (isinstance(leaf, nn.LayerNorm) and type(leaf).__name__.endswith("2d")):
        return 1  # torchvision's and timm's LayerNorm2d is a LayerNorm between two permutations
    if isinstance(leaf, _ON_LAST_AXIS):
        return output.ndim - 1
    known = [axis for tensor, axis in outputs if tensor is given]
    if known and given.ndim == output.ndim:
        return known[-1]
    return 2 if output.ndim == 3 else 1
