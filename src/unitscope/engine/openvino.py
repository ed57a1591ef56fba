"""Compile a tapped network with OpenVINO for the CPU.

In: a module from prepared batches to logits and responses, and an example batch. Out: the same as a function, in
float32. Exports the module with its taps once more, since OpenVINO's frontend reads exported programs; uses that
frontend directly, since `openvino.convert_model` sends usage statistics.
"""

from typing import Any

import torch
from torch import Tensor, nn

from unitscope.errors import UnitscopeError, first_line
from unitscope.graph.exporting import exporting
from unitscope.graph.passes.fuse_conv import is_finite
from unitscope.graph.silence import silenced


class OpenVino:
    """A module compiled by OpenVINO for batches of one shape.

    Raises:
        UnitscopeError: if OpenVINO does not support the module, or some weights are NaN or infinite.
    """

    def __init__(self, module: nn.Module, example: Tensor) -> None:
        if not is_finite(module):
            raise UnitscopeError(
                "some weights of this network are NaN or infinite, which OpenVINO would hide; use --engine eager"
            )
        try:
            self._compiled, self._has_logits = _compile(module, example)
        except Exception as problem:  # the frontend, the compiler and the export share no base class of errors
            raise UnitscopeError(
                f"OpenVINO can't compile this network ({first_line(problem)}); use --engine eager or compile"
            ) from problem

    def __call__(self, batch: Tensor) -> tuple[Tensor | None, Tensor, *tuple[Tensor, ...]]:
        """Return logits (None if the module returns none), responses, and peaks; see `Trace.tapped`."""
        outputs = [torch.from_numpy(values) for values in self._compiled(batch.numpy()).values()]
        logits = outputs.pop(0) if self._has_logits else None
        responses, *peaks = outputs
        return logits, responses, *peaks


def _compile(module: nn.Module, example: Tensor) -> tuple[Any, bool]:
    with exporting(), silenced():
        from openvino import Core
        from openvino.frontend import FrontEndManager
        from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

        program = torch.export.export(module.eval(), (example,), strict=False).run_decompositions({})
        decoder = TorchFXPythonDecoder.from_exported_program(program)  # must outlive the conversion
        front = FrontEndManager().load_by_framework("pytorch")
        model = front.convert(front.load(decoder))
        model.reshape(list(example.shape))
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        return Core().compile_model(model, "CPU", settings), len(model.outputs) % 2 == 0
