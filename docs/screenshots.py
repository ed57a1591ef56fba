"""The pictures in the README and the docs: the demo's figures, and the explorer with its atlas, in Chromium.

In: a demo (`make demo`). Out: PNG and WebP files in docs/images.
Run from the project's folder: ``python docs/screenshots.py``.
"""

import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
CAT_UNITS = (112, 549, 287, 451, 345, 795, 1044, 977, 254)  # those of act:33 that respond most to the cat
LAB = "/lab?image=nature%2Fcat.jpg&" + "&".join(f"remove=act%3A33%3A{unit}" for unit in CAT_UNITS)
# Address, what to wait for, light or dark.
SHOTS = {
    "explorer-unit": ("/unit/act:20/448", "#exemplars[data-ready=yes]", "light"),
    "explorer-layer": ("/layer/act:20#sort=max", "#units .card", "light"),
    "explorer-image": ("/image/nature/cat.jpg", "#structure button.map", "dark"),
    "explorer-atlas": ("/", ".strip a", "light"),
    "explorer-lab": (LAB, "#structure[data-ready]", "dark"),
}
FIGURES = {"unit": ("unit-round.png", 1100), "structure": ("structure.png", 776)}  # file of the demo, width in pixels


@contextmanager
def explorer(atlas: str = "demo/atlas") -> Iterator[tuple[str, Browser]]:
    """Serve an atlas; yield the address and a browser, and stop both at the end."""
    command = [str(Path(sys.executable).with_name("unitscope")), "serve", atlas, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server, sync_playwright() as running:
        assert server.stderr is not None
        address = server.stderr.readline().split(" at ")[1].split()[0]
        found = shutil.which("chromium") or shutil.which("chromium-headless-shell")
        browser = running.chromium.launch(executable_path=found, args=list(FLAGS))
        try:
            yield address, browser
        finally:
            browser.close()
            server.terminate()


def main() -> None:
    """Take all pictures, or those of the explorer that are named in the arguments."""
    for name, (file, width) in FIGURES.items():
        with Image.open(Path("demo") / file) as figure:
            small = figure.convert("RGB").resize(
                (width, round(figure.height * width / figure.width)), Image.Resampling.LANCZOS
            )
        small.quantize(256).save(HERE / "images" / f"{name}.png", optimize=True)
    with explorer() as (address, browser):
        for name in sys.argv[1:] or SHOTS:
            path, ready, scheme = SHOTS[name]
            page = browser.new_page(viewport={"width": 1280, "height": 860}, device_scale_factor=1.25)
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            _take(page, address + path, ready, HERE / "images" / f"{name}.webp")


def _take(page: Page, address: str, ready: str, file: Path) -> None:
    page.goto(address)
    page.wait_for_selector(ready, timeout=120_000)
    page.wait_for_load_state("networkidle")
    Image.open(io.BytesIO(page.screenshot())).save(file, "WEBP", quality=88, method=6)
    page.close()


if __name__ == "__main__":
    main()
