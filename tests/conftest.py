"""Atlases of given responses, written by merging parts as a scan does; no network, no images."""

import json
import re
import shutil
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from tests.assertions import CheckedTests
from unitscope.atlas import Label, open_atlas
from unitscope.atlas.parts import Part, Parts
from unitscope.atlas.schema import ImageList, Manifest
from unitscope.atlas.writer import write_atlas
from unitscope.summaries import Summary
from unitscope.units import Layer

pytest.register_assert_rewrite("unitscope.testing")
ZOO_TESTS = ("tests/graph/test_graph_against_hooks.py", "tests/graph/test_split.py")
# These groups take longest, so they start first.
SLOW = ("browser", "tests/scanning/test_ray_runner.py", "tests/scanning/test_runners.py")
# The first one has no windows, which saves two fifths of the time of the pages' tests.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def pytest_configure(config):
    """Fail each test that passes without a check."""
    config.pluginmanager.register(CheckedTests(), "checked-tests")


def group_of(nodeid):
    """Return the group that one worker runs: a file, all browser tests, or all tests of a zoo network."""
    file, _, test = nodeid.partition("::")
    if "/test_browser" in file:
        return "browser"
    zoo = file in ZOO_TESTS and re.search(r"\[(\w+)", test)
    return zoo[1] if zoo else file


def pytest_collection_modifyitems(items):
    """Sort tests by group, slow groups first."""
    groups = [*SLOW, *(group_of(item.nodeid) for item in items)]
    first = {group: number for number, group in reversed([*enumerate(groups)])}
    items.sort(key=lambda item: first[group_of(item.nodeid)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Schedule by group if scheduling by file was requested."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = group_of
    return scheduler


def installed_browser():
    """The path of the first installed browser, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def pytest_report_header():
    """Report the browser that tests the pages."""
    found = installed_browser()
    return f"browser: {found or 'none here; tests of pages install one (apt-get as root, else playwright install)'}"


@dataclass(frozen=True)
class GivenParts(Parts):
    """Parts of given responses; a row of NaN is an image that could not be read."""

    responses: np.ndarray
    shard_size: int

    def read(self, shard):
        ids = np.arange(shard * self.shard_size, min((shard + 1) * self.shard_size, len(self.responses)))
        rows = self.responses[ids].astype(np.float32)
        return Part(
            np.int64(ids[0]),
            rows,
            np.full((len(ids), 5), -1, np.int32),
            np.full((len(ids), 5), np.nan, np.float32),
            np.full((len(ids), 2), 8, np.int32),
            np.where(np.isnan(rows).all(1), "not an image", ""),
            Summary.of(rows, ids, k=3),
        )


def write_small_atlas(folder, responses, *, layers=None, labels=None, shard_size=512):
    """Write an atlas of the given responses below a folder and open it; see `make_atlas`."""
    responses = np.asarray(responses)
    sizes = layers or {"relu": responses.shape[1]}
    table = tuple(
        Layer(number, name, "activation", units, (units, 2, 2)) for number, (name, units) in enumerate(sizes.items())
    )
    had = [tuple(filter(None, each.split(","))) for each in labels or [""] * len(responses)]
    names = sorted({name for each in had for name in each})
    target = folder / f"{len(list(folder.iterdir()))}.atlas"
    parts = GivenParts(target.with_suffix(".parts"), responses, shard_size)
    parts.folder.mkdir()
    manifest = Manifest(
        network={"reference": "planted", "fingerprint": "", "source": None},
        preprocessing={},
        layers=table,
        all_layers=(*table, Layer(len(table), "untapped", "linear", 3, (3,))),
        classes=(),
        labels=tuple(Label(name, name, None) for name in names),
        images={"root": str(folder), "layout": "folder", "count": len(responses)},
        scan={"shard_size": shard_size, "top": 3},
    )
    images = ImageList(
        tuple(f"{number:05d}.png" for number in range(len(responses))),
        tuple(tuple(names.index(name) for name in each) for each in had),
    )
    write_atlas(target, parts, manifest=manifest, images=images)
    return open_atlas(target)


@pytest.fixture
def make_atlas(tmp_path):
    """Make an atlas: ``make_atlas(responses, layers={"relu": 4}, labels=["cat", "", "cat,dog"], shard_size=5)``."""
    return partial(write_small_atlas, tmp_path)


def bytes_of(folder):
    """Return the content of each file in a folder, by relative path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without_checksums(folder):
    """Remove the checksums of an atlas's files, as docs/atlas-format.md says for rewritten arrays."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**manifest, "files": {}, "crc32c": None}), "utf-8")
