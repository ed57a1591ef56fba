"""The command ``demo``: an end-to-end run on a small pretrained network and photographs from installed packages.

In: the command line. Out: an atlas and figures; tables or JSON; progress on stderr; the explorer, if it is asked for.
"""

import shutil
import sys
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated

import typer

from unitscope.cli.options import Json
from unitscope.cli.output import emit, log, print_json
from unitscope.cli.progress import scan_progress
from unitscope.cli.scan import log_failures
from unitscope.cli.tables import print_table
from unitscope.errors import UnitscopeError

if TYPE_CHECKING:
    import pandas as pd

    from unitscope.demo import Demo


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="The folder to write to.")] = Path(
        "demo"
    ),
    as_json: Json = False,
) -> None:
    """Scan, analyse and draw, with a small pretrained network and photographs from installed packages."""
    from unitscope.demo import run

    with scan_progress(output / "atlas") as progress:
        result = run(output, progress=progress, log=log)
    if as_json:
        print_json(
            {
                "atlas": str(result.scan.atlas.path),
                "figures": [str(path) for path in result.figures],
                "findings": result.telling.to_dict("records"),
                "removals": result.removals.to_dict("records"),
            }
        )
        return
    emit(result.scan.summary, as_json=False, csv=False)
    log_failures(result.scan)
    _print_findings(result)
    log(f"\nFigures are in '{output}': " + ", ".join(path.name for path in result.figures))
    _offer_explorer(output / "atlas")


def _print_findings(result: "Demo") -> None:
    from unitscope.demo import TOP

    layer, shared = result.scan.atlas.layers[-1].display_name, result.shared
    _print(result.telling, f"Units of {layer} that respond to each photograph of a class more than to any other")
    one, other = (Path(name).stem for name in shared.names)
    _print(result.removals, "Probability of the prediction when units are removed")
    units = ", ".join(map(str, shared.units))
    log(
        f"The {one} and the {other} share units {units} of {layer}, of {TOP} that respond most to each; "
        f"{shared.expected:.2g} expected by chance (p = {shared.p_value:.2g})."
    )


def _print(table: "pd.DataFrame", title: str) -> None:
    print_table([str(name) for name in table], table.itertuples(index=False), title=title)


def _offer_explorer(atlas: Path) -> None:
    """Say how to open the explorer; at a terminal, ask whether to."""
    log(f"Explore it in the browser: {join([*_program(), 'serve', str(atlas)])}")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    from unitscope.cli.serve import check_web, serve

    try:
        check_web()
    except UnitscopeError as problem:
        log(str(problem))
        return
    if typer.confirm("Start the explorer now?", default=True, err=True):
        serve(atlas)


def _program() -> list[str]:
    """Return the command that runs unitscope as this process was started."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return [sys.executable, "-m", "unitscope"]
    found = shutil.which("unitscope")
    return ["unitscope"] if found and Path(found).absolute() == started.absolute() else [str(started)]
