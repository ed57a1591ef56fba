"""A plan on its way to another process, and what makes it a plan again there.

In: a `Plan`. Out: a `Job`, which can be pickled, and in the other process a `Worker` that runs shards of the same plan.
"""

import copy
import pickle
from dataclasses import dataclass, replace
from typing import Any

import torch

from unitscope.engine.session import Session
from unitscope.errors import AtlasError, NetworkError, first_line
from unitscope.images import ImageSource
from unitscope.networks import Network, load
from unitscope.scanning.plan import Plan, ScanOptions, differences, make_plan
from unitscope.scanning.shard_worker import ShardResult, ShardWorker


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """All that a worker needs.

    Attributes:
        network: how to load it again, or itself where that can't be done (a module given in Python).
        images: what is scanned; workers read them at the same paths.
        options: with what the plan settled in place of ``auto``.
        plan: what the worker's own plan has to be.
    """

    network: dict[str, Any] | Network
    images: ImageSource
    options: ScanOptions
    plan: dict[str, Any]

    @classmethod
    def of(cls, plan: Plan) -> "Job":
        """Return the job of a plan.

        Raises:
            NetworkError: if the network can't be sent to another process.
        """
        settled = replace(
            plan.options, engine=plan.engine, batch_size=plan.batch_size, precision=plan.precision, limit=None
        )
        network: dict[str, Any] | Network = plan.network.source or _on_cpu(plan.network)
        job = cls(network, plan.images, settled, plan.to_dict())
        try:
            pickle.dumps(job)
        except Exception as problem:  # whatever a module of the user's own holds
            raise NetworkError(
                f"{plan.network.reference} can't be sent to workers ({first_line(problem)}); "
                "load it by a reference such as FILE.py:FUNCTION, or scan without workers"
            ) from problem
        return job


class Worker:
    """A plan at work in a process of its own, with so many threads; it lives as long as that.

    Raises:
        UnitscopeError: if the network is another here, or the device is not there.
    """

    def __init__(self, job: Job, *, device: str, threads: int) -> None:
        torch.set_num_threads(threads)
        network = load(**job.network) if isinstance(job.network, dict) else job.network
        plan = make_plan(
            Session(network, device=device), job.images, replace(job.options, device=device), data=job.plan["data"]
        )
        if points := differences(job.plan, plan.to_dict(), where=("in the scan", "in the worker")):
            raise AtlasError(f"a worker is not as the scan is: {points}; make it the same there, or scan without it")
        self._plan, self._work = plan, ShardWorker(plan, threads=max(2, threads))

    def run(self, shard: int) -> ShardResult:
        """Do one shard."""
        (done,) = self._work.run([shard])
        return replace(done, files=self._plan.images.sizes(self._plan.shard(shard)))


def _on_cpu(network: Network) -> Network:
    return replace(network, module=copy.deepcopy(network.module).cpu())
