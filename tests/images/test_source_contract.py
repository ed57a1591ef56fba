"""The shipped contract tests, applied to the built-in sources."""

import json

import pytest
from PIL import Image

from unitscope.testing import SourceTests


def draw(root, *names):
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8 + number, 8), (40 * number, 80, 120)).save(root / name)
    return str(root)


class TestFolder(SourceTests):
    unreadable = ("sub/notes.txt",)

    @pytest.fixture(autouse=True)
    def _draw(self, tmp_path):
        self.address = draw(tmp_path, "b.png", "sub/Übung a.jpg", "a.webp")
        (tmp_path / "sub/notes.txt").write_text("no image")


class TestClassFolders(SourceTests):
    @pytest.fixture(autouse=True)
    def _draw(self, tmp_path):
        self.address = draw(tmp_path, "cat/1.png", "dog/1.png", "dog/2.png")


class TestImageNetValidation(SourceTests):
    @pytest.fixture(autouse=True)
    def _draw(self, tmp_path):
        names = [f"ILSVRC2012_val_0000000{number}.JPEG" for number in (1, 2, 3)]
        self.address = draw(tmp_path, *names)
        (tmp_path / "val.txt").write_text("".join(f"{name} {number}\n" for number, name in enumerate(names)))


class TestCoco(SourceTests):
    @pytest.fixture(autouse=True)
    def _draw(self, tmp_path):
        self.address = draw(tmp_path / "train2017", "1.png", "2.png")
        content = {
            "images": [{"id": 1, "file_name": "1.png"}, {"id": 2, "file_name": "2.png"}],
            "categories": [{"id": 5, "name": "dog"}],
            "annotations": [{"image_id": 1, "category_id": 5}],
        }
        (tmp_path / "annotations").mkdir()
        (tmp_path / "annotations/instances_train2017.json").write_text(json.dumps(content))
