"""The units that a rule found, with their maps over the rule's images and their exemplars (paper, figure 4).

In: an atlas and a `Rule`. Out: a `RuleSheet`, plain arrays.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from unitscope.analyses.exemplars import unit_exemplars
from unitscope.analyses.image_groups import ImageGroup
from unitscope.analyses.unit_rules import Rule
from unitscope.atlas import Atlas
from unitscope.display.exemplar_sheet import Exemplar
from unitscope.display.rule_sheet import RuleImage, RuleRow, RuleSheet
from unitscope.engine.session import Session
from unitscope.images import image_files
from unitscope.images.reading import suggest_image_root
from unitscope.inspection.unit_maps import ImageMaps, activation_maps
from unitscope.networks import Network
from unitscope.scanning.atlas_network import session_of
from unitscope.text import sentence
from unitscope.units import Unit

_ROWS, _IMAGES, _EXEMPLARS = 16, 6, 4
# Number of images that show a class; fewer if the rule has several images or classes.
_IMAGES_OF_A_CLASS = 4


@suggest_image_root()
def rule_sheet(
    atlas: Atlas, result: Rule, *, network: Network | Session | str | None = None, image_root: str | Path | None = None
) -> RuleSheet:
    """Return the units of a rule, at most 16, with maps over at most 6 of the images and 4 exemplars each.

    A class is shown by its images with the highest mean response over these units.

    Args:
        atlas: the atlas that the rule was computed from.
        result: from `intersection`, `difference` or `top_units`.
        network: the network, or a reference; needed if it was a module in Python, or comes from a file with code.
        image_root: the folder with the images, if it has moved since the scan.

    Raises:
        ImageAccessError: if an image can't be read.
        NetworkError: if the network can't be loaded, or its weights or preprocessing differ from those of the scan.
    """
    session = session_of(atlas, network)
    images_shown = list(_images_shown(result))[:_IMAGES]
    units = result.units[:_ROWS].tolist()
    exemplars = [unit_exemplars(atlas, Unit(result.layer.name, unit)).exemplars[:_EXEMPLARS] for unit in units]
    names = dict.fromkeys(
        [group.images[row] for group, row in images_shown] + [one.image for e in exemplars for one in e]
    )
    scanned = [name for name in names if atlas.has_image(name)]
    new = [name for name in names if not atlas.has_image(name)]
    maps: dict[str, ImageMaps | None] = {}
    for some, opened in ((scanned, atlas.source(image_root, ids=scanned)), (new, image_files(new))):
        maps |= zip(some, activation_maps(session, opened, result.layer, units), strict=True)
    shown = tuple(_rule_image(result, group, row, maps) for group, row in images_shown)
    rows = (
        RuleRow(
            unit,
            _unit_note(result, index),
            tuple(float(group.responses[row, unit]) for group, row in images_shown),
            tuple(None if (one := maps[image.image]) is None else one.maps[index] for image in shown),
            tuple(_with_map(one, maps[one.image], index) for one in exemplars[index]),
        )
        for index, unit in enumerate(units)
    )
    return RuleSheet(result.title, _note(result), session.network.name, result.layer, shown, tuple(rows))


def _images_shown(result: Rule) -> Iterator[tuple[ImageGroup, int]]:
    """Yield the images shown for each image or class of the rule, as rows of its responses."""
    groups = result.groups + result.others
    for group in groups:
        units = result.units if len(result.units) else slice(None)
        mean = group.responses[:, units].mean(1, dtype=np.float64)
        order = np.argsort(-mean, kind="stable")[: max(1, _IMAGES_OF_A_CLASS // len(groups))]
        yield from ((group, int(row)) for row in order)


def _rule_image(result: Rule, group: ImageGroup, row: int, maps: dict[str, ImageMaps | None]) -> RuleImage:
    image = group.images[row]
    one = maps[image]
    return RuleImage(group.name, image, group in result.others, None if one is None else one.picture)


def _with_map(exemplar: Exemplar, maps: ImageMaps | None, index: int) -> Exemplar:
    return exemplar if maps is None else replace(exemplar, picture=maps.picture, map=maps.maps[index])


def _unit_note(result: Rule, index: int) -> tuple[str, ...]:
    lines = [f"mean α {result.responses[index]:.3g}", *result.classes[index : index + 1]]
    if result.images > 1:
        lines.append(f"selected in {result.support[index]} of {result.images}")
    if result.base_rate is not None:
        lines.append(f"base rate {result.base_rate[index]:.1%}")
    return tuple(lines)


def _note(result: Rule) -> str:
    count = len(result.units)
    text = f"{count or 'No'} unit{'' if count == 1 else 's'}"
    if result.expected is not None:
        chance = result.note if result.p_value is None else f"p = {result.p_value:.2g}"
        text += f"; {result.expected:.3g} expected by chance ({chance})"
    text += f"; the first {_ROWS} are shown." if count > _ROWS else "."
    return f"{text} {sentence(result.class_note)}".rstrip()
