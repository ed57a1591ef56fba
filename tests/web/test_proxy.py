"""The explorer behind a reverse proxy that serves a path, for HTTP clients and in Chromium."""

import re
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient

from tests.web.conftest import WHY, explorer_of, network_session, served, until
from tests.web.reverse_proxy import ReverseProxy, proxied
from unitscope.errors import UnitscopeError
from unitscope.web.app import create_app
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.proxy import _PAGES, Proxy, parse_root_path
from unitscope.web.security import LOCAL, SecurityMiddleware, host_name

PATH = "/user/ada%40uni.example/proxy/8008"
LINK = re.compile(r'(?:href|src|action|data-maps|data-source|data-socket|data-thumbnail)="(/[^"]*)"')
PAGES = ["/", "/layer/act:1", "/unit/_swish_1/725", "/images", "/image/chelsea/00.jpg", "/class/chelsea"]
PAGES += ["/compare?a=class:chelsea&a=class:flower", "/search?q=12", "/lab", "/live"]


@pytest.fixture(scope="module")
def make_app(atlas, tmp_path_factory):
    """Makes the server's application without a network."""
    explorer, pictures = explorer_of(atlas, tmp_path_factory.mktemp("pictures"))

    def make(*hosts, **proxy):
        names = frozenset({*LOCAL, *hosts})
        return create_app(explorer, pictures, LazyInspector(missing=WHY), hosts=names, proxy=Proxy(**proxy))

    return make


@pytest.mark.parametrize("strip", [True, False])
def test_all_links_lead_through_a_proxy_with_or_without_its_path(make_app, strip):
    app = make_app(root_path=parse_root_path(PATH))
    with served(app) as server, proxied(ReverseProxy(urlsplit(server).port, PATH, strip)) as address:
        texts = [httpx.get(address + page).raise_for_status().text for page in PAGES]
        links = {link for text in texts for link in LINK.findall(text)}
        assert len(links) > 100
        assert [link for link in links if not link.startswith(PATH + "/")] == []
        kinds = {link.removeprefix(PATH).split("/")[1].split("?")[0]: link for link in links if "{}" not in link}
        assert len(kinds) > 12
        for kind in kinds.keys() - {"maps", "structure.json", "upload", "live.ws"}:
            found = httpx.get(address.removesuffix(PATH) + kinds[kind], follow_redirects=True)
            assert found.status_code == 200, kind


def test_redirects_lead_through_the_proxy(make_app):
    app = make_app(root_path="/atlas")
    with served(app) as server, proxied(ReverseProxy(urlsplit(server).port, "/atlas")) as address:
        found = httpx.get(f"{address}/search?q=act:3")
        assert found.headers["location"] == "/atlas/layer/_blocks.1._swish"


def test_the_first_page_answers_without_its_last_slash(make_app):
    client = TestClient(make_app("testserver", root_path="/atlas"))
    assert client.get("/atlas").text == client.get("/atlas/").text == client.get("/").text


@pytest.mark.parametrize("name", ["X-Forwarded-Prefix", "X-Forwarded-Context", "X-ProxyContextPath", "X-Script-Name"])
def test_headers_of_a_proxy_are_believed_on_request_only(make_app, name):
    headers = {name: "/user/ada/proxy/8008/"}
    trusting, wary = (TestClient(make_app("testserver", trusted=trusted)) for trusted in (True, False))
    assert 'href="/user/ada/proxy/8008/images"' in trusting.get("/", headers=headers).text
    assert 'href="/images"' in wary.get("/", headers=headers).text


@pytest.mark.parametrize("prefix", ["//evil.example", "/a\\b", "/..", "evil.example", "/a?b", "/a\n", "/"])
def test_a_prefix_that_is_not_a_path_is_ignored(make_app, prefix):
    client = TestClient(make_app("testserver", trusted=True))
    sent = {"X-Forwarded-Prefix": prefix.replace("\n", "%0a")}
    assert 'href="/images"' in client.get("/", headers=sent).text


def test_a_prefix_cannot_add_markup(make_app):
    client = TestClient(make_app("testserver", trusted=True))
    assert "<script>alert" not in client.get("/", headers={"X-Forwarded-Prefix": '/"><script>alert(1)<'}).text


def test_an_unknown_host_is_refused_with_all_the_options_that_it_needs(make_app):
    client = TestClient(make_app())
    headers = {"host": "hub.example.org", "X-Forwarded-Context": "/user/ada/proxy/8008"}
    answer = client.get("/", headers=headers)
    assert answer.status_code == 403
    assert "--allow-host hub.example.org --root-path /user/ada/proxy/8008" in answer.text


def test_a_proxy_that_serves_another_path_is_noted_once(make_app, caplog):
    client = TestClient(make_app("testserver"))
    for _ in range(2):
        assert client.get("/", headers={"X-Forwarded-Prefix": "/atlas"}).status_code == 200
    assert [one.getMessage().split("start with ")[1] for one in caplog.records] == ["--root-path /atlas"]


