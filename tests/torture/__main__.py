"""Run the campaigns: ``python -m tests.torture [--scale 0.1] [--write] [NAME …]``."""

import argparse
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from tests.torture.campaign import Outcome, write_page

CAMPAIGNS = ("scans", "images", "atlases", "server")


def main() -> int:
    """Run the campaigns and print their outcomes; return 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CAMPAIGNS)}; all by default")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the trials")
    parser.add_argument("--write", action="store_true", help="write docs/torture.md")
    given = parser.parse_args()
    outcomes: list[Outcome] = []
    started = time.perf_counter()
    for name in given.names or CAMPAIGNS:
        with tempfile.TemporaryDirectory(prefix="torture-") as folder:
            for outcome in import_module(f"tests.torture.{name}").campaign(Path(folder), given.scale):
                outcomes.append(outcome)
                _print(outcome)
    if given.write:
        write_page(outcomes, time.perf_counter() - started)
    return int(any(outcome.failures for outcome in outcomes))


def _print(outcome: Outcome) -> None:
    sys.stdout.write(f"{outcome.what}: {outcome.trials:,} trials, {len(outcome.failures)} went wrong; {outcome.also}\n")
    for failure in outcome.failures[:10]:
        sys.stdout.write(f"    {failure}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
