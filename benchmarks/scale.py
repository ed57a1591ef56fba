"""Scans of up to a million images with a tiny network: time should grow with the number of images, memory should not.

In: nothing; small JPEG files are generated and linked many times. Out: a table, and with ``--write`` a section of
RESULTS.md. Each size runs in a new process; peak memory is that of the process, before and after the scan.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import Silent, in_fresh_process, link, machine, parser, peak_mib, write_section

SOURCES = 1000  # file systems limit the number of links to one file
KINDS = ("float32", "none")


def main() -> None:
    """Scan growing numbers of images and print time and memory."""
    arguments = parser("scale", __doc__)
    arguments.add_argument("--images", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    arguments.add_argument("--responses", nargs="+", choices=KINDS, default=list(KINDS), help="how they are kept")
    given = arguments.parse_args()
    if given.case:
        print(json.dumps(_run_case(**given.case)))
        return
    found: dict[tuple[int, str], dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        sources = _photographs(Path(temporary) / "sources")
        for images in given.images:
            folder = Path(temporary) / "images"
            link(sources, folder, images)
            for kind in given.responses:
                case = {"folder": str(folder), "atlas": f"{temporary}/{images}-{kind}", "responses": kind}
                found[images, kind] = in_fresh_process("benchmarks.scale", case)
                print(images, kind, found[images, kind], flush=True)
            for path in (*folder.rglob("*.jpg"),):
                path.unlink()
    text = _table(found)
    print(text)
    if given.write:
        write_section("Scale", text)


def _photographs(folder: Path) -> list[Path]:
    import numpy as np
    from PIL import Image

    random, paths = np.random.default_rng(0), []
    for number in range(SOURCES):
        path = folder / f"{number % 10}" / f"{number:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(path, quality=80)
        paths.append(path)
    return paths


def _run_case(folder: str, atlas: str, responses: str) -> dict[str, Any]:
    import torch
    from torch import nn

    import unitscope

    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 48, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(48, 10),
    )  # fmt: skip
    network = unitscope.load(module, preprocess={"size": [16, 16], "mean": [127] * 3, "std": [60] * 3})
    options = unitscope.ScanOptions(batch_size=256, shard_size=8192, responses=responses)
    clock, before = _Clock(), peak_mib()
    started = time.perf_counter()
    result = unitscope.scan(network, folder, atlas, options=options, progress=clock)
    ended = time.perf_counter()
    return {
        "listing": clock.planned_at - started,
        "scanning": result.seconds,
        "merging": ended - clock.merging_at,
        "scanned_mib": clock.scanned_mib,
        "before_mib": before,
        "peak_mib": peak_mib(),
        "data_wait": result.data_wait,
    }


class _Clock(Silent):
    """Records the start of each stage."""

    planned_at = merging_at = scanned_mib = 0.0

    def on_plan(self, plan: object, *, done: int, target: Path) -> None:
        """See `unitscope.scanning.Progress`."""
        self.planned_at = time.perf_counter()

    def on_merge(self) -> None:
        """See `unitscope.scanning.Progress`."""
        self.merging_at, self.scanned_mib = time.perf_counter(), peak_mib()


def _table(found: dict[tuple[int, str], dict[str, Any]]) -> str:
    lines = [
        machine(),
        "",
        "A network of 64 units over JPEG files of 16×16 pixels, batches of 256, shards of 8,192. Memory is the peak of "
        "the process: before the scan, until all images were run, and in total.",
        "",
        "| images | responses | listing, s | scanning, s | ms an image | merging, s | MiB before | scanned | merged |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (images, kind), each in found.items():
        lines.append(
            f"| {images:,} | `{kind}` | {each['listing']:.1f} | {each['scanning']:.0f} "
            f"| {1000 * each['scanning'] / images:.3f} | {each['merging']:.1f} | {each['before_mib']:,.0f} "
            f"| {each['scanned_mib']:,.0f} | {each['peak_mib']:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