def test_every_forwarded_host_must_be_allowed(make_app):
    client = TestClient(make_app("lab.example.org", trusted=True))
    own = {"host": "127.0.0.1:8008"}
    assert client.get("/", headers={**own, "X-Forwarded-Host": "lab.example.org"}).status_code == 200
    for named in ("evil.example", "lab.example.org, evil.example"):
        answer = client.get("/", headers={**own, "X-Forwarded-Host": named})
        assert answer.status_code == 403
        assert "--allow-host evil.example" in answer.text
    assert client.get("/", headers={"host": "evil.example", "X-Forwarded-Host": "localhost"}).status_code == 403


def post(client, **headers):
    return client.post("/lab.json", json={"image": "gone.jpg"}, headers=headers)


def test_an_allowed_host_is_an_allowed_origin_behind_a_proxy_that_changes_the_host(make_app):
    client = TestClient(make_app("lab.example.org"))
    for origin in ("https://lab.example.org", "https://lab.example.org:8443"):
        assert post(client, host="127.0.0.1:8008", origin=origin).status_code == 404
    for origin in ("https://evil.example", "http://localhost:3000", "http://127.0.0.1:3000", "http://0.0.0.0:3000"):
        answer = post(client, host="127.0.0.1:8008", origin=origin)
        assert answer.status_code == 403
        assert "--allow-host" in answer.json()["message"]


def test_other_servers_of_this_machine_are_foreign_even_if_all_addresses_are_listened_on(make_app):
    client = TestClient(make_app("0.0.0.0", "[::]"))
    for origin in ("http://0.0.0.0:3000", "http://[::]:3000"):
        assert post(client, host="0.0.0.0:8008", origin=origin).status_code == 403


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Lab.example.org", "lab.example.org"),
        ("lab.example.org:8443", "lab.example.org"),
        ("https://lab.example.org/atlas", "lab.example.org"),
        ("::1", "[::1]"),
        ("[fe80::1]:80", "[fe80::1]"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_host_can_be_given_in_any_usual_way(given, name):
    assert host_name(given) == name


@pytest.mark.parametrize(
    ("given", "path"),
    [("", ""), ("/", ""), ("/atlas/", "/atlas"), ("/user/ada%40uni/proxy/1", "/user/ada@uni/proxy/1")],
)
def test_a_root_path_has_no_last_slash(given, path):
    assert parse_root_path(given) == path


@pytest.mark.parametrize("given", ["atlas", "https://host/atlas", "//host", "/a?b", "/a/../b", "/a\nb"])
def test_a_root_path_that_is_not_a_path_is_refused(given):
    with pytest.raises(UnitscopeError, match="is not a path such as /atlas"):
        parse_root_path(given)


def test_a_root_path_cannot_begin_as_a_page_does(reading_app):
    app = reading_app.app.app.app
    firsts = {route.path.split("/")[1] for route in app.routes if route.path.count("/") > 1 or "." not in route.path}
    assert firsts - {"", "openapi.json"} == set(_PAGES)
    for page in _PAGES:
        with pytest.raises(UnitscopeError, match="begins as a page of the explorer does"):
            parse_root_path(f"/{page}/of/ada")


def test_the_checks_still_protect_a_proxied_server(make_app):
    assert isinstance(make_app(root_path="/atlas"), SecurityMiddleware)
    client = TestClient(make_app("testserver", root_path="/atlas"))
    headers = {"origin": "https://evil.example"}
    assert client.post("/atlas/lab.json", json={"image": "x"}, headers=headers).status_code == 403
    assert client.get("/atlas/static/%2e%2e/app.py").status_code == 404


def test_pages_uploads_the_lab_and_the_live_view_work_behind_a_proxy(page, atlas, tmp_path, demo):
    explorer, pictures = explorer_of(atlas, tmp_path)
    proxy = Proxy(root_path=parse_root_path(PATH))
    app = create_app(explorer, pictures, network_session(atlas), hosts=LOCAL | {"lab.localhost"}, proxy=proxy)
    with served(app) as server:
        port = urlsplit(server).port
        upstream = {"Host": f"127.0.0.1:{port}"}  # as nginx sends it by default
        with proxied(ReverseProxy(port, PATH, headers=upstream)) as proxy_address:
            address = proxy_address.replace("127.0.0.1", "lab.localhost")  # Chromium knows it as this machine
            page.goto(f"{address}/")
            page.click("table a >> nth=-1")
            page.wait_for_selector("#units .card")
            page.locator("#units .card").first.click()
            page.wait_for_selector("#exemplars[data-ready='yes']")
            page.click("text=Images >> nth=0")
            page.wait_for_url(f"**{PATH}/images*")  # until its scripts have run
            page.set_input_files("[name=picture]", str(demo / "whole" / "coffee.png"))
            page.wait_for_url(f"**{PATH}/upload/*")
            page.wait_for_selector("#structure button.map")
            page.goto(f"{address}/lab?image=chelsea/00.jpg&layer=_swish_1&top=2")
            page.wait_for_selector("#structure[data-ready='1']")
            assert urlsplit(page.url).path == f"{PATH}/lab"
            page.goto(f"{address}/live")
            page.click("#camera")
            until(page, "Number(document.getElementById('rate').dataset.frames) >= 2")
            page.locator("#maps button").first.click()
            page.wait_for_selector("#pinned .tiles img")
            until(page, "[...document.querySelectorAll('#pinned .tiles img')].every((one) => one.naturalWidth > 0)")
            page.click("#stop")
