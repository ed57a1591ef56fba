"""Work of the network, uploads and slow clients do not hold the pages of the atlas, on a real server."""

import contextlib
import io
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.images.costly_pictures import deep_png, many_scans
from tests.web.conftest import WHY, explorer_of, served
from tests.web.conftest import until as browser_until
from unitscope.errors import BusyError, UnitscopeError
from unitscope.web.app import create_app
from unitscope.web.image_files import ImageFiles
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.live_routes import MAX_SOCKETS
from unitscope.web.memory_budget import MemoryBudget
from unitscope.web.request_bodies import BodyMiddleware
from unitscope.web.server import listen

JSON = {"accept": "application/json"}
STRUCTURE = "/structure.json?image=00000.png"
UNITS = np.random.default_rng(0).random((6, 4))


class HeldInspector:
    """A network whose forward pass takes until it is released."""

    def __init__(self):
        self.released, self.runs = threading.Event(), 0

    def structure(self, *args, **options):
        self.runs += 1
        assert self.released.wait(60)
        raise UnitscopeError("released")


@pytest.fixture
def held():
    inspector = HeldInspector()
    yield inspector
    inspector.released.set()


@pytest.fixture
def held_app(make_atlas, tmp_path, held):
    """An application with that network; the images of its atlas exist."""
    atlas = make_atlas(UNITS)
    for name in atlas.images["image"]:
        Image.new("RGB", (8, 8)).save(atlas.root / name)
    explorer, pictures = explorer_of(atlas, tmp_path / "pictures")
    return create_app(explorer, pictures, LazyInspector(lambda: held))


def until(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never happened")


def test_pages_answer_while_the_network_is_busy_and_its_queue_is_bounded(held_app, held):
    with served(held_app) as address, ThreadPoolExecutor(60) as pool:
        asked = [pool.submit(httpx.get, address + STRUCTURE, timeout=120) for _ in range(60)]
        until(lambda: sum(one.done() for one in asked) == 27)  # one runs and 32 wait
        for page in ("/", "/unit/relu/1", "/image/00001.png", "/thumbnail/2.webp", "/lab", "/live"):
            assert httpx.get(address + page, timeout=30).status_code == 200
        held.released.set()
    refused = [one.result() for one in asked if one.result().status_code == 429]
    assert len(refused) == 27
    assert {one.headers["retry-after"] for one in refused} == {"5"}
    assert refused[0].json()["message"] == ("the network is busy with 33 other requests; try again in a few seconds")
    assert {one.result().json()["message"] for one in asked} - {refused[0].json()["message"]} == {"released"}


def test_the_browser_shows_that_the_network_is_busy(lenient_page, held_app, held):
    with served(held_app) as address, ThreadPoolExecutor(60) as pool:
        asked = [pool.submit(httpx.get, address + STRUCTURE, timeout=120) for _ in range(60)]
        until(lambda: sum(one.done() for one in asked) == 27)
        for page, place in (("/image/00001.png", "#structure .reason"), ("/lab", "#structure .reason")):
            lenient_page.goto(address + page)
            text = lenient_page.wait_for_selector(place).inner_text()
            assert text == "the network is busy with 33 other requests; try again in a few seconds"
        lenient_page.goto(f"{address}/unit/relu/1")
        reason = "document.getElementById('maps-state').textContent"
        browser_until(lenient_page, f"{reason}.startsWith('the network is busy')")
        held.released.set()


def test_requests_of_clients_that_have_left_are_not_run(held_app, held, monkeypatch):
    monkeypatch.setattr("unitscope.web.work_queues._POLL", 0.02)
    with served(held_app) as address, ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.get, address + STRUCTURE, timeout=120)
        until(lambda: held.runs == 1)
        for _ in range(36):  # more than may wait at once
            with httpx.Client(timeout=0.05) as client, pytest.raises(httpx.ReadTimeout):
                client.get(address + STRUCTURE)
        time.sleep(0.5)
        held.released.set()
        assert first.result().status_code == 400
        assert httpx.get(address + STRUCTURE, timeout=60).status_code == 400
    assert held.runs == 2


def test_a_server_can_be_started_again(held_app, held):
    held.released.set()
    for _ in range(2):
        with served(held_app) as address:
            assert httpx.get(address + STRUCTURE, timeout=60).json()["message"] == "released"
            assert httpx.get(f"{address}/thumbnail/1.webp").status_code == 200


def test_at_most_a_few_live_views_are_open(held_app):
    client = TestClient(held_app)
    headers = {"origin": "http://localhost", "host": "localhost"}

    def opened():
        return client.websocket_connect("/live.ws?layer=relu", headers=headers)

    sockets = [opened() for _ in range(MAX_SOCKETS)]
    for one in sockets:
        one.__enter__()
    with opened() as extra:
        assert extra.receive_json() == {
            "message": f"{MAX_SOCKETS} live views are open, and no more can be; close one, or try again later"
        }
    sockets.pop().__exit__(None, None, None)
    with opened() as again:
        again.send_bytes(b"no picture")
        assert "not an image" in again.receive_json()["message"]
    for one in sockets:
        one.__exit__(None, None, None)


