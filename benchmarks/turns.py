"""Cases that run in turns of some seconds, each in a process of its own that stands still while another runs.

In: cases of a benchmark (``python -m MODULE --case JSON``) that tell of each batch when it is done (`tell`). Out: what
an image took in each turn. A machine that others use as well changes within minutes by more than the cases differ, so
what is to be compared has to lie seconds apart, and a process that compiles can't be started for each turn anew.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.common import start


def tell(**values: float) -> None:
    """In a case: say that a batch is done, or something else that is to be known of it."""
    told = values or {"wall": time.perf_counter(), "cpu": time.process_time()}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


class Case:
    """A case in a group of processes of its own, which stands still unless it is its turn.

    Attributes:
        others: what it told besides its batches.
    """

    def __init__(self, module: str, arguments: dict[str, Any], *, temporary: str) -> None:
        self.others: list[dict[str, Any]] = []
        self._process = start(module, arguments, own_session=True, TMPDIR=temporary)

    def warm_up(self, batches: int) -> None:
        """Let it run its first batches."""
        for _ in range(batches):
            self._batch()
        self._signal(signal.SIGSTOP)

    def turn(self, batches: int, size: int) -> dict[str, float]:
        """Let it run so many batches, of so many images each; return what an image took, in milliseconds."""
        started = time.perf_counter()
        self._signal(signal.SIGCONT)
        times = [self._batch(since=started) for _ in range(batches + 1)]
        self._signal(signal.SIGSTOP)
        if times[-1] is None or times[0] is None:
            raise RuntimeError(f"{self._process.args} ended before its turns did")
        (wall, cpu), (wall_then, cpu_then) = times[0], times[-1]
        images = batches * size
        return {"wall": 1000 * (wall_then - wall) / images, "cpu": 1000 * (cpu_then - cpu) / images}

    def peak_mib(self) -> float:
        """Return the greatest memory that the process has held, in MiB; of its children nothing."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("utf-8")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def close(self) -> None:
        """End it and its children."""
        self._signal(signal.SIGKILL)
        self._process.communicate()

    def _batch(self, *, since: float = 0.0) -> tuple[float, float] | None:
        """The next batch that was done after some time; None if the case has ended."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line) if line.startswith("{") else {}  # others' programs print what they like
            if "wall" not in told:
                self.others += [told] if told else []
            elif told["wall"] > since:
                return told["wall"], told["cpu"]
        return None

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:  # it has ended, which whoever waits for its batches is told
            return


@contextmanager
def started(module: str, arguments: dict[str, dict[str, Any]], *, warm_up: int) -> Iterator[dict[str, Case]]:
    """Give all cases, each past its first batches (so compiled) and standing still; they end with the context."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # or what stands still would stay
    with ExitStack() as kept:
        temporary = kept.enter_context(tempfile.TemporaryDirectory())  # as who is killed leaves its files
        cases = {}
        for name, given in arguments.items():
            cases[name] = Case(module, given, temporary=temporary)
            kept.callback(cases[name].close)
            cases[name].warm_up(warm_up)
        yield cases
