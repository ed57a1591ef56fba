"""Run cases in turns of a few seconds, each in a process of its own that is paused while another runs.

In: cases of a benchmark (``python -m MODULE --case JSON``) that report each batch (`tell`). Out: the time per image of
each turn. On a shared machine, speed changes within minutes by more than the cases differ, so cases have to be compared
within seconds; and a process that compiles can't be restarted for each turn.
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
    """Report, from within a case, that a batch is done, or other values."""
    message = values or {"wall": time.perf_counter(), "cpu": time.process_time()}
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Case:
    """A case in its own process group, which is paused except during its turns.

    Attributes:
        others: values that it reported besides its batches.
    """

    def __init__(self, module: str, arguments: dict[str, Any], *, temporary: str) -> None:
        self.others: list[dict[str, Any]] = []
        self._process = start(module, arguments, own_session=True, TMPDIR=temporary)

    def warm_up(self, batches: int) -> None:
        """Run the first batches, and pause."""
        for _ in range(batches):
            self._batch()
        self._signal(signal.SIGSTOP)

    def turn(self, batches: int, size: int) -> dict[str, float]:
        """Run ``batches`` batches of ``size`` images each, and return the time per image in milliseconds."""
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
        """Return the peak memory of the process in MiB, without its children."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("utf-8")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def close(self) -> None:
        """Kill the process and its children."""
        self._signal(signal.SIGKILL)
        self._process.communicate()

    def _batch(self, *, since: float = 0.0) -> tuple[float, float] | None:
        """Return the times of the next batch that ended after ``since``; None if the case has ended."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line) if line.startswith("{") else {}  # other tools print lines of their own
            if "wall" not in message:
                self.others += [message] if message else []
            elif message["wall"] > since:
                return message["wall"], message["cpu"]
        return None

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:  # it has ended, which the next read of its output shows
            return


@contextmanager
def started(module: str, arguments: dict[str, dict[str, Any]], *, warm_up: int) -> Iterator[dict[str, Case]]:
    """Start all cases, run their first batches (which compiles them) and pause them; kill them after the context."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # otherwise paused processes would remain
    with ExitStack() as kept:
        temporary = kept.enter_context(tempfile.TemporaryDirectory())  # killed processes leave files behind
        cases = {}
        for name, given in arguments.items():
            cases[name] = Case(module, given, temporary=temporary)
            kept.callback(cases[name].close)
            cases[name].warm_up(warm_up)
        yield cases
