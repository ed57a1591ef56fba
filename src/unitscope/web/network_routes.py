"""Routes that need the network: maps, structures, uploads and the lab; the live view is in `live_routes`.

In: a FastAPI application. Out: the same with these routes. Without a network each route says why, and how to get one.
"""

from functools import partial
from typing import Annotated

from fastapi import FastAPI, File, HTTPException, Query, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from starlette.requests import Request

from unitscope.display.structure import Change
from unitscope.errors import ImageTooLargeError
from unitscope.units import Layer
from unitscope.web import structure_json
from unitscope.web.image_files import UPLOAD, ImageFiles
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.live_routes import add_live_routes
from unitscope.web.page_renderer import PageRenderer
from unitscope.web.pages.image import ImagePage
from unitscope.web.pages.lab import MAX_IMAGES, LabPage, lab_page, removals, units_by_layer
from unitscope.web.responses import json_response, links_of, picture_response, wants_json
from unitscope.web.work_queues import WorkQueues

MAX_BYTES = 20_000_000
"""The largest uploaded picture."""
_MAX_REMOVED, _MAX_PATTERNS = 4096, 256

Images = Annotated[list[str], Query(alias="image")]
Layers = Annotated[list[str], Query(alias="layer", max_length=_MAX_PATTERNS)]


class LabRequest(BaseModel):
    """A request of the lab: an image, units (``LAYER:UNIT``) and layers to remove, noise, layers to show, a ranking.

    Units are ranked by contrast, or by response if ``rank`` is ``response`` or there are no contrasts.
    """

    image: str
    removed: list[str] = Field(default_factory=list, max_length=_MAX_REMOVED)
    layers: list[str] = Field(default_factory=list, max_length=_MAX_PATTERNS)
    sigma: float = Field(default=0, ge=0, le=1)
    rank: str = Field(default="", max_length=16)
    seed: int = Field(default=0, ge=0, lt=2**32)


def add_routes(
    app: FastAPI, explorer: PageRenderer, pictures: ImageFiles, inspector: LazyInspector, queues: WorkQueues
) -> None:
    """Add the routes that need the network."""
    _maps_and_structure(app, explorer, pictures, inspector, queues)
    _uploads(app, explorer, pictures, inspector, queues)
    _lab(app, explorer, pictures, inspector, queues)
    add_live_routes(app, explorer, inspector, queues)


def _maps_and_structure(
    app: FastAPI, explorer: PageRenderer, pictures: ImageFiles, inspector: LazyInspector, queues: WorkQueues
) -> None:
    @app.get("/maps/{layer:text}/{channel}.png", response_class=Response)
    async def maps(request: Request, layer: str, channel: int) -> Response:
        unit = explorer.atlas_cache.atlas.unit(f"{layer}:{channel}")
        data = await queues.pictures.run(partial(pictures.stored_maps, *unit), request)
        if data is None:
            data = await queues.network.run(partial(pictures.maps, inspector, *unit), request)
        return picture_response(request, data, "image/png")

    @app.get("/structure.json")
    async def structure(
        request: Request,
        image: str,
        layers: Layers = [],  # noqa: B006 (FastAPI copies it)
        rank: str = "",
    ) -> Response:
        """Return the top units of about 13 layers, or of those that match names or patterns (``*`` for all)."""
        links = links_of(request)

        def found() -> Response:
            chosen, baseline = _matching(explorer, layers), explorer.atlas_cache.baseline_for(rank)
            result = inspector.get().structure(pictures.decoded(image), layers=chosen, contrast_with=baseline)
            return json_response(structure_json.structure_of_image(result, links, explorer.atlas_cache))

        return await queues.network.run(found, request)


def _uploads(
    app: FastAPI, explorer: PageRenderer, pictures: ImageFiles, inspector: LazyInspector, queues: WorkQueues
) -> None:
    @app.post("/upload")
    async def upload(request: Request, picture: Annotated[UploadFile, File()]) -> Response:
        data = await picture.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise HTTPException(413, f"the image is larger than {MAX_BYTES // 1_000_000} MB")
        try:
            address = await queues.uploads.run(partial(pictures.add_upload, data), request)
        except ImageTooLargeError as problem:
            raise HTTPException(413, str(problem)) from None
        page = links_of(request).served(f"upload/{address.removeprefix(UPLOAD)}")
        if wants_json(request.scope):
            return json_response({"page": page, "image": address})
        return RedirectResponse(page, 303)

    @app.get("/upload/{name}", response_class=HTMLResponse)
    def uploaded(request: Request, name: str) -> Response:
        address = UPLOAD + name
        pictures.check(address)
        page = ImagePage(-1, "Your picture", (), 0, 0, "", (), None, (), "", "")
        return HTMLResponse(
            explorer.html("image", page, links_of(request), missing=inspector.missing, address=address, noted=None)
        )


def _lab(
    app: FastAPI, explorer: PageRenderer, pictures: ImageFiles, inspector: LazyInspector, queues: WorkQueues
) -> None:
    def opened(images: list[str]) -> LabPage:
        addresses = [image for image in images if image] or explorer.atlas_cache.ids[:1]
        page = lab_page(explorer.atlas_cache, addresses, results=explorer.results, missing=inspector.missing)
        for address in addresses:
            pictures.check(address)
        return page

    @app.get("/lab", response_class=HTMLResponse)
    def lab(request: Request, images: Images = []) -> Response:  # noqa: B006 (FastAPI copies it)
        """The page's script reads the rest of the address (units removed, noise, layers)."""
        ids = explorer.atlas_cache.ids[:500]
        return HTMLResponse(explorer.html("lab", opened(images), links_of(request), ids=ids, most=MAX_IMAGES))

    @app.get("/lab.json")
    def lab_twin(images: Images = []) -> Response:  # noqa: B006 (FastAPI copies it)
        """Return the lab's values when it opens."""
        return json_response(opened(images))

    @app.post("/lab.json")
    async def changed(request: Request, body: LabRequest) -> Response:
        """Return the structure of the image after the change, and what was removed, by the names of layers."""
        links = links_of(request)

        def found() -> Response:
            removed = removals(explorer.atlas_cache, body.removed)
            change = Change(units_by_layer(removed), body.sigma, body.seed)
            layers, baseline = _matching(explorer, body.layers), explorer.atlas_cache.baseline_for(body.rank)
            result = inspector.get().structure(
                pictures.decoded(body.image), layers=layers, change=change, contrast_with=baseline
            )
            after = structure_json.structure_of_image(result, links, explorer.atlas_cache)
            return json_response(after | {"removed": [str(one) for one in removed]})

        return await queues.network.run(found, request)


def _matching(explorer: PageRenderer, patterns: list[str]) -> tuple[Layer, ...] | None:
    """Return the layers that match some patterns; None, for about 13 of them, without patterns."""
    return explorer.atlas_cache.atlas.layers.match(patterns) if patterns else None