@pytest.fixture
def make_client(make_atlas, tmp_path):
    """A client of a server without a network, whose uploads may take so many bytes."""

    def make(total=2**30):
        explorer, pictures = explorer_of(make_atlas(UNITS), tmp_path / "pictures")
        some = ImageFiles(pictures.atlas_cache, pictures.source, pictures.cache, MemoryBudget(total))
        app = create_app(explorer, some, LazyInspector(missing=WHY), hosts=frozenset({"testserver"}))
        return TestClient(app), some

    return make


def png(side):
    with io.BytesIO() as buffer:
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)).save(buffer, "PNG")
        return buffer.getvalue()


def test_uploads_share_a_budget_of_memory_for_bodies_and_pixels(make_client):
    client, pictures = make_client(100_000)
    small, many_pixels, large = png(40), png(95), png(200)
    assert client.post("/upload", files={"picture": small}, headers=JSON).status_code == 200
    for data in (many_pixels, large):
        answer = client.post("/upload", files={"picture": data}, headers=JSON)
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "5"
        assert answer.json()["message"] == "other uploads take the memory of the server; try again in a few seconds"
    page = client.post("/upload", files={"picture": many_pixels})
    assert (page.status_code, page.headers["content-type"]) == (429, "text/html; charset=utf-8")
    assert "other uploads take the memory of the server" in page.text
    assert pictures.memory.used == 0


def test_a_budget_is_given_back_after_an_error():
    budget = MemoryBudget(10)
    with budget.reserve(6):
        with pytest.raises(BusyError, match="take the memory"), budget.reserve(5):
            pass
        assert budget.used == 6
    assert budget.used == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (deep_png(9000, 6000), "54.0 megapixels is over the limit of 50.0"),
        (many_scans(3000, 2000, 600), "a JPEG of 600 scans over 6.0 megapixels, which takes too long to decode"),
    ],
)
def test_a_small_upload_that_would_cost_much_is_refused_before_it_is_decoded(make_client, data, message):
    assert len(data) < 200_000
    answer = make_client()[0].post("/upload", files={"picture": data}, headers=JSON)
    assert answer.status_code == 413
    assert message in answer.json()["message"]


def test_the_picture_of_an_upload_is_made_when_it_is_checked(make_client):
    client, pictures = make_client()
    address = client.post("/upload", files={"picture": png(50)}, headers=JSON).json()["image"]
    assert pictures.cache.find(f"320 {address}") == client.get("/picture-of", params={"image": address}).content


def test_refusals_of_a_body_are_json_where_json_is_asked_for(make_client):
    client, _ = make_client()
    form = {"content-length": "99999999", "content-type": "multipart/form-data; boundary=x"}
    for path, headers, most in (("/lab.json", {"content-length": "99999999"}, 1), ("/upload", JSON | form, 21)):
        answer = client.post(path, content=b"x" * 100, headers=headers)
        assert answer.status_code == 413
        assert json.loads(answer.text)["message"] == f"at most {most} MB can be sent, not 100"
    assert client.post("/upload", content=b"x", headers=form).text == "at most 21 MB can be sent, not 100"


def test_a_body_that_trickles_is_refused(held_app):
    bodies = held_app.app.app
    timed = BodyMiddleware(bodies.app, bodies.memory, seconds=0.5)
    with served(timed) as address, socket.create_connection(("127.0.0.1", urlsplit(address).port), 30) as client:
        client.sendall(b"POST /lab.json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
        answer = b""
        while not answer.endswith(b"}"):
            answer += client.recv(4096)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"the body of the request took over" in answer
        assert bodies.memory.used == 0
        assert httpx.get(f"{address}/").status_code == 200


def test_connections_on_which_no_request_begins_are_closed(held_app, monkeypatch):
    monkeypatch.setattr("unitscope.web.connections.SECONDS", 0.3)
    with served(held_app) as address:
        port = urlsplit(address).port
        with socket.create_connection(("127.0.0.1", port), 30) as silent:
            assert silent.recv(10) == b""
        with socket.create_connection(("127.0.0.1", port), 30) as trickling:
            trickling.sendall(b"GET / HTTP/1.1\r\nHost: loc")
            assert trickling.recv(10) == b""
        with httpx.Client() as client:
            assert client.get(f"{address}/").status_code == client.get(f"{address}/images").status_code == 200


def test_a_client_that_does_not_read_its_response_is_left(held_app, monkeypatch):
    monkeypatch.setattr("unitscope.web.connections.SECONDS", 0.1)
    with served(held_app) as address, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(("127.0.0.1", urlsplit(address).port))
        client.sendall(b"GET /static/plotly.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(2)
        got = 0
        with contextlib.suppress(ConnectionResetError):
            while data := client.recv(65536):
                got += len(data)
        assert 0 < got < 4_000_000


def test_small_packets_are_sent_at_once():
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname(), 30):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_more_connections_than_can_be_are_closed(held_app, monkeypatch):
    monkeypatch.setattr("unitscope.web.connections.MAX_CONNECTIONS", 3)
    with served(held_app) as address:
        port = urlsplit(address).port
        many = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(4)]
        assert many[3].recv(10) == b""
        many[0].close()
        until(lambda: answers(port))
        for one in many:
            one.close()


def answers(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
    except httpx.TransportError:
        return False
