"""Commands of a user without a home, without a writable one, and without a name, as containers often have."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.cli.conftest import run_command
from tests.cli.test_serving import get_json, serving
from unitscope.cli.home import provide_home
from unitscope.files import private_folder

WITHOUT_NAME = ("unshare", "--user", "--map-user=54321")


def can_lose_name():
    """Whether a process can run under an id that has no entry."""
    return shutil.which("unshare") and not subprocess.run([*WITHOUT_NAME, "true"], check=False).returncode


@pytest.fixture
def environment(tmp_path):
    """Variables without HOME, with an own folder for temporary files."""
    (tmp_path / "temporary").mkdir()
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "OMP_NUM_THREADS")}
    return kept | {"TMPDIR": str(tmp_path / "temporary")}


def run(environment, code, *prefix):
    """Run Python code in a process; return what it printed, as JSON."""
    command = [*prefix, sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


HOME = (
    "import json, os, unitscope.cli.home; unitscope.cli.home.provide_home();"
    "print(json.dumps([os.environ.get(name) for name in ('HOME', 'MPLCONFIGDIR')]))"
)


@pytest.mark.skipif(not can_lose_name(), reason="this machine has no `unshare --user`")
def test_a_user_without_home_and_name_gets_a_home_that_stays(environment, tmp_path):
    home = str(tmp_path / "temporary" / "unitscope-54321")
    assert run(environment, HOME, *WITHOUT_NAME) == run(environment, HOME, *WITHOUT_NAME) == [home, None]


@pytest.mark.skipif(not can_lose_name(), reason="this machine has no `unshare --user`")
def test_commands_run_for_a_user_without_home_and_name(environment, classes_atlas, tmp_path):
    figure = tmp_path / "figure.png"
    code = (
        "import sys; from unitscope.cli.app import main; "
        f"sys.argv[1:] = ['sparsity', {str(classes_atlas)!r}, '--layer', 'act:-1', '-o', {str(figure)!r}, '--json']; "
        "main()"
    )
    assert run(environment, code, *WITHOUT_NAME)["kind"] == "sparsity"
    assert figure.exists()


def test_a_home_that_can_not_be_written_is_not_used_for_pictures_and_fonts(environment, classes_atlas, tmp_path):
    read_only = {**environment, "HOME": "/dev/null/none"}  # root can write to any folder
    with serving(classes_atlas, "--no-network", env=read_only, notes=1) as (_, address):
        image = get_json(f"{address}/images.json")["images"][0]
        assert get_json(f"{address}/thumbnail/{image['row']}.webp", parse=len) > 100
    assert list((tmp_path / "temporary").rglob("explorer/*/*"))


@pytest.mark.parametrize("address", ["~nobody-of-this-name/images", "~nobody-of-this-name"])
def test_a_home_that_is_not_known_is_an_ordinary_missing_folder(address):
    assert "no file or folder" in run_command("scan", "torchvision:squeezenet1_1", address, "-o", "a", check=1).stderr


def test_the_environment_of_other_users_is_left_as_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    provide_home()
    assert os.environ["HOME"] == str(tmp_path)
    assert "MPLCONFIGDIR" not in os.environ


def test_a_folder_that_others_can_change_is_not_used(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = tmp_path / f"unitscope-{os.getuid()}"
    assert private_folder() == private_folder() == own
    assert own.stat().st_mode & 0o777 == 0o700
    own.chmod(0o777)
    assert private_folder() != own
    shutil.rmtree(own)
    own.symlink_to(tmp_path)
    assert private_folder() not in (own, tmp_path)
