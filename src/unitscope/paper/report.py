"""The whole report: tables as CSV, figures as PNG and PDF, and one self-contained HTML page.

In: networks and folders. Out: files below one folder, and a `Report` that lists them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jinja2
import pandas as pd

from unitscope import figures
from unitscope.analyses.ablation import Ablation
from unitscope.atlas.storage import write_atomic
from unitscope.errors import UnitscopeError
from unitscope.experiments.ablation import ablate
from unitscope.experiments.ablation_grid import AblationGrid
from unitscope.experiments.run_options import RunOptions
from unitscope.paper import figures as pictures
from unitscope.paper import tables
from unitscope.paper.embedding import Embedded, embedded
from unitscope.paper.networks import Log, NetworkSpec, ReportNetwork, Sources, make_networks
from unitscope.paper.report_items import Item, Missing, Picture, Table, attempt
from unitscope.version import versions

FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Report:
    """The files written: the page, tables and figures by title; and the items that are missing, with the reasons."""

    page: Path
    tables: tuple[tuple[str, Path], ...]
    figures: tuple[tuple[str, Path], ...]
    missing: tuple[Missing, ...]


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
    return writer.finish(cases)


def _items(cases: Sequence[ReportNetwork], log: Log) -> Iterator[Item]:
    """Yield the tables, then each network's figures."""
    log("tables 1 and 2")
    yield attempt("Table 1", partial(tables.parameters, cases))
    yield attempt("Table 2", partial(tables.errors, cases))
    for case in cases:
        found = attempt(tables.title_of_cosines(case), partial(tables.cosines, case))
        yield from (found,) if isinstance(found, Missing) else found
    ablations = []
    for case in cases:
        log(f"{case.name}: removing units")
        ablations.append((case, attempt(f"Tables 4 and 5: {case.name}", partial(_ablation, case))))
    yield from tables.removal(ablations)
    for case, removed in ablations:
        if isinstance(removed, Ablation):
            title = f"Beyond tables 4 and 5. Removal as curves: {case.name}"
            drawn = attempt(title, partial(figures.ablation, removed, title=title))
            yield drawn if isinstance(drawn, Missing) else Picture(f"removal-{case.name}", title, drawn)
    for case in cases:
        yield from pictures.draw_all(case, log=log)


def _ablation(case: ReportNetwork) -> Ablation:
    settings = AblationGrid([case.last.name], FRACTIONS, orders=("low", "high", "random"))
    found = ablate(case.session, case.images, settings, atlas=case.atlas, options=case.options)
    if not found.baseline.images:
        raise UnitscopeError("none of the images has a label that is a class of the network")
    return found


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

    def add(self, item: Item) -> None:
        match item:
            case Table():
                self.shown.append(self._table(item))
            case Picture():
                self.shown.append(self._picture(item))
            case Missing():
                self.missing.append(item)
                self.shown.append(_Shown(item.title, reason=item.reason))

    def finish(self, cases: Sequence[ReportNetwork]) -> Report:
        page = self.folder / "report.html"
        template = jinja2.Environment(
            loader=jinja2.PackageLoader("unitscope.paper"), autoescape=True, undefined=jinja2.StrictUndefined
        ).get_template("report.html")
        listed = [(case.name, case.network.name, Path(case.network.weights).name, _last(case)) for case in cases]
        text = template.render(items=self.shown, networks=listed, versions=versions())
        write_atomic(page, text.encode())
        return Report(page, tuple(self.tables), tuple(self.figures), tuple(self.missing))

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
