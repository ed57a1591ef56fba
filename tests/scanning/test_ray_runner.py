"""Scans with Ray actors: the same atlas bit for bit, even if actors die."""

from pathlib import Path

import pytest

import unitscope
from tests.scanning.test_runners import OPTIONS, Killing, assert_same, card, check_killed_driver
from unitscope import RayRunner
from unitscope.errors import UnitscopeError
from unitscope.scanning.ray_runner import _cpus_per_actor

__all__ = ["card"]

pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture(autouse=True)
def on_a_busy_machine(monkeypatch):
    """Keep Ray from killing workers when other programs fill the memory, and from giving way to them."""
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")


def test_zero_workers_are_refused():
    with pytest.raises(UnitscopeError, match=r"^workers must be at least 1, not 0"):
        RayRunner(workers=0)


@pytest.mark.parametrize(
    ("machines", "actors", "on_gpus", "wanted"),
    [
        ([(2, 0)], 1, False, 2),
        ([(2, 0)], 2, False, 1),
        ([(0, 0), (16, 0), (8, 0)], 4, False, 4),  # a head that does nothing
        ([(16, 8), (64, 0), (64, 0)], 8, True, 2),  # all actors go to the one with the GPUs
        ([(8, 1), (8, 7)], 8, True, 1),
        ([(0, 1)], 1, True, 0),
    ],
)
def test_ray_actors_fit_on_their_machines(machines, actors, on_gpus, wanted):
    assert _cpus_per_actor(machines, actors, on_gpus=on_gpus) == wanted


def actors() -> list[int]:
    """The processes of Ray's actors on this machine, found by name."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.joinpath("cmdline").read_bytes().startswith(b"ray::_Actor"):
                found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_actors_give_the_same_atlas_if_one_is_killed(card, folder, tmp_path):
    """With two processors a third actor does not fit."""
    alone = unitscope.scan(card, folder, tmp_path / "a", options=OPTIONS).atlas
    killing = Killing(actors)
    together = unitscope.scan(
        card, folder, tmp_path / "b", options=OPTIONS, runner=RayRunner(workers=3), progress=killing
    ).atlas
    assert killing.killed == 1
    assert killing.seen == 40
    assert any(note.startswith("a worker died") for note in killing.notes)
    assert_same(alone, together)


def test_a_missing_cluster_is_reported(card, folder, tmp_path):
    with pytest.raises(UnitscopeError, match=r"no Ray cluster at '127.0.0.1:1'.*check --address, which is HOST:PORT"):
        unitscope.scan(card, folder, tmp_path / "a", options=OPTIONS, runner=RayRunner(address="127.0.0.1:1"))
    assert not (tmp_path / "a.parts").exists()


def test_a_killed_driver_resumes(card, folder, tmp_path):
    check_killed_driver(folder, tmp_path, "--runner", "ray", "--workers", "1")
