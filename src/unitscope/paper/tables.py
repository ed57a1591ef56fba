"""The paper's tables on the cases of a report.

In: cases. Out: `Table` values: a data frame, what it is, what the reader must know; `Missing` where there is none.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from unitscope.analyses.ablation import Ablation
from unitscope.analyses.similarity import similarity
from unitscope.analyses.statistics import wilson
from unitscope.analyses.subjects import find_subject
from unitscope.graph import device_of
from unitscope.networks import Network, eval_mode
from unitscope.networks.cards import read_card
from unitscope.paper import values
from unitscope.paper.cases import Case

CLASSES_OF_TABLE_3 = 12
_TIMED, _BATCH = 5, 8


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table of the report: file name, title, rows, and notes for the reader."""

    name: str
    title: str
    rows: pd.DataFrame
    note: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """What can't be had here, and why."""

    title: str
    reason: str


def parameters(cases: Sequence[Case]) -> Table:
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


def errors(cases: Sequence[Case]) -> Table:
    """Return Table 2: depth, size, error and time of an image."""
    rows = []
    for case in cases:
        right = {} if case.atlas is None else case.atlas.manifest.accuracy
        paper = values.TABLE_2.get(values.row_of(_architecture(case)), (None,) * 5)
        rows.append(
            {
                "network": case.name,
                "layers with weights": sum(layer.kind in ("convolution", "linear") for layer in case.trace.layers),
                "activation layers": len(case.trace.layers.activations),
                "parameters (M)": round(case.network.parameter_count / 1e6, 1),
                "images": right.get("images"),
                "Top-1 error %": _error(right, "top1"),
                "Top-5 error %": _error(right, "top5"),
                "ms per image": round(milliseconds(case.network), 1),
                "paper: layers": paper[0],
                "paper: Top-1 error %": paper[2],
                "paper: Top-5 error %": paper[3],
                "paper: ms": paper[4],
            }
        )
    note = (
        f"Errors with Wilson's 95 % intervals. Time: the plain forward pass in batches of {_BATCH} on "
        f"{torch.get_num_threads()} threads of this machine, the least of {_TIMED}; the paper's were taken on a K80. "
        "Untrained networks have no error."
    )
    return Table("table-2", "Table 2. Depth, error and time", _whole(pd.DataFrame(rows)), note)


def cosines(case: Case) -> "tuple[Table, np.ndarray, list[str]] | Missing":
    """Return Table 3: the cosine between images of twelve classes at the last convolution, one image a class."""
    title = f"Table 3. Cosine between images: {case.name}"
    if case.atlas is None:
        return Missing(title, _why(case))
    chosen = _twelve(case)
    if len(chosen) < 2:
        return Missing(title, f"the images of '{case.atlas.root}' have fewer than two classes")
    subjects = [find_subject(case.atlas, image, case.last) for _, image in chosen]
    names = [name for name, _ in chosen]
    found = similarity(subjects)
    rows = pd.DataFrame(found.matrix.round(3), columns=names)
    rows.insert(0, "class", names)
    note = f"{case.last.name}, {case.last.units} units; one image a class, the first: {_listed(chosen)}. " + _compared(
        names, found.matrix
    )
    return Table(f"table-3-{case.name}", title, rows, note), found.matrix, names


def removal(cases: Sequence[tuple[Case, Ablation | Missing]]) -> list[Table | Missing]:
    """Return Tables 4 and 5, each with what removal of the highest and of random units does."""
    tables: list[Table | Missing] = []
    for number, scope, fraction, paper, what in (
        (4, "image", 0.2, values.TABLE_4, "each image loses its own lowest 20 % of the last convolution's units"),
        (5, "dataset", 0.1, values.TABLE_5, "all images lose the lowest 10 %, by the means over the data set"),
    ):
        rows = [
            row
            for case, found in cases
            if isinstance(found, Ablation)
            for row in _removal_rows(case, found, scope, fraction, paper)
        ]
        title = f"Table {number}. Removal: {what}"
        note = (
            "Counts in brackets; intervals are Wilson's, 95 %; p is McNemar's exact test of Top-1 before and after "
            "on the same images. The paper removed about 100 and 400 units by image, 50 and 200 by data set."
        )
        if rows:
            tables.append(Table(f"table-{number}", title, _whole(pd.DataFrame(rows)), note))
        else:
            tables.append(Missing(title, "; ".join(m.reason for _, m in cases if isinstance(m, Missing))))
    return tables


def milliseconds(network: Network) -> float:
    """Return the least time of a plain forward pass, in milliseconds an image."""
    rows, columns = network.preprocessing.size
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(_BATCH, 3, rows, columns, generator=generator).to(device_of(network.module))
    times = []
    with eval_mode(network.module), torch.inference_mode():
        for _ in range(_TIMED + 1):
            started = time.perf_counter()
            network.module(batch)
            times.append(time.perf_counter() - started)
    return 1000 * min(times[1:]) / _BATCH


def _architecture(case: Case) -> str:
    """The reference behind a card, so that a card of VGG-16 stands beside the paper's VGG-16."""
    reference = case.network.reference
    return read_card(Path(reference)).network if reference.endswith(".toml") else reference


def _removal_rows(
    case: Case, found: Ablation, scope: str, fraction: float, paper: Mapping[str, tuple[float, float, float, float]]
) -> list[dict[str, object]]:
    rows = []
    before = found.baseline.to_dict()
    for outcome in found.outcomes:
        gone = outcome.removed
        if (gone.scope, gone.fraction) != (scope, fraction):
            continue
        after = outcome.score.to_dict()
        known = paper.get(values.row_of(_architecture(case))) if gone.order == "low" else None
        rows.append(
            {
                "network": case.name,
                "units": f"{gone.order}{'est' if gone.order != 'random' else ''} {gone.count} of {gone.units}",
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


def _error(right: dict[str, int], name: str) -> str:
    if not right:
        return "–"
    wrong = right["images"] - right[f"{name}_correct"]
    low, high = wilson(wrong, right["images"])
    return f"{100 * wrong / right['images']:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def _twelve(case: Case) -> list[tuple[str, str]]:
    """Twelve classes with the first readable image of each: the paper's where there are such, then evenly spaced."""
    assert case.atlas is not None
    images = case.atlas.images.query("error == ''")
    first: dict[str, str] = {}
    for image, names in zip(images["image"], images["label_names"], strict=True):
        for name in names:
            first.setdefault(str(name), str(image))
    wanted = [name for name in dict.fromkeys(name for pair in values.TABLE_3 for name in pair) if name in first]
    others = [name for name in first if name not in wanted]
    missing = min(CLASSES_OF_TABLE_3 - len(wanted), len(others))
    spaced = [others[place * len(others) // missing] for place in range(missing)]
    return [(name, first[name]) for name in [*wanted, *spaced]]


def _compared(names: Sequence[str], matrix: np.ndarray) -> str:
    pairs = [
        f"{one}–{other} {matrix[names.index(one), names.index(other)]:.2f} (paper's VGG-16: {cosine})"
        for (one, other), cosine in values.TABLE_3.items()
        if one in names and other in names
    ]
    return "Pairs that the paper names: " + "; ".join(pairs) + "." if pairs else "None of the paper's pairs is here."


def _listed(chosen: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({image})" for name, image in chosen)


def _why(case: Case) -> str:
    if not case.trained:
        return f"{case.name} is untrained ({case.network.weights})"
    return f"there are no images for {case.name}"


def _whole(table: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers stay whole where some are missing."""
    return table.convert_dtypes()
