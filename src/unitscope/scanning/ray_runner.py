"""Shards on a Ray cluster: actors hold the network and take shards; this process writes the parts.

In: a plan and the shards to do. Out: each shard as it is done. The machines need this version of unitscope and the
images at the same paths. Ray is an extra, and imported when it is asked for.
"""

import os
import socket
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from unitscope.errors import UnitscopeError, first_line
from unitscope.scanning.job import Job, Worker
from unitscope.scanning.plan import Plan
from unitscope.scanning.progress import Progress
from unitscope.scanning.runners import WorkerDied, distribute
from unitscope.scanning.shard_worker import ShardResult
from unitscope.text import count_noun

Machine = tuple[int, int]  # how many processors and GPUs it has


@dataclass(frozen=True, slots=True)
class RayRunner:
    """Does the shards by actors of a Ray cluster.

    Attributes:
        address: of a running cluster, as ``ray.init`` takes it; None takes the one that this machine knows, or starts
            one on it for the scan.
        workers: how many actors; None takes one for each GPU with device ``cuda``, else one for each machine.

    Raises:
        UnitscopeError: if Ray is not installed, or there is to be no worker.
    """

    address: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if find_spec("ray") is None:
            raise UnitscopeError("--runner ray needs Ray; install it with pip install 'unitscope[ray]'")
        if self.workers is not None and self.workers < 1:
            raise UnitscopeError(f"workers must be at least 1, not {self.workers}")

    def run(self, plan: Plan, shards: Sequence[int], progress: Progress) -> Generator[ShardResult, None, None]:
        """See `ScanRunner.run`.

        Raises:
            UnitscopeError: if the cluster can't be reached, has no room, or a worker says what is wrong.
        """
        import ray

        job, ours = Job.of(plan), not ray.is_initialized()
        if ours:
            self._connect(ray, progress)
        try:
            machines = _machines(ray)
            team = _RayTeam(ray, job, machines, self._size(machines, job, len(shards)))
            progress.on_message(f"starting {count_noun(team.size, 'actor')}, which takes a while")
            yield from distribute(team, shards, plan, progress)
        finally:
            if ours:
                ray.shutdown()

    def _connect(self, ray: Any, progress: Progress) -> None:
        where = f"at '{self.address}'" if self.address else "on this machine"
        progress.on_message(f"{'joining the' if self.address else 'joining or starting a'} Ray cluster {where}")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone
        try:
            _knock(self.address)
            ray.init(address=self.address, log_to_driver=False, configure_logging=False, include_dashboard=None)
        except Exception as problem:  # Ray's errors for an address that is wrong are of many kinds
            raise UnitscopeError(
                f"no Ray cluster {where} ({first_line(problem)}); check --address, which is HOST:PORT of one that is "
                "running, or leave it out and one is started here"
            ) from problem

    def _size(self, machines: Sequence[Machine], job: Job, shards: int) -> int:
        """No more than the cluster has room for: an actor that finds no place would be data_wait for without end."""
        on_gpus = job.options.device == "cuda"
        rooms = list(filter(None, (gpus if on_gpus else cpus for cpus, gpus in machines)))
        room = sum(rooms)
        if not room:
            raise UnitscopeError(f"the Ray cluster has no {'GPU; use --device cpu' if on_gpus else 'processor free'}")
        return min(self.workers or (room if on_gpus else len(rooms)), room, shards)


def _machines(ray: Any) -> list[Machine]:
    """The machines of the cluster."""
    return [
        (int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0)))
        for node in ray.nodes()
        if node["Alive"]
    ]


def _processors_each(machines: Sequence[Machine], actors: int, *, on_gpus: bool) -> int:
    """How many processors an actor gets, so that it fits wherever it is put; on GPUs there may be none to spare."""
    if on_gpus:
        return min(cpus // gpus for cpus, gpus in machines if gpus)
    processors = [cpus for cpus, _ in machines if cpus]
    return max(1, min(processors) // -(-actors // len(processors)))  # those on one machine share them evenly


def _knock(address: str | None) -> None:
    """Ray would try for minutes where nobody listens."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5).close()


class _RayTeam:
    """Actors, one a member, made anew when they die."""

    def __init__(self, ray: Any, job: Job, machines: Sequence[Machine], size: int) -> None:
        self.ray, self.size = ray, size
        on_gpus = job.options.device == "cuda"
        cpus = _processors_each(machines, size, on_gpus=on_gpus)
        self._make = ray.remote(num_cpus=cpus, num_gpus=int(on_gpus))(_Actor)
        self._job, self._threads = ray.put(job), max(1, cpus)
        self._members: dict[int, Any] = {}
        self._doing: dict[Any, int] = {}

    def send(self, member: int, shard: int) -> None:
        if member not in self._members:
            self._members[member] = self._make.remote(self._job, self._threads)
        self._doing[self._members[member].run.remote(shard)] = member

    def receive(self) -> tuple[int, ShardResult | WorkerDied]:
        (ready,), _ = self.ray.wait(list(self._doing), num_returns=1)
        member = self._doing.pop(ready)
        try:
            done: ShardResult = self.ray.get(ready)
            return member, done
        except self.ray.exceptions.RayTaskError as problem:
            cause = problem.cause
            raise cause if isinstance(cause, UnitscopeError) else _failed(problem) from problem
        except self.ray.exceptions.RayError as problem:  # the actor, its machine or what it had done is gone
            if (actor := self._members.pop(member, None)) is not None:
                self.ray.kill(actor)
            return member, WorkerDied(str(problem).strip().splitlines()[-1])

    def close(self) -> None:
        for actor in self._members.values():
            self.ray.kill(actor)


def _failed(problem: Exception) -> UnitscopeError:
    return UnitscopeError(f"a worker failed: {str(problem).strip().splitlines()[-1]}")


class _Actor:
    """A worker that is made with its first shard, so that what is wrong is told as an answer."""

    def __init__(self, job: Job, threads: int) -> None:
        self.job, self.threads = job, threads
        self.worker: Worker | None = None

    def run(self, shard: int) -> ShardResult:
        if self.worker is None:
            self.worker = Worker(self.job, device=self.job.options.device, threads=self.threads)
        return self.worker.run(shard)
