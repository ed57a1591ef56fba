"""The explorer under load: many requests, many clients, slow ones, floods of frames and costly uploads.

The server is a process of its own, with a network; it has to answer pages all the time, without an error inside and
without more and more memory.
"""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from statistics import median

import httpx
import numpy as np
import websockets
from PIL import Image

from tests.images.costly_pictures import deep_png, many_scans
from tests.torture.campaign import Outcome

REQUESTS, CLIENTS, SLOW, FRAMES, UPLOADS = 20_000, 100, 200, 5_000, 200
_EXPECTED = {200, 303, 307, 400, 404, 413, 422, 429}
_NETWORK = """
import torch
from torch import nn


def build():
    torch.manual_seed(0)
    convolutions = [nn.Conv2d(3, 16, 5, 2), nn.ReLU(), nn.Conv2d(16, 32, 5, 2), nn.ReLU()]
    return nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4))
"""
_CARD = 'factory = "net.py:build"\n[preprocess]\nsize = 64\nmean = [120, 110, 100]\nstd = [60, 60, 60]\n'


def campaign(folder: Path, scale: float) -> Iterator[Outcome]:
    """Yield the outcomes of a server."""
    with _served(folder) as (address, process):
        yield _requests(address, process, max(200, round(REQUESTS * scale)))
        yield _clients(address, CLIENTS)
        yield _slow(address, max(20, round(SLOW * scale)))
        yield _frames(address, max(100, round(FRAMES * scale)))
        yield _uploads(address, process, folder, max(20, round(UPLOADS * scale)))


@contextmanager
def _served(folder: Path) -> Iterator[tuple[str, int]]:
    random = np.random.default_rng(0)
    for number in range(60):
        path = folder / "images" / ("cat" if number % 2 else "dog") / f"{number:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(random.integers(0, 256, (9, 12, 3), np.uint8))
        small.resize((400, 300), Image.Resampling.BICUBIC).save(path, quality=90)
    (folder / "net.py").write_text(_NETWORK)
    (folder / "net.toml").write_text(_CARD)
    command, card = [sys.executable, "-m", "unitscope"], folder / "net.toml"
    subprocess.run([*command, "scan", card, folder / "images", "-o", folder / "atlas"], check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "server.log").open("wb")
    server = subprocess.Popen(
        [*command, "serve", folder / "atlas", "--network", card, "--port", str(port)], stdout=log, stderr=log
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _until(lambda: _answers(address + "/") and _answers(address + _structure(0)))
        yield address, server.pid
    finally:
        server.terminate()
        server.wait()


def _until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError("the server does not answer")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=30).status_code == 200
    except httpx.HTTPError:
        return False


def _image(number: int) -> str:
    number %= 60
    return f"{'cat' if number % 2 else 'dog'}/{number:03d}.jpg"


def _structure(number: int) -> str:
    return f"/structure.json?image={_image(number)}"


def _page(number: int) -> str:
    pages = ("/", "/layer/1", f"/unit/1/{number % 16}", f"/image/{_image(number)}", f"/thumbnail/{number % 60}.webp")
    more = ("/class/cat", f"/search?q={number % 16}", f"/unit/3/{number % 32}.json", f"/nothing/{number}")
    return [*pages, *more][number % 9]


def _memory(process: int, name: str = "VmRSS") -> float:
    """Return the memory of a process in megabytes."""
    text = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name)) / 1024


def _requests(address: str, process: int, count: int) -> Outcome:
    outcome, memory = Outcome("requests of one client, a tenth of them for the network"), []
    with httpx.Client(timeout=60) as client:
        for number in range(count):
            url = _structure(number) if number % 10 == 0 else _page(number)
            status = client.get(address + url).status_code
            outcome.check(status in _EXPECTED, f"{url}: {status}")
            if number in (count // 4, count - 1):
                memory.append(_memory(process))
    outcome.also = f"memory after a quarter of them {memory[0]:.0f} MB, after all {memory[1]:.0f} MB"
    return outcome


def _clients(address: str, count: int) -> Outcome:
    outcome, times, statuses = (
        Outcome(f"requests of {count} clients at once, half of them for the network"),
        [],
        Counter(),
    )
    lock = threading.Lock()

    def ask(client: int) -> None:
        with httpx.Client(timeout=120) as session:
            for number in range(20):
                url = _structure(client + number) if client % 2 else _page(client + number)
                started = time.perf_counter()
                status = session.get(address + url).status_code
                with lock:
                    statuses[status] += 1
                    outcome.check(status in _EXPECTED, f"{url}: {status}")
                    if not client % 2:
                        times.append(time.perf_counter() - started)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(ask, range(count)))
    outcome.also = (
        f"a page took {median(times):.2f} s (median), {max(times):.1f} s at most; {statuses[429]} told to wait"
    )
    return outcome


