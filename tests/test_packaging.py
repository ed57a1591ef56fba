"""The PyPI release: the tests of the sdist run, the wheel works in a new environment, the README renders."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import metadata
from pathlib import Path

import pytest
from PIL import Image

import unitscope

HOME = Path(__file__).parents[1]
SHIPPED = ("src", "tests", "docs", "examples", "benchmarks")
CACHES = ("__pycache__", "*.pyc", "*.egg-info", "site")


def files_of(folder):
    """Every project file below a folder, as paths relative to HOME."""
    paths = (path for path in (HOME / folder).rglob("*") if path.is_file())
    return {
        path.relative_to(HOME).as_posix()
        for path in paths
        if not {"__pycache__", "site"} & set(path.parts) and ".egg-info" not in str(path)
    }


def run(*words, folder, **environment):
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, words)], cwd=folder, env=clean | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the sdist and the wheel, built from a copy of the project without git."""
    pytest.importorskip("build")
    pytest.importorskip("setuptools_scm")
    copy = tmp_path_factory.mktemp("copy")
    for folder in SHIPPED:
        shutil.copytree(HOME / folder, copy / folder, ignore=shutil.ignore_patterns(*CACHES))
    for path in HOME.iterdir():
        if path.is_file() and path.name != ".git":
            shutil.copy(path, copy)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", folder=copy)
    return copy / "dist"


@pytest.fixture(scope="module")
def sdist(built, tmp_path_factory):
    """The unpacked sdist."""
    (path,) = built.glob("*.tar.gz")
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    return root


@pytest.fixture(scope="module")
def environment(built, tmp_path_factory):
    """The ``bin`` of a new virtual environment with the wheel; its dependencies come from this environment."""
    (wheel,) = built.glob("*.whl")
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, folder=folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"


def test_the_sdist_holds_what_its_tests_need(sdist):
    held = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    wanted = set().union(*map(files_of, SHIPPED)) | {"README.md", "CHANGELOG.md", "LICENSE", "Makefile"}
    assert not wanted - held


def test_the_sdists_tests_run(sdist):
    tests = ("tests/test_units.py", "tests/test_docs.py")
    output = run(sys.executable, "-m", "pytest", "-q", *tests, folder=sdist, PYTHONPATH=str(sdist / "src"))
    assert re.search(r"\d{2,} passed", output)
    assert "skipped" not in output


def test_the_wheel_holds_the_package_and_nothing_else(built):
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == {name.removeprefix("src/") for name in files_of("src")}
    assert {"unitscope/py.typed", "unitscope/__init__.pyi"} <= held


def test_a_build_without_git_has_the_fallback_version(built):
    (path,) = built.glob("*.tar.gz")
    assert path.name == "unitscope-0.1.0.dev0.tar.gz"


def test_the_installed_wheel_reports_its_version(environment, tmp_path):
    for words in (("unitscope",), ("python", "-m", "unitscope")):
        assert run(environment / words[0], *words[1:], "--version", folder=tmp_path) == "unitscope 0.1.0.dev0\n"
    code = "import unitscope; print(unitscope.__version__, unitscope.__file__)"
    version, path = run(environment / "python", "-c", code, folder=tmp_path).split()
    assert version == "0.1.0.dev0"
    assert Path(path).is_relative_to(environment.parent)


COUNTING = """
import atexit, torch
exports, export = [], torch.export.export
torch.export.export = lambda *given, **options: (exports.append(1), export(*given, **options))[1]
atexit.register(lambda: open("exports.txt", "w").write(str(len(exports))))
"""


def test_the_installed_wheel_runs_the_demo_with_one_export(environment, tmp_path):
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra 'demo' is not installed")
    (tmp_path / "sitecustomize.py").write_text(COUNTING)  # Python imports it when it starts
    words = (environment / "unitscope", "demo", "-o", "demo", "--json")
    output = json.loads(run(*words, folder=tmp_path, PYTHONPATH=str(tmp_path)))
    assert (tmp_path / "exports.txt").read_text() == "1"
    assert len(output["figures"]) >= 6
    assert {"people", "medicine"} <= {row["class"] for row in output["findings"]}
    assert output["removals"][0]["prediction"] == "Egyptian cat"
    for path in output["figures"]:
        with Image.open(tmp_path / path) as figure:
            assert figure.width > 500


def test_the_version_is_that_of_the_installed_package():
    assert unitscope.__version__ == metadata("unitscope")["Version"]


def test_the_pypi_description_has_no_relative_link():
    readme = (HOME / "README.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)]+)\)", readme)
    assert links
    assert not [link for link in links if not link.startswith(("https://", "#"))]
