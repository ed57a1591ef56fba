"""The command ``rule``: the top units of an image or class, and those shared with or different from others.

In: the command line. Out: tables or JSON, and a figure with ``-o``.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unitscope.cli.image_groups import groups_by_layer, groups_named
from unitscope.cli.options import AtlasArgument, AtlasNetwork, Figure, FigureTitle, FigureWidth, ImageRoot, Json
from unitscope.cli.output import FigureFile, emit
from unitscope.errors import UnitscopeError

if TYPE_CHECKING:
    from unitscope.analyses.layer_overlap import LayerOverlap
    from unitscope.analyses.selection import Selector
    from unitscope.analyses.unit_rules import Rule
    from unitscope.atlas import Atlas
    from unitscope.display.rule_sheet import RuleSheet
    from unitscope.engine.session import Session

OLD_OPTIONS = {"--only": "--in", "--but": "--not-in", "--images": "--image-root"}


def rule(
    atlas: AtlasArgument,
    layer: Annotated[
        str | None, typer.Option(metavar="LAYER", help="The layer of the units.", show_default=False)
    ] = None,
    shared: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A", help="Units shared by all of these: image id, file, class:NAME or @NAME; give two or more."
        ),
    ] = None,
    inside: Annotated[
        list[str] | None,
        typer.Option("--in", metavar="A", help="Units of this but not of any --not-in; may be repeated."),
    ] = None,
    outside: Annotated[
        list[str] | None,
        typer.Option("--not-in", metavar="B", help="Images or classes that --in is compared with; may be repeated."),
    ] = None,
    maximum: Annotated[
        list[str] | None, typer.Option("--max", metavar="A", help="The units with the highest responses to this.")
    ] = None,
    top: Annotated[int | None, typer.Option(help="Units selected for each image or class.", show_default="9")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Select units with a response above this, instead of the top ones.")
    ] = None,
    at_least: Annotated[
        int | None,
        typer.Option(metavar="K", help="With --shared: units selected for at least K of all the images."),
    ] = None,
    by_layer: Annotated[
        bool, typer.Option("--by-layer", help="With --shared: count the shared units of every layer, shallow to deep.")
    ] = False,
    output: Figure = None,
    width: FigureWidth = None,
    title: FigureTitle = None,
    network: AtlasNetwork = None,
    image_root: ImageRoot = None,
    as_json: Json = False,
) -> None:
    """Find top units, shared units, or units that distinguish images (the paper's algorithm 2 and figure 4)."""
    figure = FigureFile.of(output, width, title)
    from unitscope.atlas import open_atlas

    names_by_option = {"--shared": shared or [], "--in": inside or [], "--max": maximum or []}
    _check(names_by_option, outside or [], at_least, top=top, threshold=threshold)
    if by_layer:
        _check_by_layer(layer, shared or [], at_least, threshold)
        opened = open_atlas(atlas)
        emit(_by_layer(opened, shared or [], 9 if top is None else top, network), as_json=as_json, output=figure)
        return
    if layer is None:
        raise typer.BadParameter("no layer was given; give --layer LAYER, or --by-layer with --shared for all layers")
    opened = open_atlas(atlas)
    session = _session_once(opened, network)
    found = _find(opened, layer, names_by_option, outside or [], _selector(top, threshold), at_least, session)

    def sheet() -> "RuleSheet":  # images and maps need the network, and so torch
        from unitscope.inspection import rule_sheet

        return rule_sheet(opened, found, network=session(), image_root=image_root)

    emit(found, as_json=as_json, output=figure, sheet=sheet)


def _check(
    names_by_option: dict[str, list[str]],
    outside: list[str],
    at_least: int | None,
    *,
    top: int | None,
    threshold: float | None,
) -> None:
    given = [option for option, names in names_by_option.items() if names]
    if len(given) != 1:
        what = f"{' and '.join(given)} are different rules" if given else "no rule was given"
        raise UnitscopeError(f"{what}; give one of --shared A --shared B, --in A --not-in B, or --max A")
    if outside and not names_by_option["--in"]:
        raise UnitscopeError(f"--not-in goes with --in, not with {given[0]}; give --in A --not-in {outside[0]}")
    if names_by_option["--in"] and not outside:
        raise UnitscopeError("--in needs images to compare with; add --not-in B, an image or class")
    if len(names_by_option["--max"]) > 1:
        raise UnitscopeError("--max takes one image or class; for several, use --shared")
    if at_least is not None and not names_by_option["--shared"]:
        raise UnitscopeError(f"--at-least goes with --shared, not with {given[0]}; omit it")
    if top is not None and threshold is not None:
        raise UnitscopeError("--top and --threshold are two ways to select units; give one of them")


def _check_by_layer(layer: str | None, shared: list[str], at_least: int | None, threshold: float | None) -> None:
    if layer is not None:
        raise UnitscopeError(f"--by-layer looks at every layer of the atlas; omit --layer {layer}")
    if not shared:
        raise UnitscopeError("--by-layer goes with --shared; give --shared A --shared B")
    if at_least is not None or threshold is not None:
        option = "--threshold" if at_least is None else "--at-least"
        raise UnitscopeError(f"--by-layer compares the top units of each layer; omit {option}")


def _by_layer(opened: "Atlas", names: list[str], top: int, network: str | None) -> "LayerOverlap":
    import numpy as np

    from unitscope.analyses.layer_overlap import layer_overlap

    if not any(Path(name).is_file() for name in names):
        return layer_overlap(opened, names, top)
    layers = [[group.mean for group in groups] for groups in groups_by_layer(opened, names, network)]
    return layer_overlap(opened, names, top, means=[np.concatenate(means) for means in zip(*layers, strict=True)])


def _selector(top: int | None, threshold: float | None) -> "Selector":
    from unitscope.analyses.selection import Threshold, TopK

    return TopK(9 if top is None else top) if threshold is None else Threshold(threshold)


def _find(
    opened: "Atlas",
    layer: str,
    names_by_option: dict[str, list[str]],
    outside: list[str],
    selector: "Selector",
    at_least: int | None,
    session: "Callable[[], Session]",
) -> "Rule":
    from unitscope.analyses import unit_rules as rules
    from unitscope.analyses.class_units import name_classes
    from unitscope.analyses.independent_images import check_independence
    from unitscope.analyses.selection_frequency import base_rate

    names = [name for listed in names_by_option.values() for name in listed]
    groups = groups_named(opened, [*names, *outside], layer, session=session)
    groups, others = groups[: len(names)], groups[len(names) :]
    base = base_rate(opened, layer, selector)
    if names_by_option["--max"]:
        found = rules.top_units(groups[0], selector, base=base)
    elif others:
        found = rules.difference(groups, others, selector, base=base)
    else:
        found = rules.intersection(groups, selector, at_least=at_least, base=base)
    return name_classes(opened, check_independence(opened, found))


def _session_once(opened: "Atlas", network: str | None) -> "Callable[[], Session]":
    """Return a function that loads a session of the atlas's network once, on first use: for files and the figure."""

    @cache
    def session() -> "Session":
        from unitscope.scanning.atlas_network import session_of

        return session_of(opened, network)

    return session
