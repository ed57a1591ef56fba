"""Which requests are allowed and which are refused."""

import io

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from starlette.websockets import WebSocketDisconnect

from tests.web.conftest import explorer_of, network_session
from unitscope.web.app import create_app
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.network_routes import MAX_BYTES
from unitscope.web.security import SecurityMiddleware


@pytest.fixture(scope="module")
def client(reading_app):
    return TestClient(reading_app)


def picture(size=(64, 48), kind="PNG"):
    random = np.random.default_rng(0)
    with io.BytesIO() as buffer:
        Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(buffer, kind)
        return buffer.getvalue()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8008", ""])
def test_other_hosts_are_refused(client, host):
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 403
    assert "--allow-host" in answer.text


@pytest.mark.parametrize("host", ["localhost:80", "127.0.0.1:8008", "[::1]:8008", "localhost", "LocalHost:1"])
def test_requests_from_this_machine_are_allowed(reading_app, host):
    assert TestClient(SecurityMiddleware(reading_app.app)).get("/index.json", headers={"host": host}).status_code == 200


def test_posts_from_other_origins_are_refused(client):
    headers = {"origin": "https://evil.example"}
    assert client.post("/lab.json", json={"image": "chelsea/00.jpg"}, headers=headers).status_code == 403
    assert client.post("/upload", files={"picture": picture()}, headers=headers).status_code == 403
    assert client.post("/upload", files={"picture": picture()}, headers={"origin": "null"}).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"origin": "https://evil.example"}, {"origin": "null"}])
def test_a_websocket_from_another_origin_is_refused(client, headers):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live.ws", headers=headers):
        pass


def test_an_uploaded_image_has_a_page(client):
    answer = client.post("/upload", files={"picture": picture()}, headers={"accept": "application/json"})
    assert answer.status_code == 200
    page = answer.json()["page"]
    assert client.get(page).status_code == 200
    shown = client.get("/picture-of", params={"image": answer.json()["image"]})
    assert Image.open(io.BytesIO(shown.content)).size == (320, 320)


