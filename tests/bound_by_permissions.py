"""Run Python code that file permissions bind, also for root, who may read everything."""

import os
import shutil
import subprocess
import sys

_PREFIX = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()

CAN_BE_BOUND = not _PREFIX or shutil.which("setpriv") is not None


def run_bound(code: str, *arguments: str) -> str:
    """Run code in a process and return what it printed."""
    command = [*_PREFIX, sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
