"""The command ``layers``: the layers of a network.

In: the command line. Out: a table or JSON.
"""

from typing import Annotated

import typer

from unitscope.cli.options import Json, NetworkArgument, Preprocess, Weights
from unitscope.cli.output import emit, log

OLD_OPTIONS = {"--layers": "--layer"}


def layers(
    network: NetworkArgument,
    patterns: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            metavar="PATTERN",
            help="Only these, by name, alias or pattern; may be repeated.",
            show_default="all",
        ),
    ] = None,
    weights: Weights = "none",
    preprocess: Preprocess = None,
    as_json: Json = False,
) -> None:
    """List the layers of a network: names, aliases, kinds, units, shapes. Weights are not needed."""
    from unitscope.analyses.layer_list import LayerList
    from unitscope.engine.session import Session
    from unitscope.networks import load

    loaded = load(network, weights=_card_or(network, weights), preprocess=preprocess)
    traced = Session(loaded).trace
    for note in traced.notes:
        log(f"note: {note}")
    chosen = traced.layers.match(patterns) if patterns else tuple(traced.layers)
    emit(LayerList(loaded.name, chosen), as_json=as_json, rows=None, csv=False)


def _card_or(network: str, weights: str | None) -> str | None:
    """Return the choice of weights: none, since layers don't depend on them, or a card's own weights."""
    from unitscope.networks.registry import origin_of

    return None if weights == "none" and origin_of(network).has_weights else weights
