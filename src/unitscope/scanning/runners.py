"""Who does the shards: this process, processes of this machine, or actors of a Ray cluster.

In: a plan and the shards that have no part yet. Out: each shard as it is done, in any order. Nothing here writes: a
shard whose worker dies is given to another, and whatever is lost with this process is done by the next scan.
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

_PATIENCE = 10  # seconds: a worker that is told to go finishes its batch
_TRIES = 3  # a shard whose worker dies so often kills them itself


class ScanRunner(Protocol):
    """Does the shards of a plan."""

    def run(self, plan: Plan, shards: Sequence[int], progress: Progress) -> Generator[ShardResult, None, None]:
        """Yield each shard when it is done, of one or more; ``progress`` is told of images and workers."""
        ...


@dataclass(frozen=True, slots=True)
class InProcess:
    """Does all shards in this process."""

    def run(self, plan: Plan, shards: Sequence[int], progress: Progress) -> Generator[ShardResult, None, None]:
        """See `ScanRunner.run`."""
        yield from ShardWorker(plan).run(shards, progress.on_batch)


@dataclass(frozen=True, slots=True)
class ProcessRunner:
    """Does the shards in processes of this machine; on GPUs, one for each.

    Raises:
        UnitscopeError: if there is to be no worker.
    """

    workers: int

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UnitscopeError(f"workers must be at least 1, not {self.workers}")

    def run(self, plan: Plan, shards: Sequence[int], progress: Progress) -> Generator[ShardResult, None, None]:
        """See `ScanRunner.run`."""
        team = _ProcessTeam(Job.of(plan), min(self.workers, len(shards)))
        progress.on_message(f"starting {count_noun(team.size, 'worker')}, which takes a while")
        yield from distribute(team, shards, plan, progress)


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker is gone, and how."""

    how: str


class WorkerPool(Protocol):
    """Workers that take one shard at a time."""

    size: int

    def send(self, member: int, shard: int) -> None:
        """Give a member a shard, starting the member if it is not there."""
        ...

    def receive(self) -> tuple[int, ShardResult | WorkerDied]:
        """Wait for any member, and return which one has done its shard, or has died."""
        ...

    def close(self) -> None:
        """Let all members go."""
        ...


def distribute(
    team: WorkerPool, shards: Sequence[int], plan: Plan, progress: Progress
) -> Generator[ShardResult, None, None]:
    """Yield the shards as the members of a team do them.

    Raises:
        UnitscopeError: if a member says what is wrong, has other files, or a shard's worker has died a few times.
    """
    todo, deaths, doing = deque(shards), Counter[int](), dict[int, int]()
    idle = list(range(team.size))

    def give_out() -> None:
        while todo and idle:
            member = idle.pop()
            doing[member] = todo.popleft()
            team.send(member, doing[member])

    try:
        give_out()
        while doing:
            member, outcome = team.receive()
            shard = doing.pop(member)
            idle.insert(0, member)
            if isinstance(outcome, ShardResult):
                _refuse_others(outcome, plan)
                give_out()  # before this one is written
                yield outcome
                progress.on_batch(len(plan.shard(shard)))  # may stop the scan; the shard is kept by then
                continue
            deaths[shard] += 1
            if deaths[shard] == _TRIES:
                raise _lost(shard, plan, outcome)
            first = _first(shard, plan)
            progress.on_message(f"a worker died ({outcome.how}); another does its shard, from '{first}' on")
            todo.append(shard)
            give_out()
    finally:
        team.close()


def _refuse_others(done: ShardResult, plan: Plan) -> None:
    rows = plan.shard(done.shard)
    for row, here, there in zip(rows, plan.images.sizes(rows), done.files, strict=True):
        if here != there:
            raise UnitscopeError(
                f"a worker's '{plan.images.name(row)}' has {there or 'no'} bytes, and {here} here: every machine needs "
                "the same images at the same place; make it so and scan again, what is done is kept"
            )


def _lost(shard: int, plan: Plan, outcome: WorkerDied) -> UnitscopeError:
    return UnitscopeError(
        f"the worker of shard {shard} (images from '{_first(shard, plan)}' on) died {_TRIES} times ({outcome.how}): it "
        "may have run out of memory (use fewer --workers, a smaller --batch-size), or could not start (a script that "
        "scans so needs `if __name__ == '__main__':`); the same scan goes on with what is done"
    )


def _first(shard: int, plan: Plan) -> str:
    return plan.images.ids[plan.shard(shard).start]


class _ProcessTeam:
    """Processes, each at the other end of a pipe; a dead one shows by the pipe's end."""

    def __init__(self, job: Job, size: int) -> None:
        self.job, self.size = job, size
        self._members: dict[int, tuple[BaseProcess, Connection]] = {}
        self._busy: set[int] = set()
        self._context = get_context("spawn")  # a forked process could not use CUDA

    def send(self, member: int, shard: int) -> None:
        if member not in self._members:
            self._members[member] = self._start(member)
        self._busy.add(member)
        with suppress(OSError):  # it died while it had nothing to do, as `receive` will see
            self._members[member][1].send(shard)

    def receive(self) -> tuple[int, ShardResult | WorkerDied]:
        ends = {self._members[member][1]: member for member in self._busy}
        pipe = wait(list(ends))[0]
        member = ends[pipe]  # type: ignore[index]
        self._busy.remove(member)
        try:
            outcome = self._members[member][1].recv()
        except (EOFError, OSError):  # the second if it died while it was sending
            process, _ = self._members.pop(member)
            process.join()
            return member, WorkerDied(f"exit status {process.exitcode}")
        if isinstance(outcome, UnitscopeError):
            raise outcome
        return member, outcome

    def close(self) -> None:
        for member, (process, pipe) in self._members.items():
            pipe.close()  # who has nothing to do goes by itself
            if member in self._busy:
                process.terminate()
        for process, _ in self._members.values():
            process.join(_PATIENCE)
            process.kill()
            process.join()

    def _start(self, member: int) -> tuple[BaseProcess, Connection]:
        ours, theirs = self._context.Pipe()
        kind = self.job.options.device
        device = f"cuda:{member % torch.cuda.device_count()}" if kind == "cuda" else kind
        threads = max(1, processors() // self.size)
        process = self._context.Process(target=_serve, args=(theirs, self.job, device, threads), daemon=True)
        with _deaf_to_interrupts():
            process.start()
        theirs.close()
        return process, ours


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ctrl-C is for this process, which ends its children; they inherit that they don't hear it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(signal_number: int, frame: object) -> None:
    """Go as at the end of a program: what libraries hold of the system is given back, which else would be warned of."""
    signal.signal(signal_number, signal.SIG_IGN)
    raise SystemExit(128 + signal_number)


def _serve(pipe: Connection, job: Job, device: str, threads: int) -> None:
    """A worker's life: shards come in, parts go out, until nobody listens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # also where it was not inherited
    signal.signal(signal.SIGTERM, _leave)
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
