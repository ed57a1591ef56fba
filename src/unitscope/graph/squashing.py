"""Follow softmax and sigmoid through a forward pass: what each was given, for the tensors that came out of it.

In: the calls of a forward pass, within the context of `Squashed`. Out: the values before the function, in the shape in
which they left the network.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

SIGMOID, SOFTMAX = "sigmoid", "softmax"
_SQUASHING = {
    **dict.fromkeys(("sigmoid", "sigmoid_", "logsigmoid", "special_expit", "expit"), SIGMOID),
    **dict.fromkeys(("softmax", "log_softmax", "special_softmax", "special_log_softmax"), SOFTMAX),
}
_RESHAPING = set(
    "view view_as reshape reshape_as flatten ravel unflatten squeeze squeeze_ unsqueeze unsqueeze_ contiguous clone "  # noqa: SIM905
    "transpose swapaxes permute movedim t expand to type type_as float double half bfloat16".split()
)
_PARTS = {"__getitem__", "select", "narrow", "chunk", "split", "unbind", "index_select"}
# Functions that keep the order of values, or undo one another.
_MONOTONE = {"log", "log_", "exp", "clamp", "clamp_", "clamp_min", "nan_to_num"}
_LINEAR = {"linear", "bilinear", "conv2d"}  # their outputs are no probabilities
_KEPT = 16


class Squashed(TorchFunctionMode):
    """Records what a softmax or a sigmoid was given, for each tensor that came out of one."""

    def __init__(self) -> None:
        super().__init__()
        # Holds its tensors, so that no id is used again; the last few, since only those can be outputs.
        self._before: OrderedDict[int, tuple[Tensor, Tensor, str]] = OrderedDict()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if args and isinstance(args[0], Tensor):
            self._record(func, name, args, kwargs or {}, output)
            while len(self._before) > _KEPT:
                self._before.popitem(last=False)
        return output

    def _record(self, func: Any, name: str, args: Any, kwargs: Any, output: Any) -> None:
        given = args[0]
        known = self._before.get(id(given))
        if known is None or (not known[2] and name in _SQUASHING):
            if name in _SQUASHING and isinstance(output, Tensor):
                self._keep(output, output.logit() if name.endswith("_") else given, _SQUASHING[name])
            elif name in _LINEAR:
                self._keep(output, output, "")
            return
        _, before, kind = known
        if output is given or name.startswith(("__i", "__set")):  # changed in place
            self._before.pop(id(given))
        if name in _PARTS and kind == SOFTMAX:  # a part of the classes has no softmax of its own
            self._each(output, lambda part: part.logit(), SIGMOID)
        elif name in _RESHAPING | _PARTS:
            shaped = func(before, *args[1:], **kwargs)
            for part, of_before in zip(_tuple(output), _tuple(shaped), strict=True):
                self._keep(part, of_before, kind)
        elif name in _MONOTONE and kind:
            self._each(output, lambda part: before, kind)

    def _each(self, output: Any, made: Callable[[Tensor], Tensor], kind: str) -> None:
        for part in _tuple(output):
            self._keep(part, made(part), kind)

    def _keep(self, output: Tensor, before: Tensor, kind: str) -> None:
        self._before[id(output)] = (output, before, kind)

    def before(self, value: Tensor) -> Tensor:
        """Return what was given to the softmax or the sigmoid that a tensor came out of."""
        return self._before[id(value)][1]

    def kind(self, value: Tensor) -> str:
        """Return which function a tensor came out of; empty if none."""
        return self._before[id(value)][2] if id(value) in self._before else ""

    def knows(self, value: Tensor) -> bool:
        """Return whether a tensor came out of a softmax or a sigmoid, or of a linear layer, which is neither."""
        return id(value) in self._before

    def clear(self) -> None:
        """Forget the tensors of a forward pass."""
        self._before.clear()


def _tuple(output: Any) -> tuple[Tensor, ...]:
    values = output if isinstance(output, (tuple, list)) else (output,)
    return tuple(value for value in values if isinstance(value, Tensor))
