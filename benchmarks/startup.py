"""Startup time of the command line: help, version, errors, and the first batch of each engine.

In: a machine. Out: two tables, and with ``--write`` a section of RESULTS.md.

Each case is a whole process, and the cases take turns, so that other processes slow down all of them equally. An
interpreter that does nothing and one that imports typer are the lower bounds.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.common import machine, parser, photographs, write_section

AIM = 0.3
BATCH = 16
UNITSCOPE = str(Path(sys.executable).with_name("unitscope"))
CASES = {
    "`python -c pass`": [sys.executable, "-c", "pass"],
    "`python -c 'import typer'`": [sys.executable, "-c", "import typer"],
    "`python -c 'import unitscope'`": [sys.executable, "-c", "import unitscope"],
    "`unitscope --version`": [UNITSCOPE, "--version"],
    "`unitscope --help`": [UNITSCOPE, "--help"],
    "`unitscope scan --help`": [UNITSCOPE, "scan", "--help"],
    "`unitscope similarity --help`": [UNITSCOPE, "similarity", "--help"],
    "a missing card": [UNITSCOPE, "layers", "missing.toml"],
    "a missing folder": [UNITSCOPE, "perturb", "torchvision:vgg16", "missing", "--noise", "0.1"],
    "a missing atlas": [UNITSCOPE, "exemplars", "missing.atlas", "act:1:1"],
}

FIRST = "`compile`, for the first time"
ENGINES = {"`eager`": "eager", "`openvino`": "openvino", FIRST: "compile", "`compile`, again": "compile"}


def main() -> None:
    """Run all cases in turn, over several rounds, and print the medians."""
    arguments = parser("startup", __doc__)
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--scans", type=int, default=3, help="rounds of scans")
    given = arguments.parse_args()
    _round()  # fills the caches
    rounds = [_round() for _ in range(given.rounds)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = photographs(Path(temporary))
        scans = [_scans(folder, Path(temporary) / str(number)) for number in range(given.scans)]
    text = _table(rounds, scans)
    print(text)
    if given.write:
        write_section("Startup", text)


def _round() -> dict[str, float]:
    return {case: _seconds(command) for case, command in CASES.items()}


def _scans(folder: Path, temporary: Path) -> dict[str, float]:
    """Scan one batch with each engine; within a round, later scans reuse what the first one compiled."""
    found = {}
    for number, (case, engine) in enumerate(ENGINES.items()):
        command = [UNITSCOPE, "scan", "torchvision:resnet50", str(folder), "-o", str(temporary / f"{number}.atlas")]
        command += ["--weights", "none", "--limit", str(BATCH), "--engine", engine]
        found[case] = _seconds(command, TORCHINDUCTOR_CACHE_DIR=str(temporary / "compiled"))
        if not (temporary / f"{number}.atlas").exists():
            del found[case]  # an engine that is not installed
    return found


def _seconds(command: list[str], **environment: str) -> float:
    started = time.perf_counter()
    subprocess.run(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        env={**os.environ, **environment},
    )
    return time.perf_counter() - started


def _table(rounds: list[dict[str, float]], scans: list[dict[str, float]]) -> str:
    commands = {case: median(each[case] for each in rounds) for case in CASES}
    slowest = max(took for case, took in commands.items() if "--help" in case)
    return "\n".join(
        [
            machine(),
            "",
            f"Whole processes, medians of {len(rounds)} rounds in which the cases take turns.",
            "",
            *_lines(rounds),
            "",
            f"`unitscope --help` took {commands['`unitscope --help`']:.2f} s (aim ≤ {AIM} s), "
            f"the slowest help of a command {slowest:.2f} s.",
            "",
            f"Scans of {BATCH} images by ResNet-50 with random weights, from start to end, {len(scans)} round(s):",
            "",
            *_lines(scans),
        ]
    )


def _lines(rounds: list[dict[str, float]]) -> list[str]:
    each = {case: [found[case] for found in rounds] for case in rounds[0]}
    lines = [f"| {case} | {median(found):.2f} | {min(found):.2f} |" for case, found in each.items()]
    return ["| case | seconds | least |", "|---|---:|---:|", *lines]


if __name__ == "__main__":
    main()
