"""Notes in the explorer: forms, other sites, read-only servers, the search, the static site, the command."""

import json

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.web.conftest import explorer_of
from unitscope.atlas.notes import Note, Notes
from unitscope.atlas.notes_file import NotesFile
from unitscope.web.app import create_app
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.static_export import StaticSite

UNIT = {"subject": "unit relu:1", "name": "<b>fur</b>", "note": "line\nline", "tags": "cat, fur, cat", "star": "1"}


@pytest.fixture
def small(make_atlas):
    return make_atlas(np.random.default_rng(0).random((9, 4)).astype(np.float32), labels=["cat", "dog", "cat"] * 3)


def client_of(atlas, folder, locked=""):
    explorer, pictures = explorer_of(atlas, folder / "pictures", notes=NotesFile.of(atlas.path, locked=locked))
    app = create_app(explorer, pictures, LazyInspector(missing="none"), hosts=frozenset({"testserver"}))
    return TestClient(app, follow_redirects=False)


@pytest.fixture
def client(small, tmp_path):
    return client_of(small, tmp_path)


def test_a_note_is_saved_beside_the_atlas_and_shown_escaped(client, small):
    answer = client.post("/notes", data=UNIT)
    assert (answer.status_code, answer.headers["location"]) == (303, "/unit/relu/1")
    note = Note("<b>fur</b>", "line\nline", ("cat", "fur"), star=True)
    assert NotesFile.of(small.path).notes.all("unit") == {"relu:1": note}
    for page in ("/unit/relu/1", "/notes", "/search?q=fur"):
        text = client.get(page).text
        assert "<b>&lt;b&gt;fur&lt;/b&gt;</b>" in text, page
        assert "starred" in text
    assert client.get("/notes-file.json").json() == NotesFile.of(small.path).notes.to_dict()


def test_an_image_is_noted_too(client, small):
    image = small.images["image"][2]
    assert (
        client.post("/notes", data={"subject": f"image {image}", "tags": "blurred"}).headers["location"]
        == f"/image/{image}"
    )
    assert "blurred" in client.get(f"/image/{image}").text
    found = client.get("/notes.json?tag=blurred").json()
    assert [[one["subject"] for one in group] for _, group in found["groups"]] == [[image]]
    assert client.get("/notes.json?star=1").json()["groups"] == []


def test_a_form_changes_only_what_its_user_changed(client):
    client.post("/notes", data=UNIT)
    shown = json.dumps({"name": "<b>fur</b>", "note": "line\nline", "tags": ["cat", "fur"], "star": True})
    client.post("/notes", data={**UNIT, "name": "by another", "was": shown})
    client.post("/notes", data={**UNIT, "note": "mine", "was": shown})
    (found,) = client.get("/notes.json").json()["groups"][0][1]
    assert (found["note"]["name"], found["note"]["note"]) == ("by another", "mine")


@pytest.mark.parametrize("path", ["/notes", "/selections"])
def test_forms_of_other_sites_are_refused(client, small, path):
    for origin in ("http://evil.example", "null"):
        data = {**UNIT, "kind": "units", "selection": "x", "add": "relu:1"}
        assert client.post(path, data=data, headers={"origin": origin}).status_code == 403
    assert not NotesFile.of(small.path).path.exists()


@pytest.mark.parametrize(
    ("path", "data", "status", "message"),
    [
        ("/notes", {"subject": "unit relu:99"}, 404, "no unit 99"),
        ("/notes", {"subject": "image gone.png"}, 404, "no image"),
        ("/notes", {"subject": "layer relu", "star": "1"}, 400, "can&#39;t be noted"),
        ("/notes", {**UNIT, "was": "["}, 400, "not JSON"),
        ("/selections", {"kind": "layers", "selection": "x"}, 400, "of units or images"),
        ("/selections", {"kind": "units", "selection": " ", "add": "relu:1"}, 400, "can&#39;t be noted"),
        ("/selections", {"kind": "images", "selection": "x", "add": "gone.png"}, 404, "no image"),
    ],
)
def test_invalid_notes_are_refused_and_nothing_is_written(client, small, path, data, status, message):
    answer = client.post(path, data=data)
    assert answer.status_code == status
    assert message in answer.text
    assert not NotesFile.of(small.path).path.exists()


def test_a_read_only_server_says_so_and_writes_nothing(small, tmp_path):
    client = client_of(small, tmp_path, locked="the explorer was started with --read-only")
    for page in ("/unit/relu/1", "/notes", f"/image/{small.images['image'][0]}"):
        text = client.get(page).text
        assert "Notes can't be changed: the explorer was started with --read-only" in text
        assert 'method="post" action="/notes"' not in text
    assert client.post("/notes", data=UNIT).status_code == 400
    assert not NotesFile.of(small.path).path.exists()


def test_images_of_a_filter_are_saved_and_compared(client, small):
    answer = client.post("/selections", data={"kind": "images", "selection": "@cats", "query": '{"label": "cat"}'})
    assert (answer.status_code, answer.headers["location"]) == (303, "/notes")
    cats = [
        image for image, labels in zip(small.images["image"], small.images["labels"], strict=True) if "cat" in labels
    ]
    assert NotesFile.of(small.path).notes.of("images cats").members == tuple(cats)
    by_selection = client.get("/compare.json?a=@cats&a=class:dog").json()
    by_class = client.get("/compare.json?a=class:cat&a=class:dog").json()
    assert by_selection["matrix"] == by_class["matrix"]
    assert by_selection["compared"][0]["images"] == 6
    client.post("/selections", data={"kind": "images", "selection": "cats", "only": f"{cats[0]}\n{cats[1]}\n"})
    assert client.get("/compare.json?a=@cats&a=class:dog").json()["compared"][0]["images"] == 2


def test_units_are_collected_and_lead_to_the_lab(client):
    for channel in (1, 3, 1):
        client.post("/selections", data={"kind": "units", "selection": "fur", "add": f"relu:{channel}"})
    assert "/lab?remove=relu%3A1&amp;remove=relu%3A3" in client.get("/notes").text
    assert "@fur" in client.get("/unit/relu/3").text


def test_the_static_site_has_the_notes_without_forms(small, tmp_path):
    NotesFile.of(small.path).change(lambda notes: notes.edit("unit relu:1", {"name": "fur", "tags": ["cat"]}))
    explorer, pictures = explorer_of(small, tmp_path / "pictures", notes=NotesFile.of(small.path))
    site = StaticSite(explorer, pictures, tuple(small.layers), images=False, maps=False)
    site.write(tmp_path / "site", LazyInspector(missing="none"))
    assert Notes.read(tmp_path / "site" / "notes.json").to_dict() == explorer.notes.notes.to_dict()
    for page, link in (("notes.html", "unit/0/1.html"), ("unit/0/1.html", "../../notes.html")):
        text = (tmp_path / "site" / page).read_text("utf-8")
        assert "<b>fur</b>" in text
        assert f'href="{link}"' in text
        assert "<form" not in text
    assert site.pages == len(list((tmp_path / "site").rglob("*.html")))
