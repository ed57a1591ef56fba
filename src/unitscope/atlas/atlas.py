"""Open an atlas: read-only, lazily, without torch.

In: a folder. Out: an `Atlas`: its manifest, its two tables, its arrays as an xarray Dataset, and lookups.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from unitscope.atlas.arrays import check_metadata, open_arrays
from unitscope.atlas.checksums import check_content, damaged, unreadable
from unitscope.atlas.coordinates import with_coordinates
from unitscope.atlas.extremes import Activity, without_silent
from unitscope.atlas.peaks import PEAK_ARRAYS, Peak, peaks_of
from unitscope.atlas.responses import Responses
from unitscope.atlas.schema import ARRAYS, IMAGES, UNITS, Manifest
from unitscope.atlas.storage import StoragePath, storage_path
from unitscope.atlas.tables import read_table, selective_columns
from unitscope.errors import (
    AtlasError,
    UnknownImageError,
    UntappedLayerError,
    closest_file,
)
from unitscope.images import ImageSource, reopen_images
from unitscope.summaries import ClassSums
from unitscope.text import count_noun
from unitscope.units import Layer, LayerTable, Unit, UnitIndex


@dataclass(frozen=True, slots=True)
class UnitsView:
    """Units of one layer, displayed in notebooks with their exemplars; made by ``atlas["act:33:12"]``."""

    atlas: "Atlas"
    layer: Layer
    channels: tuple[int, ...]

    def __repr__(self) -> str:
        if len(self.channels) == 1:
            return f"Unit {self.channels[0]} of {self.layer.display_name} in {self.atlas!r}"
        return f"{count_noun(len(self.channels), 'unit')} of {self.layer.display_name} in {self.atlas!r}"

    def _repr_html_(self) -> str:
        from unitscope.display.atlas_html import units_html
        from unitscope.display.html import image_uri

        atlas, source = self.atlas, self.atlas.source()
        phi = atlas.manifest.preprocessing
        rows = atlas.units_of(self.layer).iloc[list(self.channels)]
        return units_html(
            rows, atlas.exemplars, lambda image, side: image_uri(source, atlas.image_number(image), phi, side)
        )


@dataclass(frozen=True)
class Atlas:
    """The result of a scan: the responses of all tapped units to a set of images.

    Attributes:
        path: the atlas's folder.
        manifest: what was scanned, with what, how.
        follow_links: whether links that lead out of the images' folder are followed; only after a scan by this process,
            as an opened atlas may be somebody else's.
    """

    path: StoragePath
    manifest: Manifest
    follow_links: bool = False

    @cached_property
    def layers(self) -> LayerTable:
        """The tapped layers, in execution order."""
        return LayerTable(self.manifest.layers, self.manifest.network["reference"])

    @cached_property
    def index(self) -> UnitIndex:
        """Positions of the units on the flat unit axis."""
        return UnitIndex(self.manifest.layers)

    @cached_property
    def class_layers(self) -> frozenset[str]:
        """Names of the layers whose units are the network's classes: the mean of a unit's map is a class's logit."""
        return frozenset(self.manifest.network.get("class_layers", ()))

    @cached_property
    def images(self) -> pd.DataFrame:
        """One row per image: id, labels, size, predictions, whether they are correct, error."""
        return self._table(IMAGES)

    @cached_property
    def units(self) -> pd.DataFrame:
        """One row per unit: layer, channel, and the summary of its responses."""
        table = self._table(UNITS)
        if "selectivity" not in table or "d_prime" in table:
            return table
        # The first atlases have an index without bounds.
        return table.assign(**selective_columns(table, self._class_sums, self.manifest.labels))

    @cached_property
    def readable(self) -> NDArray[np.int64]:
        """Row numbers of the images that could be read, ascending."""
        return np.flatnonzero(self.images["error"] == "")

    @cached_property
    def label_counts(self) -> dict[str, int]:
        """How many readable images each label has, by label; labels without any are left out."""
        found = self.images["labels"].iloc[self.readable].explode().value_counts()
        return {str(label): int(count) for label, count in found.items()}

    def units_of(self, layer: str | Layer) -> pd.DataFrame:
        """Return the rows of `units` that belong to one layer.

        Raises:
            LayerError: if the atlas has no such layer.
        """
        return self.units.iloc[self.index.span(self.find(layer))]

    @cached_property
    def class_means(self) -> NDArray[np.float64]:
        """Mean response of each unit to the images of each label, float64 ``[label, unit]``.

        Labels are in the order of ``manifest.labels``. NaN responses are ignored; a mean over no responses is NaN.
        """
        return self._class_sums.means

    @property
    def _class_sums(self) -> ClassSums:
        if not self.manifest.labels:
            return ClassSums.empty(len(self.index), classes=0)
        names = ("class_sums", "class_counts")
        return ClassSums.from_arrays({name: self.array(name).to_numpy() for name in names})

    def has_peaks_of(self, layer: Layer) -> bool:
        """Return whether the atlas holds the peaks of a layer's units."""
        return self.has_peaks and layer.name in self.manifest.receptive_fields

    @property
    def has_peaks(self) -> bool:
        """Whether the atlas holds the images with the greatest value at a single place."""
        return bool(self.manifest.scan.get("peaks"))

    @cached_property
    def dataset(self) -> xr.Dataset:
        """All arrays, read and checked when used: ``responses [image, unit]``, ``top_images [rank, unit]`` and more.

        Select by name along each axis: ``.sel(image="a.jpg")``, ``.sel(unit="act:3:68")``, ``.sel(layer="act:3")``,
        ``.sel({"class": "tabby"})``, ``.sel(rank=1)``.
        """
        classes = [label.name for label in self.manifest.labels]
        return with_coordinates(self._unnamed, self.layers, {"image": self.images["image"], "class": classes})

    @cached_property
    def _unnamed(self) -> xr.Dataset:
        """The arrays of `dataset` without coordinates, which read the table of images."""
        return open_arrays(self._arrays, self._check_array)

    def array(self, name: str) -> xr.DataArray:
        """Return an array of `dataset`; not for responses, which are read by row.

        Raises:
            AtlasError: if a file of the array is damaged.
        """
        self._check_array(name)
        return self._unnamed[name]

    def responses(
        self, layer: str | Layer, rows: slice | NDArray[Any] = slice(None), units: slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return a layer's responses, float32 ``[image, unit]``; NaN for images that could not be read.

        Args:
            layer: a layer or its address.
            rows: the images to read, as an index into all images: a slice, row numbers or a mask.
            units: the units to read, a slice without a step.

        Raises:
            AtlasError: if the scan did not store responses.
        """
        span = self.index.span(self.find(layer))
        some, every = range(span.start, span.stop)[units], np.arange(self._responses.array.shape[0])
        return self._responses.read(every[rows], slice(some.start, some.stop))

    def exemplars(self, unit: str | Unit, *, lowest: bool = False) -> pd.DataFrame:
        """Return the images with a unit's highest (or lowest) responses: rank, image, response, label.

        Equal responses are ordered by image. Where a unit is never negative, an image with the response zero is not
        among the highest, so there may be fewer; a dead unit has none at all.

        Raises:
            LayerError: if the atlas has no such layer or unit.
        """
        layer, channel = self.unit(unit)
        position, end = self.index.flat(layer, channel), "bottom" if lowest else "top"
        values = self.array(f"{end}_values")[:, position].to_numpy() + np.float32(0)  # the first atlases have -0
        rows = self.array(f"{end}_images")[:, position].to_numpy()
        low, high = (self.array(name)[position].item() for name in ("min", "max"))
        if (rows >= len(self.images)).any():
            raise damaged(self.path, f"{ARRAYS}/{end}_images has an image that {IMAGES} lacks")
        rows = without_silent(rows, values, low, high, lowest=lowest)
        found = rows >= 0
        images = self.images.iloc[rows[found]]
        return pd.DataFrame(
            {
                "rank": np.arange(1, int(found.sum()) + 1),
                "image": images["image"].to_numpy(),
                "response": values[found],
                "label": [", ".join(names) for names in images["label_names"]],
            }
        )

    def activity(self, unit: str | Unit) -> Activity:
        """Return how many images a unit responds to.

        Raises:
            LayerError: if the atlas has no such layer or unit.
        """
        position = self.index.flat(*self.unit(unit))
        return Activity(*(self.array(name)[position].item() for name in ("count", "zeros", "min")))

    def peaks(self, unit: str | Unit) -> pd.DataFrame:
        """Return the images with the greatest value at a single place of a unit's map, and what that place sees.

        Columns are rank, image, value, row and column of the place in the map, and top, left, height and width of its
        receptive field in pixels of the network's input, where it may lie partly outside.

        Raises:
            LayerError: if the atlas has no such layer or unit.
            AtlasError: if the scan found no peaks, or none for this layer.
        """
        layer, channel = self.unit(unit)
        if not self.has_peaks_of(layer):
            raise AtlasError(
                f"atlas '{self.path}' has no peaks of layer '{layer.name}': it was scanned without --peaks, or "
                "places of the layer's maps have no receptive field"
            )
        found = self.peaks_in(layer, channel, {name: self.array(name) for name in PEAK_ARRAYS})
        names = self.images["image"]
        return pd.DataFrame(
            [(rank, names.iloc[peak.image], peak.value, *peak.place, *peak.box) for rank, peak in enumerate(found, 1)],
            columns=["rank", "image", "value", "row", "column", "top", "left", "height", "width"],
        )

    def peaks_in(self, layer: Layer, channel: int, arrays: Mapping[str, Any]) -> tuple[Peak, ...]:
        """Return a unit's peaks from the arrays named `PEAK_ARRAYS`, ``[rank, unit]``.

        Raises:
            AtlasError: if a peak is outside of the images or of the maps.
        """
        position, field = self.index.flat(layer, channel), self.manifest.receptive_fields[layer.name]
        columns = (np.asarray(arrays[name][:, position]) for name in PEAK_ARRAYS)
        try:
            return peaks_of(layer, field, *columns, count=len(self.images))
        except ValueError as problem:
            raise damaged(self.path, f"{ARRAYS}: {problem}") from problem

    def find(self, layer: str | Layer) -> Layer:
        """Return the tapped layer at an address.

        Raises:
            LayerError: if the network has no such layer.
            AtlasError: if the scan did not tap the layer.
        """
        if isinstance(layer, Layer):
            return layer
        try:
            return self.layers.find(layer)
        except LookupError:
            known = LayerTable(self.manifest.all_layers, self.manifest.network["reference"])
            found = known.find(layer)  # raises if the network has no such layer at all
            raise type(self)._untapped(found, self.path) from None

    def __getitem__(self, key: "str | Unit | Iterable[int]") -> UnitsView:
        """Return a unit (``atlas["act:33:12"]``), or the units of a selection, for display in a notebook.

        Raises:
            LayerError: if the atlas has no such layer or unit.
        """
        if isinstance(key, (str, Unit)):
            layer, channel = self.unit(key)
            return UnitsView(self, layer, (channel,))
        return UnitsView(self, self.find(key.layer.name), tuple(key))  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        network, images = self.manifest.network_name, self.manifest.images["count"]
        return f"Atlas('{self.path}': {network}, {images} images, {len(self.index)} units in {len(self.layers)} layers)"

    def _repr_html_(self) -> str:
        from unitscope.display.atlas_html import atlas_html

        facts = [
            ("network", self.manifest.network_name),
            ("images", f"{len(self.images):,}"),
            ("layers", f"{len(self.layers):,}"),
            ("units", f"{len(self.index):,}"),
            *((name, f"{rate:.1%}") for name, rate in self.manifest.accuracy_rates().items()),
        ]
        return atlas_html(str(self.path), facts, tuple(self.layers), self.units)

    @property
    def root(self) -> Path:
        """The folder of the images at the time of the scan."""
        return Path(self.manifest.images["root"])

    def source(self, image_root: str | Path | None = None, *, ids: Iterable[str] | None = None) -> ImageSource:
        """Return the atlas's images, to be opened; row for row those of the table, without labels.

        Args:
            image_root: where the images are now, if they have moved. Without it, links that lead out of the folder
                which the atlas names are not followed.
            ids: only these images.

        Raises:
            ImageError: if the address of the images is of a kind that no installed package opens.
        """
        scanned = self.manifest.images
        return reopen_images(
            scanned["root"] if image_root is None else image_root,
            layout=scanned["layout"],
            ids=self.images["image"] if ids is None else ids,
            contained=image_root is None and not self.follow_links,
        )

    def has_image(self, image: str) -> bool:
        """Return whether the atlas has an image with this id."""
        return image in self._rows

    def image_number(self, image: str) -> int:
        """Return the row number of an image id.

        Raises:
            ImageError: if the atlas has no such image.
        """
        try:
            return self._rows[image]
        except KeyError:
            near = closest_file(image, self._rows)
            raise UnknownImageError(
                f"no image '{image}' in atlas '{self.path}'" + (f"; {near}" if near else "")
            ) from None

    def rows_labelled(self, label: str) -> NDArray[np.int64]:
        """Return the row numbers of the images that have this label in the column ``labels``."""
        return self._labels.index[self._labels == label].to_numpy()  # type: ignore[no-any-return]

    @cached_property
    def _labels(self) -> "pd.Series[str]":
        """One label per entry, indexed by the image's row; faster to search than a list per image."""
        return self.images["labels"].explode()

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {image: row for row, image in enumerate(self.images["image"].tolist())}

    @cached_property
    def _responses(self) -> Responses:
        if not self.has_responses:
            raise AtlasError(
                f"atlas '{self.path}' was made with --store-responses none, so it has exemplars and summaries only; "
                "to use responses, scan again with --store-responses float16 or float32"
            )
        return Responses.open(self._arrays)

    @cached_property
    def _arrays(self) -> StoragePath:
        """The folder of the arrays, whose metadata were checked."""
        check_metadata(self.path, self.manifest)
        return self.path / ARRAYS

    @property
    def has_responses(self) -> bool:
        """Whether the atlas stores the responses to each image, besides exemplars and summaries."""
        return self.manifest.scan.get("responses") != "none"

    def unit(self, unit: str | Unit) -> tuple[Layer, int]:
        """Return the layer and channel of a unit written ``LAYER:UNIT``.

        Raises:
            LayerError: if the atlas has no such layer or unit.
        """
        parsed = unit if isinstance(unit, Unit) else Unit.parse(unit)
        layer = self.find(parsed.layer)
        return self.layers.unit(Unit(layer.name, parsed.channel))

    @staticmethod
    def _untapped(layer: Layer, path: StoragePath) -> UntappedLayerError:
        return UntappedLayerError(
            f"layer '{layer.name}' was not tapped by the scan that made '{path}'; "
            f"scan again with --layer '{layer.name}'"
        )

    def _table(self, name: str) -> pd.DataFrame:
        path = self._file(name)
        self._check_files(name)
        try:
            with path.open("rb") as file:
                return read_table(file, name, self.manifest)
        except Exception as problem:  # pyarrow raises many kinds of errors for a damaged file
            raise unreadable(self.path, name, problem) from problem

    @cached_property
    def _checked(self) -> set[str]:
        """What was checked by `_check_files`."""
        return set()

    def _check_array(self, name: str) -> None:
        """Check an array's files, once; chunks of responses have checksums of their own, checked as they are read."""
        self._check_files(f"{ARRAYS}/{name}/{'zarr.json' if name == 'responses' else ''}")

    def _check_files(self, start: str) -> None:
        """Check the content of the files whose names begin so, once."""
        if start not in self._checked:
            files = self.manifest.files.items()
            check_content(self.path, {name: file for name, file in files if name.startswith(start)})
            self._checked.add(start)

    def _file(self, name: str) -> StoragePath:
        if not (self.path / name).exists():
            raise damaged(self.path, f"{name} is missing")
        return self.path / name


def open_atlas(path: str | StoragePath) -> Atlas:
    """Open an atlas for reading: a folder, or an address such as ``s3://bucket/my.atlas``.

    Raises:
        AtlasError: if there is no atlas, it is damaged, or this version can't read its schema.
    """
    folder = storage_path(path)
    manifest = Manifest.read(folder)
    manifest.check_files(folder)
    return Atlas(folder, manifest)
