"""Find the logits among a network's outputs, before the softmax or sigmoid that a network may end with.

In: a module, and what is known of its outputs. Out: within `returning_logits`, the module returns its logits first.
A prediction is never made of an output that may be something else: then there are no logits, and `Head.note` says why.
"""

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from unitscope.errors import NetworkError
from unitscope.text import count_noun

SIGMOID, SOFTMAX = "sigmoid", "softmax"
_SQUASHING = {
    "sigmoid": SIGMOID,
    "sigmoid_": SIGMOID,
    "softmax": SOFTMAX,
    "log_softmax": SOFTMAX,
    "logsigmoid": SIGMOID,
}
# Functions that keep each value, or its rank and meaning, so that they can follow a softmax.
_RESHAPING = {"view", "reshape", "flatten", "squeeze", "unsqueeze", "contiguous", "clone", "to", "float", "double"}
_MONOTONE = {"log", "log_", "exp", "clamp", "clamp_", "clamp_min", "nan_to_num"}
_NAMES = ("logits", "logit")
_MAX_DEPTH, _KEPT = 5, 16
_ROUNDING = 1e-4  # of a sum of probabilities


@dataclass(eq=False)
class Head:
    """The outputs of a network, and which of them is its logits.

    Attributes:
        name: the network's name in messages.
        classes: number of its class names; 0 if it has none.
        squashing: how its logits become probabilities: ``softmax``, or ``sigmoid`` for each class on its own.
        note: why it has no logits; empty if it has, or returns no values by image at all.
        probabilities: whether the chosen output holds probabilities that are not made by a call of softmax.
    """

    name: str
    classes: int = 0
    squashing: str = SOFTMAX
    note: str = ""
    probabilities: bool = False


Output = tuple[str, Tensor]  # its name, and its values


@contextmanager
def returning_logits(module: nn.Module, head: Head) -> Iterator[None]:
    """Make a module return ``(logits | None, *tensors)`` within the context: its logits, and all its outputs.

    Logits are ``[image, class]``. They are the only output of that shape, or the one named ``logits``, or the one with
    a column for each class name. A single column with two class names is the logit of the second against the
    first; half of it goes to each class.

    Raises:
        NetworkError: in a forward pass, if no output has as many columns as there are class names.
    """
    squashed = _Squashed()

    def choose(_: nn.Module, args: tuple[Any, ...], output: Any) -> tuple[Tensor | None, ...]:
        outputs = list(tensors_in(output))
        logits = _logits(outputs, args[0].shape[0], head, squashed)
        squashed.clear()
        return (logits, *(value for _, value in outputs))

    handle = module.register_forward_hook(choose)
    try:
        with squashed:
            yield
    finally:
        handle.remove()


def tensors_in(output: Any, name: str = "", depth: int = 0) -> Iterator[Output]:
    """Yield the tensors in a network's output, with their names: keys, fields and positions."""
    if isinstance(output, Tensor):
        yield name, output
    elif depth < _MAX_DEPTH:
        for key, value in _items(output):
            yield from tensors_in(value, key, depth + 1)


