"""The command that removes units: ablate.

In: the command line. Out: a table or JSON, and curves where they are asked for.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unitscope.cli.options import (
    BatchSize,
    Device,
    Figure,
    ImagesArgument,
    Json,
    Limit,
    NetworkArgument,
    Preprocess,
    Seed,
    Weights,
)
from unitscope.cli.output import log, print_json, print_table
from unitscope.cli.progress import counted
from unitscope.text import count_noun

if TYPE_CHECKING:
    from unitscope.analyses.ablation import Ablation
    from unitscope.atlas import Atlas

FRACTIONS = (0.1, 0.2, 0.5, 0.8)
MOST_CLASSES = 5
FEW = 30


def ablate(
    network: NetworkArgument,
    images: ImagesArgument,
    layers: Annotated[
        list[str],
        typer.Option("--layer", metavar="LAYER", help="Where units go; may be repeated.", show_default=False),
    ],
    fractions: Annotated[
        list[float] | None,
        typer.Option("--fraction", metavar="F", help="Share of units, 0 to 1; may be repeated. [0.1 0.2 0.5 0.8]"),
    ] = None,
    counts: Annotated[
        list[int] | None, typer.Option("--count", metavar="N", help="Number of units; may be repeated.")
    ] = None,
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help="image or dataset; may be repeated. [both]"),
    ] = None,
    orders: Annotated[
        list[str] | None,
        typer.Option("--order", help="low, high or random; may be repeated. [all three]"),
    ] = None,
    value: Annotated[str, typer.Option(help="What removed maps become: zero or mean.")] = "zero",
    random_seeds: Annotated[
        list[int] | None,
        typer.Option("--random-seed", metavar="N", help="Seed of a random order; may be repeated. [0]"),
    ] = None,
    atlas: Annotated[
        Path | None, typer.Option(metavar="ATLAS", help="Take means over the data set from this atlas.")
    ] = None,
    output: Figure = None,
    limit: Limit = None,
    batch_size: BatchSize = 16,
    device: Device = "cpu",
    weights: Weights = None,
    seed: Seed = None,
    preprocess: Preprocess = None,
    as_json: Json = False,
) -> None:
    """Remove units and count right answers before and after (the paper's algorithm 4, tables 4 and 5)."""
    from unitscope.experiments.ablation_grid import ORDERS, SCOPES, AblationGrid
    from unitscope.images import open_images

    settings = AblationGrid(
        layers,
        fractions or (() if counts else FRACTIONS),
        counts or (),
        scopes or SCOPES,
        orders or ORDERS,
        value,
        random_seeds or (0,),
    )
    image_set, means = open_images(images), None if atlas is None else _with_means(atlas, layers)

    from unitscope import figures
    from unitscope.experiments.ablation import ablate as run
    from unitscope.experiments.run_options import RunOptions
    from unitscope.networks import load

    loaded = load(network, weights=weights, seed=seed, preprocess=preprocess)
    running = RunOptions(batch_size, device, limit, counted)
    found = run(loaded, image_set, settings, atlas=means, running=running)
    if output is not None:
        figures.save(figures.ablation(found), output)
        log(f"drawn: {output}")
    _say_doubts(found)
    if as_json:
        print_json(told(found))
        return
    _print(found)


def _with_means(path: Path, layers: list[str]) -> "Atlas":
    """The atlas, which must have tapped the layers."""
    from unitscope.atlas import open_atlas

    atlas = open_atlas(path)
    for layer in layers:
        atlas.find(layer)
    return atlas


def _say_doubts(found: "Ablation") -> None:
    if found.failed:
        log(f"note: left out {count_noun(found.failed, 'file')} that could not be read")
    if len(found.images) < FEW:
        log(
            f"note: from {count_noun(len(found.images), 'image')} nothing can be told of what units are worth, "
            f"as the wide intervals say; run {FEW} or more"
        )


def told(found: "Ablation") -> dict[str, Any]:
    """Return what removal did, as the JSON tells it."""
    names = list(dict.fromkeys(outcome.removed.layer for outcome in found.outcomes))
    return {
        "network": found.network,
        "layer": names[0] if len(names) == 1 else names,
        "images": len(found.images),
        "data": found.data,
        "labelled": found.baseline.images,
        "failed": found.failed,
        "baseline": found.baseline.to_dict(),
        "results": [
            outcome.to_dict() | {"units": outcome.units} | _classes(found, outcome) for outcome in found.outcomes
        ],
    }


def _classes(found: "Ablation", outcome: Any) -> dict[str, Any]:
    """The classes that lose and gain the most."""
    changes = found.class_changes(outcome)
    rows = changes.to_dict("records")
    lose = [row for row in rows if row["change"] < 0]
    gain = [row for row in reversed(rows) if row["change"] > 0]
    return {"classes_lost": lose[:MOST_CLASSES], "classes_gained": gain[:MOST_CLASSES]}


def _print(found: "Ablation") -> None:
    before = found.baseline.to_dict()
    if not found.baseline.images:
        log("no image has a label that is a class of the network: agreement with the untouched network is told instead")
        print_table(
            ("layer", "scope", "order", "fraction", "removed", "agreement", "interval", "changed"), _rows(found)
        )
        return
    low, high = before["top1_interval"]
    print_table(
        ("images", "Top-1", "interval", "Top-5"),
        [
            (
                found.baseline.images,
                f"{before['top1']:.4f} ({before['top1_correct']})",
                f"{low:.3f}–{high:.3f}",
                f"{before['top5']:.4f} ({before['top5_correct']})",
            )
        ],
        title=f"{found.network}, untouched",
    )
    columns = ("layer", "scope", "order", "fraction", "removed", "Top-1", "interval", "Top-5", "gained", "lost", "p")
    print_table(columns, _rows(found), title="Without units")
    hardest = min(found.outcomes, key=lambda outcome: outcome.score.top1_correct)
    rows = _classes(found, hardest)
    changed = [*rows["classes_lost"], *rows["classes_gained"]]
    gone = hardest.removed
    if not changed:
        return
    print_table(
        ("class", "name", "images", "before", "after", "change"),
        [tuple(row.values()) for row in changed],
        title=f"Classes that change most, {count_noun(gone.count, 'unit')} removed from {gone.layer} "
        f"({gone.scope}, {gone.order})",
    )


def _rows(found: "Ablation") -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = []
    for outcome in found.outcomes:
        values = outcome.to_dict()
        order = values["order"] if values["seed"] is None else f"random, seed {values['seed']}"
        fraction = "" if values["fraction"] is None else f"{values['fraction']:g}"
        head = (values["layer"], values["scope"], order, fraction, values["removed"])
        if not found.baseline.images:
            low, high = values["agreement_interval"]
            rows.append((*head, f"{values['agreement']:.4f}", f"{low:.3f}–{high:.3f}", values["changed"]))
            continue
        low, high = values["top1_interval"]
        right = [f"{values[name]:.4f} ({values[f'{name}_correct']})" for name in ("top1", "top5")]
        rest = (values["gained"], values["lost"], f"{values['p_value']:.3g}")
        rows.append((*head, right[0], f"{low:.3f}–{high:.3f}", right[1], *rest))
    return rows
