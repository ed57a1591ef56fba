"""Compare a device with the CPU: how close its results are, and how fast it is.

In: a device, networks with random weights, real JPEG files. Out: a table, and with ``--write`` a section of RESULTS.md.

A scan is timed from the end of its first shard to its last part, so that tracing, compiling, warm-up and merging don't
count. Removal is timed as the difference between two numbers of images. The files are in the system's cache.
"""

import itertools
import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import Silent, files, in_fresh_process, link, machine, parser, photographs, write_section

ON_CPU, SCANNED, SHARD = 2048, 8192, 512  # images of a scan
BEFORE, FEW, MANY, ALIKE = 256, 512, 2560, 64  # images of removal; the first run is for warm-up
CASES = {
    "plain": "eager forward of prepared tensors, as users run it, batches of 128",
    "eager": "scan from JPEG files, all activation layers",
    "compile": "the same, compiled",
    "torchcodec": "the same, its files decoded by torchcodec on the device",
    "tf32": "the same in tf32",
    "bf16": "the same in bf16",
    "ablate": "102 settings of removal at the last activation, from JPEG files",
}
OPTIONS: dict[str, dict[str, str]] = {
    "eager": {"engine": "eager"},
    "compile": {"engine": "compile"},
    "torchcodec": {"engine": "compile", "decoder": "torchcodec"},
    "tf32": {"engine": "compile", "decoder": "torchcodec", "precision": "tf32"},
    "bf16": {"engine": "compile", "decoder": "torchcodec", "precision": "bf16"},
}
NETWORKS = ("resnet50", "vgg16", "squeezenet1_0")


