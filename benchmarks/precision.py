"""Effect of lower precision and other decoders on responses, exemplars and accuracy of trained networks.

In: trained weights and photographs next to the checkout. Out: a table, and with ``--write`` a section of RESULTS.md.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common import HERE, SAMPLE, machine, parser, write_section

if TYPE_CHECKING:
    from unitscope.atlas import Atlas

NETWORKS = {
    "SqueezeNet": str(HERE.parent / "examples" / "squeezenet.toml"),
    "EfficientNet-Lite0": "package:efficientnet-lite0",
}
CASES: dict[str, dict[str, Any]] = {
    "float32, engine eager": {"engine": "eager"},
    "float32, engine compile": {"engine": "compile"},
    "float32, engine openvino": {"engine": "openvino"},
    "bf16, engine eager": {"engine": "eager", "precision": "bf16"},
    "bf16, engine compile": {"engine": "compile", "precision": "bf16"},
    "decoder torchcodec": {"engine": "eager", "decoder": "torchcodec"},
}


def main() -> None:
    """Scan the sample with each setting and print the differences from the first."""
    arguments = parser("precision", __doc__)
    arguments.add_argument("--limit", type=int, default=None)
    given = arguments.parse_args()
    lines = [
        machine(),
        "",
        "Compared with the first row: the largest difference of a response, relative to its layer's maximum; the share "
        "of exemplars (k = 9, without dead units) that are different images; correct predictions.",
        "",
        "| network | how | responses | other exemplars | Top-1 | Top-5 | of |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for name, reference in NETWORKS.items():
        lines += _rows(name, reference, given.limit)
    print("\n".join(lines))
    if given.write:
        write_section("Precision", "\n".join(lines))


def _rows(name: str, reference: str, limit: int | None) -> list[str]:
    import unitscope

    network, rows, first = unitscope.load(reference), [], None
    with tempfile.TemporaryDirectory() as temporary:
        for case, chosen in CASES.items():
            options = unitscope.ScanOptions(limit=limit, **chosen)
            atlas = unitscope.scan(network, SAMPLE, Path(temporary) / case, options=options).atlas
            first = first or atlas
            accuracy = atlas.manifest.accuracy
            moved, others = _distance(first, atlas)
            rows.append(
                f"| {name} | {case} | {moved:.1e} | {100 * others:.2f} % | {accuracy['top1_correct']} "
                f"| {accuracy['top5_correct']} | {accuracy['images']} |"
            )
            print(rows[-1], flush=True)
    return rows


def _distance(first: "Atlas", other: "Atlas") -> tuple[float, float]:
    import numpy as np

    moved = max(
        float(
            np.nanmax(np.abs(other.responses(layer) - first.responses(layer)))
            / np.nanmax(np.abs(first.responses(layer)))
        )
        for layer in first.layers
    )
    alive = ~first.units["dead"].to_numpy()
    before, after = (atlas.dataset["top_images"].to_numpy()[:, alive] for atlas in (first, other))
    same = (before[:, None] == after[None]).any(0)
    return moved, 1 - float(same.mean())


if __name__ == "__main__":
    main()
