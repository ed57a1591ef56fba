"""Milliseconds per image: bare forward passes, what people do today, whole scans from files; each in a fresh process.

In: networks of torchvision with random weights, real JPEG files. Out: a table, and ``RESULTS.md`` if asked for.
Peers (`benchmarks.peers`) are skipped with a word where they are not installed.

What reads files is timed in its steady state: without the first batches (so without compiling), as the bare passes are,
and without the last ones, because those were decoded while earlier ones were timed. So each timed batch pays for one
batch of decoding.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import peers
from benchmarks.common import (
    THREADS,
    each,
    files,
    in_fresh_process,
    machine,
    now,
    parser,
    peak_mib,
    photographs,
    write_section,
)

if TYPE_CHECKING:
    from torch import Tensor

    from unitscope import Network

Times = dict[str, list[dict[str, float]]]  # for each case and round: wall, cpu (ms an image), mib, waiting

BATCH = 16
WARM_UP = 2  # batches
AHEAD = 3  # batches that a scan decodes before they are timed; one less than stream's queue
SHARD = 64  # images: small, so that shards are summarised and written while others are timed
CASES = {
    "eager": "bare eager forward of prepared tensors, as users run it",
    "compiled": "bare forward, torch.compile with freezing, channels_last, memory kept",
    "tapped": "the same with the means of all activations, from uint8 tensors",
    **peers.CASES,
    "scan-eager": "unitscope scan from JPEG files, engine eager",
    "scan-compile": "the same, engine compile",
    "scan-openvino": "the same, engine openvino",
    "scan-bf16": "the same, engine compile, precision bf16",
}
AIMS = {  # of the whole against a bare eager forward pass
    "resnet50": {"scan-compile": 0.55, "scan-eager": 0.65},
    "vgg16": {"scan-compile": 0.78},
}


def main() -> None:
    """Run all cases in turn, over several rounds, and print the medians."""
    arguments = parser("speed", __doc__)
    arguments.add_argument("--networks", nargs="+", default=["resnet50", "vgg16"], help="of torchvision")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--images", type=int, default=192, help=f"timed in each case; a multiple of {BATCH}")
    arguments.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    given = arguments.parse_args()
    if given.case:
        print(json.dumps(_run_case(**given.case)))
        return
    images = max(given.images // BATCH, 1) * BATCH
    for network in given.networks:
        for times in _measure(network, given.cases, rounds=given.rounds, images=images):
            told = _table(network, times, images)
            if given.write:
                write_section(f"Speed: {network}", told)
        print(f"\n{network}\n\n{told}")


def _measure(network: str, cases: list[str], *, rounds: int, images: int) -> Iterator[Times]:
    """Yield what is known after each round."""
    times: Times = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as temporary:
        folder = str(photographs(Path(temporary)))
        for number in range(rounds):
            for case in cases:
                started = time.perf_counter()
                result = in_fresh_process(
                    "benchmarks.speed", {"case": case, "network": network, "images": images, "folder": folder}
                )
                took = time.perf_counter() - started
                if reason := result.get("skipped"):
                    print(f"{network} round {number + 1} {case:13} skipped: {reason}", flush=True)
                    continue
                times[case].append(result)
                told = f"{result['wall']:6.1f} ms an image, {result['cpu']:6.1f} of processors ({took:.0f} s in all)"
                print(f"{network} round {number + 1} {case:13} {told}", flush=True)
            yield {case: each for case, each in times.items() if each}


def _table(network: str, times: Times, images: int) -> str:
    middle = {case: {key: median(each[key] for each in rounds) for key in rounds[0]} for case, rounds in times.items()}
    rounds = len(next(iter(times.values())))
    lines = [
        machine(),
        "",
        f"Median of {rounds} round(s), {images} images in batches of {BATCH}, random weights. The time of processors, "
        "summed over the threads, suffers less from whoever else is at work"
        + (f"; OMP_WAIT_POLICY={policy}." if (policy := os.environ.get("OMP_WAIT_POLICY")) else "."),
        "",
        "| case | what | ms an image | least–greatest | of `eager` | ms of processors | peak MiB | waiting |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for case, found in middle.items():
        wall = [each["wall"] for each in times[case]]
        share = f"{found['wall'] / middle['eager']['wall']:.2f}" if "eager" in middle else ""
        waiting = f"{100 * found['waiting']:.0f} %" if "waiting" in found else ""
        lines.append(
            f"| `{case}` | {CASES[case]} | {found['wall']:.1f} | {min(wall):.1f}–{max(wall):.1f} | {share} "
            f"| {found['cpu']:.1f} | {found['mib']:,.0f} | {waiting} |"
        )
    ratios = [("tapped", "compiled", 1.05), ("scan-compile", "compiled", 1.15)]
    ratios += [(case, "eager", aim) for case, aim in AIMS.get(network, {}).items()]
    ratios += [("scan-openvino", "eager", None), ("scan-compile", "loop", None), ("semanticlens", "scan-compile", None)]
    lines += ["", "| ratio | of medians | of processors' time | aim |", "|---|---:|---:|---:|"]
    for above, below, aim in ratios:
        if above in middle and below in middle:
            found = [middle[above][key] / middle[below][key] for key in ("wall", "cpu")]
            wanted = "" if aim is None else f"≤ {aim:.2f}"
            lines.append(f"| `{above}` / `{below}` | {found[0]:.2f} | {found[1]:.2f} | {wanted} |")
    return "\n".join(lines)


def _run_case(case: str, network: str, images: int, folder: str) -> dict[str, Any]:
    """One case, in this process."""
    import torch

    from unitscope import load

    torch.set_num_threads(THREADS)
    if reason := peers.missing(case):
        return {"skipped": reason}
    loaded = load(f"torchvision:{network}", weights="none")
    sources = files(Path(folder))
    if case in peers.CASES:
        timed = min(images, 2 * BATCH) if case in peers.SLOW else images
        found = peers.run(case, loaded, sources, images=timed, batch=BATCH)
    elif case.startswith("scan-"):
        found = _scan(loaded, sources, images, case.removeprefix("scan-"))
    else:
        found = _bare(case, loaded, sources, images)
    return {**found, "mib": peak_mib()}


def _bare(case: str, loaded: "Network", sources: list[Path], images: int) -> dict[str, float]:
    import torch

    prepared = _prepared(loaded, sources)
    run = {"eager": _eager, "compiled": _compiled, "tapped": _tapped}[case](loaded, prepared)
    with torch.inference_mode():
        for _ in range(WARM_UP):
            run()
        started = now()
        for _ in range(images // BATCH):
            run()
        return each(started, now(), images)


def _prepared(network: "Network", sources: list[Path]) -> "Tensor":
    import torch

    from unitscope.images import decode

    return torch.stack([network.preprocessing.prepare(decode(path)) for path in sources[:BATCH]])


def _eager(network: "Network", prepared: "Tensor") -> Callable[[], Any]:
    x = network.preprocessing.normalize(prepared)
    return lambda: network.module(x)


def _compiled(network: "Network", prepared: "Tensor") -> Callable[[], Any]:
    import torch

    from unitscope.engine import keep_memory

    keep_memory()
    x = network.preprocessing.normalize(prepared).contiguous(memory_format=torch.channels_last)
    module = network.module.to(memory_format=torch.channels_last)
    torch._inductor.config.freezing = True  # for good, in this process: as an option it misses the weights
    compiled = torch.compile(module, dynamic=False, fullgraph=True)
    return lambda: compiled(x)


def _tapped(network: "Network", prepared: "Tensor") -> Callable[[], Any]:
    from unitscope.engine import keep_memory, runner
    from unitscope.graph import trace

    keep_memory()
    traced = trace(network.module, network.preprocessing.size, name=network.reference)
    run = runner(network, traced, traced.layers.activations, engine="compile", batch_size=BATCH)
    return lambda: run(prepared)


def _scan(network: "Network", sources: list[Path], images: int, how: str) -> dict[str, float]:
    from unitscope.scanning import Options, scan

    clock = _Clock()
    chosen = {"engine": "compile", "precision": "bf16"} if how == "bf16" else {"engine": how}
    with tempfile.TemporaryDirectory() as temporary:
        folder = peers.copies(sources, Path(temporary) / "images", images + (WARM_UP + AHEAD) * BATCH)
        options = Options(batch_size=BATCH, shard_size=SHARD, **chosen)
        result = scan(network, folder, Path(temporary) / "atlas", options=options, progress=clock)
    return {**each(clock.times[WARM_UP - 1], clock.times[-1 - AHEAD], images), "waiting": result.waited}


class _Clock:
    """Notes when each batch was done."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def planned(self, plan: object, *, done: int, target: Path) -> None:
        """See `unitscope.scanning.Progress`."""

    def advanced(self, images: int) -> None:
        """See `unitscope.scanning.Progress`."""
        self.times.append(now())

    def merging(self) -> None:
        """See `unitscope.scanning.Progress`."""


if __name__ == "__main__":
    main()
