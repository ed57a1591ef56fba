"""The demo's atlas, made once for all tests; a server for it in a thread; a browser."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

import unitscope
from tests.conftest import BROWSERS, installed_browser
from tests.crops import write_crops
from unitscope.demo import NETWORK
from unitscope.web.app import create_app
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.cache import Cache
from unitscope.web.image_files import ImageFiles
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.page_renderer import PageRenderer
from unitscope.web.server import listen, server

PATIENCE = 120_000  # milliseconds
WHY = "The explorer was started with --no-network; start it without this option."


def until(page, expression):
    """Wait until an expression is true; the pages' content policy forbids Playwright's own wait."""
    tries = range(PATIENCE // 100)
    assert any(page.evaluate(expression) or page.wait_for_timeout(100) for _ in tries), f"never true: {expression}"


@contextlib.contextmanager
def locked(path):
    """One worker at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Path:
    """Crops of the demo's photographs, and an atlas of its network over them; shared by workers."""
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra 'demo' is not installed")
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with locked(base / "demo.lock"):
        if not (base / "demo" / "atlas" / "manifest.json").exists():
            write_crops(base / "demo" / "photographs")
            unitscope.scan(unitscope.load(NETWORK), base / "demo" / "photographs", base / "demo" / "atlas")
    return base / "demo"


@pytest.fixture(scope="session")
def atlas(demo):
    return unitscope.open_atlas(demo / "atlas")


def explorer_of(atlas, folder, **more):
    """An explorer and its picture cache in a folder."""
    atlas_cache = AtlasCache(atlas)
    return PageRenderer(atlas_cache, **more), ImageFiles(atlas_cache, atlas.source(), Cache(folder))


def network_session(atlas):
    """The demo's network, loaded on first use."""
    from unitscope.engine.session import Session
    from unitscope.inspection.inspector import Inspector
    from unitscope.scanning.atlas_network import network_of

    return LazyInspector(lambda: Inspector(Session(network_of(atlas)), tuple(atlas.layers)))


@contextlib.contextmanager
def served(app):
    """Run a server in a thread; yield its address."""
    socket = listen("127.0.0.1", 0)
    running = server(app)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [socket]})
    thread.start()
    try:
        while not running.started:
            assert thread.is_alive(), "the server has stopped before it answered"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def reading_app(atlas, tmp_path_factory):
    """The server's application, without a network."""
    explorer, pictures = explorer_of(atlas, tmp_path_factory.mktemp("pictures"))
    return create_app(explorer, pictures, LazyInspector(missing=WHY), hosts=frozenset({"testserver"}))


@pytest.fixture(scope="session")
def site(atlas, tmp_path_factory):
    """The address of a server that has the demo's network."""
    explorer, pictures = explorer_of(atlas, tmp_path_factory.mktemp("pictures"))
    with served(create_app(explorer, pictures, network_session(atlas))) as address:
        yield address


def chromium() -> str:
    """The system's browser, installed on Debian if running as root, else Playwright's own."""
    if found := installed_browser():
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        install = "apt-get install -qy"
        subprocess.run(
            f"apt-get update -q && {install} {BROWSERS[0]} || {install} {BROWSERS[1]}",
            shell=True,
            check=False,
            capture_output=True,
        )
        if found := installed_browser():
            return found
    subprocess.run(["playwright", "install", "chromium"], check=False, capture_output=True)
    return ""


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Chromium with a fake camera."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with locked(base / "browser.lock"):
        path = chromium()
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with playwright.sync_playwright() as running:
        try:
            started = running.chromium.launch(executable_path=path or None, args=[*flags, *camera])
        except playwright.Error as problem:
            pytest.skip(f"no browser could be found or installed: {str(problem).splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture
def lenient_page(browser):
    """A page that may log errors, with a longer timeout for busy machines."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        context.set_default_timeout(PATIENCE)
        yield context.new_page()


@pytest.fixture
def page(lenient_page):
    """A page that fails the test if the browser logs an error."""
    complaints = []
    lenient_page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    lenient_page.on("pageerror", lambda problem: complaints.append(str(problem)))
    yield lenient_page
    assert not complaints
