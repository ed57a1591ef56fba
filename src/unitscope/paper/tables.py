"""The paper's tables for the networks of a report.

In: networks. Out: `Table` values: a data frame, its title, notes for the reader.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from unitscope import figures
from unitscope.analyses.ablation import Ablation
from unitscope.analyses.image_groups import image_group
from unitscope.analyses.similarity import similarity
from unitscope.analyses.statistics import wilson
from unitscope.errors import UnitscopeError
from unitscope.graph import device_of
from unitscope.networks import Network, eval_mode
from unitscope.networks.cards import read_card
from unitscope.paper import published_values as values
from unitscope.paper.networks import ReportNetwork, Scanned
from unitscope.paper.report_items import Missing, Picture, Table

CLASSES_OF_TABLE_3 = 12
_TIMED, _BATCH = 5, 8


def parameters(cases: Sequence[ReportNetwork]) -> Table:
    """Return Table 1: the size of the networks."""
    rows = []
    for case in cases:
        count = case.network.parameter_count
        paper = values.TABLE_1.get(values.row_of(_architecture(case)), (None, None))
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
        paper = values.TABLE_2.get(values.row_of(_architecture(case)), (None,) * 5)
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


def cosines(case: ReportNetwork) -> tuple[Table, Picture]:
    """Return Table 3, as a table and as a heat map: the cosine between images of twelve classes, one image per class.

    Raises:
        UnitscopeError: if there are no images, or images of fewer than two classes.
    """
    chosen = _classes_of_table_3(case)
    if len(chosen) < 2:
        raise UnitscopeError(f"the readable images in '{case.atlas.root}' have fewer than two classes")
    names = [name for name, _ in chosen]
    found = similarity([image_group(case.atlas, image, case.last) for _, image in chosen])
    rows = pd.DataFrame(found.matrix.round(3), columns=names)
    rows.insert(0, "class", names)
    note = f"{case.last.name}, {case.last.units} units; the first image of each class: {_listed(chosen)}. " + _compared(
        names, found.matrix
    )
    table = Table(f"table-3-{case.name}", title_of_cosines(case), rows, note)
    title = f"{table.title}, as a heat map"
    return table, Picture(f"{table.name}-map", title, figures.similarity(found.matrix, names, title=table.title))


def title_of_cosines(case: ReportNetwork) -> str:
    """Return the title of a network's Table 3."""
    return f"Table 3. Cosine between images: {case.name}"


def removal(cases: Sequence[tuple[ReportNetwork, Ablation | Missing]]) -> list[Table | Missing]:
    """Return Tables 4 and 5, which also show the removal of the highest and of random units."""
    missing = "; ".join(f"{case.name}: {found.reason}" for case, found in cases if isinstance(found, Missing))
    note = (
        "Counts in brackets; intervals are Wilson's, 95 %; p is McNemar's exact test of Top-1 before and after on the "
        "same images. Highest and random units are shown for comparison. The paper removed about 100 and 400 of the "
        f"lowest by image, 50 and 200 by data set.{f' Left out: {missing}.' * bool(missing)}"
    )
    tables: list[Table | Missing] = []
    for number, scope, fraction, paper, what in (
        (4, "image", 0.2, values.TABLE_4, "the lowest 20 % of the last convolution's units, ranked for each image"),
        (5, "dataset", 0.1, values.TABLE_5, "the lowest 10 % by the means over all images, the same for every image"),
    ):
        rows = [
            row
            for case, found in cases
            if isinstance(found, Ablation)
            for row in _removal_rows(case, found, scope, fraction, paper)
        ]
        title = f"Table {number}. Removal: {what}"
        table = Table(f"table-{number}", title, _whole(pd.DataFrame(rows)), note) if rows else Missing(title, missing)
        tables.append(table)
    return tables


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


def _architecture(case: ReportNetwork) -> str:
    """Return the reference behind a card, so that a card of VGG-16 is compared with the paper's VGG-16."""
    reference = case.network.reference
    return read_card(Path(reference)).network if reference.endswith(".toml") else reference


def _removal_rows(
    case: ReportNetwork,
    found: Ablation,
    scope: str,
    fraction: float,
    paper: Mapping[str, tuple[float, float, float, float]],
) -> list[dict[str, object]]:
    rows = []
    before = found.baseline.to_dict()
    for outcome in found.outcomes:
        setting = outcome.setting
        order = f"{setting.order}{'est' if setting.order != 'random' else ''}"
        if (setting.scope, setting.fraction) != (scope, fraction):
            continue
        after = outcome.score.to_dict()
        known = paper.get(values.row_of(_architecture(case))) if setting.order == "low" else None
        rows.append(
            {
                "network": case.name,
                "units": f"{order} {setting.count} of {setting.units}",
                "Top-1 before": _share(before, "top1"),
                "Top-1 after": _share(after, "top1"),
                "interval": "{:.3f}–{:.3f}".format(*after["top1_interval"]),
                "gained": int(outcome.gained.sum()),
                "lost": int(outcome.lost.sum()),
                "p": f"{outcome.p_value:.3g}",
                "Top-5 before": _share(before, "top5"),
                "Top-5 after": _share(after, "top5"),
                "paper: Top-1": f"{known[0]} → {known[1]}" if known else "",
                "paper: Top-5": f"{known[2]} → {known[3]}" if known else "",
            }
        )
    return rows


def _share(values_: dict[str, float], name: str) -> str:
    return f"{values_[name]:.4f} ({values_[f'{name}_correct']})"


def _error(accuracy: dict[str, int], name: str) -> str:
    if not accuracy:
        return "–"
    wrong = accuracy["images"] - accuracy[f"{name}_correct"]
    low, high = wilson(wrong, accuracy["images"])
    return f"{100 * wrong / accuracy['images']:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def _classes_of_table_3(case: ReportNetwork) -> list[tuple[str, str]]:
    """Return twelve classes with the first readable image of each: the paper's, if present, then evenly spaced ones."""
    images = case.atlas.images.query("error == ''")
    first: dict[str, str] = {}
    for image, names in zip(images["image"], images["label_names"], strict=True):
        for name in names:
            first.setdefault(str(name), str(image))
    wanted = [name for name in dict.fromkeys(name for pair in values.TABLE_3 for name in pair) if name in first]
    others = [name for name in first if name not in wanted]
    missing = min(CLASSES_OF_TABLE_3 - len(wanted), len(others))
    spaced = [others[index * len(others) // missing] for index in range(missing)]
    return [(name, first[name]) for name in [*wanted, *spaced]]


def _compared(names: Sequence[str], matrix: np.ndarray) -> str:
    pairs = [
        f"{one}–{other} {matrix[names.index(one), names.index(other)]:.2f} (paper's VGG-16: {cosine})"
        for (one, other), cosine in values.TABLE_3.items()
        if one in names and other in names
    ]
    return "Pairs that the paper names: " + "; ".join(pairs) + "." if pairs else "None of the paper's pairs was found."


def _listed(chosen: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({image})" for name, image in chosen)


def _whole(table: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose integer columns stay integers even where values are missing."""
    return table.convert_dtypes()
