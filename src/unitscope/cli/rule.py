"""The command ``rule``: which units an image or class has most, shares with others, or has alone.

In: the command line. Out: a table or JSON, and a figure where one is asked for.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unitscope.cli.image_groups import groups_named
from unitscope.cli.options import AtlasArgument, Figure, Json, MovedImages
from unitscope.cli.output import log, print_json, print_table
from unitscope.errors import UnitscopeError

if TYPE_CHECKING:
    from unitscope.analyses.selection import Selector
    from unitscope.analyses.unit_rules import Rule
    from unitscope.atlas import Atlas
    from unitscope.engine.session import Session

_MOST_COLUMNS, _LONGEST_NAME = 4, 28


def rule(
    atlas: AtlasArgument,
    layer: Annotated[str, typer.Option(metavar="LAYER", help="The layer whose units are asked for.")],
    shared: Annotated[
        list[str] | None,
        typer.Option(metavar="A", help="Units that all of these share: an image id, a file, or class:NAME; repeat it."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="A", help="Units of this, in none of --but's; may be repeated.")
    ] = None,
    but: Annotated[list[str] | None, typer.Option(metavar="B", help="With --only; may be repeated.")] = None,
    maximum: Annotated[
        list[str] | None, typer.Option("--max", metavar="A", help="The units that respond most to this.")
    ] = None,
    top: Annotated[int | None, typer.Option(help="Units chosen for each image or class.", show_default="9")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Choose the units whose response is above this, in place of the top.")
    ] = None,
    at_least: Annotated[
        int | None,
        typer.Option(metavar="K", help="With --shared: units chosen in K or more of all the images named."),
    ] = None,
    output: Figure = None,
    images: MovedImages = None,
    as_json: Json = False,
) -> None:
    """Find the units that respond most, are shared, or tell images apart (the paper's algorithm 2 and figure 4)."""
    from unitscope.atlas import open_atlas

    asked = {"--shared": shared or [], "--only": only or [], "--max": maximum or []}
    _check(asked, but or [], at_least, top=top, threshold=threshold)
    opened = open_atlas(atlas)
    session = _session_once(opened)
    found = _find(opened, layer, asked, but or [], _pick(top, threshold), at_least, session)
    if output is not None:
        _draw(opened, found, output, images, session())
    if as_json:
        print_json(_told(found))
    else:
        _print(found)


def _check(
    asked: dict[str, list[str]], but: list[str], at_least: int | None, *, top: int | None, threshold: float | None
) -> None:
    given = [option for option, names in asked.items() if names]
    if len(given) != 1:
        what = f"{' and '.join(given)} are different rules" if given else "no rule was given"
        raise UnitscopeError(f"{what}; give one of --shared A --shared B, --only A --but B, or --max A")
    if but and not asked["--only"]:
        raise UnitscopeError(f"--but goes with --only, not with {given[0]}; say --only A --but {but[0]}")
    if asked["--only"] and not but:
        raise UnitscopeError("--only needs something to differ from; add --but B, an image or class")
    if len(asked["--max"]) > 1:
        raise UnitscopeError("--max takes one image or class; for several, ask for --shared units")
    if at_least is not None and not asked["--shared"]:
        raise UnitscopeError(f"--at-least goes with --shared, not with {given[0]}")
    if top is not None and threshold is not None:
        raise UnitscopeError("--top and --threshold are two ways to choose units; give one of them")


def _pick(top: int | None, threshold: float | None) -> "Selector":
    from unitscope.analyses.selection import Threshold, TopK

    return TopK(9 if top is None else top) if threshold is None else Threshold(threshold)


def _find(
    opened: "Atlas",
    layer: str,
    asked: dict[str, list[str]],
    but: list[str],
    pick: "Selector",
    at_least: int | None,
    session: "Callable[[], Session]",
) -> "Rule":
    from unitscope.analyses import unit_rules as rules
    from unitscope.analyses.selection_frequency import base_rate

    names = [name for listed in asked.values() for name in listed]
    subjects = groups_named(opened, [*names, *but], layer, session=session)
    subjects, others = subjects[: len(names)], subjects[len(names) :]
    base = base_rate(opened, layer, pick)
    if asked["--max"]:
        return rules.top_units(subjects[0], pick, base=base)
    if others:
        return rules.difference(subjects, others, pick, base=base)
    return rules.intersection(subjects, pick, at_least=at_least, base=base)


def _session_once(opened: "Atlas") -> "Callable[[], Session]":
    """Give the atlas's network, loaded when first needed: for files, and for the figure."""

    @cache
    def session() -> "Session":
        from unitscope.scanning.atlas_network import session_of

        return session_of(opened)

    return session


def _draw(opened: "Atlas", found: "Rule", output: Path, images: str | None, session: "Session") -> None:
    """Pictures and maps need the network, and so torch."""
    from unitscope import figures
    from unitscope import inspection as looking

    figures.save(figures.rules(looking.rule_sheet(opened, found, network=session, images=images)), output)
    log(f"drawn: {output}")


def _told(found: "Rule") -> dict[str, Any]:
    return {
        "layer": found.layer.name,
        "rule": found.name,
        "top": getattr(found.pick, "count", None),
        "threshold": getattr(found.pick, "threshold", None),
        "at_least": found.at_least,
        "units": found.units.tolist(),
        "responses": found.responses.tolist(),
        "responses_by_subject": {one.name: found.responses_of(one).tolist() for one in found.subjects + found.others},
        "support": found.support.tolist(),
        "images": found.images,
        "support_p": found.support_p.tolist(),
        "expected_by_chance": found.expected,
        "p_value": found.p_value,
        "base_rate": None if found.base_rate is None else found.base_rate.tolist(),
        "base_rate_images": found.base_images,
    }


def _print(found: "Rule") -> None:
    overall = {
        "units": len(found.units),
        "expected by chance": "–" if found.expected is None else found.expected,
        "p-value": "–" if found.p_value is None else found.p_value,
        "images": found.images,
    }
    print_table(tuple(overall), [tuple(overall.values())], title=found.title)
    each = (found.subjects if len(found.subjects) > 1 else ()) + found.others
    columns = {
        "unit": found.units.tolist(),
        "response": found.responses.tolist(),
        **{_short(one.name): found.responses_of(one).tolist() for one in each if len(each) <= _MOST_COLUMNS},
        f"chosen in (of {found.images})": found.support.tolist(),
        "p-value of that": found.support_p.tolist(),
        f"base rate (of {found.base_images})": [] if found.base_rate is None else found.base_rate.tolist(),
    }
    print_table(tuple(columns), zip(*columns.values(), strict=True))


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else "…" + name[-_LONGEST_NAME + 1 :]
