"""Run the shards of a scan, in this process or in worker processes (`ray_runner` uses a Ray cluster).

In: a plan and the shards that have no part yet. Out: the result of each shard, in any order. Nothing is written here.
If a worker dies, another one computes its shard; if this process dies, the next scan computes the missing shards.
"""

import signal
import threading
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol

import torch

from unitscope.engine.loader import processors
from unitscope.errors import UnitscopeError, first_line
from unitscope.scanning.job import Job, Worker
from unitscope.scanning.plan import Plan
from unitscope.scanning.progress import Progress
from unitscope.scanning.shard_worker import ShardResult, ShardWorker
from unitscope.text import count_noun

_JOIN_TIMEOUT = 10  # seconds in which a terminated worker can finish its batch
_MAX_DEATHS = 3  # stop the scan if a shard's worker dies this often


class ScanRunner(Protocol):
    """Runs the shards of a plan."""

    def run(self, plan: Plan, shards: Sequence[int], progress: Progress) -> Generator[ShardResult, None, None]:
        """Yield the result of each shard as soon as it is computed, and report images and workers to ``progress``."""
        ...


@dataclass(frozen=True, slots=True)
class InProcessRunner:
    """Runs all shards in this process."""

    def run(self, plan: Plan, shards: Sequence[int], progress: Progress) -> Generator[ShardResult, None, None]:
        """See `ScanRunner.run`."""
        yield from ShardWorker(plan).run(shards, progress.on_batch)