def main() -> None:
    """Run all cases in turn, over several rounds, and print the medians."""
    arguments = parser("device", __doc__)
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    arguments.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="besides plain")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--images", metavar="FOLDER", help="JPEG files; by default photographs that packages ship")
    given = arguments.parse_args()
    if given.case:
        print(json.dumps(_run_case(**given.case)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.images or str(photographs(Path(temporary)))
        shared = {"device": given.device, "folder": folder}
        cases = [case for case in CASES if case == "plain" or case in given.cases]
        times: dict[tuple[str, str], list[float]] = {(n, case): [] for n in given.networks for case in cases}
        for number in range(given.rounds):
            for network, case in list(times):
                asked = {**shared, "network": network, "case": case}
                took = in_fresh_process("benchmarks.device", asked)["ms"]
                times[network, case].append(took)
                print(f"round {number + 1} {network:14} {case:10} {took:8.3f} ms an image", flush=True)
        alike = {
            n: in_fresh_process("benchmarks.device", {**shared, "network": n, "case": "alike"}) for n in given.networks
        }
    text = _table(times, alike, given.device, given.rounds)
    if given.write:
        write_section(f"Device: {given.device}", text)
    print(f"\n{text}")


def _table(times: dict[tuple[str, str], list[float]], alike: dict[str, Any], device: str, rounds: int) -> str:
    name = next(iter(alike.values()))["name"]
    lines = [
        f"{machine()} Device: {name}.",
        "",
        f"Median of {rounds} round(s), random weights, without warming up, compiling and merging. "
        + " ".join(f"`{case}`: {CASES[case]}." for case in dict.fromkeys(case for _, case in times)),
        "",
        "| network | case | ms an image | images a second | in plain passes |",
        "|---|---|---:|---:|---:|",
    ]
    for (network, case), found in times.items():
        took, plain = median(found), median(times[network, "plain"])
        lines.append(f"| {network} | `{case}` | {took:.3f} | {1000 / took:,.0f} | {took / plain:.2f} |")
    lines += ["", f"Compared with the CPU, {ALIKE} images:", ""]
    lines += [
        f"- {network}: responses differ by at most {each['responses']:.1e} of a layer's maximum, "
        f"{each['exemplars']:.2%} of the exemplars differ, and in {each['counts']} of {each['settings']} settings of "
        "removal the prediction for some image differs."
        for network, each in alike.items()
    ]
    return "\n".join(lines)


def _run_case(network: str, case: str, device: str, folder: str) -> dict[str, Any]:
    if case == "alike":
        return _alike(network, device, folder)
    if case == "plain":
        return {"ms": _plain(network, device)}
    with tempfile.TemporaryDirectory() as temporary:
        if case != "ablate":
            count = ON_CPU if device == "cpu" else SCANNED
            clock, images = _Clock(), link(files(Path(folder)), Path(temporary) / "images", count)
            _scan(network, device, images, Path(temporary) / "atlas", progress=clock, **OPTIONS[case])
            return {"ms": clock.ms_an_image()}
        taken = []
        for count in (BEFORE, FEW, MANY):
            images = link(files(Path(folder)), Path(temporary) / f"images-{count}", count)
            started = time.perf_counter()
            _ablate(network, device, images)
            taken.append(time.perf_counter() - started)
    return {"ms": 1000 * (taken[2] - taken[1]) / (MANY - FEW)}


class _Clock(Silent):
    """Records the time after each batch."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, float]] = []
        self.ended = 0.0

    def on_batch(self, images: int) -> None:
        """See `unitscope.scanning.Progress`."""
        self.batches.append((images, time.perf_counter()))

    def on_merge(self) -> None:
        """See `unitscope.scanning.Progress`."""
        self.ended = time.perf_counter()

    def ms_an_image(self) -> float:
        """Return the time per image after the first shard, up to the last part."""
        counts = list(itertools.accumulate(images for images, _ in self.batches))
        first = next(place for place, count in enumerate(counts) if count >= SHARD)
        return 1000 * (self.ended - self.batches[first][1]) / (counts[-1] - counts[first])


def _plain(network: str, device: str) -> float:
    import torch

    from unitscope import load

    module = load(f"torchvision:{network}", weights="none").module.to(device)
    batch = torch.rand(128 if device != "cpu" else 16, 3, 224, 224, device=device)
    accelerator = device != "cpu"
    taken = []
    with torch.inference_mode():
        for number in range(13):
            started = time.perf_counter()
            module(batch)
            if accelerator:
                torch.accelerator.synchronize()
            if number > 2:
                taken.append(time.perf_counter() - started)
    return 1000 * median(taken) / len(batch)


def _scan(network: str, device: str, images: Path, atlas: Path, *, progress: Any = None, **how: Any) -> Any:
    import unitscope

    loaded = unitscope.load(f"torchvision:{network}", weights="none")
    options = unitscope.ScanOptions(device=device, shard_size=SHARD, **how)
    return unitscope.scan(loaded, images, atlas, options=options, progress=progress).atlas


def _ablate(network: str, device: str, images: Path) -> Any:
    import unitscope
    from benchmarks.removal import FRACTIONS

    settings = unitscope.AblationGrid(["act:-1"], FRACTIONS, orders=("low", "high", "random"))
    running = unitscope.RunOptions(device=device, batch_size=16 if device == "cpu" else 128)
    return unitscope.ablate(unitscope.load(f"torchvision:{network}", weights="none"), images, settings, running=running)


def _alike(network: str, device: str, folder: str) -> dict[str, Any]:
    """Return how much the device's results differ from the CPU's."""
    import numpy as np
    import torch

    with tempfile.TemporaryDirectory() as temporary:
        images = link(files(Path(folder)), Path(temporary) / "images", ALIKE)
        atlases = [_scan(network, d, images, Path(temporary) / f"{d}.atlas", engine="eager") for d in ("cpu", device)]
        lost = [_ablate(network, d, images) for d in ("cpu", device)]
        apart, others, all_ = [], 0, 0
        for layer in atlases[0].layers:
            one, other = (atlas.responses(layer) for atlas in atlases)
            apart.append(float(np.abs(one - other).max() / np.abs(one).max()))
            tops = [atlas.dataset["top_images"][:, atlas.index.span(layer)].to_numpy() for atlas in atlases]
            others += int((tops[0] != tops[1]).sum())
            all_ += tops[0].size
    pairs = zip(*(each.outcomes for each in lost), strict=True)
    return {
        "name": torch.cuda.get_device_name() if device.startswith("cuda") else device,
        "responses": max(apart),
        "exemplars": others / all_,
        "counts": sum((a.answers[:, 0] != b.answers[:, 0]).any().item() for a, b in pairs),
        "settings": len(lost[0].outcomes),
    }


if __name__ == "__main__":
    main()
