"""The pictures of the explorer in the README and the docs, taken of the demo's atlas in Chromium.

In: a demo (`make demo`). Out: WebP files in docs/images. Run from the project's folder: ``python docs/screenshots.py``.
"""

import io
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
# The units that respond most in that layer.
LAB = "/lab?image=chelsea%2F00.jpg&" + "&".join(
    f"remove=act%3A16%3A{unit}" for unit in (443, 53, 222, 154, 84, 344, 0, 331, 465)
)
# Address, what to wait for, light or dark.
SHOTS = {
    "explorer-unit": ("/unit/act:-1/725", "#exemplars[data-ready=yes]", "light"),
    "explorer-layer": ("/layer/act:-1#sort=max", "#units .card", "light"),
    "explorer-image": ("/image/chelsea/00.jpg", "#structure button.map", "dark"),
    "explorer-atlas": ("/", ".strip a", "light"),
    "explorer-lab": (LAB, "#structure[data-ready]", "dark"),
}


def main() -> None:
    """Start the explorer, take all pictures, stop it."""
    command = [str(Path(sys.executable).with_name("unitscope")), "serve", "demo/atlas", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server, sync_playwright() as running:
        assert server.stderr is not None
        address = server.stderr.readline().split(" at ")[1].split()[0]
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        for name, (path, ready, scheme) in SHOTS.items():
            page = browser.new_page(viewport={"width": 1280, "height": 860}, device_scale_factor=1.25)
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            _take(page, address + path, ready, HERE / "images" / f"{name}.webp")
        browser.close()
        server.terminate()


def _take(page: Page, address: str, ready: str, file: Path) -> None:
    page.goto(address)
    page.wait_for_selector(ready, timeout=120_000)
    page.wait_for_load_state("networkidle")
    Image.open(io.BytesIO(page.screenshot())).save(file, "WEBP", quality=88, method=6)
    page.close()


if __name__ == "__main__":
    main()
