"""Time of the explorer's pages: from the server, up to the first paint in Chromium, and as files of a static site.

In: a synthetic atlas of many images × 22,720 units (see `benchmarks.synthetic`) without image files, so thumbnails are
blank. Out: a table in milliseconds, and with ``--write`` a section of RESULTS.md. Each page is requested several times
for different units, images and classes. The first request, which fills the caches, is reported separately.
"""

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.common import in_fresh_process, machine, parser, write_section

UNIT_AIM, PAINT_AIM = 100, 1000
PAGES = {
    "atlas": "/",
    "layer of 2,048 units": "/layer/act:-{}",
    "unit": "/unit/act:-1/{}",
    "image": "/image/ILSVRC2012_val_{:08d}.JPEG",
    "two images": "/compare?a=ILSVRC2012_val_{:08d}.JPEG&a=ILSVRC2012_val_00000200.JPEG",
    "two classes": "/compare?a=class:Siamese cat&a=class:{label}",
    "class": "/class/{label}",
    "search": "/search?q={}",
}


def main() -> None:
    """Request each page several times and print the medians."""
    arguments = parser("pages", __doc__)
    arguments.add_argument("--atlas", type=Path, metavar="ATLAS", help="made there unless it is there")
    arguments.add_argument("--images", type=int, default=50_000)
    arguments.add_argument("--rounds", type=int, default=9)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        atlas = given.atlas or Path(temporary) / "made-up.atlas"
        if not atlas.exists():
            print("making the atlas", flush=True)
            case = {"question": "make", "atlas": str(atlas), "images": given.images}
            in_fresh_process("benchmarks.questions", case)
        with _served(atlas, Path(temporary) / "cache") as address:
            labels = [label["label"] for label in json.loads((atlas / "manifest.json").read_text("utf-8"))["labels"]]
            found = {name: _times(address + path, given.rounds, labels) for name, path in PAGES.items()}
            paints = _paints(f"{address}/layer/act:-1", given.rounds)
        exported = _export(atlas, Path(temporary))
    text = "\n".join([_table(found, paints, given.images), exported])
    print(text)
    if given.write:
        write_section("Pages", text)


@contextmanager
def _served(atlas: Path, cache: Path) -> Iterator[str]:
    from unitscope.atlas import open_atlas
    from unitscope.web.app import create_app
    from unitscope.web.atlas_cache import AtlasCache
    from unitscope.web.cache import Cache
    from unitscope.web.image_files import ImageFiles
    from unitscope.web.lazy_inspector import LazyInspector
    from unitscope.web.page_renderer import PageRenderer
    from unitscope.web.server import listen, server

    atlas_cache = AtlasCache(open_atlas(atlas))
    app = create_app(
        PageRenderer(atlas_cache),
        ImageFiles(atlas_cache, atlas_cache.atlas.source(), Cache(cache)),
        LazyInspector(missing="a benchmark"),
    )
    socket = listen("127.0.0.1", 0)
    running = server(app)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [socket]})
    thread.start()
    while not running.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    running.should_exit = True
    thread.join()


def _export(atlas: Path, folder: Path) -> str:
    """Time the export of the last layer, without images and maps, whose time is mostly the network's."""
    from unitscope.atlas import open_atlas
    from unitscope.web.atlas_cache import AtlasCache
    from unitscope.web.cache import Cache
    from unitscope.web.image_files import ImageFiles
    from unitscope.web.lazy_inspector import LazyInspector
    from unitscope.web.page_renderer import PageRenderer
    from unitscope.web.static_export import StaticSite

    atlas_cache = AtlasCache(open_atlas(atlas))
    pictures = ImageFiles(atlas_cache, atlas_cache.atlas.source(), Cache(folder / "export-cache"))
    site = StaticSite(PageRenderer(atlas_cache), pictures, atlas_cache.atlas.layers[-1:], images=False, maps=False)
    started = time.perf_counter()
    site.write(folder / "site", LazyInspector(missing="a benchmark"))
    taken = time.perf_counter() - started
    return (
        f"\nA static site of the last layer, {site.pages:,} pages ({site.units:,} units, {len(site.labels):,} classes, "
        f"{len(site.pairs)} pairs of classes) without pictures and maps: {taken:.0f} s."
    )


def _times(address: str, rounds: int, labels: list[str]) -> tuple[float, float, float]:
    """Return milliseconds of the first request, the median of the others, and the slowest of the others."""
    import httpx

    taken = []
    with httpx.Client(timeout=120) as client:
        for number in range(1, rounds + 2):
            place = number if "act:-{}" not in address else 1 + number % 3
            started = time.perf_counter()
            asked = address.format(place * (71 if "unit" in address else 1), label=labels[number])
            client.get(asked).raise_for_status()
            taken.append(1000 * (time.perf_counter() - started))
    return taken[0], median(taken[1:]), max(taken[1:])


def _paints(address: str, rounds: int) -> list[float]:
    """Return milliseconds from the request to the first contentful paint, in a browser without cache."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    asked = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    found = []
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        for _ in range(rounds):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(address)
            page.wait_for_function(f"{asked} !== undefined && document.querySelector('#units .card')")
            found.append(float(page.evaluate(asked)))
            page.close()
        browser.close()
    return found


def _table(found: dict[str, tuple[float, float, float]], paints: list[float], images: int) -> str:
    lines = [
        machine(),
        "",
        f"A made-up atlas of {images:,} images × 22,720 units. Milliseconds from request to answer, over HTTP.",
        "",
        "| page | first | median | slowest |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {first:.0f} | {warm:.0f} | {slowest:.0f} |" for name, (first, warm, slowest) in found.items()
    ]
    return "\n".join(
        [
            *lines,
            "",
            f"A unit's page takes {found['unit'][1]:.0f} ms (aim ≤ {UNIT_AIM}). First paint of a layer's page with "
            f"2,048 units, in Chromium: {median(paints):.0f} ms (median of {len(paints)}; aim ≤ {PAINT_AIM}).",
        ]
    )


if __name__ == "__main__":
    main()
