"""The whole report: tables as CSV, figures as PNG and PDF, and one self-contained HTML page.

In: networks and folders. Out: files below one folder, and a `Report` that lists them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import jinja2
import pandas as pd

from unitscope import figures
from unitscope.atlas.storage import write_atomic
from unitscope.errors import UnitscopeError
from unitscope.experiments.run_options import RunOptions
from unitscope.paper import figures as pictures
from unitscope.paper import tables
from unitscope.paper.claims import Claim, claims_of, claims_table, rules_table
from unitscope.paper.cosine_table import cosine_items, title_of_cosines
from unitscope.paper.embedding import Embedded, embedded
from unitscope.paper.mean_and_max import agreement_table, agreements_of
from unitscope.paper.networks import Log, NetworkSpec, ReportNetwork, Sources, make_networks
from unitscope.paper.overlap import overlap_of, overlap_table
from unitscope.paper.removal import Removals, removal_tables, removals_of
from unitscope.paper.report_items import Item, Missing, Picture, Table, attempt
from unitscope.paper.sparseness import sparseness_of, sparseness_table
from unitscope.version import versions

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Report:
    """The files written: the page, tables and figures by title; missing items with the reasons; the paper's claims."""

    page: Path
    tables: tuple[tuple[str, Path], ...]
    figures: tuple[tuple[str, Path], ...]
    missing: tuple[Missing, ...]
    claims: tuple[Claim, ...] = ()


def write_paper(
    networks: Sequence[NetworkSpec], sources: Sources, *, log: Log, options: RunOptions | None = None
) -> Report:
    """Make every table and figure of the paper and write them below ``sources.output``.

    Args:
        networks: each gets a row in the tables and its own figures.
        sources: the folders with images, and the one for the report.
        log: called with a line of text at each step.
        options: batch size, device, limit and progress of all scans and experiments.

    Raises:
        UnitscopeError: if no network is given, one can't be loaded, or a folder has no images.
    """
    if not networks:
        raise UnitscopeError("no network for the report; give one or more with --network")
    sources.output.mkdir(parents=True, exist_ok=True)
    cases = make_networks(networks, sources, options or RunOptions(), log=log)
    writer = _Writer(sources.output)
    for item in _items(cases, log):
        writer.add(item)
    log("judging the claims")
    claims = tuple(claims_of(cases))
    if claims:
        writer.add(rules_table(claims), first=True)
        writer.add(claims_table(claims), first=True)
    return writer.finish(cases, claims)


def _items(cases: Sequence[ReportNetwork], log: Log) -> Iterator[Item]:
    """Yield the tables, then each network's figures."""
    log("tables 1 and 2")
    yield attempt("Table 1", partial(tables.parameters, cases))
    yield attempt("Table 2", partial(tables.errors, cases))
    for case in cases:
        found = attempt(title_of_cosines(case), partial(cosine_items, case))
        yield from (found,) if isinstance(found, Missing) else found
    removed = _each(cases, "removing units", removals_of, log)
    yield from removal_tables(removed)
    for case, removals in removed:
        if isinstance(removals, Removals):
            title = f"Beyond tables 4 and 5. Removal as curves: {case.name}"
            drawn = attempt(title, partial(figures.ablation, removals.curves, title=title))
            yield drawn if isinstance(drawn, Missing) else Picture(f"removal-{case.name}", title, drawn)
    yield overlap_table(_each(cases, "comparing pairs of images", overlap_of, log))
    yield agreement_table(_each(cases, "comparing mean and maximum", agreements_of, log))
    yield sparseness_table(_each(cases, "measuring sparsity", sparseness_of, log))
    for case in cases:
        yield from pictures.draw_all(case, log=log)


def _each(
    cases: Sequence[ReportNetwork], what: str, make: Callable[[ReportNetwork], T], log: Log
) -> list[tuple[ReportNetwork, T | Missing]]:
    """Return what a function makes of each network, or the reason why it can't."""
    made: list[tuple[ReportNetwork, T | Missing]] = []
    for case in cases:
        log(f"{case.name}: {what}")
        made.append((case, attempt(what, partial(make, case))))
    return made


@dataclass(frozen=True, slots=True)
class _Grid:
    """A table on the page: columns, each with its name and whether it is numeric, and rows of text."""

    columns: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Shown:
    """An item on the page; figures are written at once, so that only one is in memory at a time."""

    title: str
    note: str = ""
    grid: _Grid | None = None
    picture: Embedded | None = None
    files: tuple[str, ...] = ()
    reason: str = ""


class _Writer:
    """Writes each item as it is added."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.shown = folder, list[_Shown]()
        self.tables, self.figures = list[tuple[str, Path]](), list[tuple[str, Path]]()
        self.missing = list[Missing]()

    def add(self, item: Item, *, first: bool = False) -> None:
        self.shown.insert(0 if first else len(self.shown), self._written(item))

    def _written(self, item: Item) -> _Shown:
        match item:
            case Table():
                return self._table(item)
            case Picture():
                return self._picture(item)
            case Missing():
                self.missing.append(item)
                return _Shown(item.title, reason=item.reason)

    def finish(self, cases: Sequence[ReportNetwork], claims: tuple[Claim, ...]) -> Report:
        page = self.folder / "report.html"
        template = jinja2.Environment(
            loader=jinja2.PackageLoader("unitscope.paper"), autoescape=True, undefined=jinja2.StrictUndefined
        ).get_template("report.html")
        listed = [(case.name, case.network.name, Path(case.network.weights).name, _last(case)) for case in cases]
        text = template.render(items=self.shown, networks=listed, versions=versions())
        write_atomic(page, text.encode())
        return Report(page, tuple(self.tables), tuple(self.figures), tuple(self.missing), claims)

    def _table(self, table: Table) -> _Shown:
        path = self.folder / "tables" / f"{table.name}.csv"
        path.parent.mkdir(exist_ok=True)
        write_atomic(path, table.rows.to_csv(index=False).encode())
        self.tables.append((table.title, path))
        return _Shown(table.title, table.note, grid=_grid(table.rows), files=(f"tables/{path.name}",))

    def _picture(self, picture: Picture) -> _Shown:
        folder = self.folder / "figures"
        folder.mkdir(exist_ok=True)
        for suffix in ("png", "pdf"):
            figures.save(picture.figure, folder / f"{picture.name}.{suffix}")
        png = folder / f"{picture.name}.png"
        self.figures.append((picture.title, png))
        files = (f"figures/{png.name}", f"figures/{picture.name}.pdf")
        return _Shown(picture.title, picture.note, picture=embedded(picture.figure, png), files=files)


def _last(case: ReportNetwork) -> str:
    found = attempt("last convolution", lambda: case.last.name)
    return "–" if isinstance(found, Missing) else found


def _grid(rows: pd.DataFrame) -> _Grid:
    numbers = [pd.api.types.is_numeric_dtype(rows[name]) for name in rows]
    columns = [_texts(rows[name].tolist()) for name in rows]
    return _Grid(tuple(zip(map(str, rows), numbers, strict=True)), tuple(zip(*columns, strict=True)))


def _texts(values: list[object]) -> list[str]:
    """Return the values of a column as text, all with the same number of decimals; a dash for none."""
    digits = max((len(str(value).partition(".")[2]) for value in values if isinstance(value, float)), default=0)
    return [_text(value, digits) for value in values]


def _text(value: object, digits: int) -> str:
    if pd.isna(value) or value == "":  # type: ignore[call-overload]
        return "–"
    if isinstance(value, float):
        return f"{value:,.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
