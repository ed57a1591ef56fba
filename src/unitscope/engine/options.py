"""Choose engine and precision, and check that they are available.

In: names from the user. Out: an `Engine` and a `Precision`, or an error that says what to use instead.
"""

import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal, cast

import torch

from unitscope.errors import UnitscopeError
from unitscope.graph import Trace

Engine = Literal["eager", "compile", "openvino"]
Precision = Literal["float32", "tf32", "bf16"]
ENGINES = ("auto", "eager", "compile", "openvino")
PRECISIONS = ("float32", "tf32", "bf16")
# Compiling takes 20 to 50 s. On a CPU it saves up to an eighth of the eager engine's time (docs/speed.md). On a GPU,
# where an image takes less than a millisecond, the number is estimated, not measured.
IMAGES_WORTH_COMPILING = {"cpu": 10_000, "cuda": 300_000}


def check_known(what: str, name: str, known: Sequence[str]) -> None:
    """Check that a name is one of the known names.

    Raises:
        UnitscopeError: if it is not; the message lists the known names.
    """
    if name not in known:
        raise UnitscopeError(f"no {what} '{name}'; choose one of {', '.join(known)}")


def choose_engine(engine: str, *, images: int, trace: Trace, device: str = "cpu") -> Engine:
    """Return the engine with this name, or choose one for ``auto``.

    Raises:
        UnitscopeError: if the name is unknown, or the engine is not available.
    """
    check_known("engine", engine, ENGINES)
    if engine == "auto":
        worth = (
            images >= IMAGES_WORTH_COMPILING["cuda" if device.startswith("cuda") else "cpu"]
            and not trace.fallback_reason
            and _compiler()
        )
        return "compile" if worth else "eager"
    if engine != "eager" and trace.fallback_reason:
        raise UnitscopeError(f"nothing to compile: {trace.fallback_reason}; use --engine eager")
    if engine == "compile" and not _compiler():
        raise UnitscopeError(
            "--engine compile needs a C++ compiler (g++ or clang++); install one or use --engine eager"
        )
    if engine == "openvino" and not device.startswith("cpu"):
        raise UnitscopeError(f"--engine openvino runs on the CPU only, not on '{device}'; use --engine compile there")
    if engine == "openvino" and find_spec("openvino") is None:
        raise UnitscopeError("--engine openvino needs OpenVINO; install it with pip install 'unitscope[openvino]'")
    return cast("Engine", engine)


def choose_precision(precision: str, *, engine: Engine, device: str = "cpu") -> Precision:
    """Return the precision with this name.

    Raises:
        UnitscopeError: if the name is unknown, or the device or the engine does not support it.
    """
    check_known("precision", precision, PRECISIONS)
    if precision == "tf32" and not device.startswith("cuda"):
        raise UnitscopeError(f"--precision tf32 is for NVIDIA GPUs, not for '{device}'; use float32 or bf16")
    if precision == "bf16" and engine == "openvino":
        raise UnitscopeError(
            "--engine openvino runs in float32 only; use --engine eager or compile with --precision bf16"
        )
    if precision == "bf16" and not _has_bf16(device):
        raise UnitscopeError(f"'{device}' does not support bf16 natively, so bf16 would be slower; use float32")
    return cast("Precision", precision)


def _compiler() -> bool:
    return any(shutil.which(name) for name in ("g++", "clang++", "c++"))


def _has_bf16(device: str) -> bool:
    if device.startswith("cuda"):
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(device.startswith("cpu") and torch.ops.mkldnn._is_mkldnn_bf16_supported())
