"""Groups of images to analyse: one image, or all images of a class, with their responses at one layer.

In: an atlas and a name. Out: an `ImageGroup`. `inspection.new_images` makes groups of images that are not in the atlas.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unitscope.atlas import Atlas, Label
from unitscope.atlas.notes_file import SELECTION, selection_members
from unitscope.errors import (
    ImageError,
    UnitscopeError,
    UnknownClassError,
    UnknownImageError,
    closest,
    closest_file,
)
from unitscope.images.class_matching import normalize_name
from unitscope.notebook import facts_html, short_repr
from unitscope.summaries import ClassSums
from unitscope.units import Layer

CLASS = "class:"


@dataclass(frozen=True, slots=True, eq=False)
class ImageGroup:
    """An image, or the images of a class.

    Attributes:
        name: the name given by the user: an image id, a file, or ``class:NAME``.
        layer: the layer of the units.
        images: ids (or the file's path), one per row of the responses.
        responses: α, float32 ``[image, unit]``.
    """

    name: str
    layer: Layer
    images: tuple[str, ...]
    responses: NDArray[np.float32]

    __repr__ = short_repr

    def _repr_html_(self) -> str:
        top = ", ".join(f"{unit} (α {self.mean[unit]:.3g})" for unit in np.argsort(-self.mean, kind="stable")[:5])
        first = ", ".join(self.images[:3]) + ", …" * (len(self.images) > 3)
        facts = [("layer", self.layer.display_name), ("images", f"{len(self.images):,}"), ("first", first)]
        return facts_html(self.name, [*facts, ("top units", top)])

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean response of each unit over the images, float64 ``[unit]``.

        NaN responses are ignored; a mean over no responses is NaN.
        """
        as_one_class = ClassSums.of(self.responses, [(0,)] * len(self.responses), classes=1)
        return as_one_class.means[0]  # type: ignore[no-any-return]


def image_group(atlas: Atlas, name: str, layer: str | Layer) -> ImageGroup:
    """Return the group of an image of an atlas, a class (``class:NAME``) or a saved selection (``@NAME``).

    Raises:
        LayerError, AtlasError: if the network has no such layer, or the scan did not tap it.
        ImageError, UnitscopeError: as in `group_rows`.
    """
    found, rows = atlas.find(layer), group_rows(atlas, name)
    return ImageGroup(name, found, tuple(atlas.images["image"].iloc[rows]), atlas.responses(found, rows))


def group_rows(atlas: Atlas, name: str) -> NDArray[np.int64]:
    """Return the row number of an image, or those of a class (``class:NAME``) or a saved selection (``@NAME``).

    Images that could not be read are left out of a class.

    Raises:
        ImageError: if there is no such image, or it could not be read, as none of the images of a class.
        UnknownClassError: if there is no such class.
        NotesError: if there is no such selection.
    """
    if name.startswith(CLASS):
        return class_rows(atlas, name.removeprefix(CLASS))
    if is_selection(atlas, name):
        images = dict.fromkeys(selection_members(atlas.path, "images", name))
        return np.sort(np.concatenate([group_rows(atlas, image) for image in images]))
    if not atlas.has_image(name):
        raise UnknownImageError(_miss(atlas, name))
    row = atlas.image_number(name)
    if error := atlas.images["error"].iloc[row]:
        raise ImageError(f"image '{name}' could not be read when atlas '{atlas.path}' was made: {error}")
    return np.array([row])


def is_selection(atlas: Atlas, name: str) -> bool:
    """Return whether a name is that of a saved selection, ``@NAME``, and not an image's."""
    return name.startswith(SELECTION) and not atlas.has_image(name)


def check_distinct(names: Iterable[str]) -> None:
    """Check that each image or class was given once.

    Raises:
        UnitscopeError: if one was given twice.
    """
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise UnitscopeError(f"'{twice[0]}' was given twice; give each image or class once")


def group_means(atlas: Atlas, name: str) -> NDArray[np.float64]:
    """Return the mean response of each unit of an atlas to an image, a class or a selection, float64 ``[unit]``.

    Raises:
        ImageError, UnitscopeError: as in `group_rows`.
        AtlasError: if ``name`` is an image and the scan did not store responses.
    """
    rows = group_rows(atlas, name)
    if name.startswith(CLASS):
        return atlas.class_means[find_class(atlas, name.removeprefix(CLASS))]  # type: ignore[no-any-return]
    return np.concatenate([ImageGroup(name, layer, (), atlas.responses(layer, rows)).mean for layer in atlas.layers])


def find_class(atlas: Atlas, name: str) -> int:
    """Return the number of one of the atlas's labels, given by label (a wnid, a folder's name) or by name.

    Upper and lower case are equal, and so are ``_`` and spaces.

    Raises:
        UnitscopeError: if there is no such class, or several have that name; the message names the closest matches.
    """
    labels = atlas.manifest.labels
    if not name.strip():
        raise UnitscopeError(f"'{CLASS}{name}' has no class name; write {CLASS}NAME, as in {CLASS}{_example(labels)}")
    if not labels:
        raise UnknownClassError(f"no class '{name}': the images of atlas '{atlas.path}' have no labels")
    exact = [number for number, label in enumerate(labels) if label.label == name]
    matches = exact or [number for number, label in enumerate(labels) if normalize_name(name) in _names(label)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        which = ", ".join(f"'{labels[number].label}'" for number in matches[:5])
        raise UnitscopeError(f"several classes of atlas '{atlas.path}' are named '{name}': {which}; give one of these")
    near = closest(name, [text for label in labels for text in (label.name, label.label)])
    known = ", ".join(label.name for label in labels[:10]) + (f" and {len(labels) - 10} more" * (len(labels) > 10))
    raise UnknownClassError(f"no class '{name}' in atlas '{atlas.path}'; {near or f'classes: {known}'}")


def class_rows(atlas: Atlas, name: str) -> NDArray[np.int64]:
    """Return the row numbers of a class's readable images.

    Raises:
        UnitscopeError: if there is no such class, or none of its images could be read.
    """
    label = atlas.manifest.labels[find_class(atlas, name)].label
    rows = atlas.rows_labelled(label)
    rows = rows[np.isin(rows, atlas.readable)]
    if not len(rows):
        raise ImageError(f"none of the images of class '{name}' in atlas '{atlas.path}' could be read")
    return rows


def _example(labels: Sequence[Label]) -> str:
    return labels[0].name if labels else "tench"


def _miss(atlas: Atlas, name: str) -> str:
    """Return the error message for a name that is not an image of the atlas."""
    if any(normalize_name(name) in _names(label) for label in atlas.manifest.labels):
        return f"no image '{name}' in atlas '{atlas.path}', and no file of this name; for the class write {CLASS}{name}"
    near = closest_file(name, atlas.images["image"])
    return f"no image '{name}' in atlas '{atlas.path}', and no file or class of this name" + (
        f"; {near}" if near else ""
    )


def _names(label: Label) -> tuple[str, str]:
    return normalize_name(label.label), normalize_name(label.name)
