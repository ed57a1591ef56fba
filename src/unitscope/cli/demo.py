"""The command ``demo``: an end-to-end run on a small pretrained network and photographs from installed packages.

In: the command line. Out: an atlas and figures; tables or JSON; progress on stderr.
"""

from pathlib import Path
from typing import Annotated

import typer

from unitscope.cli.options import Json
from unitscope.cli.output import emit, log, print_json
from unitscope.cli.progress import scan_progress
from unitscope.cli.scan import log_failures
from unitscope.cli.tables import print_table


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
        print_json({"atlas": str(result.scan.atlas.path), "figures": [str(path) for path in result.figures]})
        return
    emit(result.scan.summary, as_json=False, csv=False)
    log_failures(result.scan)
    print_table(("unit", "photograph", "selectivity"), result.found, title="Units that prefer one photograph's crops")
    log("Crops of one photograph are near-duplicates: these units say nothing about a class.")
    log(f"\nFigures are in '{output}': " + ", ".join(path.name for path in result.figures))
    atlas, unit = result.scan.atlas.path, result.found[0][0]
    log("Next:")
    log(f"  unitscope exemplars {atlas} {unit} -o unit.png")
    log(f"  unitscope verify {atlas}")
    log("  unitscope scan package:efficientnet-lite0 YOUR_FOLDER -o your.atlas")
