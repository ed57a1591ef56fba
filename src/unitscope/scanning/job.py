"""Send a plan to another process.

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
from unitscope.images.stamps import Stamps
from unitscope.networks import Network, load
from unitscope.scanning.options import ScanOptions
from unitscope.scanning.plan import Plan, changed_error, differences, make_plan
from unitscope.scanning.shard_worker import ShardResult, ShardWorker


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Everything that a worker needs.

    Attributes:
        network: arguments that load the network again, or the network itself if it was given as a module in Python.
        images: the images to scan; workers read them at the same paths.
        options: the scan's options, with the plan's choices instead of ``auto``.
        plan: the plan that the worker's own plan must equal.
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
        chosen = replace(
            plan.options, engine=plan.engine, batch_size=plan.batch_size, precision=plan.precision, limit=None
        )
        network: dict[str, Any] | Network = plan.network.source or _on_cpu(plan.network)
        job = cls(network, plan.images, chosen, plan.to_dict())
        try:
            pickle.dumps(job)
        except Exception as problem:  # pickling the user's module can raise anything
            raise NetworkError(
                f"{plan.network.reference} can't be sent to workers ({first_line(problem)}); "
                "load it by a reference such as FILE.py:FUNCTION, or scan without workers"
            ) from problem
        return job


class Worker:
    """Runs shards of a job's plan in its own process, with a number of threads.

    Raises:
        UnitscopeError: if the network or the images differ in this process, or the device does not exist.
    """

    def __init__(self, job: Job, *, device: str, threads: int) -> None:
        torch.set_num_threads(threads)
        network = load(**job.network) if isinstance(job.network, dict) else job.network
        plan = make_plan(
            Session(network, device=device), job.images, replace(job.options, device=device), data=job.plan["data"]
        )
        if points := differences(job.plan, plan.to_dict(), where=("in the scan", "in the worker")):
            raise AtlasError(f"a worker differs from this process: {points}; make them equal, or scan without workers")
        self._plan, self._work = plan, ShardWorker(plan, threads=max(2, threads))

    def run(self, shard: int) -> ShardResult:
        """Run one shard.

        Raises:
            ImageError: if an image changes meanwhile.
        """
        images, rows = self._plan.images, self._plan.shard(shard)
        before = Stamps.of(images, rows)
        (done,) = self._work.run([shard])
        after = Stamps.of(images, rows)
        for position in before.changed(after, slice(None)):
            if not before.missing[position]:
                raise changed_error(images, rows[position])
        return replace(done, files=tuple(after.sizes.tolist()))


def _on_cpu(network: Network) -> Network:
    return replace(network, module=copy.deepcopy(network.module).cpu())
