"""Each kind of error has its status, and one sentence as a page or as JSON."""

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.web.conftest import WHY, explorer_of
from unitscope.web.app import create_app
from unitscope.web.lazy_inspector import LazyInspector

LABELS = ["cat", "cat", "dog", "dog", "dog", "gone"]


@pytest.fixture
def atlas(make_atlas):
    """An atlas of six images: the last could not be read by the scan, and the third is text by now."""
    responses = np.random.default_rng(0).random((6, 4)).astype(np.float32)
    responses[5] = np.nan
    made = make_atlas(responses, labels=LABELS)
    for name in made.images["image"]:
        Image.new("RGB", (8, 8)).save(made.root / name)
    (made.root / "00002.png").write_text("no picture")
    return made


@pytest.fixture
def client(atlas, tmp_path):
    explorer, pictures = explorer_of(atlas, tmp_path / "pictures")
    app = create_app(explorer, pictures, LazyInspector(missing=WHY), hosts=frozenset({"testserver"}))
    return TestClient(app)


def is_one_sentence(text):
    return text and "\n" not in text and "Traceback" not in text


@pytest.mark.parametrize(
    ("address", "status", "message"),
    [
        ("/layer/nothing", 404, "no layer 'nothing'"),
        ("/layer/untapped", 404, "was not tapped by the scan"),
        ("/unit/relu/99", 404, "there is no unit 99"),
        ("/unit/relu/x", 404, "There is no page"),
        ("/image/none.png", 404, "no image 'none.png'"),
        ("/class/cow", 404, "no class 'cow'"),
        ("/class/cat?layer=nothing", 404, "no layer 'nothing'"),
        ("/class/gone", 422, "none of the images of class 'gone'"),
        ("/compare?a=cow&a=class:cat", 404, "no image 'cow'"),
        ("/compare?a=class:cow", 404, "no class 'cow'"),
        ("/compare?a=00005.png&a=class:cat", 422, "could not be read when atlas"),
        ("/compare?a=class:cat&a=class:dog&top=0", 400, "top"),
        ("/compare?a=class:cat&a=class:dog&top=x", 422, "top: "),
        ("/compare?" + "&".join(f"a=0000{n}.png" for n in range(5)) + "&a=1" * 9, 404, "no image '1'"),
        ("/images?page=x", 422, "page: "),
        ("/picture-of?image=00002.png", 422, "is not an image"),
        ("/picture-of?image=none.png", 404, "no image 'none.png'"),
        ("/picture-of", 422, "image: Field required"),
        ("/thumbnail/99.webp", 404, "no image 99"),
        ("/lab?image=none.png", 404, "no image 'none.png'"),
        ("/structure.json?image=00000.png", 404, WHY),
        ("/maps/relu/1.png", 404, WHY),
        ("/nowhere", 404, "There is no page '/nowhere'"),
    ],
)
def test_the_status_tells_the_kind_of_an_error(client, address, status, message):
    answer = client.get(address, headers={"accept": "application/json"})
    assert answer.status_code == status
    assert message in answer.json()["message"]
    assert is_one_sentence(answer.json()["message"])
    page = client.get(address)
    assert page.status_code == status
    assert "Traceback" not in page.text
    assert page.text.startswith("{" if address.startswith("/structure.json") else "<!doctype html>")


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "files", ["images.parquet", "units.parquet", "arrays.zarr/top_images/c/*/*", "*responses/c/*/*"]
)
def test_a_file_that_is_damaged_while_the_server_runs_is_a_server_error_in_one_sentence(atlas, tmp_path, files):
    explorer, pictures = explorer_of(atlas, tmp_path / "pictures")
    app = create_app(explorer, pictures, LazyInspector(missing=WHY), hosts=frozenset({"testserver"}))
    damaged = [path for path in atlas.path.rglob(files.rpartition("zarr/")[2]) if path.is_file()]
    assert damaged
    for path in damaged:
        damage(path)
    for name in ("images", "units"):
        vars(atlas).pop(name, None)
    vars(atlas).pop("_checked", None)
    client, seen = TestClient(app), set()
    for address in ("/", "/unit/relu/1", "/image/00001.png", "/class/cat", "/compare?a=class:cat&a=class:dog"):
        answer = client.get(address, headers={"accept": "application/json"})
        seen.add(answer.status_code)
        if answer.status_code != 200:
            assert "damaged" in answer.json()["message"]
            assert is_one_sentence(answer.json()["message"])
            assert client.get(address).text.count("<h1>Damaged atlas</h1>") == 1
    assert 500 in seen
    assert seen <= {200, 500}


def test_a_file_of_the_atlas_that_can_not_be_read_is_a_server_error_in_one_sentence(atlas, client):
    for path in atlas.path.rglob("responses/c/*/*"):
        if path.is_file():
            path.unlink()
            path.mkdir()
    vars(atlas).pop("_checked", None)
    answer = client.get("/image/00001.png", headers={"accept": "application/json"})
    assert answer.status_code == 500
    assert is_one_sentence(answer.json()["message"])


def test_an_image_outside_the_folder_is_not_allowed(client, atlas, tmp_path):
    (atlas.root / "00001.png").unlink()
    outside = tmp_path.parent / f"{tmp_path.name}-outside.png"
    Image.new("RGB", (8, 8)).save(outside)
    (atlas.root / "00001.png").symlink_to(outside)
    answer = client.get("/picture-of?image=00001.png")
    assert answer.status_code == 403
    assert "is a link out of the folder" in answer.text
