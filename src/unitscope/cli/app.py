"""The ``unitscope`` program: its commands and the handling of errors.

In: the command line. Out: an exit status: 0 for success, 1 for invalid input, 2 for wrong usage, 130 after Ctrl-C.
"""

import io
import os
import sys
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
        app()
    except UnitscopeError as problem:
        print_error(str(problem))
        sys.exit(1)
    except KeyboardInterrupt:
        print_error("stopped")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of the output has exited, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as problem:
        where = f" '{problem.filename}'" if problem.filename else ""
        print_error(f"can't read or write{where}: {problem.strerror or problem}")
        sys.exit(1)
