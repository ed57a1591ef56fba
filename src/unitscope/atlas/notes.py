"""Names, notes, tags and stars of units and images, and saved selections, in a JSON file beside an atlas.

In: a file, edits. Out: `Notes`; the file, written whole. An atlas itself never changes.

Every field keeps its earlier values with the time of each edit, and the newest one counts. So two people's files can be
merged in any order, any number of times: the newest edit of each field wins, and nothing is lost.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from unitscope.errors import NotesError
from unitscope.files import atomic_path

KINDS = ("unit", "image", "units", "images")
"""What a subject is: ``unit LAYER:UNIT``, ``image ID``, or a selection of either, ``units NAME`` or ``images NAME``."""
FIELDS: dict[str, type] = {"name": str, "note": str, "tags": list, "star": bool, "members": list}
MAX_TEXT, MAX_MEMBERS = 20_000, 100_000
_FORMAT = {"format": "unitscope notes", "version": 1}


@dataclass(frozen=True, slots=True)
class Edit:
    """A value that a field was given, and when: UTC in ISO format, so that later times compare as greater."""

    time: str
    value: Any

    @property
    def order(self) -> tuple[str, str]:
        """By time; of edits at the same time, by value."""
        return self.time, json.dumps(self.value, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Note:
    """The newest values of a subject's fields; `members` are those of a selection: units or ids of images."""

    name: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()
    star: bool = False
    members: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether any field has a value."""
        return self != Note()


@dataclass(frozen=True, slots=True)
class Notes:
    """Edits by subject and field, the newest first. Subjects begin with one of `KINDS`."""

    edits: Mapping[str, Mapping[str, tuple[Edit, ...]]] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> "Notes":
        """Return the notes of a file; none if there is no file.

        Raises:
            NotesError: if it is not a file of notes.
        """
        if not file.exists():
            return cls()
        try:
            return cls.from_dict(json.loads(file.read_text("utf-8")))
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            raise NotesError(f"'{file}' is not a file of notes ({problem}); restore it, or move it away") from None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Notes":
        """Return the notes of plain values, as in a file.

        Raises:
            ValueError: if they are not those of notes.
        """
        if {name: values[name] for name in _FORMAT} != _FORMAT:
            raise ValueError("it has another format or version")
        return cls(
            {
                _checked_subject(subject): {
                    name: _newest_first(Edit(_checked_time(time), _checked(name, value)) for time, value in edits)
                    for name, edits in fields.items()
                }
                for subject, fields in values["notes"].items()
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, sorted."""
        notes = {
            subject: {name: [[edit.time, edit.value] for edit in edits] for name, edits in sorted(fields.items())}
            for subject, fields in sorted(self.edits.items())
        }
        return {**_FORMAT, "notes": notes}

    def write(self, file: Path) -> None:
        """Write the notes to a file, whole or not at all.

        Raises:
            WriteError: if the disk is full or read-only.
        """
        with atomic_path(file) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n", "utf-8")

    def of(self, subject: str) -> Note:
        """Return the newest values of a subject."""
        newest: dict[str, Any] = {name: edits[0].value for name, edits in self.edits.get(subject, {}).items() if edits}
        lists = {name: tuple(newest.get(name, ())) for name in ("tags", "members")}
        return Note(newest.get("name", ""), newest.get("note", ""), star=newest.get("star", False), **lists)

    def all(self, *kinds: str) -> dict[str, Note]:
        """Return the notes of all subjects of some kinds that have any value, by name without the kind, sorted."""
        parts = ((subject.partition(" "), self.of(subject)) for subject in sorted(self.edits))
        return {name: note for (kind, _, name), note in parts if kind in kinds and note}

    def edit(self, subject: str, values: Mapping[str, Any], time: str | None = None) -> "Notes":
        """Return notes with new values of a subject's fields; values that do not change are no edit.

        Raises:
            NotesError: if a value is of another type, or too long.
        """
        try:
            wanted = {name: _checked(name, value) for name, value in values.items()}
            _checked_subject(subject)
        except ValueError as problem:
            raise NotesError(f"this can't be noted: {problem}") from None
        fields, made = self.edits.get(subject, {}), {}
        for name, value in wanted.items():
            newest = fields[name][0] if fields.get(name) else Edit("", FIELDS[name]())
            if value != newest.value:
                made[name] = (Edit(max(time or _now(), _after(newest.time)), value),)
        return self.merge(Notes({subject: made} if made else {}))

    def merge(self, other: "Notes") -> "Notes":
        """Return the edits of both."""
        both = (self.edits, other.edits)
        subjects = dict.fromkeys(subject for edits in both for subject in edits)
        return Notes({subject: _union([edits.get(subject, {}) for edits in both]) for subject in subjects})


def _union(both: list[Mapping[str, tuple[Edit, ...]]]) -> dict[str, tuple[Edit, ...]]:
    names = dict.fromkeys(name for fields in both for name in fields)
    return {name: _newest_first(edit for fields in both for edit in fields.get(name, ())) for name in names}


def _newest_first(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    return tuple(sorted({edit.order: edit for edit in edits}.values(), key=lambda edit: edit.order, reverse=True))


def _checked_subject(subject: str) -> str:
    kind, _, name = subject.partition(" ")
    if kind not in KINDS or not name.strip():
        raise ValueError(f"'{subject}' is not a unit, an image or a selection")
    return subject


def _checked_time(time: object) -> str:
    if not isinstance(time, str):
        raise ValueError(f"'{time}' is not a time")
    return datetime.fromisoformat(time).astimezone(UTC).isoformat(timespec="microseconds")


def _checked(name: str, value: object) -> Any:
    if name not in FIELDS or not isinstance(value, FIELDS[name]):
        raise ValueError(f"'{name}' can't be {value!r}")
    if isinstance(value, list) and not all(isinstance(one, str) for one in value):
        raise ValueError(f"'{name}' is not a list of text")
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise ValueError(f"'{name}' has over {MAX_TEXT:,} characters")
    if isinstance(value, list) and len(value) > MAX_MEMBERS:
        raise ValueError(f"'{name}' has over {MAX_MEMBERS:,} entries")
    return value


def _after(time: str) -> str:
    """Return the time right after an edit, so that a new one wins over those of a clock that is ahead."""
    return (datetime.fromisoformat(time) + timedelta(microseconds=1)).isoformat(timespec="microseconds") if time else ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