def test_an_upload_without_javascript_is_redirected_to_its_page(client):
    answer = client.post("/upload", files={"picture": picture()}, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/upload/")


@pytest.mark.parametrize(
    ("data", "text_shown"),
    [
        (b"", "empty file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (picture()[:200], "truncated"),
    ],
)
def test_an_upload_that_is_not_an_image_is_refused(client, data, text_shown):
    answer = client.post("/upload", files={"picture": data}, headers={"accept": "application/json"})
    assert answer.status_code == 422
    assert text_shown in answer.json()["message"]


def test_a_picture_too_narrow_is_refused(client):
    answer = client.post("/upload", files={"picture": picture((1, 4000))}, headers={"accept": "application/json"})
    assert answer.status_code == 422
    assert "too narrow" in answer.json()["message"]


def test_a_picture_of_too_many_pixels_is_refused(client):
    with io.BytesIO() as buffer:
        Image.new("1", (10_000, 6_000)).save(buffer, "PNG")
        data = buffer.getvalue()
    answer = client.post("/upload", files={"picture": data}, headers={"accept": "application/json"})
    assert answer.status_code == 413
    assert "60.0 megapixels is over the limit of 50.0" in answer.json()["message"]


def test_a_body_of_too_many_bytes_is_refused(client):
    answer = client.post("/upload", files={"picture": bytes(MAX_BYTES + 2_000_000)})
    assert answer.status_code == 413


@pytest.mark.parametrize("headers", [{"transfer-encoding": "chunked"}, {"content-length": "9" * 30}])
def test_a_body_with_an_unreliable_content_length_is_refused(client, headers):
    given = {"content-length": "2", "content-type": "application/json", **headers}
    assert client.post("/lab.json", content=b"{}", headers=given).status_code == 411


def test_a_malformed_origin_is_refused(client):
    assert client.post("/lab.json", json={"image": "x"}, headers={"origin": "http://["}).status_code == 403


@pytest.mark.parametrize("unit", ["act:1:" + "9" * 5000, "act:" + "9" * 5000 + ":1", "\ud800", "a:1\ud800"])
def test_malformed_names_are_not_found(client, unit):
    named = unit.encode("unicode_escape").decode()
    body = f'{{"image": "chelsea/00.jpg", "removed": ["{named}"]}}'
    headers = {"content-type": "application/json", "accept": "application/json"}
    answer = client.post("/lab.json", content=body, headers=headers)
    assert answer.status_code in (404, 422)
    assert client.get("/search", params={"q": unit.replace("\ud800", "")}).status_code == 200


def test_an_unchanged_picture_is_not_sent_again(client):
    first = client.get("/thumbnail/3.webp")
    again = client.get("/thumbnail/3.webp", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


def test_a_body_without_content_length_is_refused(client):
    def endless():
        yield b"x" * 1000

    assert client.post("/lab.json", content=endless()).status_code == 411


def test_only_the_atlass_images_are_served(make_atlas, tmp_path):
    from unitscope.web.lazy_inspector import LazyInspector

    given = make_atlas(np.eye(3))
    secret = tmp_path.parent / "secret.png"
    Image.new("RGB", (8, 8)).save(secret)
    given.images.loc[0, "image"] = "../secret.png"
    given.images.loc[1, "image"] = str(secret)
    explorer, pictures = explorer_of(given, tmp_path / "pictures")
    client = TestClient(create_app(explorer, pictures, LazyInspector(missing="none"), hosts=frozenset({"testserver"})))
    for row in (0, 1, 2):
        assert client.get(f"/thumbnail/{row}.webp").headers["content-type"] == "image/svg+xml"
    assert client.get("/picture-of", params={"image": "../secret.png"}).status_code == 403
    for address in ("/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"):
        assert client.get(address).status_code == 404


def test_each_frame_gets_one_reply(atlas, tmp_path):
    explorer, pictures = explorer_of(atlas, tmp_path)
    app = create_app(explorer, pictures, network_session(atlas), hosts=frozenset({"testserver"}))
    headers = {"origin": "http://testserver"}
    with TestClient(app).websocket_connect("/live.ws?layer=act:-1", headers=headers) as socket:
        for kind in ("JPEG", "WEBP"):
            socket.send_bytes(picture(kind=kind))
            output = socket.receive_json()
            assert len(output["predictions"]) == 5
            assert [len(layer["units"]) for layer in output["layers"]] == [9]
        socket.send_bytes(b"no picture")
        assert "not an image" in socket.receive_json()["message"]
        socket.send_bytes(picture((2500, 2500)))
        assert "megapixels" in socket.receive_json()["message"]
        with io.BytesIO() as buffer:
            Image.new("1", (30_000, 30_000)).save(buffer, "PNG")
            socket.send_bytes(buffer.getvalue())
        assert socket.receive_json()["message"]
    with TestClient(app).websocket_connect("/live.ws?layer=nothing", headers=headers) as socket:
        assert "no layer 'nothing'" in socket.receive_json()["message"]


def test_a_strip_of_maps_is_not_cached_while_an_image_is_missing(atlas, tmp_path):
    import shutil

    from unitscope.errors import ImageError

    explorer, pictures = explorer_of(atlas, tmp_path / "pictures")
    session = network_session(atlas)
    layer = atlas.find("act:-1")
    images = [one.image for one in explorer.atlas_cache.extremes(layer, 725)]
    moved = type(pictures)(pictures.atlas_cache, atlas.source(tmp_path / "moved"), pictures.cache)
    with pytest.raises(ImageError, match="give their new folder with --image-root"):
        moved.maps(session, layer, 725)
    for image in images[1:]:
        (tmp_path / "moved" / image).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(atlas.root / image, tmp_path / "moved" / image)
    partly = moved.maps(session, layer, 725)
    shutil.copy(atlas.root / images[0], tmp_path / "moved" / images[0])
    assert moved.maps(session, layer, 725) != partly


def test_an_unavailable_network_is_tried_once_and_the_reason_reported():
    from unitscope.errors import NetworkError
    from unitscope.web.lazy_inspector import LazyInspector

    tried = []

    def broken():
        tried.append(1)
        raise KeyError("of another version")

    session = LazyInspector(broken)
    session.load()
    for _ in range(2):
        with pytest.raises(NetworkError, match="could not be loaded: KeyError: 'of another version'"):
            session.get().maps([], None, 0)
    assert len(tried) == 1


def test_another_site_may_link_to_pages_but_load_nothing(reading_app):
    asking = TestClient(reading_app)
    elsewhere = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    assert asking.get("/thumbnail/0.webp", headers=elsewhere).status_code == 403
    assert asking.get("/", headers={**elsewhere, "sec-fetch-mode": "navigate"}).status_code == 200
    assert asking.get("/thumbnail/0.webp", headers={"sec-fetch-site": "same-origin"}).status_code == 200


@pytest.mark.parametrize("path", ["/unit/_swish_1/abc", "/thumbnail/1e9.webp", "/unit/_swish_1/1.5.json"])
def test_an_id_that_is_not_a_number_is_a_404(reading_app, path):
    asking = TestClient(reading_app)
    answer = asking.get(path)
    assert answer.status_code == 404
    assert "There is no page" in answer.text


class FailingInspector:
    """A network whose forward pass fails, as custom networks may."""

    def structure(self, *args, **options):
        raise RuntimeError("the sizes of tensors must match")


def test_an_error_inside_the_server_is_a_page_without_a_traceback(atlas, tmp_path):
    explorer, pictures = explorer_of(atlas, tmp_path)
    app = create_app(explorer, pictures, LazyInspector(FailingInspector), hosts=frozenset({"testserver"}))
    client = TestClient(app, raise_server_exceptions=False)
    answer = client.get("/structure.json", params={"image": "chelsea/00.jpg"})
    assert answer.status_code == 500
    assert "the sizes of tensors must match" in answer.text
    assert "Traceback" not in answer.text
    with client.websocket_connect("/live.ws?layer=act:1", headers={"origin": "http://testserver"}) as socket:
        socket.send_bytes(picture())
        assert socket.receive_json() == {"message": "The network failed: RuntimeError: the sizes of tensors must match"}
