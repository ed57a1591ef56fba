"""Run the shards of a scan on a Ray cluster: actors compute them, and this process writes the parts.

In: a plan and the shards to compute. Out: the result of each shard. All machines need this version of unitscope and
the images at the same paths. Ray is an optional dependency, imported only when it is used.
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

Machine = tuple[int, int]  # number of CPUs and of GPUs


@dataclass(frozen=True, slots=True)
class RayRunner:
    """Runs the shards in actors of a Ray cluster.

    Attributes:
        address: address of a running cluster, as for ``ray.init``. None uses the cluster that this machine belongs to,
            or starts one on this machine for the scan.
        workers: number of actors. None starts one per GPU with device ``cuda``, otherwise one per machine.

    Raises:
        UnitscopeError: if Ray is not installed, or ``workers`` is less than 1.
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
            UnitscopeError: if the cluster can't be reached or has no free resources, or a worker reports an error.
        """
        import ray

        job, connected_here = Job.of(plan), not ray.is_initialized()
        if connected_here:
            self._connect(ray, progress)
        try:
            machines = _machines(ray)
            pool = _RayPool(ray, job, machines, self._size(machines, job, len(shards)))
            progress.on_message(f"starting {count_noun(pool.size, 'actor')}; this takes a moment")
            yield from distribute(pool, shards, plan, progress)
        finally:
            if connected_here:
                ray.shutdown()

    def _connect(self, ray: Any, progress: Progress) -> None:
        where = f"at '{self.address}'" if self.address else "on this machine"
        progress.on_message(f"{'joining the' if self.address else 'joining or starting a'} Ray cluster {where}")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # send no usage statistics
        try:
            _check_reachable(self.address)
            ray.init(address=self.address, log_to_driver=False, configure_logging=False, include_dashboard=None)
        except Exception as problem:  # Ray raises many kinds of errors for a wrong address
            raise UnitscopeError(
                f"no Ray cluster {where} ({first_line(problem)}); check --address, which is HOST:PORT of a running "
                "cluster, or omit it to start one here"
            ) from problem

    def _size(self, machines: Sequence[Machine], job: Job, shards: int) -> int:
        """Return the number of actors, at most as many as the cluster has resources for; others would never start."""
        on_gpus = job.options.device == "cuda"
        capacities = list(filter(None, (gpus if on_gpus else cpus for cpus, gpus in machines)))
        capacity = sum(capacities)
        if not capacity:
            raise UnitscopeError(f"the Ray cluster has no {'GPU; use --device cpu' if on_gpus else 'CPUs; add some'}")
        return min(self.workers or (capacity if on_gpus else len(capacities)), capacity, shards)


def _machines(ray: Any) -> list[Machine]:
    """Return the machines of the cluster that are alive."""
    return [
        (int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0)))
        for node in ray.nodes()
        if node["Alive"]
    ]


def _cpus_per_actor(machines: Sequence[Machine], actors: int, *, on_gpus: bool) -> int:
    """Return the number of CPUs per actor, so that it fits on any machine; can be 0 on GPUs."""
    if on_gpus:
        return min(cpus // gpus for cpus, gpus in machines if gpus)
    counts = [cpus for cpus, _ in machines if cpus]
    return max(1, min(counts) // -(-actors // len(counts)))  # actors on one machine share its CPUs evenly


def _check_reachable(address: str | None) -> None:
    """Raise OSError if no server listens at the address, since Ray itself would retry for minutes."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5).close()


class _RayPool:
    """Actors as workers; a new one replaces an actor that died."""

    def __init__(self, ray: Any, job: Job, machines: Sequence[Machine], size: int) -> None:
        self.ray, self.size = ray, size
        on_gpus = job.options.device == "cuda"
        cpus = _cpus_per_actor(machines, size, on_gpus=on_gpus)
        self._make = ray.remote(num_cpus=cpus, num_gpus=int(on_gpus))(_Actor)
        self._job, self._threads = ray.put(job), max(1, cpus)
        self._actors: dict[int, Any] = {}
        self._running: dict[Any, int] = {}

    def send(self, worker: int, shard: int) -> None:
        if worker not in self._actors:
            self._actors[worker] = self._make.remote(self._job, self._threads)
        self._running[self._actors[worker].run.remote(shard)] = worker

    def receive(self) -> tuple[int, ShardResult | WorkerDied]:
        (ready,), _ = self.ray.wait(list(self._running), num_returns=1)
        worker = self._running.pop(ready)
        try:
            result: ShardResult = self.ray.get(ready)
            return worker, result
        except self.ray.exceptions.RayTaskError as problem:
            cause = problem.cause
            raise cause if isinstance(cause, UnitscopeError) else _failed(problem) from problem
        except self.ray.exceptions.RayError as problem:  # the actor, its machine or its result was lost
            if (actor := self._actors.pop(worker, None)) is not None:
                self.ray.kill(actor)
            return worker, WorkerDied(str(problem).strip().splitlines()[-1])

    def close(self) -> None:
        for actor in self._actors.values():
            self.ray.kill(actor)


def _failed(problem: Exception) -> UnitscopeError:
    return UnitscopeError(f"a worker failed: {str(problem).strip().splitlines()[-1]}")


class _Actor:
    """A worker that is created with its first shard, so that errors reach the caller as its result."""

    def __init__(self, job: Job, threads: int) -> None:
        self.job, self.threads = job, threads
        self.worker: Worker | None = None

    def run(self, shard: int) -> ShardResult:
        if self.worker is None:
            self.worker = Worker(self.job, device=self.job.options.device, threads=self.threads)
        return self.worker.run(shard)
