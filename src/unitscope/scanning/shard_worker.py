"""Run shards of a plan.

In: a `Plan` and shard numbers. Out: the `Part` of each shard, which does not depend on the process that computes it.
`unitscope.scanning.runners` distributes shards over processes.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from unitscope.analyses.predictions import top_predictions
from unitscope.atlas.parts import Part
from unitscope.atlas.tables import TOP5
from unitscope.engine import Executor, tune_allocator
from unitscope.engine.executor import BatchOutput
from unitscope.engine.loader import MAX_WAIT, Batch, Decoder, Pillow, Retries, batches, decoding_threads
from unitscope.engine.torchcodec_loader import Torchcodec
from unitscope.scanning.plan import Plan
from unitscope.summaries import ShardClassSums, Summary
from unitscope.summaries.peaks import NO_PLACE

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class ShardResult:
    """The result of one shard.

    Attributes:
        shard: the shard's number.
        part: responses and summaries.
        seconds: time taken.
        data_wait: seconds spent waiting for decoded images.
        files: sizes of the image files on the worker's machine; empty if the shard ran in this process.
        missing: rows of the images that could not be opened or read.
        bits: number of deep images by the bits that they use.
        unpredicted: number of images whose logits are NaN.
    """

    shard: int
    part: Part
    seconds: float
    data_wait: float
    files: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    bits: Mapping[int, int] = field(default_factory=dict)
    unpredicted: int = 0


class ShardWorker:
    """Runs shards of a plan with its network."""

    def __init__(self, plan: Plan, *, threads: int | None = None) -> None:
        tune_allocator()
        self.plan, self.threads = plan, threads or decoding_threads()
        self.executor: Executor = plan.session.executor(
            plan.layers,
            engine=plan.engine,
            precision=plan.precision,
            batch_size=plan.batch_size,
            peaks=tuple(plan.receptive_fields),
        )
        self.retries = Retries(MAX_WAIT)
        self._in_parallel = self.executor.device.type != "cpu"  # summarise a shard while the next one runs

    def run(
        self, shards: Sequence[int], on_batch: Callable[[int], None] = lambda images: None
    ) -> Generator[ShardResult, None, None]:
        """Yield the result of each shard, in order; call ``on_batch`` with the number of images of each batch.

        A shard is summarised while the next one runs; on a CPU before the next one, since both need the processors.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="summary") as pool:
            finishing: deque[Future[ShardResult]] = deque()
            try:
                for shard in self._run(shards, on_batch):
                    if shard is not None:
                        finishing.append(pool.submit(shard.done, threads=self.threads))
                    while finishing and (finishing[0].done() or len(finishing) > self._in_parallel):
                        yield take_first(finishing)
                while finishing:
                    yield take_first(finishing)
            except (Exception, KeyboardInterrupt):
                while finishing and finishing[0].exception() is None:  # keep finished shards
                    yield take_first(finishing)
                raise

    def _run(self, shards: Sequence[int], on_batch: Callable[[int], None]) -> "Iterator[_Shard | None]":
        """Yield after each batch: the shard if the batch was its last, otherwise None."""
        upcoming = (_Shard(self.plan, number) for number in shards)
        shard = next(upcoming)
        for batch, outputs, data_wait in self._outputs(shards):
            shard.add(batch, outputs, data_wait)
            yield shard if shard.full else None
            on_batch(len(batch.pictures))  # may stop the scan; a full shard has been kept by then
            if shard.full:
                shard = next(upcoming, shard)

    def _outputs(self, shards: Sequence[int]) -> Iterator[tuple[Batch, BatchOutput | None, float]]:
        """Yield each batch, its outputs, and the seconds waited for it; a GPU starts the next batch before."""
        ahead = 1 if self.executor.device.type == "cuda" else 0
        running: deque[tuple[Batch, BatchOutput | None, float]] = deque()
        for batch, data_wait in _timed(self._stream(shards)):
            running.append((batch, self.executor.start(batch.tensor()) if batch.good else None, data_wait))
            if len(running) > ahead:
                yield running.popleft()
        yield from running

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
            retries=self.retries,
        )