def _slow(address: str, count: int) -> Outcome:
    """Open connections that send a request byte by byte, and ask for pages meanwhile."""
    outcome, times = Outcome("slow clients hold connections, with pages asked for meanwhile"), []
    host, _, port = address.removeprefix("http://").partition(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(count)]
    try:
        start = f"POST /upload HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000000\r\n\r\n".encode()
        for number, one in enumerate(slow):
            one.sendall(start if number % 2 else start[:20])
        for number in range(count):
            for one in slow[number::10]:
                try:
                    one.sendall(b"x")
                except OSError:
                    continue  # the server has given it up
            started = time.perf_counter()
            status = httpx.get(address + _page(number), timeout=60).status_code
            times.append(time.perf_counter() - started)
            outcome.check(status in _EXPECTED, f"{_page(number)}: {status}")
    finally:
        for one in slow:
            one.close()
    outcome.also = f"{count} slow clients; a page took {median(times):.2f} s (median), {max(times):.1f} s at most"
    return outcome


def _frames(address: str, count: int) -> Outcome:
    """Send frames without waiting for answers, over more connections than may be open."""
    outcome, picture, answers = Outcome("frames flood the live view, a tenth of them no pictures"), BytesIO(), Counter()
    Image.new("RGB", (320, 240), "teal").save(picture, "JPEG")
    data = picture.getvalue()

    async def flood(number: int) -> None:
        url = address.replace("http", "ws") + "/live.ws?layer=1"
        try:
            async with websockets.connect(url, origin=address, open_timeout=60) as sock:
                for frame in range(count // 20):
                    await sock.send(b"no picture" if frame % 10 == 0 else data)
                    answers["sent"] += 1
                while True:
                    answers["message" if '"message"' in await asyncio.wait_for(sock.recv(), 10) else "answer"] += 1
        except (websockets.ConnectionClosed, TimeoutError, OSError):
            answers["closed"] += 1

    async def all_at_once() -> None:
        await asyncio.gather(*(flood(number) for number in range(20)))

    asyncio.run(all_at_once())
    for number in range(20):
        outcome.check(_answers(address + "/"), f"no page after the flood: {number}")
    outcome.trials = answers["sent"]
    outcome.also = f"{answers['answer']:,} answered, {answers['message']:,} refused; pages answer afterwards"
    return outcome


def _uploads(address: str, process: int, folder: Path, count: int) -> Outcome:
    outcome, statuses = Outcome("costly pictures are uploaded, eight at a time"), Counter()
    pictures = [
        deep_png(8000, 6000),
        many_scans(3000, 2000, 300),
        (folder / "images" / _image(0)).read_bytes(),
        b"no picture",
        b"",
    ]
    before, lock, times = _memory(process, "VmHWM"), threading.Lock(), []

    def send(number: int) -> None:
        data = pictures[number % len(pictures)]
        status = httpx.post(f"{address}/upload", files={"picture": data}, timeout=120).status_code
        started = time.perf_counter()
        page = httpx.get(address + "/", timeout=60).status_code
        with lock:
            statuses[status] += 1
            times.append(time.perf_counter() - started)
            outcome.check(status in _EXPECTED and page == 200, f"upload {number}: {status}, then a page {page}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(count)))
    shown = ", ".join(f"{number} × {status}" for status, number in sorted(statuses.items()))
    grown = _memory(process, "VmHWM") - before
    outcome.also = f"statuses {shown}; {grown:.0f} MB more memory at most; a page took {max(times):.1f} s at most"
    return outcome
