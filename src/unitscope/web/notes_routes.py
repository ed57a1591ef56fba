"""Routes that change notes and save selections; each is a plain form, and leads back to the page that it changed.

In: a FastAPI application. Out: the same with these routes. `SecurityMiddleware` refuses the forms of other sites.
"""

import json
from typing import Annotated, Any

from fastapi import FastAPI, Form
from fastapi.responses import RedirectResponse, Response
from starlette.requests import Request

from unitscope.atlas.notes import Notes
from unitscope.errors import NotesError
from unitscope.web.links import Links
from unitscope.web.page_renderer import PageRenderer
from unitscope.web.pages.image_list import ImageFilter, filtered_rows
from unitscope.web.responses import links_of

_TEXT = Form(max_length=20_000)


def add_notes_routes(app: FastAPI, explorer: PageRenderer) -> None:
    """Add the routes."""

    @app.get("/notes-file.json")
    def download() -> Response:
        """Return the notes as a file, to be merged with another one."""
        text = json.dumps(explorer.notes.notes.to_dict(), indent=1, ensure_ascii=False)
        name = {"content-disposition": 'attachment; filename="notes.json"'}
        return Response(text, media_type="application/json", headers=name)

    @app.post("/notes")
    def noted(
        request: Request,
        subject: Annotated[str, _TEXT],
        name: Annotated[str, _TEXT] = "",
        note: Annotated[str, _TEXT] = "",
        tags: Annotated[str, _TEXT] = "",
        star: Annotated[bool, Form()] = False,
        was: Annotated[str, Form(max_length=100_000)] = "{}",
    ) -> Response:
        """Change what differs from `was`, the values as JSON that the form showed: others may have changed the rest."""
        given = {"name": name.strip(), "note": note.strip(), "tags": list(_words(tags)), "star": star}
        subject = _known(explorer, subject)
        shown = _read(was)
        changed = {field: value for field, value in given.items() if value != shown.get(field)}
        explorer.notes.change(lambda notes: notes.edit(subject, changed))
        return RedirectResponse(_page_of(subject, links_of(request)), 303)

    @app.post("/selections")
    def selected(
        request: Request,
        kind: Annotated[str, _TEXT],
        selection: Annotated[str, _TEXT],
        add: Annotated[str, _TEXT] = "",
        only: Annotated[str | None, Form(max_length=900_000)] = None,
        query: Annotated[str, _TEXT] = "",
    ) -> Response:
        """Add a member, or the images that a filter leaves, to a selection; or set all its members, one a line."""
        if kind not in ("units", "images"):
            raise NotesError(f"a selection is of units or images, not of '{kind}'")
        subject = f"{kind} {selection.strip().removeprefix('@')}"
        new = _members(explorer, kind, add, only, query)

        def edit(notes: Notes) -> Notes:
            kept = notes.of(subject).members if only is None else ()
            return notes.edit(subject, {"members": list(dict.fromkeys([*kept, *new]))})

        explorer.notes.change(edit)
        return RedirectResponse(_page_of(subject, links_of(request)), 303)


def _members(explorer: PageRenderer, kind: str, add: str, only: str | None, query: str) -> list[str]:
    cache = explorer.atlas_cache
    if query:
        rows = filtered_rows(cache, ImageFilter(**{**_read(query), "wrong": bool(_read(query).get("wrong"))}))
        return [cache.ids[row] for row in rows]
    named = [line.strip() for line in (add if only is None else only).splitlines() if line.strip()]
    for name in named:
        _known(explorer, f"{kind.removesuffix('s')} {name}")
    return named


def _known(explorer: PageRenderer, subject: str) -> str:
    """Return a subject; a unit or image must be one of the atlas."""
    kind, _, name = subject.partition(" ")
    if kind == "unit":
        layer, channel = explorer.atlas_cache.atlas.unit(name)
        return f"unit {layer.name}:{channel}"
    if kind == "image":
        explorer.atlas_cache.atlas.image_number(name)
    return subject


def _page_of(subject: str, links: Links) -> str:
    kind, _, name = subject.partition(" ")
    if kind == "unit":
        layer, _, channel = name.rpartition(":")
        return links.unit(layer, channel)
    return links.image(name) if kind == "image" else links.notes()


def _words(tags: str) -> dict[str, None]:
    return dict.fromkeys(tag.strip() for tag in tags.split(",") if tag.strip())


def _read(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise NotesError("the form holds values that are not JSON; reload the page")
    return values
