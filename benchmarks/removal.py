"""Cost of a hundred removal settings, in plain forward passes over the same images; each case in a new process.

In: torchvision networks with random weights, real JPEG files. Out: a table, and with ``--write`` a section of
RESULTS.md.

A sweep is timed as the difference between two numbers of images, so that tracing and splitting, which are done once,
don't count; decoding and everything else does. Plain passes are timed on prepared tensors, without decoding.
"""

import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import THREADS, files, in_fresh_process, link, machine, parser, photographs, write_section

BATCH = 16
FEW, MANY = 32, 128
FRACTIONS = tuple(round(0.05 + 0.05 * step, 2) for step in range(17))  # × 2 scopes × 3 orders = 102 settings
LAYERS = {
    "vgg16": ("act:-1", "conv5_3"),
    "resnet50": ("act:-1",),
    "squeezenet1_0": ("act:-1", "features.12"),
}
AIM = 1.6


def main() -> None:
    """Run all cases in turn, over several rounds, and print the medians."""
    arguments = parser("removal", __doc__)
    arguments.add_argument("--networks", nargs="+", choices=LAYERS, default=list(LAYERS))
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    if given.case:
        print(json.dumps(_run_case(**given.case)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = str(photographs(Path(temporary)))
        cases = [(network, layer) for network in given.networks for layer in ("", *LAYERS[network])]
        times: dict[tuple[str, str], list[float]] = {case: [] for case in cases}
        for number in range(given.rounds):
            for network, layer in cases:
                arguments = {"network": network, "layer": layer, "folder": folder}
                took = in_fresh_process("benchmarks.removal", arguments)["ms"]
                times[network, layer].append(took)
                print(f"round {number + 1} {network:14} {layer or 'plain':12} {took:8.1f} ms an image", flush=True)
    text = _table(times, given.rounds)
    if given.write:
        write_section("Removal", text)
    print(f"\n{text}")


def _table(times: dict[tuple[str, str], list[float]], rounds: int) -> str:
    settings = 6 * len(FRACTIONS)
    lines = [
        machine(),
        "",
        f"Median of {rounds} round(s), batches of {BATCH}, random weights, {settings} settings in one call (2 scopes, "
        f"3 orders, {len(FRACTIONS)} fractions). One by one they would take {settings + 1} plain passes.",
        "",
        "| network | layer | a plain pass, ms an image | all settings, ms an image | in plain passes | aim |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for (network, layer), found in times.items():
        if layer:
            plain, sweep = median(times[network, ""]), median(found)
            aim = f"≤ {AIM}" if layer == "act:-1" else ""
            lines.append(f"| {network} | `{layer}` | {plain:.1f} | {sweep:.1f} | {sweep / plain:.2f} | {aim} |")
    return "\n".join(lines)


def _run_case(network: str, layer: str, folder: str) -> dict[str, Any]:
    import torch

    from unitscope import load
    from unitscope.engine import tune_allocator

    torch.set_num_threads(THREADS)
    tune_allocator()  # for the plain passes too, so that the allocator does not affect the comparison
    loaded = load(f"torchvision:{network}", weights="none")
    sources = files(Path(folder))
    if not layer:
        return {"ms": _plain(loaded, sources)}
    with tempfile.TemporaryDirectory() as temporary:
        times = {}
        for count in (FEW, MANY):
            images = link(sources, Path(temporary) / str(count), count)
            times[count] = min(_sweep(loaded, images, layer) for _ in range(2))
    return {"ms": 1000 * (times[MANY] - times[FEW]) / (MANY - FEW)}


def _plain(network: Any, sources: list[Path]) -> float:
    import torch

    from unitscope.images import decode

    prepared = torch.stack([network.preprocessing.prepare(decode(path)) for path in sources[:BATCH]])
    x = network.preprocessing.normalize(prepared)
    with torch.inference_mode():
        network.module(x)
        started = time.perf_counter()
        for _ in range((MANY - FEW) // BATCH):
            network.module(x)
    return 1000 * (time.perf_counter() - started) / (MANY - FEW)


def _sweep(network: Any, images: Path, layer: str) -> float:
    from unitscope import AblationGrid, RunOptions, ablate

    started = time.perf_counter()
    settings = AblationGrid([layer], FRACTIONS, orders=("low", "high", "random"))
    ablate(network, images, settings, options=RunOptions(BATCH))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
