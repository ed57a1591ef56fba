"""The static site: the explorer's pages as files, to be opened from disk or put on any web host.

In: a `StaticSite`, an inspector for the maps, a folder. Out: pages, pictures and scripts in that folder, which appears
complete, by one rename at the end, or not at all.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from itertools import islice
from pathlib import Path

import numpy as np

from unitscope.analyses.image_groups import class_rows
from unitscope.display.thumbnails import LARGE, SMALL, crop_for_network, pixels_needed, webp
from unitscope.errors import ImageError, UnitscopeError
from unitscope.images import decode_row
from unitscope.images.limits import Limits
from unitscope.units import Layer
from unitscope.web import plotly_asset as charting
from unitscope.web.class_pairs import pair_rows
from unitscope.web.image_files import ImageFiles
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.links import SiteLinks
from unitscope.web.map_strips import MapStrips, missing_images_error
from unitscope.web.page_renderer import PageRenderer
from unitscope.web.pages.class_page import IMAGES, class_page
from unitscope.web.pages.compare import ComparePage, compare_page
from unitscope.web.pages.home import home_page
from unitscope.web.pages.layer import layer_page
from unitscope.web.pages.notes import NotesPage, notes_page
from unitscope.web.pages.unit import unit_page

MAX_PAIRS = 120
"""The most pairs of classes that are compared: all pairs of up to 16 classes; of more, neighbours first."""
# Bytes per file, measured on EfficientNet-Lite0 and SqueezeNet.
_PAGE, _CARD, _THUMBNAIL, _PICTURE, _MAP = 12_500, 170, 2_600, 12_000, 280

ProgressCallback = Callable[[int], None]


@dataclass(frozen=True)
class StaticSite:
    """The contents of a static site.

    Attributes:
        explorer: renders the atlas's pages.
        pictures: the atlas's pictures.
        layers: the layers whose pages are written, shallow to deep.
        images: whether to write pictures of the images.
        maps: whether to write the exemplars' activation maps.
    """

    explorer: PageRenderer
    pictures: ImageFiles
    layers: tuple[Layer, ...]
    images: bool = True
    maps: bool = True

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """The rows of the images shown: those among the extremes of any unit, or on a class's page."""
        atlas_cache = self.explorer.atlas_cache
        found = [atlas_cache.extreme_rows(layer, lowest=lowest) for layer in self.layers for lowest in (False, True)]
        shown = {int(row) for rows in found for row in np.unique(rows) if row >= 0}
        for rows in self._rows_of.values():
            shown.update(rows[:IMAGES])
        shown.update(row for _, group in self.notes.groups for one in group for row in one.rows)
        return tuple(sorted(shown))

    @cached_property
    def notes(self) -> NotesPage:
        """What people noted; the site has a page of it unless it is empty."""
        return notes_page(self.explorer.atlas_cache, self.explorer.notes.notes)

    @cached_property
    def exemplar_rows(self) -> tuple[int, ...]:
        """The rows of the images whose maps are shown: the exemplars of any unit."""
        found = [self.explorer.atlas_cache.extreme_rows(layer) for layer in self.layers]
        return tuple(sorted({int(row) for rows in found for row in np.unique(rows) if row >= 0}))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels of images that could be read."""
        atlas_cache = self.explorer.atlas_cache
        return tuple(
            one.label for one in atlas_cache.atlas.manifest.labels if one.label in atlas_cache.atlas.label_counts
        )

    @cached_property
    def _rows_of(self) -> dict[str, tuple[int, ...]]:
        """The rows of each label's readable images."""
        atlas = self.explorer.atlas_cache.atlas
        return {label: tuple(class_rows(atlas, label).tolist()) for label in self.labels}

    @cached_property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs of labels that are compared, neighbours first; labels with the same images are not compared."""
        if not self.explorer.atlas_cache.atlas.has_responses:
            return ()  # comparing classes needs the responses to their images
        rows = [self._rows_of[label] for label in self.labels]
        count = len(rows)
        neighbours = ((one, one + apart) for apart in range(1, count) for one in range(count - apart))
        chosen = islice(((one, other) for one, other in neighbours if rows[one] != rows[other]), MAX_PAIRS)
        return tuple((self.labels[one], self.labels[other]) for one, other in sorted(chosen))

    @property
    def units(self) -> int:
        """The number of unit pages."""
        return sum(layer.units for layer in self.layers)

    @property
    def pages(self) -> int:
        """The number of pages."""
        return (
            1
            + len(self.layers)
            + self.units
            + len(self.labels)
            + len(self.pairs)
            + bool(self.pairs)
            + bool(self.notes.total)
        )

    @property
    def steps(self) -> int:
        """The number of steps for the progress bar: images to draw, images to run, pages."""
        return self.images * len(self.rows) + self.maps * len(self.exemplar_rows) + self.pages

    @property
    def bytes(self) -> int:
        """The site's approximate size on disk."""
        pages = self.pages * _PAGE + self.units * _CARD + charting.script().stat().st_size
        pictures = len(self.rows) * (_THUMBNAIL + _PICTURE) if self.images else 0
        ranks = len(self.explorer.atlas_cache.extreme_rows(self.layers[0]))
        return pages + pictures + (self.units * ranks * _MAP if self.maps else 0)

    def write(self, folder: Path, inspector: LazyInspector, *, on_batch: ProgressCallback = lambda steps: None) -> None:
        """Write the site, reporting each of its `steps`.

        Raises:
            UnitscopeError: if the folder already exists, or the site does not fit on the disk.
            ImageError: if images that the site shows can't be read.
            NetworkError: if maps are to be written and there is no network.
        """
        aside = folder.with_name(f".{folder.name}.unfinished")
        self.check(folder)
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            _copy_scripts(aside / "static")
            if self.images:
                self._write_pictures(aside, on_batch)
            if self.maps:
                strips = MapStrips(self.explorer.atlas_cache, self.pictures, self.layers)
                strips.write(aside / "maps", inspector, self.exemplar_rows, on_batch=on_batch)
            if self.notes.total:
                self.explorer.notes.notes.write(aside / "notes.json")
            for name, text in self._texts():
                path = aside / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, "utf-8")
                on_batch(1)
            aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _texts(self) -> Iterator[tuple[str, str]]:
        """Yield each page's path and its text."""
        explorer, atlas_cache = self.explorer, self.explorer.atlas_cache
        yield "index.html", explorer.html("home", home_page(atlas_cache, published=True), self._links(0))
        if self.notes.total:
            yield "notes.html", explorer.notes_html(self.notes, self._links(0))
        for layer in self.layers:
            yield f"layer/{layer.index}.html", explorer.html("layer", layer_page(atlas_cache, layer), self._links(1))
            for channel in range(layer.units):
                unit = unit_page(atlas_cache, layer, channel, results=explorer.results)
                yield f"unit/{layer.index}/{channel}.html", explorer.unit_html(unit, self._links(2))
        last, links = self._last, self._links(1)
        for number, label in enumerate(self.labels):
            yield f"class/{number}.html", explorer.class_html(class_page(atlas_cache, label, last), links)
        yield from self._comparisons(last, links)

    @property
    def _last(self) -> Layer:
        """The last of the layers whose units are not the classes themselves, on the pages of classes."""
        classes = self.explorer.atlas_cache.atlas.class_layers
        return next((layer for layer in reversed(self.layers) if layer.name not in classes), self.layers[-1])

    def _comparisons(self, layer: Layer, links: SiteLinks) -> Iterator[tuple[str, str]]:
        """Yield the page of each pair of labels, and the table of all pairs."""
        explorer, cosines = self.explorer, {}
        for one, other in self.pairs:
            groups = (f"class:{one}", f"class:{other}")
            page = compare_page(explorer.atlas_cache, groups, layer)
            cosines[one, other] = page.matrix[0][1]
            yield links.compare(groups).removeprefix(links.up), explorer.compare_html(page, links)
        if cosines:
            names = {one.label: one.name for one in explorer.atlas_cache.atlas.manifest.labels}
            index = ComparePage(layer.name, 9, (), None, (), (), ())
            yield "compare/index.html", explorer.compare_html(index, links, pairs=pair_rows(names, cosines, links))

    def _links(self, depth: int) -> SiteLinks:
        return SiteLinks(
            "../" * depth,
            {layer.name: layer.index for layer in self.layers},
            {label: number for number, label in enumerate(self.labels)},
            frozenset(self.pairs),
            self.images,
            frozenset(layer.name for layer in self.layers) if self.maps else frozenset(),
            bool(self.notes.total),
        )

    def _write_pictures(self, folder: Path, on_batch: ProgressCallback) -> None:
        """Write each image at both sizes, decoding it once, without the server's cache."""
        sizes, unreadable = {"picture": LARGE, "thumbnail": SMALL}, 0
        phi = self.explorer.atlas_cache.atlas.manifest.preprocessing
        for name in sizes:
            (folder / name).mkdir()
        for row in self.rows:
            try:
                picture = decode_row(self.pictures.source, row, Limits(at_least=pixels_needed(phi, LARGE)))
                for name, side in sizes.items():
                    shown = webp(crop_for_network(picture.copy(), phi, side))
                    (folder / name / f"{row}.webp").write_bytes(shown)
            except ImageError:
                unreadable += 1
            on_batch(1)
        if unreadable:
            raise missing_images_error(unreadable, len(self.rows), self.pictures.source.root)

    def check(self, folder: Path) -> None:
        """Check that the folder does not exist yet, that the site fits on the disk and that its images are there.

        Raises:
            UnitscopeError: if the folder already exists, or the site does not fit on the disk.
            ImageError: if images that the site shows are missing.
        """
        if folder.exists():
            raise UnitscopeError(f"'{folder}' already exists; give a new folder, or remove it")
        parent = next(parent for parent in folder.absolute().parents if parent.exists())
        free = shutil.disk_usage(parent).free
        if free < 1.2 * self.bytes:
            raise UnitscopeError(
                f"the site takes about {self.bytes / 1e6:.0f} MB, and only {free / 1e6:.0f} MB are free at '{parent}'; "
                "give another folder, or fewer --layer"
            )
        wanted = {*(self.rows if self.images else ()), *(self.exemplar_rows if self.maps else ())}
        if unreadable := sum(self.pictures.source.stamp(row) == (0, 0) for row in wanted):
            raise missing_images_error(unreadable, len(wanted), self.pictures.source.root)


def _copy_scripts(folder: Path) -> None:
    """Copy the scripts that the site's pages use, the style sheet, and Plotly."""
    folder.mkdir()
    for name in ("explorer.css", "icon.svg", "page.js", "home.js", "layer.js", "unit.js", "charts.js"):
        (folder / name).write_bytes((files("unitscope.web") / "static" / name).read_bytes())
    shutil.copyfile(charting.script(), folder / "plotly.min.js")
