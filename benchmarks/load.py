"""The explorer under load: a page beside many requests of the network, and uploads made to cost much.

In: crops of the demo's photographs, and its network, served by a process of its own. Out: a table: how long a page
takes alone and beside 60 structure requests at once, and the memory and processor time that a small upload of many
pixels costs. With ``--write`` a section of RESULTS.md.
"""

import io
import os
import re
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import machine, parser, write_section

PAGE = "/unit/act:-1/7"
SIZE = (8000, 6200)  # just under the limit of uploads
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Serve the demo's atlas, put it under load, and print what that cost."""
    arguments = parser("load", __doc__)
    arguments.add_argument("--atlas", type=Path, metavar="ATLAS", help="made there unless it is there")
    arguments.add_argument("--requests", type=int, default=60, help="structure requests at once")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        atlas = given.atlas or Path(temporary) / "demo.atlas"
        if not atlas.exists():
            _scan(atlas)
        with _serving(atlas, Path(temporary)) as (process, address):
            text = "\n".join([machine(), "", *_pages(address, given.requests), "", *_uploads(process, address)])
    print(text)
    if given.write:
        write_section("Load", text)


def _scan(atlas: Path) -> None:
    photographs = atlas.parent / "photographs"
    code = (
        "import sys, pathlib, unitscope, tests.crops; tests.crops.write_crops(pathlib.Path(sys.argv[1]));"
        "unitscope.scan(unitscope.load('package:efficientnet-lite0'), sys.argv[1], sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, str(photographs), str(atlas)], check=True)


@contextmanager
def _serving(atlas: Path, cache: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "unitscope", "serve", str(atlas), "--port", "0"]
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stderr
            address = process.stderr.readline().split(" at ")[1].split()[0]
            _get(address, "/structure.json?image=chelsea/00.jpg").raise_for_status()  # the network is loaded
            yield process, address
        finally:
            process.kill()


def _get(address: str, path: str) -> Any:
    import httpx

    return httpx.get(address + path, timeout=300)


def _pages(address: str, requests: int) -> Iterator[str]:
    alone = [_seconds(address, PAGE) for _ in range(20)]
    with ThreadPoolExecutor(requests) as pool:
        started = time.perf_counter()
        asked = [pool.submit(_get, address, f"/structure.json?image=chelsea/{n % 9:02d}.jpg") for n in range(requests)]
        beside = []
        while not all(one.done() for one in asked):
            beside.append(_seconds(address, PAGE))
        taken = time.perf_counter() - started
    found = Counter(one.result().status_code for one in asked)
    yield f"{requests} structure requests at once: answered with {_listed(found)} in {taken:.1f} s."
    yield ""
    yield "| a unit's page | median, ms | slowest, ms |"
    yield "|---|---:|---:|"
    for name, times in (("alone", alone), ("beside them", beside)):
        yield f"| {name} | {1000 * median(times):.0f} | {1000 * max(times):.0f} |"


def _listed(found: Counter[int]) -> str:
    return ", ".join(f"{status} ({count})" for status, count in sorted(found.items()))


def _seconds(address: str, path: str) -> float:
    started = time.perf_counter()
    _get(address, path).raise_for_status()
    return time.perf_counter() - started


def _uploads(process: "subprocess.Popen[str]", address: str) -> Iterator[str]:
    yield "| upload | bytes | status | memory, MB | processor, s | a page meanwhile, slowest, ms |"
    yield "|---|---:|---:|---:|---:|---:|"
    files = {"16-bit PNG of 49.6 megapixels": deep_png(*SIZE), "JPEG of 300 scans": many_scans(*SIZE, scans=300)}
    for name, data in files.items():
        memory, processor = _peak_mb(process.pid), _processor_s(process.pid)
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # resets the peak
        before = _peak_mb(process.pid)
        with ThreadPoolExecutor(1) as pool:
            sent, times = pool.submit(_upload, address, data), []
            while not sent.done():
                times.append(_seconds(address, PAGE))
        memory, processor = _peak_mb(process.pid) - before, _processor_s(process.pid) - processor
        slowest = f"{1000 * max(times):.0f}" if times else "-"
        yield f"| {name} | {len(data):,} | {sent.result()} | {memory:.0f} | {processor:.1f} | {slowest} |"


def _upload(address: str, data: bytes) -> int:
    import httpx

    headers = {"accept": "application/json", "origin": address}
    return httpx.post(f"{address}/upload", files={"picture": data}, headers=headers, timeout=300).status_code


def _peak_mb(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("utf-8"))
    assert found
    return int(found[1]) / 1000


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def deep_png(width: int, height: int) -> bytes:
    """Return a black 16-bit PNG, whose rows take almost no bytes."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([16, 0, 0, 0, 0])
    rows = zlib.compressobj(9)
    data = b"".join([rows.compress(bytes(1 + 2 * width)) for _ in range(height)] + [rows.flush()])
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")
        for name, content in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )


def many_scans(width: int, height: int, *, scans: int) -> bytes:
    """Return a progressive JPEG whose last scan is repeated; each scan goes over all pixels again."""
    from PIL import Image

    with io.BytesIO() as buffer:
        Image.new("RGB", (width, height)).save(buffer, "JPEG", progressive=True, quality=50)
        data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * (scans - data.count(b"\xff\xda")) + data[-2:]


if __name__ == "__main__":
    main()
