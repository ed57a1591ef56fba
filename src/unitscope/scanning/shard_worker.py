"""The work itself: some shards of a plan, each to a part.

In: a `Plan` and the numbers of shards. Out: each shard's `Part`. It is the same whether one process does all of them or
many do some: see `unitscope.scanning.runners`.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from unitscope.analyses.predictions import top_predictions
from unitscope.atlas.parts import Part
from unitscope.atlas.tables import TOP5
from unitscope.engine import Executor, tune_allocator
from unitscope.engine.executor import BatchOutput
from unitscope.engine.loader import Batch, Decoder, Pillow, batches, decoding_threads
from unitscope.engine.torchcodec_loader import Torchcodec
from unitscope.scanning.plan import Plan
from unitscope.summaries import SomeClassSums, Summary

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class ShardResult:
    """A shard that is done.

    Attributes:
        shard: its number.
        part: its results.
        seconds: how long its images took.
        data_wait: how many of these the network had nothing to do while images were decoded.
        files: the sizes of its images' files where it was done; of one that was done here none.
    """

    shard: int
    part: Part
    seconds: float
    data_wait: float
    files: tuple[int, ...] = ()


class ShardWorker:
    """A plan's network, ready to run its shards."""

    def __init__(self, plan: Plan, *, threads: int | None = None) -> None:
        tune_allocator()
        self.plan, self.threads = plan, threads or decoding_threads()
        self.executor: Executor = plan.session.executor(
            plan.layers, engine=plan.engine, precision=plan.precision, batch_size=plan.batch_size
        )
        self._beside = self.executor.device.type != "cpu"  # whether the network leaves this machine's processors idle

    def run(
        self, shards: Sequence[int], on_batch: Callable[[int], None] = lambda images: None
    ) -> Generator[ShardResult, None, None]:
        """Yield each shard when it is done, in order; ``on_batch`` is told the number of images of each batch.

        A shard is summarised while the next one runs; on a CPU before it, as both want the same processors.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="summary") as pool:
            finishing: deque[Future[ShardResult]] = deque()
            try:
                for shard in self._run(shards, on_batch):
                    if shard is not None:
                        finishing.append(pool.submit(shard.done, threads=self.threads))
                    while finishing and (finishing[0].done() or len(finishing) > self._beside):
                        yield take_first(finishing)
                while finishing:
                    yield take_first(finishing)
            except (Exception, KeyboardInterrupt):
                while finishing and finishing[0].exception() is None:  # what is done is kept
                    yield take_first(finishing)
                raise

    def _run(self, shards: Sequence[int], on_batch: Callable[[int], None]) -> "Iterator[_Shard | None]":
        """After each batch, the shard that it was the last of, or None."""
        coming = (_Shard(self.plan, number) for number in shards)
        shard = next(coming)
        for batch, answer, data_wait in self._answers(shards):
            shard.add(batch, answer, data_wait)
            yield shard if shard.full else None
            on_batch(len(batch.pictures))  # may stop the scan; a shard that is full is kept by then
            if shard.full:
                shard = next(coming, shard)

    def _answers(self, shards: Sequence[int]) -> Iterator[tuple[Batch, BatchOutput | None, float]]:
        """Each batch, its answer, and how long it was data_wait for; a GPU is given the next one before it is asked."""
        ahead = 1 if self.executor.device.type == "cuda" else 0
        going: deque[tuple[Batch, BatchOutput | None, float]] = deque()
        for batch, data_wait in _timed(self._stream(shards)):
            going.append((batch, self.executor.start(batch.tensor()) if batch.good else None, data_wait))
            if len(going) > ahead:
                yield going.popleft()
        yield from going

    def _stream(self, shards: Sequence[int]) -> Iterator[Batch]:
        plan = self.plan
        rows = ((number, plan.shard(number)) for number in shards)
        return batches(
            plan.images,
            rows,
            phi=plan.network.preprocessing,
            batch_size=plan.batch_size,
            device=self.executor.device,
            decoder=_decoder(plan),
            threads=self.threads,
        )


def take_first(going: "deque[Future[T]]") -> T:
    """Wait for the first and take it; if that is interrupted, it is still there."""
    done = going[0].result()
    going.popleft()
    return done


def _decoder(plan: Plan) -> Decoder:
    return Torchcodec(plan.session.device) if plan.options.decoder == "torchcodec" else Pillow()


def _timed(stream: Iterator[Batch]) -> Iterator[tuple[Batch, float]]:
    """Each batch with the seconds that it was data_wait for."""
    while True:
        started = time.perf_counter()
        batch = next(stream, None)
        if batch is None:
            return
        yield batch, time.perf_counter() - started


class _Shard:
    """One shard's results while they come in."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.plan, self.number, self.rows = plan, number, plan.shard(number)
        self.started, self.added, self.seconds, self.data_wait = time.perf_counter(), 0, 0.0, 0.0
        count = len(self.rows)
        self.responses = np.full((count, plan.units), np.nan, np.float32)
        self.top_classes = np.full((count, TOP5), -1, np.int32)
        self.top_probabilities = np.full((count, TOP5), np.nan, np.float32)
        self.sizes = np.zeros((count, 2), np.int32)
        self.errors = [""] * count

    def add(self, batch: Batch, answer: BatchOutput | None, data_wait: float) -> None:
        assert batch.shard == self.number, "batches come shard by shard"
        self._fill(batch, answer)
        self.added += len(batch.pictures)
        self.data_wait += data_wait
        self.seconds = time.perf_counter() - self.started

    def _fill(self, batch: Batch, answer: BatchOutput | None) -> None:
        for picture in batch.pictures:
            at = picture.image - self.rows.start
            self.sizes[at] = picture.width, picture.height
            self.errors[at] = picture.error
        if answer is None:
            return
        at_good = [picture.image - self.rows.start for picture in batch.good]
        logits, responses = answer.numpy()
        self.responses[at_good] = np.where(np.isfinite(responses), responses, np.float32(np.nan))
        if logits is not None:
            best = top_predictions(logits, TOP5)
            width = best[0].shape[1]
            self.top_classes[at_good, :width], self.top_probabilities[at_good, :width] = best

    @property
    def full(self) -> bool:
        return self.added == len(self.rows)

    def done(self, *, threads: int) -> ShardResult:
        ids = np.arange(self.rows.start, self.rows.stop)
        responses, classes = self._kept()
        part = Part(
            np.int64(self.rows.start),  # type: ignore[arg-type]
            responses,
            self.top_classes,
            self.top_probabilities,
            self.sizes,
            np.array(self.errors, np.str_),
            Summary.of(self.responses, ids, k=self.plan.options.top, threads=threads),
            classes,
        )
        return ShardResult(self.number, part, self.seconds, self.data_wait)

    def _kept(self) -> tuple[NDArray[np.float32], SomeClassSums]:
        """Where no responses are wanted, the sums by class in their place, unless those weigh more."""
        if self.plan.options.responses == "none":
            members = self.plan.members[self.rows.start : self.rows.stop]
            sums = SomeClassSums.of(self.responses, members)
            if sums.sums.nbytes + sums.counts.nbytes <= self.responses.nbytes:
                return self.responses[:, :0], sums
        return self.responses, SomeClassSums.empty(self.responses.shape[1])