def _items(output: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values in a dict, a sequence, or an object with fields, such as a dataclass or a namespace."""
    if isinstance(output, Mapping):
        yield from ((str(key), value) for key, value in output.items())
    elif hasattr(output, "_fields"):
        yield from zip(output._fields, output, strict=True)
    elif isinstance(output, (list, tuple)):
        yield from ((str(position), value) for position, value in enumerate(output))
    elif dataclasses.is_dataclass(output):
        yield from ((field.name, getattr(output, field.name)) for field in dataclasses.fields(output))
    elif hasattr(output, "__dict__") and not isinstance(output, (type, nn.Module)):
        yield from vars(output).items()


def _logits(outputs: list[Output], images: Any, head: Head, squashed: "_Squashed") -> Tensor | None:
    rows = [(name, value, found) for name, value in outputs if (found := _as_rows(value, images, head)) is not None]
    named = [row for row in rows if row[0].lower() in _NAMES]
    candidates = named or rows
    if len(candidates) > 1 and head.classes:
        candidates = [row for row in candidates if _fits(row[2](row[1]), head)] or candidates
    if not candidates:
        head.note = _no_rows(head, outputs) if head.classes else ""
        return None
    if len(candidates) > 1:
        head.note = _ambiguous(head, [value for _, value, _ in candidates])
        return None
    _, value, shaped = candidates[0]
    return _classified(shaped(value), squashed, lambda: shaped(squashed.before(value)), squashed.kind(value), head)


def _classified(
    values: Tensor, squashed: "_Squashed", unsquashed: Callable[[], Tensor], kind: str, head: Head
) -> Tensor | None:
    """Return logits from the chosen output ``[image, column]``."""
    columns = values.shape[1]
    if head.classes and not _fits(values, head):
        raise NetworkError(
            f"{head.name} returns {count_noun(columns, 'value')} for an image, but it has "
            f"{count_noun(head.classes, 'class name')}; give one name for each value, in the order of the outputs"
        )
    if columns == 1 and head.classes != 2:
        head.note = (
            f"{head.name} returns one value for an image, so it has no predictions; give two class names if it is the "
            "logit or the probability of the second class"
        )
        return None
    head.note, head.squashing = "", SOFTMAX
    logits = unsquashed() if kind else values
    if columns == 1:
        return torch.cat([-logits / 2, logits / 2], 1)  # their softmax is the sigmoid; each class has a gradient
    head.squashing = kind or SOFTMAX
    return logits.clamp_min(torch.finfo(logits.dtype).tiny).log() if head.probabilities else logits


def _fits(values: Tensor, head: Head) -> bool:
    return values.shape[1] == head.classes or (values.shape[1] == 1 and head.classes == 2)


def _as_rows(value: Tensor, images: Any, head: Head) -> Callable[[Tensor], Tensor] | None:
    """Return a function that gives an output the shape ``[image, column]``, None if it has no such shape.

    Sizes are compared as text: while a network is exported, the number of images is a symbol, not a number.
    """
    shape, batch = [str(side) for side in value.shape], str(images)
    if not value.is_floating_point() or not shape or "0" in shape:
        return None
    if len(shape) == 2 and shape[0] == batch:
        return lambda values: values
    if len(shape) == 1:
        if shape[0] == batch:
            return lambda values: values[:, None]
        return (lambda values: values[None]) if batch == "1" else None
    whole = len(shape) > 2 and shape[0] == batch and set(shape[2:]) == {"1"}
    columns = value.shape[1] if whole else 0
    return (lambda values: values.flatten(1)) if columns and head.classes in (columns, 2 * columns) else None


def _no_rows(head: Head, outputs: list[Output]) -> str:
    shapes = ", ".join(_shape(value) for _, value in outputs) or "no tensor"
    return f"{head.name} has no predictions: it returns {shapes}, and none of that is [image, class]"


def _ambiguous(head: Head, values: list[Tensor]) -> str:
    shapes = " and ".join(_shape(value) for value in values)
    cure = "return it as 'logits', for example in a dict"
    more = "" if head.classes else ", or give its class names"
    return f"{head.name} has no predictions: it returns {shapes}, and any of them may be its logits; {cure}{more}"


def _shape(value: Tensor) -> str:
    return f"[{', '.join(['image', *map(str, value.shape[1:])])}]"


def are_probabilities(values: Tensor | None) -> bool:
    """Return whether values ``[image, class]`` are probabilities: not negative, with a sum of 1 for each image."""
    if values is None or values.shape[1] < 2:
        return False
    return bool((values >= 0).all() and ((values.sum(1) - 1).abs() < _ROUNDING).all())


class _Squashed(TorchFunctionMode):
    """Records what a softmax or a sigmoid was given, for each tensor that came out of one."""

    def __init__(self) -> None:
        super().__init__()
        # Holds its tensors, so that no id is used again; the last few, since only those can be outputs.
        self._before: OrderedDict[int, tuple[Tensor, Tensor, str]] = OrderedDict()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if args and isinstance(args[0], Tensor) and isinstance(output, Tensor):
            given = args[0]
            if name in _SQUASHING and id(given) not in self._before:
                before = output.logit() if name.endswith("_") else given
                self._before[id(output)] = (output, before, _SQUASHING[name])
            elif id(given) in self._before and name in _RESHAPING | _MONOTONE:
                _, before, kind = self._before[id(given)]
                shaped = func(before, *args[1:], **(kwargs or {})) if name in _RESHAPING else before
                self._before[id(output)] = (output, shaped, kind)
            if len(self._before) > _KEPT:
                self._before.popitem(last=False)
        return output

    def before(self, value: Tensor) -> Tensor:
        """Return what was given to the softmax or the sigmoid that a tensor came out of."""
        return self._before[id(value)][1]

    def kind(self, value: Tensor) -> str:
        """Return which function a tensor came out of; empty if none."""
        return self._before[id(value)][2] if id(value) in self._before else ""

    def clear(self) -> None:
        """Forget the tensors of a forward pass."""
        self._before.clear()