@dataclass(frozen=True, slots=True)
class ProcessRunner:
    """Runs the shards in worker processes on this machine, which take turns on its GPUs.

    Raises:
        UnitscopeError: if ``workers`` is less than 1.
    """

    workers: int

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UnitscopeError(f"workers must be at least 1, not {self.workers}")

    def run(self, plan: Plan, shards: Sequence[int], progress: Progress) -> Generator[ShardResult, None, None]:
        """See `ScanRunner.run`."""
        pool = _ProcessPool(Job.of(plan), min(self.workers, len(shards)))
        progress.on_message(f"starting {count_noun(pool.size, 'worker')}; this takes a moment")
        yield from distribute(pool, shards, plan, progress)


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker died; ``how`` says why, as far as is known."""

    how: str


class WorkerPool(Protocol):
    """Workers that compute one shard at a time, numbered from 0."""

    size: int

    def send(self, worker: int, shard: int) -> None:
        """Send a shard to a worker, which is started first if it is not running."""
        ...

    def receive(self) -> tuple[int, ShardResult | WorkerDied]:
        """Wait for any worker, and return its number with its result, or how it died."""
        ...

    def close(self) -> None:
        """Stop all workers."""
        ...


def distribute(
    pool: WorkerPool, shards: Sequence[int], plan: Plan, progress: Progress
) -> Generator[ShardResult, None, None]:
    """Distribute shards over the workers of a pool, and yield the result of each.

    Raises:
        UnitscopeError: if a worker reports an error or has other files, or a shard's workers died several times.
    """
    todo, deaths, running = deque(shards), Counter[int](), dict[int, int]()
    idle = list(range(pool.size))

    def send_shards() -> None:
        while todo and idle:
            worker = idle.pop()
            running[worker] = todo.popleft()
            pool.send(worker, running[worker])

    try:
        send_shards()
        while running:
            worker, outcome = pool.receive()
            shard = running.pop(worker)
            idle.insert(0, worker)
            if isinstance(outcome, ShardResult):
                _check_files(outcome, plan)
                send_shards()  # so that workers are busy while the caller writes this result
                yield outcome
                progress.on_batch(len(plan.shard(shard)))  # may stop the scan; the shard has been written by now
                continue
            deaths[shard] += 1
            if deaths[shard] == _MAX_DEATHS:
                raise _shard_failed(shard, plan, outcome)
            first = _first_image(shard, plan)
            progress.on_message(f"a worker died ({outcome.how}); retrying its shard, which starts at '{first}'")
            todo.append(shard)
            send_shards()
    finally:
        pool.close()


def _check_files(result: ShardResult, plan: Plan) -> None:
    """Check that the worker read files of the same size as here."""
    rows = plan.shard(result.shard)
    for row, here, there in zip(rows, plan.images.sizes(rows), result.files, strict=True):
        if here != there:
            raise UnitscopeError(
                f"'{plan.images.name(row)}' has {there or 'no'} bytes on a worker, but {here} bytes here; all machines "
                "need the same images at the same path. Copy them and scan again: finished shards are kept"
            )


def _shard_failed(shard: int, plan: Plan, outcome: WorkerDied) -> UnitscopeError:
    return UnitscopeError(
        f"the worker of shard {shard} (first image '{_first_image(shard, plan)}') died {_MAX_DEATHS} times "
        f"({outcome.how}). If it ran out of memory, use fewer --workers or a smaller --batch-size. If it could not "
        "start, put the scan in your script under `if __name__ == '__main__':`. Finished shards are kept"
    )


def _first_image(shard: int, plan: Plan) -> str:
    return plan.images.ids[plan.shard(shard).start]


class _ProcessPool:
    """Worker processes, each connected by a pipe, which closes if the worker dies."""

    def __init__(self, job: Job, size: int) -> None:
        self.job, self.size = job, size
        self._workers: dict[int, tuple[BaseProcess, Connection]] = {}
        self._busy: set[int] = set()
        self._context = get_context("spawn")  # a forked process could not use CUDA

    def send(self, worker: int, shard: int) -> None:
        if worker not in self._workers:
            self._workers[worker] = self._start(worker)
        self._busy.add(worker)
        with suppress(OSError):  # it died while idle; `receive` will report that
            self._workers[worker][1].send(shard)

    def receive(self) -> tuple[int, ShardResult | WorkerDied]:
        pipes = {self._workers[worker][1]: worker for worker in self._busy}
        pipe = wait(list(pipes))[0]
        worker = pipes[pipe]  # type: ignore[index]
        self._busy.remove(worker)
        try:
            outcome = self._workers[worker][1].recv()
        except (EOFError, OSError):  # OSError if it died while sending
            process, _ = self._workers.pop(worker)
            process.join()
            return worker, WorkerDied(f"exit status {process.exitcode}")
        if isinstance(outcome, UnitscopeError):
            raise outcome
        return worker, outcome

    def close(self) -> None:
        for worker, (process, pipe) in self._workers.items():
            pipe.close()  # idle workers exit when their pipe closes
            if worker in self._busy:
                process.terminate()
        for process, _ in self._workers.values():
            process.join(_JOIN_TIMEOUT)
            process.kill()
            process.join()

    def _start(self, worker: int) -> tuple[BaseProcess, Connection]:
        ours, theirs = self._context.Pipe()
        kind = self.job.options.device
        device = f"cuda:{worker % torch.cuda.device_count()}" if kind == "cuda" else kind
        threads = max(1, processors() // self.size)
        process = self._context.Process(target=_serve, args=(theirs, self.job, device, threads), daemon=True)
        with _ignore_sigint():
            process.start()
        theirs.close()
        return process, ours


@contextmanager
def _ignore_sigint() -> Iterator[None]:
    """Ignore SIGINT in workers, which inherit this: the parent handles Ctrl-C and stops them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _exit(signal_number: int, frame: object) -> None:
    """Exit through SystemExit, so that atexit handlers release what libraries hold."""
    signal.signal(signal_number, signal.SIG_IGN)
    raise SystemExit(128 + signal_number)


def _serve(pipe: Connection, job: Job, device: str, threads: int) -> None:
    """Run in a worker: receive shards and send their results until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # in case it was not inherited
    signal.signal(signal.SIGTERM, _exit)
    worker: Worker | None = None
    try:
        while True:
            shard = pipe.recv()
            try:
                worker = worker or Worker(job, device=device, threads=threads)
                outcome: ShardResult | UnitscopeError = worker.run(shard)
            except UnitscopeError as problem:
                outcome = problem
            except Exception as problem:
                outcome = UnitscopeError(f"a worker failed: {first_line(problem)}")
            pipe.send(outcome)
    except (EOFError, ConnectionError):
        return
