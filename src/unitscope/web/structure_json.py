"""A structure as JSON values for the pages' scripts, with maps as data URIs.

In: a `Structure` and links. Out: plain values for JSON.
"""

from typing import Any

import numpy as np
from PIL import Image

from unitscope.display.heatmaps import column_tones
from unitscope.display.html import uri
from unitscope.display.structure import LayerTopUnits, Structure
from unitscope.display.thumbnails import map_shape, png, shrunk, webp
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.links import Links

_EXEMPLARS = 4


def structure(found: Structure, links: Links, atlas_cache: AtlasCache) -> dict[str, Any]:
    """Return the predictions and the columns of layers, each unit with α, its map as a data URI and exemplars."""
    labels = atlas_cache.label_of_class
    return {
        "picture": uri("webp", webp(Image.fromarray(found.picture))),
        "predictions": [
            {
                "class": one.index,
                "name": one.name,
                "probability": one.probability,
                "link": links.label(labels[one.index]) if one.index in labels else "",
            }
            for one in found.predictions
        ],
        "ranking": found.ranking,
        "ranked_by": found.ranked_by,
        "layers": [_column(column, links, atlas_cache) for column in found.columns],
    }


def structure_of_image(found: Structure, links: Links, atlas_cache: AtlasCache) -> dict[str, Any]:
    """Return a structure with the probabilities of all classes and the number of the atlas's layers.

    Camera frames need neither. Probabilities are rounded to six places, since there may be thousands.
    """
    known = () if found.probabilities is None else found.probabilities.tolist()
    return {
        **structure(found, links, atlas_cache),
        "probabilities": [round(value, 6) for value in known],
        "of_layers": len(atlas_cache.atlas.layers),
    }


def _column(column: LayerTopUnits, links: Links, atlas_cache: AtlasCache) -> dict[str, Any]:
    tones = column_tones(column.maps)
    shape = map_shape(tones.shape[1:])
    maps = [uri("png", png(shrunk(one, shape))) for one in tones]
    rows = atlas_cache.extreme_rows(column.layer)[:_EXEMPLARS, column.units].T.tolist()
    contrasts = [None] * len(maps) if column.contrasts is None else column.contrasts.tolist()
    listed = zip(column.units.tolist(), column.responses.tolist(), contrasts, maps, rows, strict=True)
    return {
        "layer": column.layer.name,
        "other_names": column.layer.other_names,
        "link": links.unit(column.layer.name, "{}"),
        "page": links.layer(column.layer.name),
        "units": [
            {
                "unit": unit,
                "response": _finite(response),
                "contrast": contrast,
                "map": map_,
                "exemplars": _pictures(of, links, atlas_cache),
            }
            for unit, response, contrast, map_, of in listed
        ],
    }


def _pictures(rows: list[int], links: Links, atlas_cache: AtlasCache) -> list[dict[str, str]]:
    """Return the names and thumbnails of images; a unit may have fewer exemplars than rows, which are -1 then."""
    return [{"image": atlas_cache.ids[row], "thumbnail": links.thumbnail(row)} for row in rows if row >= 0]


def _finite(value: float) -> float:
    return value if np.isfinite(value) else 0.0
