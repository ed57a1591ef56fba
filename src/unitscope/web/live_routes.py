"""The live view: its page, and the WebSocket that its frames run through.

In: a FastAPI application. Out: the same with these routes. Without a network the page says why, and how to get one.
"""

import asyncio
import io
from dataclasses import replace

import numpy as np
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse, Response
from PIL import Image

from unitscope.display.structure import LayerTopUnits
from unitscope.errors import ImageError, UnitscopeError, first_line
from unitscope.units import Layer
from unitscope.web import structure_json
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.links import ServerLinks
from unitscope.web.page_renderer import PageRenderer
from unitscope.web.pages.live import LivePage, live_page
from unitscope.web.responses import json_response
from unitscope.web.templating import to_json

LINKS = ServerLinks()
_MAX_PINNED = 24
_TOP = 9


def add_live_routes(app: FastAPI, explorer: PageRenderer, inspector: LazyInspector) -> None:
    """Add the page of the live view and its WebSocket."""

    def opened() -> LivePage:
        return live_page(explorer.atlas_cache, top=_TOP, missing=inspector.missing)

    @app.get("/live", response_class=HTMLResponse)
    def live() -> Response:
        return HTMLResponse(explorer.html("live", opened(), LINKS))

    @app.get("/live.json")
    def live_twin() -> Response:
        """Return the values of the live view's page."""
        return json_response(opened())

    @app.websocket("/live.ws")
    async def frames(socket: WebSocket) -> None:
        """Answer each frame; the page sends the next one after the answer, so that no frame waits in a queue."""
        await socket.accept()
        try:
            query = socket.query_params
            watched = _watched(explorer, query.get("layer", ""), query.getlist("pin"))
            while True:
                frame = await socket.receive_bytes()
                await socket.send_text(await asyncio.to_thread(_answer, frame, explorer, inspector, watched))
        except UnitscopeError as problem:
            await socket.send_text(to_json({"message": str(problem)}))
            await socket.close()
        except (WebSocketDisconnect, KeyError):  # a text message has no bytes
            return


def _watched(explorer: PageRenderer, layer: str, pins: list[str]) -> dict[Layer, list[int]]:
    """Return the layer shown and the layers with pinned units, each with its pinned units."""
    if len(pins) > _MAX_PINNED:
        raise UnitscopeError(f"at most {_MAX_PINNED} units can be pinned, not {len(pins)}; unpin some")
    watched: dict[Layer, list[int]] = {explorer.find(layer): []}
    for pin in pins:
        found, channel = explorer.atlas_cache.atlas.unit(pin)
        watched.setdefault(found, []).append(channel)
    return watched


def _picked(column: LayerTopUnits, pins: list[int]) -> LayerTopUnits:
    """Return a column with its top units and the pinned ones only."""
    shown = np.flatnonzero((np.arange(len(column.units)) < _TOP) | np.isin(column.units, pins))
    return replace(column, units=column.units[shown], responses=column.responses[shown], maps=column.maps[shown])


def _answer(frame: bytes, explorer: PageRenderer, inspector: LazyInspector, watched: dict[Layer, list[int]]) -> str:
    """Return the structure of a frame, or an error message, as JSON."""
    try:
        with Image.open(io.BytesIO(frame), formats=("JPEG", "WEBP", "PNG")) as picture:
            if picture.width * picture.height > 4_000_000:
                raise ImageError("a frame can have at most 4 megapixels")
            shown = picture.convert("RGB")
            # All units of a layer with pinned units: a pinned unit can have any rank.
            top = max([_TOP, *(layer.units for layer, pins in watched.items() if pins)])
            found = inspector.get().structure(shown, layers=tuple(watched), top=top)
    except (UnitscopeError, OSError, ValueError, Image.DecompressionBombError) as problem:
        return to_json({"message": str(problem)})
    except Exception as problem:  # a user's network can raise anything; the next frame may run
        return to_json({"message": f"The network failed: {first_line(problem)}"})
    columns = tuple(_picked(column, pins) for column, pins in zip(found.columns, watched.values(), strict=True))
    return to_json(structure_json.structure(replace(found, columns=columns), LINKS, explorer.atlas_cache))
