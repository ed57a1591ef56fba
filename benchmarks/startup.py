"""Seconds until the command line says something: help, the version, a question, what is wrong.

In: nothing but the machine. Out: a table, and ``RESULTS.md`` if asked for.

Each case is a process of its own, from its start to its end, and the cases take turns, so that a busy machine slows all
alike. An interpreter that does nothing and one that imports typer are the yardsticks: less than these can't be had.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.common import machine, parser, write_section

AIM = 0.3
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
    "a missing folder": [UNITSCOPE, "perturb", "torchvision:vgg16", "missing", "--sigma", "0.1"],
    "a missing atlas": [UNITSCOPE, "exemplars", "missing.atlas", "act:1:1"],
}


def main() -> None:
    """Run all cases in turn, over several rounds, and print the medians."""
    arguments = parser("startup", __doc__)
    arguments.add_argument("--rounds", type=int, default=15)
    given = arguments.parse_args()
    _round()  # fills the caches
    rounds = [_round() for _ in range(given.rounds)]
    told = _table({case: [each[case] for each in rounds] for case in CASES})
    print(told)
    if given.write:
        write_section("Startup", told)


def _round() -> dict[str, float]:
    return {case: _seconds(command) for case, command in CASES.items()}


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - started


def _table(found: dict[str, list[float]]) -> str:
    lines = [
        machine(),
        "",
        f"Whole processes, medians of {len(next(iter(found.values())))} rounds in which the cases take turns.",
        "",
        "| case | seconds | least |",
        "|---|---:|---:|",
    ]
    lines += [f"| {case} | {statistics.median(each):.2f} | {min(each):.2f} |" for case, each in found.items()]
    slowest = max(statistics.median(each) for case, each in found.items() if "--help" in case)
    return "\n".join([*lines, "", f"The slowest help took {slowest:.2f} s (aim ≤ {AIM} s)."])


if __name__ == "__main__":
    main()
