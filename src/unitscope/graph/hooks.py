"""Tap a network with forward hooks, for networks that can't be exported.

In: any module. Out: the calls of its leaf modules as layers, and a module that returns their responses or maps.
All hooks of the project live here; they are removed when the forward pass ends, also after an error.
A hook reduces or copies its tensor at once, since a later in-place op may overwrite it.
"""

import contextlib
import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from unitscope.errors import NetworkError, first_line
from unitscope.graph.aliases import with_aliases
from unitscope.graph.logits import Head, meaning_of, probes, returning_logits
from unitscope.graph.ops import CONVOLUTION, LINEAR, NORM, POOL, mask_shape
from unitscope.graph.reproducibility import OpRecorder
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


def record_layers(module: nn.Module, example: Tensor, head: Head) -> tuple[tuple[Layer, ...], list[str]]:
    """Return the calls of leaf modules as layers, and the random ops that were called.

    A network under hooks may branch on its values, so it runs on several inputs: each branch that one of them takes
    has its layers.

    Raises:
        NetworkError: if the module doesn't run on the example, which is one image.
    """
    with OpRecorder() as recorder:
        found, first = _first_run(module, example, head)
        seen = [first]
        for other in probes(example):
            with contextlib.suppress(Exception):  # the network may refuse such an input
                layers, logits = _run(module, other, head)
                found = _merged(found, layers)
                seen.append(logits)
        _run(module, example, head)  # last, so that the head is that of the example
        values = [value for value in seen if value is not None]
        if values and not head.note and len({value.shape[1] for value in values}) == 1:
            head.meaning = meaning_of(torch.cat(values), head)
            _run(module, example, head)
    return _numbered(found), recorder.random


def layers_of_images(layers: tuple[Layer, ...], module: nn.Module, images: Tensor, head: Head) -> tuple[Layer, ...]:
    """Return the layers, and those that only these images call; ``images`` is ``[image, channel, row, column]``."""
    found = list(layers)
    for image in images[:, None]:
        found = _merged(found, _run(module, image, head)[0])
    return _numbered(found)


def uncalled_modules(module: nn.Module, layers: tuple[Layer, ...]) -> list[str]:
    """Return the paths of leaf modules of a kind that can be tapped, but that are no layers."""
    called = {layer.name for layer in layers}
    leaves = ((path, part) for path, part in module.named_modules() if path and not any(True for _ in part.children()))
    return [path for path, part in leaves if _kind(part) and path not in called]


def _numbered(found: list[Layer]) -> tuple[Layer, ...]:
    return tuple(with_aliases([replace(layer, index=at, aliases=()) for at, layer in enumerate(found)]))


def _run(module: nn.Module, example: Tensor, head: Head) -> tuple[list[Layer], Tensor | None]:
    """Return the layers that an example calls, and its logits."""
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
        logits = logits_of(module, example, head)
    return layers, logits


def _merged(found: list[Layer], others: list[Layer]) -> list[Layer]:
    """Return the layers of two runs, each once, those of the second behind the layer that they followed."""
    merged, names = list(found), {layer.name for layer in found}
    position = 0
    for layer in others:
        if layer.name in names:
            position = [each.name for each in merged].index(layer.name) + 1
        else:
            merged.insert(position, layer)
            position += 1
    return merged


def logits_of(module: nn.Module, x: Tensor, head: Head) -> Tensor | None:
    """Run a module and return its logits ``[image, class]``, None if it has none.

    Raises:
        NetworkError: if the module doesn't run on this input, or see `returning_logits`.
    """
    try:
        with returning_logits(module, head):
            return module(x)[0]  # type: ignore[no-any-return]
    except NetworkError:
        raise
    except Exception as problem:
        raise NetworkError(f"{head.name} failed on an image: {first_line(problem)}") from problem


def _first_run(module: nn.Module, example: Tensor, head: Head) -> tuple[list[Layer], Tensor | None]:
    """Return the result of `_run`; say what a module needs if it doesn't run on an example."""
    try:
        return _run(module, example, head)
    except NetworkError as problem:
        if problem.__cause__ is None:
            raise
        raise NetworkError(_refused(module, example, head.name, problem.__cause__)) from problem


def _refused(module: nn.Module, x: Tensor, name: str, problem: BaseException) -> str:
    """Return the message for a module that doesn't run on an input, with what it needs."""
    _, channels, rows, columns = x.shape
    what = f"{name} does not run on an input of {rows}×{columns} pixels with {channels} channels: {first_line(problem)}"
    if others := _other_inputs(module):
        return f"{what}; it takes other inputs beside images ({', '.join(others)}): wrap it in a module that gives them"
    wanted = next(
        (part.in_channels for part in module.modules() if isinstance(part, nn.modules.conv._ConvNd)), channels
    )
    if wanted == channels:
        return f"{what}; give the preprocessing that it was trained with (--preprocess)"
    cure = "order = 'L' in its preprocessing makes images grey" if wanted == 1 else "use a function as preprocessing"
    return f"{what}; its first convolution takes {wanted}, not {channels}: {cure}, or wrap it in a module"


def _other_inputs(module: nn.Module) -> list[str]:
    """Return the names of required inputs of a module's forward pass, except the first."""
    required = [
        parameter.name
        for parameter in inspect.signature(module.forward).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    return required[1:]


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
        head: Head,
        *,
        means: tuple[Layer, ...] = (),
        maps: tuple[Layer, ...] = (),
        masks: tuple[Layer, ...] = (),
    ) -> None:
        super().__init__()
        self.module, self.head, self.means, self.maps, self.masks = module, head, means, maps, masks

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
            logits = logits_of(self.module, x, self.head)
        responses = torch.cat([means[layer.name] for layer in self.means], 1) if self.means else None
        return (logits, responses, *(maps[layer.name] for layer in self.maps))


def mean_map(output: Tensor, unit_axis: int) -> Tensor:
    """Return the mean over all axes except those of images and units, float32 ``[image, unit]``."""
    dims = [dim for dim in range(1, output.ndim) if dim != unit_axis]
    return output.mean(dims, dtype=torch.float32) if dims else output.float().clone()


def _missing(shape: tuple[int, ...], x: Tensor) -> Tensor:
    return torch.full((len(x), *shape), torch.nan, device=x.device)


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
