"""The static site: the explorer's pages as files, to be opened from disk or put on any web host.

In: a `Site`, a studio for the maps, a folder. Out: pages, pictures and scripts below it. The folder appears whole, by
one rename at the end, or not at all.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import numpy as np

from unitscope.errors import ImageError, UnitscopeError
from unitscope.thumbnails import LARGE, SMALL
from unitscope.units import Layer
from unitscope.web import charting
from unitscope.web.explorer import Explorer
from unitscope.web.links import SiteLinks
from unitscope.web.pages.compare import ComparePage, compare_page
from unitscope.web.pages.home import home
from unitscope.web.pages.label import label_page
from unitscope.web.pages.layer import CARD, layer_page
from unitscope.web.pages.unit import unit_page
from unitscope.web.pictures import Pictures
from unitscope.web.strips import Strips
from unitscope.web.studio import Studio

MOST_PAIRS = 120
"""Pairs of classes that are compared: all of up to 16 classes; of more, each with those beside it."""
# What files take, in bytes, measured on EfficientNet-Lite0 and SqueezeNet.
_PAGE, _CARD, _THUMBNAIL, _PICTURE, _MAPS = 12_500, 170, 2_600, 12_000, 2_500

Advanced = Callable[[int], None]


@dataclass(frozen=True)
class Site:
    """What is to be written.

    Attributes:
        explorer: the atlas.
        pictures: its pictures.
        layers: those whose pages are written, shallow to deep.
        images: whether pictures of the images go with them.
        maps: whether the exemplars' activation maps do.
    """

    explorer: Explorer
    pictures: Pictures
    layers: tuple[Layer, ...]
    images: bool = True
    maps: bool = True

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """The rows of the images that are among the extremes of any unit, or that a class shows."""
        shelf = self.explorer.shelf
        found = [shelf.extreme_rows(layer, lowest=lowest) for layer in self.layers for lowest in (False, True)]
        shown = {int(row) for rows in found for row in np.unique(rows) if row >= 0}
        for label in self.labels:
            shown.update(shelf.atlas.rows_labelled(label)[:24].tolist())
        return tuple(sorted(shown))

    @cached_property
    def exemplar_rows(self) -> tuple[int, ...]:
        """The rows of the images whose maps are wanted."""
        found = [self.explorer.shelf.extreme_rows(layer)[:CARD] for layer in self.layers]
        return tuple(sorted({int(row) for rows in found for row in np.unique(rows) if row >= 0}))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels that have images which could be read."""
        readable = self.explorer.shelf.atlas.images.query("error == ''")["labels"].explode().dropna().unique()
        known = set(readable)
        return tuple(one.label for one in self.explorer.shelf.atlas.manifest.labels if one.label in known)

    @cached_property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs of labels that are compared."""
        near = max(1, min(len(self.labels), MOST_PAIRS // max(len(self.labels), 1)))
        near = len(self.labels) if len(self.labels) ** 2 / 2 <= MOST_PAIRS + len(self.labels) / 2 else near
        places = range(len(self.labels))
        return tuple((self.labels[one], self.labels[other]) for one in places for other in places[one + 1 :][:near])

    @property
    def units(self) -> int:
        """How many unit pages there are."""
        return sum(layer.units for layer in self.layers)

    @property
    def pages(self) -> int:
        """How many pages there are in all."""
        return 2 + len(self.layers) + self.units + len(self.labels) + len(self.pairs)

    @property
    def bytes(self) -> int:
        """About how much it will take on disk."""
        pages = self.pages * _PAGE + self.units * _CARD + charting.script().stat().st_size
        pictures = len(self.rows) * (_THUMBNAIL + _PICTURE) if self.images else 0
        return pages + pictures + (self.units * _MAPS if self.maps else 0)

    def write(self, folder: Path, studio: Studio, *, advanced: Advanced = lambda pages: None) -> None:
        """Write all of it, telling of pages as they are done.

        Raises:
            UnitscopeError: if the folder is there already, or does not fit on the disk.
            NetworkError: if maps are wanted and there is no network.
        """
        aside = folder.with_name(f".{folder.name}.unfinished")
        self.check(folder)
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            _copy_scripts(aside / "static")
            if self.images:
                self._write_pictures(aside)
            if self.maps:
                Strips(self.explorer.shelf, self.pictures, self.layers).write(
                    aside / "maps", studio, self.exemplar_rows
                )
            for name, text in self._texts():
                path = aside / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, "utf-8")
                advanced(1)
            aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _texts(self) -> Iterator[tuple[str, str]]:
        """Each page's path and its text."""
        explorer, shelf = self.explorer, self.explorer.shelf
        yield "index.html", explorer.html("home", home(shelf), self._links(0))
        for layer in self.layers:
            yield f"layer/{layer.index}.html", explorer.html("layer", layer_page(shelf, layer), self._links(1))
            for channel in range(layer.units):
                unit = unit_page(shelf, layer, channel, results=explorer.results)
                yield f"unit/{layer.index}/{channel}.html", explorer.unit_html(unit, self._links(2))
        last, links = self.layers[-1], self._links(1)
        for number, label in enumerate(self.labels):
            yield f"class/{number}.html", explorer.label_html(label_page(shelf, label, last), links)
        numbers = {label: number for number, label in enumerate(self.labels)}
        for one, other in self.pairs:
            page = compare_page(shelf, [f"class:{one}", f"class:{other}"], last)
            yield f"compare/{numbers[one]}-{numbers[other]}.html", explorer.compare_html(page, links)
        names = {one.label: one.name for one in shelf.atlas.manifest.labels}
        listed = [(f"{names[a]} · {names[b]}", links.compare((f"class:{a}", f"class:{b}"))) for a, b in self.pairs]
        if listed:
            yield (
                "compare/index.html",
                explorer.compare_html(ComparePage(last.name, 9, (), None, (), (), ()), links, pairs=listed),
            )

    def _links(self, depth: int) -> SiteLinks:
        return SiteLinks(
            "../" * depth,
            {layer.name: layer.index for layer in self.layers},
            {label: number for number, label in enumerate(self.labels)},
            frozenset(self.pairs),
            self.images,
            frozenset(layer.name for layer in self.layers) if self.maps else frozenset(),
        )

    def _write_pictures(self, folder: Path) -> None:
        for name, side in (("thumbnail", SMALL), ("picture", LARGE)):
            (folder / name).mkdir()
            for row in self.rows:
                try:
                    (folder / name / f"{row}.webp").write_bytes(self.pictures.thumbnail(row, side))
                except ImageError as problem:
                    raise ImageError(
                        f"{problem}; say where the images are now (--images), or leave them out (--no-images)"
                    ) from None

    def check(self, folder: Path) -> None:
        """Refuse a folder that is there already, or has no room.

        Raises:
            UnitscopeError: as said.
        """
        if folder.exists():
            raise UnitscopeError(f"'{folder}' is there already; give a folder that is not, or remove it")
        parent = next(parent for parent in folder.absolute().parents if parent.exists())
        free = shutil.disk_usage(parent).free
        if free < 1.2 * self.bytes:
            raise UnitscopeError(
                f"the site takes about {self.bytes / 1e6:.0f} MB, and only {free / 1e6:.0f} MB are free at '{parent}'; "
                "give another folder, or fewer --layers"
            )


def _copy_scripts(folder: Path) -> None:
    """The scripts of ours that pages of the site use, the style sheet, and Plotly."""
    folder.mkdir()
    for name in ("explorer.css", "icon.svg", "page.js", "home.js", "layer.js", "unit.js", "charts.js"):
        (folder / name).write_bytes((files("unitscope.web") / "static" / name).read_bytes())
    shutil.copyfile(charting.script(), folder / "plotly.min.js")
