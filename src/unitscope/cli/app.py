"""The ``unitscope`` program: its commands and the handling of errors.

In: the command line. Out: an exit status: 0 for success, 1 for invalid input, 2 for wrong usage, 130 after Ctrl-C.
"""

import io
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from unitscope.cli import (
    ablate,
    demo,
    exemplars,
    export,
    inhibitory,
    layers,
    notes,
    paper,
    perturb,
    rule,
    scan,
    selective,
    serve,
    similarity,
    sparsity,
    structure,
    unit,
    verify,
)
from unitscope.cli.home import provide_home
from unitscope.cli.old_options import command_class
from unitscope.cli.output import print_error
from unitscope.errors import UnitscopeError
from unitscope.files import reason_not_written

app = typer.Typer(
    help="Analyse what each unit of a pretrained vision network responds to, over a whole image data set.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version as version_of

        sys.stdout.write(f"unitscope {version_of('unitscope')}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


# One module per command, with a function of the same name; in the order of --help.
COMMANDS: tuple[ModuleType, ...] = (
    layers,
    scan,
    structure,
    exemplars,
    unit,
    rule,
    selective,
    inhibitory,
    similarity,
    sparsity,
    perturb,
    ablate,
    paper,
    serve,
    export,
    notes,
    verify,
    demo,
)
for module in COMMANDS:
    name = module.__name__.rpartition(".")[2]
    app.command(name, cls=command_class(getattr(module, "OLD_OPTIONS", {})))(getattr(module, name))


def main() -> None:
    """Run the command line; print the user's mistakes as one message, never as a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Unicode shows ? for ×
    provide_home()
    try:
        _run()
    except UnitscopeError as problem:
        _fail(str(problem))
    except KeyboardInterrupt:
        print_error("stopped")
        sys.exit(130)
    except BrokenPipeError:
        _discard_output()  # the reader of the output has exited, as `head` does
        sys.exit(0)
    except OSError as problem:
        _fail(_what_failed(problem))


def _run() -> None:
    """Run the command, and write what it printed, which can fail on a full disk."""
    try:
        app()
    finally:
        sys.stdout.flush()


def _what_failed(problem: OSError) -> str:
    path = Path(os.fsdecode(problem.filename)) if isinstance(problem.filename, str | bytes) else None
    if why := reason_not_written(problem, path):
        return f"can't write {'what the command prints' if path is None else repr(str(path))}: {why}"
    where = f" '{problem.filename}'" if problem.filename else ""
    return f"can't read or write{where}: {problem.strerror or problem}"


def _fail(message: str) -> None:
    print_error(message)
    try:
        sys.stdout.flush()
    except OSError:
        _discard_output()
    sys.exit(1)


def _discard_output() -> None:
    """Write what is still to be printed nowhere; otherwise Python would try once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
