"""Shared by all benchmarks: photographs, new processes, and sections of ``RESULTS.md``.

In: a machine. Out: cases in processes of their own, and tables. Never imports torch, since a child's peak memory
includes its parent's.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
SAMPLE = HERE.parents[1] / "shared" / "data" / "imagenet-sample"
THREADS = 2

_HEAD = """# Results

Written by `python -m benchmarks.speed --write` and likewise by the others; each run replaces its section.
"""


class Silent:
    """Like `unitscope.scanning.NullProgress`, but without loading PyTorch."""

    def on_plan(self, plan: object, *, done: int, target: Path) -> None:
        """See `unitscope.scanning.Progress`."""

    def on_message(self, what: str) -> None:
        """See `unitscope.scanning.Progress`."""

    def on_batch(self, images: int) -> None:
        """See `unitscope.scanning.Progress`."""

    def on_merge(self) -> None:
        """See `unitscope.scanning.Progress`."""


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Return a benchmark's argument parser with the options that all benchmarks have.

    ``--case`` is set by `in_fresh_process`.
    """
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    made.add_argument("--write", action="store_true", help="put the results into RESULTS.md")
    made.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    return made


def photographs(temporary: Path) -> Path:
    """Return a folder of real JPEG files: the ImageNet sample, or crops of photographs that packages ship."""
    if SAMPLE.is_dir():
        return SAMPLE
    folder = temporary / "photographs"
    code = "import sys, pathlib, tests.crops; tests.crops.write_crops(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
    return folder


def files(folder: Path) -> list[Path]:
    """Return the folder's JPEG files, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))


def link(sources: list[Path], folder: Path, count: int) -> Path:
    """Fill a folder with ``count`` hard links to the sources, repeating them, each in the folder of its class."""
    for number in range(count):
        source = sources[number % len(sources)]
        target = folder / source.parent.name / f"{number // len(sources):03d}-{source.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)
    return folder


def start(module: str, arguments: dict[str, Any], *, own_session: bool = False, **others: str) -> subprocess.Popen[str]:
    """Start one case (``python -m MODULE --case JSON``) with additional environment variables."""
    return subprocess.Popen(
        [sys.executable, "-m", module, "--case", json.dumps(arguments)],
        cwd=HERE.parent,
        env={**os.environ, "OMP_NUM_THREADS": str(THREADS), "PYTHONWARNINGS": "ignore", **others},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=own_session,
    )


def in_fresh_process(module: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run one case and return the JSON object on its last line of output."""
    process = start(module, arguments)
    try:
        output, _ = process.communicate()
    except BaseException:
        process.kill()
        raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return json.loads(output.strip().splitlines()[-1])


def peak_mib() -> float:
    """Return the peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def machine() -> str:
    """Return the processor, its cores and load, versions and the date."""
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text("utf-8"))
    name = found[1].strip() if found else "unknown processor"
    return (
        f"{name}, {os.cpu_count()} cores, {THREADS} threads, torch {version('torch')}, "
        f"Python {sys.version.split()[0]}, {time.strftime('%Y-%m-%d')}; load average {os.getloadavg()[1]:.1f} "
        f"at the end (over {THREADS} means that other processes were running)."
    )


def write_section(heading: str, text: str) -> None:
    """Write a section of ``RESULTS.md``, replacing the one with the same heading; sections are sorted."""
    sections = {}
    if RESULTS.exists():
        for section in RESULTS.read_text("utf-8").split("\n## ")[1:]:
            name, _, body = section.partition("\n")
            sections[name] = body.strip()
    sections[heading] = text.strip()
    body = "".join(f"\n## {name}\n\n{sections[name]}\n" for name in sorted(sections))
    RESULTS.write_text(_HEAD + body, "utf-8")
