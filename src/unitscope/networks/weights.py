"""Read weight files without running code from them, and load them into a module.

In: a safetensors file, or one that `torch.load(weights_only=True)` can read. Out: tensors by name, or a module whose
weights match the file exactly. Independent of references, origins and downloads.
"""

import pickle
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unitscope.errors import NetworkError, first_line, require_file

State = dict[str, Tensor]
Shapes = Mapping[str, list[Any]]

STATE_DICT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_WRAPPED = re.compile(r"(?:(?<=\.)|^)(?:module|_orig_mod)\.")  # DataParallel or `torch.compile`, also of a part
_OUTER = re.compile(r"^(?:module|_orig_mod)\.")
_MOST_WRAPPERS = 4
_NOT_NEEDED = "num_batches_tracked"  # older files don't have it, and evaluation doesn't use it
_COUNTERS = re.compile(r"(?:\.|^)(?:total_ops|total_params|n_averaged)$")  # of thop, and of averaged models


@dataclass(frozen=True, slots=True)
class DefaultWeights:
    """The weights that the network's origin provides."""


@dataclass(frozen=True, slots=True)
class RandomWeights:
    """Random weights from the network's own initialization."""

    seed: int

    def __str__(self) -> str:
        return f"random, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """Weights from a file."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


Weights = DefaultWeights | RandomWeights | WeightsFile


def parse_weights(weights: str | Path | None, seed: int) -> Weights:
    """Return the weights given by None (the origin's), ``none`` (random), or a file's path."""
    if weights is None:
        return DefaultWeights()
    return RandomWeights(seed) if str(weights) == "none" else WeightsFile(Path(weights))


def read_state_dict(file: Path, expected: Iterable[str] = ()) -> State:
    """Return the tensors in a file by name, on the CPU.

    What wraps the state dict is removed: a dict around it, the counters of profilers, and the prefixes of DataParallel,
    `torch.compile` and Lightning.

    Args:
        file: a file of any suffix.
        expected: the names in the module's own state dict, which tell a prefix from a name.

    Raises:
        NetworkError: if there is no such file, it is damaged, can't be read without running code, or has no state dict.
    """
    names = {name: None for name in expected if not name.endswith(_NOT_NEEDED)}
    found = dict(_state_in(_read(require_file(file)), file))
    plain = found
    for _ in range(_MOST_WRAPPERS):
        if names and plain.keys() >= names.keys():
            return _without_counters(plain, names)
        plain = _renamed(plain, _OUTER)
    return without_prefix(_renamed(_without_counters(found, names), _WRAPPED), list(names))


def _without_counters(state: State, names: Mapping[str, None]) -> State:
    return {name: value for name, value in state.items() if name in names or not _COUNTERS.search(name)}


def _renamed(state: State, removed: re.Pattern[str]) -> State:
    """Return the state with parts of the names removed, unless two names become one."""
    renamed = {removed.sub("", name): value for name, value in state.items()}
    return renamed if len(renamed) == len(state) else state


def _state_in(content: Any, file: Path) -> Mapping[str, Tensor]:
    """Return the state dict in a file's content: the content itself, or one of its values."""
    if _is_state(content):
        return content  # type: ignore[no-any-return]
    keys = [str(key) for key in content] if isinstance(content, Mapping) else []
    found = {key: content[key] for key in keys if _is_state(content.get(key))}
    for key in (*_WRAPPERS, *(found if len(found) == 1 else ())):
        if key in found:
            return found[key]  # type: ignore[no-any-return]
    if found:
        several = ", ".join(f"'{key}'" for key in found)
        raise NetworkError(f"'{file}' has several state dicts ({several}); save the one that you want in a file")
    holds = f"; it has {_few([repr(key) for key in keys])}" if keys else ""
    raise NetworkError(f"'{file}' has no state dict{holds}; save one with torch.save(model.state_dict(), FILE)")


def _is_state(content: Any) -> bool:
    return (
        isinstance(content, Mapping)
        and len(content) > 0
        and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items())
    )


def without_prefix(state: State, expected: Sequence[str]) -> State:
    """Return the state without the prefix before all its names, if it hides the expected ones."""
    if not expected or set(expected) & state.keys():
        return state
    prefix = next((name.removesuffix(expected[0]) for name in state if name.endswith(f".{expected[0]}")), "")
    if prefix and all(name.startswith(prefix) for name in state):
        return {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def load_into(module: nn.Module, state: State, file: str | Path) -> None:
    """Load a complete state dict into a module, converted to the module's dtypes.

    Raises:
        NetworkError: if names or shapes differ; the message lists the first few, and the module is not modified.
    """
    expected = module.state_dict()
    if differences := mismatch(_shapes(expected), _shapes(state)):
        raise NetworkError(f"'{file}' doesn't fit {type(module).__name__}: {differences}")
    # torchvision's MNASNet rejects a state dict without version metadata, which safetensors can't store.
    complete = OrderedDict(state)
    complete._metadata = expected._metadata  # type: ignore[attr-defined]
    module.load_state_dict(complete, strict=False)


def _read(file: Path) -> Any:
    try:
        if _is_safetensors(file):
            from safetensors.torch import load_file

            return load_file(file)
        return torch.load(file, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        if "GLOBAL" not in str(error):
            raise NetworkError(f"'{file}' is not a weight file, or is damaged") from error
        raise NetworkError(
            f"'{file}' contains code, which unitscope does not run; save a state dict instead, with "
            "torch.save(model.state_dict(), FILE) or safetensors.torch.save_file(model.state_dict(), FILE)"
        ) from error
    except Exception as error:  # a damaged file can make the readers raise anything
        if "TorchScript" in str(error):
            raise _program_error(file, "torch.jit.load(FILE).state_dict()") from error
        if file.suffix == ".pt2":
            raise _program_error(file, "torch.export.load(FILE).state_dict") from error
        raise NetworkError(f"'{file}' is not a weight file, or is damaged ({first_line(error)})") from error


def _program_error(file: Path, read: str) -> NetworkError:
    """Return the error for a file that holds a whole program."""
    return NetworkError(f"'{file}' holds a program, not weights; save its weights with torch.save({read}, OTHER_FILE)")


def _is_safetensors(file: Path) -> bool:
    """Return whether a file begins as safetensors do, whatever its suffix: the header's length, then JSON."""
    with file.open("rb") as opened:
        start = opened.read(9)
    return file.suffix == ".safetensors" or (
        start[8:] == b"{" and int.from_bytes(start[:8], "little") < file.stat().st_size
    )


def mismatch(expected: Shapes, given: Shapes) -> str:
    """Return the differences in names and shapes as text; empty if there are none.

    ``num_batches_tracked`` may be missing.
    """
    missing = [name for name in expected if name not in given and not name.endswith(_NOT_NEEDED)]
    unexpected = [name for name in given if name not in expected]
    shapes = [
        f"{name} is {given[name]}, not {shape}"
        for name, shape in expected.items()
        if name in given and given[name] != shape
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("wrong shape:", shapes))
    return "; ".join(f"{kind} {_few(names)}" for kind, names in kinds if names)


def _shapes(state: Mapping[str, Any]) -> Shapes:
    return {name: list(getattr(value, "shape", ())) for name, value in state.items()}


def _few(names: list[str], count: int = 3) -> str:
    shown = ", ".join(islice(names, count))
    return shown + (f" and {len(names) - count} more" if len(names) > count else "")
