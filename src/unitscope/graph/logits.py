"""Find the logits among a network's outputs, before the softmax or sigmoid that a network may end with.

In: a module, and what is known of its outputs. Out: within `returning_logits`, the module returns its logits first.
A prediction is never made of an output that may be something else: then there are no logits, and `Head.note` says why.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unitscope.errors import NetworkError
from unitscope.graph.squashing import SOFTMAX, Squashed
from unitscope.text import count_noun

_NAMES = ("logits", "logit")
_MAX_DEPTH = 5
_ROUNDING = 4e-3  # of a sum of probabilities, which may have been rounded to half precision
PROBABILITIES, UNCLEAR = "probabilities", "unclear"


@dataclass(eq=False)
class Head:
    """The outputs of a network, and which of them is its logits.

    Attributes:
        name: the network's name in messages.
        classes: number of its class names; 0 if it has none.
        squashing: how its logits become probabilities: ``softmax``, or ``sigmoid`` for each class on its own.
        note: why it has no logits; empty if it has, or returns no values by image at all.
        meaning: what the values of the chosen output are, where no call of softmax or sigmoid tells: empty for logits,
            ``probabilities``, or ``unclear``.
        certain: whether the chosen output is named ``logits``, or came out of a linear layer, a softmax or a sigmoid,
            so that its values need not be looked at.
    """

    name: str
    classes: int = 0
    squashing: str = SOFTMAX
    note: str = ""
    meaning: str = ""
    certain: bool = False


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
    squashed = Squashed()

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


def _logits(outputs: list[Output], images: Any, head: Head, squashed: Squashed) -> Tensor | None:
    rows = [(name, value, found) for name, value in outputs if (found := _as_rows(value, images, head)) is not None]
    named = [row for row in rows if row[0].lower() in _NAMES]
    candidates = named or rows
    if len(candidates) > 1 and head.classes:
        candidates = [row for row in candidates if _fits(row[2](row[1]), head)] or candidates
    if not candidates:
        pooled = any(_is_pooled(value) for _, value in outputs)
        head.note = _no_rows(head, outputs, pooled=pooled) if head.classes or pooled or not outputs else ""
        return None
    if len(candidates) > 1:
        head.note = _ambiguous(head, [value for _, value, _ in candidates])
        return None
    _, value, shaped = candidates[0]
    head.certain = bool(named) or squashed.knows(value)
    kind = squashed.kind(value)
    return _classified(shaped(squashed.before(value) if kind else value), kind, head)


def _classified(logits: Tensor, kind: str, head: Head) -> Tensor | None:
    """Return logits ``[image, class]`` from those of the chosen output, which a function of this kind squashed."""
    columns = logits.shape[1]
    if head.classes and not _fits(logits, head):
        raise NetworkError(
            f"{head.name} returns {count_noun(columns, 'value')} for an image, but it has "
            f"{count_noun(head.classes, 'class name')}; give one name for each value, in the order of the outputs"
        )
    head.note, head.squashing = "", SOFTMAX
    if columns == 1 and (head.classes != 2 or kind == SOFTMAX or head.meaning == UNCLEAR):
        head.note = _one_value(head)
        return None
    if columns == 1:
        return torch.cat([-logits / 2, logits / 2], 1)  # their softmax is the sigmoid; each class has a gradient
    head.squashing = kind or SOFTMAX
    return logits.clamp_min(torch.finfo(logits.dtype).tiny).log() if head.meaning == PROBABILITIES else logits


def _one_value(head: Head) -> str:
    what = f"{head.name} returns one value for an image, so it has no predictions"
    if head.classes != 2:
        return f"{what}; give two class names if it is the logit or the probability of the second class"
    return (
        f"{what}: it may be a logit or a probability, as all that were tried are from 0 to 1; return the logit, named "
        "'logits', or call torch.sigmoid last"
    )


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
    pooled = shape[0] == batch and _is_pooled(value)
    return (lambda values: values.flatten(1)) if pooled and _fits(value, head) else None


def _is_pooled(value: Tensor) -> bool:
    """Whether an output has the shape ``[image, column, 1, 1]``, which may be logits or features."""
    return value.is_floating_point() and {str(side) for side in value.shape[2:]} == {"1"}


def _no_rows(head: Head, outputs: list[Output], *, pooled: bool) -> str:
    shapes = ", ".join(_shape(value) for _, value in outputs) or "no tensor"
    note = f"{head.name} has no predictions: it returns {shapes}, and none of that is [image, class]"
    return f"{note}; give its class names if they are logits" if pooled and not head.classes else note


def _ambiguous(head: Head, values: list[Tensor]) -> str:
    shapes = " and ".join(_shape(value) for value in values)
    cure = "return it as 'logits', for example in a dict"
    more = "" if head.classes else ", or give its class names"
    return f"{head.name} has no predictions: it returns {shapes}, and any of them may be its logits; {cure}{more}"


def _shape(value: Tensor) -> str:
    return f"[{', '.join(['image', *map(str, value.shape[1:])])}]"


def probes(example: Tensor) -> Iterator[Tensor]:
    """Yield inputs that tell more of a network than noise: fainter and stronger noise, and constant images."""
    yield from (example * scale for scale in (0.1, 4.0, -1.0))
    yield from (torch.full_like(example, value) for value in (0.0, 2.0, -2.0))


def meaning_of(values: Tensor, head: Head) -> str:
    """Return what logits ``[image, class]`` of several `probes` are if they are not logits; see `Head`.

    Probabilities, or percents, are not negative and have the same sum for each image. The single value of a network
    with two classes, of which both logits are a half, is unclear if it is from 0 to 1 for each image.
    """
    if head.certain or not values.isfinite().all():
        return ""
    if values.shape[1] == 2 and torch.equal(values[:, 0], -values[:, 1]):
        single = 2 * values[:, 1]
        return UNCLEAR if bool(((single >= 0) & (single <= 1)).all()) else ""
    sums = values.sum(1)
    same = (sums - sums.mean()).abs() <= _ROUNDING * sums.mean()
    varied = bool((values != values[:1]).any())
    return PROBABILITIES if varied and bool((values >= 0).all() and (sums > 0).all() and same.all()) else ""
