"""Routes that need the network: maps, structures, uploads and the lab; the live view is in `live_routes`.

In: a FastAPI application. Out: the same with these routes. Without a network each route says why, and how to get one.
"""

from typing import Annotated

from fastapi import FastAPI, File, HTTPException, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from starlette.requests import Request

from unitscope.display.structure import Change
from unitscope.errors import ImageError
from unitscope.web import structure_json
from unitscope.web.image_files import UPLOAD, ImageFiles
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.links import ServerLinks
from unitscope.web.live_routes import add_live_routes
from unitscope.web.page_renderer import PageRenderer
from unitscope.web.pages.image import ImagePage
from unitscope.web.pages.lab import LabPage, lab_page
from unitscope.web.responses import json_response, picture_response, quoted

LINKS = ServerLinks()
MAX_BYTES = 20_000_000
"""The largest uploaded picture or frame of the live view."""
_MAX_REMOVED = 4096


class LabRequest(BaseModel):
    """A request of the lab: an image, units to remove (``LAYER:UNIT``), noise."""

    image: str
    removed: list[str] = Field(default_factory=list, max_length=_MAX_REMOVED)
    sigma: float = Field(default=0, ge=0, le=1)
    seed: int = Field(default=0, ge=0, lt=2**32)


def add_routes(app: FastAPI, explorer: PageRenderer, pictures: ImageFiles, inspector: LazyInspector) -> None:
    """Add the routes that need the network."""
    _maps_and_structure(app, explorer, pictures, inspector)
    _uploads(app, explorer, pictures, inspector)
    _lab(app, explorer, pictures, inspector)
    add_live_routes(app, explorer, inspector)


def _maps_and_structure(app: FastAPI, explorer: PageRenderer, pictures: ImageFiles, inspector: LazyInspector) -> None:
    @app.get("/maps/{layer:text}/{channel}.png", response_class=Response)
    def maps(request: Request, layer: str, channel: int) -> Response:
        found, number = explorer.atlas_cache.atlas.unit(f"{layer}:{channel}")
        return picture_response(request, pictures.maps(inspector, found, number), "image/png")

    @app.get("/structure.json")
    def structure(image: str) -> Response:
        return json_response(
            structure_json.structure_of_image(
                inspector.get().structure(pictures.decoded(image)), LINKS, explorer.atlas_cache
            )
        )


def _uploads(app: FastAPI, explorer: PageRenderer, pictures: ImageFiles, inspector: LazyInspector) -> None:
    @app.post("/upload")
    def upload(request: Request, picture: Annotated[UploadFile, File()]) -> Response:
        data = picture.file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise HTTPException(413, f"the image is larger than {MAX_BYTES // 1_000_000} MB")
        try:
            address = pictures.add_upload(data)
        except ImageError as problem:
            raise HTTPException(400, str(problem)) from None
        page = f"/upload/{address.removeprefix(UPLOAD)}"
        if "application/json" in request.headers.get("accept", ""):
            return json_response({"page": page, "image": address})
        return RedirectResponse(page, 303)

    @app.get("/upload/{name}", response_class=HTMLResponse)
    def uploaded(name: str) -> Response:
        address = UPLOAD + name
        pictures.check(address)
        page = ImagePage(-1, "Your picture", (), 0, 0, "", (), None, (), "", "")
        picture = f"/picture-of?image={quoted(address)}"
        return HTMLResponse(
            explorer.html("image", page, LINKS, missing=inspector.missing, address=address, picture=picture)
        )


def _lab(app: FastAPI, explorer: PageRenderer, pictures: ImageFiles, inspector: LazyInspector) -> None:
    def opened(image: str) -> LabPage:
        address = image or explorer.atlas_cache.ids[0]
        pictures.check(address)
        return lab_page(explorer.atlas_cache, address, results=explorer.results, missing=inspector.missing)

    @app.get("/lab", response_class=HTMLResponse)
    def lab(image: str = "") -> Response:
        """The page's script reads the rest of the address (units removed, noise)."""
        return HTMLResponse(explorer.html("lab", opened(image), LINKS, ids=explorer.atlas_cache.ids[:500]))

    @app.get("/lab.json")
    def lab_twin(image: str = "") -> Response:
        """Return the lab's values when it opens."""
        return json_response(opened(image))

    @app.post("/lab.json")
    def changed(body: LabRequest) -> Response:
        """Return the structure of the image after the change; that before is at ``/structure.json``."""
        change = Change(_by_layer(explorer, body.removed), body.sigma, body.seed)
        found = inspector.get().structure(pictures.decoded(body.image), change=change)
        return json_response(structure_json.structure_of_image(found, LINKS, explorer.atlas_cache))


def _by_layer(explorer: PageRenderer, units: list[str]) -> dict[str, list[int]]:
    removed: dict[str, list[int]] = {}
    for unit in units:
        layer, channel = explorer.atlas_cache.atlas.unit(unit)
        removed.setdefault(layer.name, []).append(channel)
    return removed
