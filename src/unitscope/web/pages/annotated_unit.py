"""A unit as a card shows it: a note and its first exemplars.

In: an `AtlasCache`, a layer and a channel. Out: `AnnotatedUnit`.
"""

from dataclasses import dataclass

from unitscope.units import Layer
from unitscope.web.atlas_cache import AtlasCache


@dataclass(frozen=True, slots=True)
class AnnotatedUnit:
    """A unit with a note; `rows` are its first exemplars."""

    channel: int
    note: str
    rows: tuple[int, ...]


def annotated_unit(cache: AtlasCache, layer: Layer, channel: int, note: str, *, exemplars: int = 3) -> AnnotatedUnit:
    """Return a unit with a note and its first exemplars."""
    rows = cache.extreme_rows(layer)[:exemplars, channel]
    return AnnotatedUnit(channel, note, tuple(int(row) for row in rows if row >= 0))
