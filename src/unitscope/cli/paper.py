"""The command ``paper``: reproduce the paper's tables and figures.

In: the command line. Out: a report with tables and figures; a list of them, or JSON, on stdout.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unitscope.cli.options import BatchSize, Device, Json
from unitscope.cli.output import log, print_json
from unitscope.cli.tables import print_table
from unitscope.progress import terminal_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unitscope.paper.claims import Claim

OLD_OPTIONS = {"--networks": "--network"}

NETWORKS = ("keras:vgg16", "keras:resnet50")


def paper(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="The folder of the report.", show_default=False)
    ],
    networks: Annotated[
        list[str] | None,
        typer.Option(
            "--network",
            metavar="NETWORK[=IMAGES]",
            help="A network or card, optionally with images for it; may be repeated.",
            show_default="the paper's: keras:vgg16 keras:resnet50",
        ),
    ] = None,
    imagenet: Annotated[str | None, typer.Option(metavar="IMAGES", help="Labelled images, such as ImageNet's.")] = None,
    coco: Annotated[str | None, typer.Option(metavar="IMAGES", help="Images with COCO's annotations.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use this many images of each folder, evenly spaced.")
    ] = None,
    batch_size: BatchSize = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Reproduce the tables and figures of the paper with your networks and images, as one HTML report."""
    from unitscope.experiments.run_options import RunOptions
    from unitscope.paper import NetworkSpec, Sources, write_paper

    specs = [NetworkSpec.parse(text) for text in networks or NETWORKS]
    options = RunOptions(batch_size, device, limit, terminal_bar)
    report = write_paper(specs, Sources(imagenet, coco, output), log=log, options=options)
    if as_json:
        print_json(
            {
                "report": str(report.page),
                "tables": [{"title": title, "file": str(file)} for title, file in report.tables],
                "figures": [{"title": title, "file": str(file)} for title, file in report.figures],
                "missing": [{"title": item.title, "reason": item.reason} for item in report.missing],
                "claims": [claim.to_dict() for claim in report.claims],
            }
        )
        return
    _print_claims(report.claims)
    print_table(("item", "file"), [(title, str(file)) for title, file in (*report.tables, *report.figures)])
    for item in report.missing:
        log(f"missing: {item.title}: {item.reason}")
    log(f"report: {report.page}")


def _print_claims(claims: "Sequence[Claim]") -> None:
    if not claims:
        return
    from unitscope.paper.claims import TITLE, claims_table

    columns = ["claim", "paper", "network", "verdict", "number", "95 % interval", "p", "remark"]
    rows = claims_table(claims).rows[columns].fillna("").to_numpy().tolist()
    print_table(columns, rows, title=TITLE)
