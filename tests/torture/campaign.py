"""What a campaign gives: a table of trials with the number that failed.

In: trials of a kind. Out: `Outcome` values, and the Markdown page docs/torture.md.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "torture.md"
_TEXT = """# Torture

`make torture` damages, interrupts and floods unitscope far more often than the tests do, and counts what goes wrong. It
takes {minutes:.0f} minutes on two processors. Each trial uses real files and processes: a killed process is killed with
SIGKILL, a full disk is a small file system in memory.

| what | trials | went wrong | also |
|---|--:|--:|---|
{rows}
"""


@dataclass
class Outcome:
    """The trials of one kind.

    Attributes:
        what: what was done, in a few words.
        trials: number of trials.
        failures: a sentence for each trial that went wrong.
        also: what else was measured.
    """

    what: str
    trials: int = 0
    failures: list[str] = field(default_factory=list)
    also: str = ""

    def check(self, right: bool, failure: str) -> None:
        """Count a trial."""
        self.trials += 1
        if not right:
            self.failures.append(failure)


Campaign = Callable[[Path, float], Iterator[Outcome]]
"""From an empty folder and a scale, 1 for the whole campaign, to outcomes."""


@contextmanager
def timed() -> Iterator[list[float]]:
    """Give a list that holds the seconds that the context took, once it has ended."""
    started, seconds = time.perf_counter(), []
    yield seconds
    seconds.append(time.perf_counter() - started)


def write_page(outcomes: list[Outcome], seconds: float) -> None:
    """Write docs/torture.md."""
    rows = [f"| {one.what} | {one.trials:,} | {len(one.failures):,} | {one.also} |" for one in outcomes]
    PAGE.write_text(_TEXT.format(minutes=seconds / 60, rows="\n".join(rows)), encoding="utf-8")
