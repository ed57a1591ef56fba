"""The ``unitscope`` program: its commands and what happens when one of them fails.

In: the command line. Out: an exit status: 0 done, 1 the user's input is wrong, 2 usage, 130 stopped by Ctrl-C.
"""

import os
import sys
from typing import Annotated

import typer

from unitscope.cli import ablate, asking, inhibitory, paper, perturb, rule, scanning, serving, similarity, sparsity
from unitscope.cli.output import print_error
from unitscope.errors import UnitscopeError

app = typer.Typer(
    help="See what every unit of a pretrained vision network responds to, over a whole image data set.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version as version_of

        sys.stdout.write(f"unitscope {version_of('unitscope')}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """What may stand before a command."""


app.command("layers")(asking.layers)
app.command("scan")(scanning.scan)
app.command("structure")(asking.structure)
app.command("exemplars")(asking.exemplars)
app.command("rule")(rule.rule)
app.command("inhibitory")(inhibitory.inhibitory)
app.command("similarity")(similarity.similarity)
app.command("sparsity")(sparsity.sparsity)
app.command("perturb")(perturb.perturb)
app.command("ablate")(ablate.ablate)
app.command("paper")(paper.paper)
app.command("serve")(serving.serve)
app.command("export")(serving.export)
app.command("verify")(scanning.verify)
app.command("demo")(scanning.demo)


def main() -> None:
    """Run the command line; what the user did wrong is one message, never a traceback."""
    try:
        app()
    except UnitscopeError as problem:
        print_error(str(problem))
        sys.exit(1)
    except KeyboardInterrupt:
        print_error("stopped")
        sys.exit(130)
    except BrokenPipeError:
        # The reader has gone (as `head` does); there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as problem:
        where = f" '{problem.filename}'" if problem.filename else ""
        print_error(f"can't read or write{where}: {problem.strerror or problem}")
        sys.exit(1)
