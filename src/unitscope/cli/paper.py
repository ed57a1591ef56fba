"""The command that does the paper again: paper.

In: the command line. Out: a report with tables and figures; a list of them, or JSON, on stdout.
"""

from pathlib import Path
from typing import Annotated

import typer

from unitscope.cli.options import BatchSize, Device, Json
from unitscope.cli.output import log, print_json, print_table
from unitscope.cli.progress import counted

OLD_OPTIONS = {"--networks": "--network"}

NETWORKS = ("keras:vgg16", "keras:resnet50")


def paper(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the report goes.", show_default=False)
    ],
    networks: Annotated[
        list[str] | None,
        typer.Option(
            "--network",
            metavar="NETWORK[=FOLDER]",
            help="A network or card, with a folder of its own images if need be; may be repeated. "
            "[the paper's: keras:vgg16 keras:resnet50]",
        ),
    ] = None,
    imagenet: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Labelled images, like ImageNet's.")] = None,
    coco: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Images with COCO's annotations.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many images of each, evenly spaced.")] = None,
    batch_size: BatchSize = 16,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Make every table and figure of the paper, on your networks and images, as one HTML report."""
    from unitscope.experiments.run_options import RunOptions
    from unitscope.paper import Asked, Sources, write_paper

    asked = [Asked.parse(text) for text in networks or NETWORKS]
    running = RunOptions(batch_size, device, limit, counted)
    report = write_paper(asked, Sources(imagenet, coco, output), say=log, running=running)
    if as_json:
        print_json(
            {
                "report": str(report.page),
                "tables": [{"title": title, "file": str(file)} for title, file in report.tables],
                "figures": [{"title": title, "file": str(file)} for title, file in report.figures],
                "missing": [{"title": item.title, "reason": item.reason} for item in report.missing],
            }
        )
        return
    print_table(("what", "file"), [(title, str(file)) for title, file in (*report.tables, *report.figures)])
    for item in report.missing:
        log(f"not here: {item.title}: {item.reason}")
    log(f"the report: {report.page}")
