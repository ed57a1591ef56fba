"""The command line, run in this process: importing torch anew for each command would take minutes."""

import io
import json
import signal
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unitscope.cli.app import main


@dataclass
class Done:
    """The result of a command."""

    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """Stdout, parsed as one JSON object."""
        return json.loads(self.stdout)


def run_command(*words, check=0):
    """Run ``unitscope WORDS…`` in this process and check its exit status."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["unitscope", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            main()
    assert (exit_.value.code or 0) == check, err.getvalue()
    return Done(out.getvalue(), err.getvalue())


@contextmanager
def hearing_ctrl_c():
    """Let processes started here receive Ctrl-C even if this one ignores it, as background processes may."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def run():
    """Run a command: ``run("rule", atlas, "--layer", "act:-1").json``; ``check`` is the exit status expected."""
    return run_command


@pytest.fixture(scope="session")
def classes_folder(tmp_path_factory) -> Path:
    """Thirty seeded pictures, ten in each of the folders tench, goldfish and hen (classes of ImageNet)."""
    folder = tmp_path_factory.mktemp("classes")
    random = np.random.default_rng(7)
    for number in range(30):
        name = ("tench", "goldfish", "hen")[number % 3]
        pixels = random.integers(0, 256, (9, 10, 3), np.uint8).repeat(8, 0).repeat(8, 1) // 2
        pixels[..., number % 3] += 10
        (folder / name).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / name / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="session")
def classes_atlas(classes_folder, tmp_path_factory) -> Path:
    """An atlas of a random SqueezeNet over those pictures."""
    path = tmp_path_factory.mktemp("classes-atlas") / "classes.atlas"
    words = ("--weights", "none", "--seed", 1, "--layer", "act:*", "-o", path)
    run_command("scan", "torchvision:squeezenet1_1", classes_folder, *words)
    return path
