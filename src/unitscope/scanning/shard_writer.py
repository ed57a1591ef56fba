"""Write the parts of shards while the next ones run; leave out shards with missing images.

In: the results of shards, in any order. Out: part files, and a `Written` that says what is missing.
"""

from collections import Counter, deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from unitscope.atlas.parts import Parts
from unitscope.scanning.missing import MissingShard
from unitscope.scanning.plan import Plan
from unitscope.scanning.progress import Progress
from unitscope.scanning.shard_worker import ShardResult, take_first
from unitscope.text import count_noun

_MAX_MISSING = 1000  # images in a row; then the folder is away, and going on would only lose more


@dataclass(slots=True)
class Written:
    """What became of the shards of a run.

    Attributes:
        images: number of images in written parts.
        failed: number of images of this run that could not be read or decoded.
        seconds: time taken by the shards.
        data_wait: seconds of that spent waiting for decoded images.
        missing: the shards with missing images.
        stopped: whether the run stopped early, since no image could be read any more.
        bits: number of deep images by the bits that they use.
        unpredicted: number of images whose logits are NaN.
    """

    images: int = 0
    failed: int = 0
    seconds: float = 0.0
    data_wait: float = 0.0
    missing: list[MissingShard] = field(default_factory=list)
    stopped: bool = False
    bits: Counter[int] = field(default_factory=Counter)
    unpredicted: int = 0


def write_shards(work: Generator[ShardResult, None, None], plan: Plan, parts: Parts, progress: Progress) -> Written:
    """Write each shard while the next one runs.

    A shard with missing images is not written, or with ``skip_missing`` not before a shard with readable images, since
    otherwise their whole folder may be away.

    Raises:
        ImageError: if images have changed since the scan began.
    """
    written, held, lost = Written(), list[ShardResult](), 0
    with _Writer(plan, parts, written) as writer, closing(work) as shards:  # closing stops workers
        for done in shards:
            plan.check_unchanged(done.shard)
            _count(written, done, plan, progress)
            held.append(done)
            lost = lost + len(done.missing) if len(done.missing) == len(plan.shard(done.shard)) else 0
            if lost >= _MAX_MISSING:
                written.stopped = True
                return written
            if not lost:
                writer.write_all(held)
        writer.write_all(held)
    if set(written.bits) - {16}:
        progress.on_message(_about_bits(written.bits))
    if written.unpredicted:
        progress.on_message(
            f"note: {plan.network.reference} returns logits that are not numbers (NaN) for "
            f"{count_noun(written.unpredicted, 'image')}, which have no prediction; check its weights and preprocessing"
        )
    return written


class _Writer:
    """Writes parts in a thread; waits for them at the end, also if the scan was stopped."""

    def __init__(self, plan: Plan, parts: Parts, written: Written) -> None:
        self.plan, self.parts, self.written = plan, parts, written
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="write")
        self.writing: deque[Future[None]] = deque()
        done = sum(map(parts.has, range(plan.shards)))
        self.bytes_a_part = plan.bytes_of_parts() // plan.shards
        self.bytes_left = plan.bytes_written() + self.bytes_a_part * (plan.shards - done)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.pool:
            for each in self.writing:  # report errors of writing
                each.result()

    def write_all(self, held: list[ShardResult]) -> None:
        """Write the shards that may be written, and clear the list."""
        for done in held:
            if not done.missing or self.plan.options.skip_missing:
                write = partial(self.parts.write, left=self.bytes_left)
                self.writing.append(self.pool.submit(write, done.shard, done.part))
                self.bytes_left -= self.bytes_a_part
                self.written.images += len(done.part.errors)
                if len(self.writing) > 1:
                    take_first(self.writing)
        held.clear()


def _count(written: Written, done: ShardResult, plan: Plan, progress: Progress) -> None:
    written.seconds, written.data_wait = written.seconds + done.seconds, written.data_wait + done.data_wait
    written.bits.update(done.bits)
    written.unpredicted += done.unpredicted
    written.failed += int((done.part.errors != "").sum())
    if done.missing:
        reasons = {row: str(done.part.errors[row - int(done.part.first)]) for row in done.missing}
        shard = MissingShard.of(plan, done.shard, reasons)
        written.missing.append(shard)
        progress.on_message(f"shard {shard.shard}: {count_noun(shard.images, 'image')} missing; {shard.reason}")


def _about_bits(bits: Counter[int]) -> str:
    """Return a note that images use fewer bits than their files have."""
    used = ", ".join(f"{number} ({count_noun(count, 'image')})" for number, count in sorted(bits.items()))
    return (
        f"note: images in files of 16 bits use these numbers of bits: {used}. Each is scaled from the range of its own "
        "bits; see docs/images.md"
    )