def take_first(running: "deque[Future[T]]") -> T:
    """Wait for the first future, remove it and return its result; keep it if the wait is interrupted."""
    result = running[0].result()
    running.popleft()
    return result


def _decoder(plan: Plan) -> Decoder:
    return Torchcodec(plan.session.device) if plan.options.decoder == "torchcodec" else Pillow()


def _timed(stream: Iterator[Batch]) -> Iterator[tuple[Batch, float]]:
    """Yield each batch with the seconds spent waiting for it."""
    while True:
        started = time.perf_counter()
        batch = next(stream, None)
        if batch is None:
            return
        yield batch, time.perf_counter() - started


class _Shard:
    """The results of a shard that is still running."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.plan, self.number, self.rows = plan, number, plan.shard(number)
        self.started, self.added, self.seconds, self.data_wait = time.perf_counter(), 0, 0.0, 0.0
        count = len(self.rows)
        self.responses = np.full((count, plan.units), np.nan, np.float32)
        of_peaks = (count, plan.units if len(plan.peak_units) else 0)
        self.peak_values = np.full(of_peaks, np.nan, np.float32)
        self.peak_places = np.full(of_peaks, NO_PLACE, np.int32)
        self.top_classes = np.full((count, TOP5), -1, np.int32)
        self.top_probabilities = np.full((count, TOP5), np.nan, np.float32)
        self.sizes = np.zeros((count, 2), np.int32)
        self.errors = [""] * count
        self.missing: list[int] = []
        self.bits = Counter[int]()
        self.unpredicted = 0

    def add(self, batch: Batch, outputs: BatchOutput | None, data_wait: float) -> None:
        assert batch.shard == self.number, "batches come shard by shard"
        self._fill(batch, outputs)
        self.added += len(batch.pictures)
        self.data_wait += data_wait
        self.seconds = time.perf_counter() - self.started

    def _fill(self, batch: Batch, outputs: BatchOutput | None) -> None:
        self.missing += [picture.image for picture in batch.missing]
        self.bits.update(picture.bits for picture in batch.pictures if picture.bits)
        for picture in batch.pictures:
            row = picture.image - self.rows.start
            self.sizes[row] = picture.width, picture.height
            self.errors[row] = picture.error
        if outputs is None:
            return
        rows = [picture.image - self.rows.start for picture in batch.good]
        logits, responses = outputs.numpy()
        self.responses[rows] = np.where(np.isfinite(responses), responses + np.float32(0), np.float32(np.nan))  # no -0
        if outputs.peaks:
            values, places = (each.numpy() for each in outputs.peaks)
            cells = np.ix_(np.array(rows), self.plan.peak_units)
            self.peak_values[cells] = np.where(np.isfinite(values), values + np.float32(0), np.float32(np.nan))
            self.peak_places[cells] = places
        if logits is not None:
            best = top_predictions(logits, TOP5, squashing=self.plan.trace.head.squashing)
            width = best[0].shape[1]
            self.top_classes[rows, :width], self.top_probabilities[rows, :width] = best
            self.unpredicted += int((best[0][:, 0] < 0).sum())

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
            Summary.of(
                self.responses,
                ids,
                k=self.plan.options.top,
                threads=threads,
                peaks=(self.peak_values, self.peak_places) if len(self.plan.peak_units) else None,
            ),
            classes,
        )
        return ShardResult(
            self.number,
            part,
            self.seconds,
            self.data_wait,
            missing=tuple(self.missing),
            bits=self.bits,
            unpredicted=self.unpredicted,
        )

    def _kept(self) -> tuple[NDArray[np.float32], ShardClassSums]:
        """Return the responses; if they are not stored, sums by class instead, unless those are larger."""
        if self.plan.options.responses == "none":
            members = self.plan.members[self.rows.start : self.rows.stop]
            sums = ShardClassSums.of(self.responses, members)
            if sums.sums.nbytes + sums.counts.nbytes <= self.responses.nbytes:
                return self.responses[:, :0], sums
        return self.responses, ShardClassSums.empty(self.responses.shape[1])
