"""A folder for the files of libraries, where the user has no home, or none that can be written.

In: the environment. Out: the environment with HOME, or MPLCONFIGDIR. Containers often run under an id without a name
or a home; then PyTorch, timm and Keras make a folder named ``~`` for weights or fail, and matplotlib prints a warning.
"""

import os
from contextlib import suppress
from pathlib import Path

from unitscope.files import private_folder


def provide_home() -> None:
    """Set HOME if no home is known, and MPLCONFIGDIR if it can't be written, to a folder among the temporary files."""
    with suppress(OSError):  # there may be no place for temporary files either
        try:
            home = Path.home()
        except RuntimeError:  # neither HOME nor an entry of the user
            os.environ["HOME"] = str(private_folder())
            return
        if not os.access(home, os.W_OK) and not {"MPLCONFIGDIR", "XDG_CONFIG_HOME"} & set(os.environ):
            os.environ["MPLCONFIGDIR"] = str(private_folder() / "matplotlib")
