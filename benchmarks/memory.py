"""Peak memory of scans of few and of many images, each in a new process: it should not grow with their number.

In: real JPEG files, linked many times. Out: a table, and with ``--write`` a section of RESULTS.md.
Both scans use the same engine; ``auto`` would compile only the larger one, and compiling takes memory too.
"""

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import files, in_fresh_process, link, machine, parser, photographs, write_section

AIM = 1.10


def main() -> None:
    """Run both scans and print the ratio of their peaks."""
    arguments = parser("memory", __doc__)
    arguments.add_argument("--network", default="squeezenet1_0", help="of torchvision")
    arguments.add_argument("--images", type=int, nargs=2, default=[500, 5000], metavar=("FEW", "MANY"))
    arguments.add_argument("--engine", choices=("eager", "compile"), default="eager")
    given = arguments.parse_args()
    if given.case:
        print(json.dumps(_run_case(**given.case)))
        return
    text = _measure(given.network, given.images, given.engine)
    print(text)
    if given.write:
        write_section("Memory", text)


def _measure(network: str, counts: list[int], engine: str) -> str:
    rows, peaks = [], []
    with tempfile.TemporaryDirectory() as temporary:
        sources = _copies(files(photographs(Path(temporary)))[: counts[0]], Path(temporary) / "sources")
        for count in counts:
            folder = link(sources, Path(temporary) / f"images-{count}", count)
            case = {"network": network, "folder": str(folder), "atlas": f"{folder}-atlas", "engine": engine}
            result = in_fresh_process("benchmarks.memory", case)
            peaks.append(result["peak"])
            rows.append(f"| {count:,} | {result['peak']:,.0f} | {result['before']:,.0f} | {result['seconds']:.0f} |")
            print(rows[-1], flush=True)
    return "\n".join(
        [
            f"{machine()}",
            "",
            f"Scan of {network} (random weights, all activations, engine {engine}, default batch and shard).",
            "",
            "| images | peak MiB | of it before the scan | seconds |",
            "|---:|---:|---:|---:|",
            *rows,
            "",
            f"Ratio of the peaks {peaks[1] / peaks[0]:.3f} (aim ≤ {AIM:.2f}).",
        ]
    )


def _copies(sources: list[Path], folder: Path) -> list[Path]:
    """Copy the sources once, since hard links can't cross file systems."""
    targets = [folder / source.parent.name / source.name for source in sources]
    for source, target in zip(sources, targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return targets


def _run_case(network: str, folder: str, atlas: str, engine: str) -> dict[str, Any]:
    """Run one scan in this process."""
    from unitscope import load
    from unitscope.scanning import ScanOptions, scan

    loaded = load(f"torchvision:{network}", weights="none")
    before, started = _peak(), time.perf_counter()
    scan(loaded, folder, atlas, options=ScanOptions(engine=engine))
    return {"peak": _peak(), "before": before, "seconds": time.perf_counter() - started}


def _peak() -> float:
    """Return the peak resident memory of this process in MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB


if __name__ == "__main__":
    main()
