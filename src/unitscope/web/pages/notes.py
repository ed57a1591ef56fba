"""The page of notes: units, images and selections that people named, noted, tagged or starred.

In: an `AtlasCache`, `Notes`, a `NotesFilter`. Out: `NotesPage`.
"""

from dataclasses import dataclass

from unitscope.atlas.notes import Note, Notes
from unitscope.errors import UnitscopeError
from unitscope.web.atlas_cache import AtlasCache

_KINDS = {"unit": "Units", "image": "Images", "units": "Selections of units", "images": "Selections of images"}


@dataclass(frozen=True, slots=True)
class NotesFilter:
    """Which notes are listed: those with a word, with a tag, with a star."""

    q: str = ""
    tag: str = ""
    star: bool = False


@dataclass(frozen=True, slots=True)
class Noted:
    """A unit, an image or a selection with its note.

    Attributes:
        kind: ``unit``, ``image``, or a selection of ``units`` or ``images``.
        subject: ``LAYER:UNIT``, an image's id, or the name of the selection.
        note: what was noted.
        layer, channel: of a unit of this atlas; else empty and -1.
        rows: of the images that picture it: a unit's exemplars, an image, the first images of a selection.
    """

    kind: str
    subject: str
    note: Note
    layer: str = ""
    channel: int = -1
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NotesPage:
    """All that is noted, by kind, of `total`; `tags` are all tags in use."""

    filter: NotesFilter
    groups: tuple[tuple[str, tuple[Noted, ...]], ...]
    total: int
    tags: tuple[str, ...]


def notes_page(cache: AtlasCache, notes: Notes, wanted: NotesFilter = NotesFilter()) -> NotesPage:
    """Return the values of the page of notes."""
    noted = {kind: notes.all(kind) for kind in _KINDS}
    every = [note for found in noted.values() for note in found.values()]
    groups = (
        (
            title,
            tuple(
                noted_subject(cache, kind, name, note) for name, note in noted[kind].items() if _is(wanted, name, note)
            ),
        )
        for kind, title in _KINDS.items()
    )
    tags = sorted({tag for note in every for tag in note.tags}, key=str.casefold)
    return NotesPage(wanted, tuple(group for group in groups if group[1]), len(every), tuple(tags))


def find_noted(cache: AtlasCache, notes: Notes, word: str) -> tuple[Noted, ...]:
    """Return what has a word in its name, note or tags, ignoring case."""
    found = ((kind, name, note) for kind in _KINDS for name, note in notes.all(kind).items())
    wanted = NotesFilter(word)
    return tuple(
        noted_subject(cache, kind, name, note)
        for kind, name, note in found
        if _is(wanted, "", note) or (kind in ("units", "images") and _is(wanted, name, note))
    )


def noted_subject(cache: AtlasCache, kind: str, subject: str, note: Note) -> Noted:
    """Return a subject with its note and pictures; one that the atlas lacks has none."""
    try:
        if kind == "unit":
            layer, channel = cache.atlas.unit(subject)
            rows = tuple(int(row) for row in cache.extreme_rows(layer)[:3, channel] if row >= 0)
            return Noted(kind, subject, note, layer.name, channel, rows)
    except UnitscopeError:  # of another atlas or scan
        return Noted(kind, subject, note)
    shown = (subject,) if kind == "image" else note.members[:12] if kind == "images" else ()
    return Noted(
        kind, subject, note, rows=tuple(cache.atlas.image_number(one) for one in shown if cache.atlas.has_image(one))
    )


def _is(wanted: NotesFilter, name: str, note: Note) -> bool:
    text = " ".join((name, note.name, note.note, *note.tags)).casefold()
    return (
        wanted.q.strip().casefold() in text
        and (not wanted.tag or wanted.tag in note.tags)
        and (note.star or not wanted.star)
    )
