"""Milliseconds per image: bare forward passes, the tapped network, whole scans from files; each in a fresh process.

In: networks of torchvision with random weights, real JPEG files. Out: a table, and ``RESULTS.md`` if asked for.

A scan is timed in its steady state: from the first `Progress.advanced` call (so without compiling) to the last but
three, because the last three batches were decoded while earlier ones were timed. So each timed batch pays for one
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

from benchmarks.common import THREADS, files, in_fresh_process, machine, parser, photographs, write_section

if TYPE_CHECKING:
    from torch import Tensor

    from unitscope import Network

Times = dict[str, list[tuple[float, float]]]  # for each case and round, ms an image: on the clock, of processors

BATCH = 16
WARM_UP = 2  # batches
AHEAD = 3  # batches that a scan decodes before they are timed; one less than stream's queue
CASES = {
    "eager": "bare eager forward of prepared tensors, as users run it",
    "compiled": "bare forward, torch.compile with freezing, channels_last, memory kept",
    "tapped": "the same with the means of all activations, from uint8 tensors",
    "scan-compile": "scan from JPEG files, compiled",
    "scan-eager": "scan from JPEG files, not compiled",
}
RATIOS = (("tapped", "compiled", 1.10), ("scan-compile", "eager", 0.65), ("scan-eager", "eager", None))


def main() -> None:
    """Run all cases in turn, over several rounds, and print the medians."""
    arguments = parser("speed", __doc__)
    arguments.add_argument("--networks", nargs="+", default=["resnet50", "vgg16"], help="of torchvision")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--images", type=int, default=96, help=f"timed in each case; a multiple of {BATCH}")
    arguments.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    given = arguments.parse_args()
    if given.case:
        print(json.dumps(_run_case(**given.case)))
        return
    images = max(given.images // BATCH, 1) * BATCH
    for network in given.networks:
        for times in _measure(network, given.cases, rounds=given.rounds, images=images):
            told = _table(times, images)
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
                times[case].append((result["wall"], result["cpu"]))
                took = time.perf_counter() - started
                told = f"{result['wall']:6.1f} ms an image, {result['cpu']:6.1f} of processors ({took:.0f} s in all)"
                print(f"{network} round {number + 1} {case:13} {told}", flush=True)
            yield times


def _table(times: Times, images: int) -> str:
    wall = {case: [each[0] for each in values] for case, values in times.items()}
    cpu = {case: [each[1] for each in values] for case, values in times.items()}
    rounds = len(next(iter(times.values())))
    lines = [
        machine(),
        "",
        f"Median of {rounds} round(s), {images} images in batches of {BATCH}, random weights. The time of processors, "
        "summed over the threads, suffers less from whoever else is at work"
        + (f"; OMP_WAIT_POLICY={policy}." if (policy := os.environ.get("OMP_WAIT_POLICY")) else "."),
        "",
        "| case | what | ms an image | least–greatest | ms of processors |",
        "|---|---|---:|---:|---:|",
    ]
    lines += [
        f"| `{case}` | {CASES[case]} | {median(wall[case]):.1f} | {min(wall[case]):.1f}–{max(wall[case]):.1f} "
        f"| {median(cpu[case]):.1f} |"
        for case in times
    ]
    lines += ["", "| ratio | of medians | of processors' time | aim |", "|---|---:|---:|---:|"]
    for above, below, aim in RATIOS:
        if above in times and below in times:
            ratios = [median(each[above]) / median(each[below]) for each in (wall, cpu)]
            wanted = "" if aim is None else f"≤ {aim:.2f}"
            lines.append(f"| `{above}` / `{below}` | {ratios[0]:.2f} | {ratios[1]:.2f} | {wanted} |")
    return "\n".join(lines)


def _run_case(case: str, network: str, images: int, folder: str) -> dict[str, Any]:
    """One case, in this process."""
    import torch

    from unitscope import load

    torch.set_num_threads(THREADS)
    loaded = load(f"torchvision:{network}", weights="none")
    sources = files(Path(folder))
    if case.startswith("scan-"):
        return _scan(loaded, sources, images, engine=case.removeprefix("scan-"))
    prepared = _prepared(loaded, sources)
    run = {"eager": _eager, "compiled": _compiled, "tapped": _tapped}[case](loaded, prepared)
    with torch.inference_mode():
        for _ in range(WARM_UP):
            run()
        started = _now()
        for _ in range(images // BATCH):
            run()
        return _each(started, _now(), images)


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
    compiled = torch.compile(module, dynamic=False, fullgraph=True, options={"freezing": True})
    return lambda: compiled(x)


def _tapped(network: "Network", prepared: "Tensor") -> Callable[[], Any]:
    from unitscope.engine import keep_memory, runner
    from unitscope.graph import trace

    keep_memory()
    traced = trace(network.module, network.preprocessing.size, name=network.reference)
    run = runner(network, traced, traced.layers.activations, engine="compile", batch_size=BATCH)
    return lambda: run(prepared)


def _scan(network: "Network", sources: list[Path], images: int, *, engine: str) -> dict[str, float]:
    from unitscope.scanning import Options, scan

    clock = _Clock()
    with tempfile.TemporaryDirectory() as temporary:
        places = [Path(temporary) / f"{number:05d}.jpg" for number in range(images + (1 + AHEAD) * BATCH)]
        for number, place in enumerate(places):
            place.write_bytes(sources[number % len(sources)].read_bytes())
        atlas = Path(temporary) / "atlas"
        scan(network, temporary, atlas, options=Options(engine=engine, batch_size=BATCH), progress=clock)
    return _each(clock.times[0], clock.times[-1 - AHEAD], images)


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _each(start: tuple[float, float], end: tuple[float, float], images: int) -> dict[str, float]:
    wall, cpu = (1000 * (after - before) / images for before, after in zip(start, end, strict=True))
    return {"wall": wall, "cpu": cpu}


class _Clock:
    """Notes when each batch was done."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def planned(self, plan: object, *, done: int, target: Path) -> None:
        """See `unitscope.scanning.Progress`."""

    def advanced(self, images: int) -> None:
        """See `unitscope.scanning.Progress`."""
        self.times.append(_now())

    def merging(self) -> None:
        """See `unitscope.scanning.Progress`."""


if __name__ == "__main__":
    main()
