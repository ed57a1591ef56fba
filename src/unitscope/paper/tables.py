"""The paper's tables for the networks of a report.

In: networks. Out: `Table` values: a data frame, its title, notes for the reader.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from unitscope.analyses.statistics import wilson
from unitscope.graph import device_of
from unitscope.networks import Network, eval_mode
from unitscope.paper import published_values as values
from unitscope.paper.networks import ReportNetwork, Scanned
from unitscope.paper.report_items import Table

_TIMED, _BATCH = 5, 8


def parameters(cases: Sequence[ReportNetwork]) -> Table:
    """Return Table 1: the size of the networks."""
    rows = []
    for case in cases:
        count = case.network.parameter_count
        paper = values.TABLE_1.get(case.architecture, (None, None))
        rows.append(
            {
                "network": case.name,
                "weights": Path(case.network.weights).name,
                "parameters": count,
                "MB (float32)": round(count * 4 / 2**20, 1),
                "paper: parameters": paper[0],
                "paper: MB": paper[1],
            }
        )
    note = "The paper counts Keras's trainable parameters; Keras's ResNet-50 has biases before its batch norms."
    return Table("table-1", "Table 1. Size of the networks", _whole(pd.DataFrame(rows)), note)


def errors(cases: Sequence[ReportNetwork]) -> Table:
    """Return Table 2: depth, size, error and time per image."""
    rows = []
    for case in cases:
        accuracy = case.atlas.manifest.accuracy if isinstance(case.images_scan, Scanned) else {}
        paper = values.TABLE_2.get(case.architecture, (None,) * 5)
        rows.append(
            {
                "network": case.name,
                "layers with weights": sum(layer.kind in ("convolution", "linear") for layer in case.layers),
                "activation layers": len(case.layers.activations),
                "parameters (M)": round(case.network.parameter_count / 1e6, 1),
                "images": accuracy.get("images"),
                "Top-1 error %": _error(accuracy, "top1"),
                "Top-5 error %": _error(accuracy, "top5"),
                "ms per image": round(milliseconds(case.network), 1),
                "paper: layers": paper[0],
                "paper: Top-1 error %": paper[2],
                "paper: Top-5 error %": paper[3],
                "paper: ms": paper[4],
            }
        )
    devices = {str(device_of(case.network.module)) for case in cases}
    where = f"{torch.get_num_threads()} threads of this machine" if devices == {"cpu"} else ", ".join(sorted(devices))
    note = (
        "Layers with weights are all convolutions and fully connected layers, including those on shortcuts, which the "
        "paper leaves out: of ResNet-50's 54 it counts 50. Errors with Wilson's 95 % intervals; none for a network "
        "that is untrained or has no images of its classes. Time: the plain forward pass in batches of "
        f"{_BATCH} on {where}, the fastest of {_TIMED}; the paper's were measured on a K80."
    )
    return Table("table-2", "Table 2. Depth, error and time", _whole(pd.DataFrame(rows)), note)


def milliseconds(network: Network) -> float:
    """Return the least time of a plain forward pass on the network's device, in milliseconds per image."""
    (rows, columns), device = network.preprocessing.size, device_of(network.module)
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(_BATCH, 3, rows, columns, generator=generator).to(device)
    times = []
    with eval_mode(network.module), torch.inference_mode():
        for _ in range(_TIMED + 1):
            started = time.perf_counter()
            network.module(batch)
            _finish(device)
            times.append(time.perf_counter() - started)
    return 1000 * min(times[1:]) / _BATCH


def _finish(device: torch.device) -> None:
    """Wait for a device to finish its queued work; on a CPU there is none."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _error(accuracy: dict[str, int], name: str) -> str:
    if not accuracy:
        return "–"
    wrong = accuracy["images"] - accuracy[f"{name}_correct"]
    low, high = wilson(wrong, accuracy["images"])
    return f"{100 * wrong / accuracy['images']:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def _whole(table: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose integer columns stay integers even where values are missing."""
    return table.convert_dtypes()
