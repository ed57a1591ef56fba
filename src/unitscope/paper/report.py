"""Everything in one place: tables as CSV, figures as PNG and PDF, and one self-contained HTML page.

In: networks and folders. Out: files below one folder, and a `Report` that lists them.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd

from unitscope import figures
from unitscope.analyses.ablation import Ablation
from unitscope.atlas.parts import write_whole
from unitscope.errors import UnitscopeError
from unitscope.experiments import Settings, ablate
from unitscope.paper import pictures, tables
from unitscope.paper.cases import Asked, Case, Say, Sources, make_cases
from unitscope.paper.pictures import Picture
from unitscope.paper.tables import Missing, Table
from unitscope.version import versions

FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
Item = Table | Picture | Missing


@dataclass(frozen=True, slots=True)
class Report:
    """What was written: the page, tables and figures by title, and what could not be had, with its reason."""

    page: Path
    tables: tuple[tuple[str, Path], ...]
    figures: tuple[tuple[str, Path], ...]
    missing: tuple[Missing, ...]


def write_paper(networks: Sequence[Asked], sources: Sources, *, say: Say) -> Report:
    """Make every table and figure of the paper and write them below ``sources.output``.

    Raises:
        UnitscopeError: if no network is given, one can't be loaded, or a folder has no images.
    """
    if not networks:
        raise UnitscopeError("no network for the report; give one or more with --network")
    sources.output.mkdir(parents=True, exist_ok=True)
    cases = make_cases(networks, sources, say=say)
    writer = _Writer(sources.output)
    for item in _items(cases, say):
        writer.add(item)
    return writer.finish(cases)


def _items(cases: Sequence[Case], say: Say) -> Iterator[Item]:
    """The tables, then each network's figures."""
    say("tables 1 and 2")
    yield tables.parameters(cases)
    yield tables.errors(cases)
    for case in cases:
        yield from _similarity(case)
    ablations = []
    for case in cases:
        say(f"{case.name}: removing units")
        ablations.append((case, _ablation(case)))
    yield from tables.removal(ablations)
    for case, found in ablations:
        if isinstance(found, Ablation):
            title = f"Beyond tables 4 and 5. Removal as curves: {case.name}"
            yield Picture(f"removal-{case.name}", title, figures.ablation(found, title=title))
    for case in cases:
        yield from pictures.draw_all(case, say=say)


def _similarity(case: Case) -> Iterator[Item]:
    found = tables.cosines(case)
    if isinstance(found, Missing):
        yield found
        return
    table, matrix, names = found
    yield table
    yield Picture(f"{table.name}-map", f"{table.title}, as a map", figures.similarity(matrix, names, title=table.title))


def _ablation(case: Case) -> Ablation | Missing:
    title = f"Tables 4 and 5: {case.name}"
    if case.images is None or case.atlas is None:
        return Missing(title, f"{case.name} is untrained or has no images")
    settings = Settings([case.last.name], FRACTIONS, orders=("low", "high", "random"))
    found = ablate(case.network, case.images, settings, atlas=case.atlas)
    return found if found.baseline.images else Missing(title, f"the images for {case.name} have no labels it knows")


@dataclass(frozen=True, slots=True)
class _Shown:
    """An item as the page shows it; a figure is written out at once, so that memory holds one drawing at a time."""

    title: str
    note: str = ""
    html: str = ""
    picture: str = ""
    files: tuple[str, ...] = ()
    reason: str = ""


class _Writer:
    """Writes items as they come."""

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

    def finish(self, cases: Sequence[Case]) -> Report:
        page = self.folder / "report.html"
        template = jinja2.Environment(
            loader=jinja2.PackageLoader("unitscope.paper"), autoescape=True, undefined=jinja2.StrictUndefined
        ).get_template("report.html")
        told = [(case.name, case.network.reference, Path(case.network.weights).name, case.last.name) for case in cases]
        text = template.render(items=self.shown, cases=told, versions=versions())
        write_whole(page, text.encode())
        return Report(page, tuple(self.tables), tuple(self.figures), tuple(self.missing))

    def _table(self, table: Table) -> _Shown:
        path = self.folder / "tables" / f"{table.name}.csv"
        path.parent.mkdir(exist_ok=True)
        write_whole(path, table.rows.to_csv(index=False).encode())
        self.tables.append((table.title, path))
        return _Shown(table.title, table.note, html=_html(table.rows), files=(f"tables/{path.name}",))

    def _picture(self, picture: Picture) -> _Shown:
        folder = self.folder / "figures"
        folder.mkdir(exist_ok=True)
        for suffix in ("png", "pdf"):
            figures.save(picture.figure, folder / f"{picture.name}.{suffix}")
        png = folder / f"{picture.name}.png"
        self.figures.append((picture.title, png))
        data = base64.b64encode(png.read_bytes()).decode()
        files = (f"figures/{png.name}", f"figures/{picture.name}.pdf")
        return _Shown(picture.title, picture.note, picture=data, files=files)


def _html(rows: pd.DataFrame) -> str:
    """The table as HTML; pandas escapes what stands in it."""
    return rows.map(_text).to_html(index=False, border=0, justify="left")  # type: ignore[no-any-return]


def _text(value: object) -> str:
    if pd.isna(value):  # type: ignore[call-overload]
        return "–"
    return f"{value:,}" if isinstance(value, int) else str(value)
