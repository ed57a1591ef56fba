"""Read weight files without running code from them, and load them into a module.

In: a safetensors file, or one that `torch.load(weights_only=True)` can read. Out: tensors by name, or a module whose
weights match the file exactly. Independent of references, origins and downloads.
"""

import pickle
import re
from collections import OrderedDict
from collections.abc import Mapping
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
_PREFIXES = re.compile(r"^(?:module\.|_orig_mod\.)+")


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


def read_state_dict(file: Path) -> State:
    """Return the tensors in a file by name, on the CPU, without wrapping dicts and prefixes of DataParallel.

    Raises:
        NetworkError: if there is no such file, it is damaged, can't be read without running code, or has no state dict.
    """
    content = _read(require_file(file))
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise NetworkError(f"'{file}' has no state dict; save one with torch.save(model.state_dict(), FILE)")
    return {_PREFIXES.sub("", name).replace("._orig_mod.", "."): value for name, value in content.items()}


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
        if file.suffix == ".safetensors":
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
        raise NetworkError(f"'{file}' is not a weight file, or is damaged ({first_line(error)})") from error


def mismatch(expected: Shapes, given: Shapes) -> str:
    """Return the differences in names and shapes as text; empty if there are none.

    ``num_batches_tracked`` may be missing, since older files don't have it and evaluation doesn't use it.
    """
    missing = [name for name in expected if name not in given and not name.endswith("num_batches_tracked")]
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
