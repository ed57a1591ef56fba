"""The server while one of its threads exports the network."""

import json
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlopen

import pytest
import torch

import unitscope
from tests.scanning.conftest import PHI, Planted, folder
from tests.web.conftest import explorer_of, served
from unitscope.engine.session import Session
from unitscope.inspection.inspector import Inspector
from unitscope.web.app import create_app
from unitscope.web.lazy_inspector import LazyInspector

__all__ = ["folder"]
PATIENCE = 120  # seconds


class Waiting(Planted):
    """A network whose export waits for an event."""

    def __init__(self):
        super().__init__()
        self.begun, self.free = threading.Event(), threading.Event()

    def forward(self, x):
        if torch.compiler.is_exporting():
            self.begun.set()
        if not self.free.wait(PATIENCE):
            raise TimeoutError
        return super().forward(x)


@pytest.fixture
def waiting(folder, tmp_path):
    """The module, an image, and the address of a server that has not exported the module yet."""
    module, classes = Waiting(), ["red", "green", "blue", "sum", "dead", "dark"]
    atlas = unitscope.scan(
        unitscope.load(Planted(), preprocess=PHI, classes=classes), folder, tmp_path / "a.atlas"
    ).atlas
    network = unitscope.load(module, preprocess=PHI, classes=classes)
    explorer, pictures = explorer_of(atlas, tmp_path / "pictures")
    session = LazyInspector(lambda: Inspector(Session(network), tuple(atlas.layers)))
    with served(create_app(explorer, pictures, session)) as address:
        yield module, atlas.images["image"][0], address
        module.free.set()


def get_json(address):
    with urlopen(address, timeout=PATIENCE) as answer:
        return json.loads(answer.read())


def test_pages_and_logs_of_other_threads_work_while_the_network_is_exported(waiting, caplog, capsys):
    module, image, address = waiting
    with ThreadPoolExecutor(1) as pool:
        structure = pool.submit(get_json, f"{address}/structure.json?image={image}")
        assert module.begun.wait(PATIENCE)
        assert get_json(f"{address}/index.json")["images"] == 40
        logging.getLogger("beside").warning("a record of another thread")
        print("a line of another thread", file=sys.stderr)  # noqa: T201
        assert not structure.done()
        assert "a record of another thread" in caplog.text
        assert "a line of another thread" in capsys.readouterr().err
        module.free.set()
        assert [layer["layer"] for layer in structure.result(PATIENCE)["layers"]] == ["relu"]
