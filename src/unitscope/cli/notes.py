"""The command ``notes``: what people noted about an atlas's units and images, and the notes of others merged into it.

In: the command line. Out: the notes, as text or JSON.
"""

from pathlib import Path
from typing import Annotated

import typer

from unitscope.cli.options import AtlasArgument, Json
from unitscope.cli.output import log, print_json


def notes(
    atlas: AtlasArgument,
    merge: Annotated[
        list[Path] | None,
        typer.Option("--merge", metavar="FILE", help="Also take in the notes of this file; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the names, notes, tags, stars and selections beside an atlas, or merge those of others into them."""
    from unitscope.atlas import open_atlas
    from unitscope.atlas.notes import KINDS, Notes
    from unitscope.atlas.notes_file import NotesFile
    from unitscope.errors import NotesError

    file = NotesFile.of(open_atlas(atlas).path)
    found = file.notes
    for other in merge or []:
        if not other.is_file():
            raise NotesError(f"there is no file '{other}'; give a file of notes, such as ATLAS.notes.json")
        others = Notes.read(other)
        found = file.change(lambda ours, others=others: ours.merge(others))  # type: ignore[misc]
    subjects = {kind: found.all(kind) for kind in KINDS}
    if as_json:
        print_json({"file": str(file.path), **found.to_dict()})
        return
    log(f"{sum(map(len, subjects.values()))} notes in '{file.path}'")
    for kind, noted in subjects.items():
        for name, note in noted.items():
            words = [note.name, *(f"[{tag}]" for tag in note.tags), note.note, ", ".join(note.members)]
            typer.echo(" ".join([kind, name, *("★" * note.star), *filter(None, words)]))
