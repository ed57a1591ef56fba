"""The live view: its page, and the WebSocket that its frames run through.

In: a FastAPI application. Out: the same with these routes. Without a network the page says why, and how to get one.
"""

import asyncio
from dataclasses import replace
from functools import partial
from threading import Semaphore

import numpy as np
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse, Response
from starlette.requests import Request

from unitscope.analyses.contrast import Baseline
from unitscope.display.structure import LayerTopUnits
from unitscope.errors import UnitscopeError, first_line
from unitscope.images import decode
from unitscope.images.limits import UNTRUSTED, Limits
from unitscope.units import Layer
from unitscope.web import structure_json
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.links import Links
from unitscope.web.page_renderer import PageRenderer
from unitscope.web.pages.live import LivePage, live_page
from unitscope.web.responses import json_response, links_of
from unitscope.web.templating import to_json
from unitscope.web.work_queues import WorkQueues

MAX_SOCKETS, SECONDS_TO_SEND = 8, 60.0
"""How many live views may be open, and how long each may leave its place unused."""
MAX_PIXELS, MAX_FRAME_BYTES = 4_000_000, 4_000_000
"""The largest frame."""
_MAX_PINNED = 24
_TOP = 9


def add_live_routes(app: FastAPI, explorer: PageRenderer, inspector: LazyInspector, queues: WorkQueues) -> None:
    """Add the page of the live view and its WebSocket."""

    def opened() -> LivePage:
        return live_page(explorer.atlas_cache, top=_TOP, missing=inspector.missing)

    @app.get("/live", response_class=HTMLResponse)
    def live(request: Request) -> Response:
        return HTMLResponse(explorer.html("live", opened(), links_of(request)))

    @app.get("/live.json")
    def live_twin() -> Response:
        """Return the values of the live view's page."""
        return json_response(opened())

    sockets = Semaphore(MAX_SOCKETS)

    @app.websocket("/live.ws")
    async def frames(socket: WebSocket) -> None:
        """Answer the frames of a page, of which a few may be open at once, since all share the network."""
        await socket.accept()
        if not sockets.acquire(blocking=False):
            await _end(socket, f"{MAX_SOCKETS} live views are open, and no more can be; close one, or try again later")
            return
        try:
            await _answer_frames(socket, explorer, inspector, queues)
        except UnitscopeError as problem:
            await _end(socket, str(problem))
        except (WebSocketDisconnect, KeyError):  # a text message has no bytes
            return
        finally:
            sockets.release()


async def _answer_frames(
    socket: WebSocket, explorer: PageRenderer, inspector: LazyInspector, queues: WorkQueues
) -> None:
    """Answer each frame; the page sends the next one after the answer, so that no frame waits in a queue."""
    query, links = socket.query_params, links_of(socket)
    watched = _watched(explorer, query.get("layer", ""), query.getlist("pin"))
    baseline = explorer.atlas_cache.baseline_for(query.get("rank", ""))
    while True:
        try:
            frame = await asyncio.wait_for(socket.receive_bytes(), SECONDS_TO_SEND)
        except TimeoutError:
            raise UnitscopeError("no frame came for a minute; start again") from None
        make = partial(_answer, frame, explorer, inspector, watched, baseline, links)
        await socket.send_text(await queues.network.run_always(make))


async def _end(socket: WebSocket, message: str) -> None:
    await socket.send_text(to_json({"message": message}))
    await socket.close()


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
    contrasts = None if column.contrasts is None else column.contrasts[shown]
    return replace(
        column,
        units=column.units[shown],
        responses=column.responses[shown],
        maps=column.maps[shown],
        contrasts=contrasts,
    )


def _answer(
    frame: bytes,
    explorer: PageRenderer,
    inspector: LazyInspector,
    watched: dict[Layer, list[int]],
    baseline: Baseline | None,
    links: Links,
) -> str:
    """Return the structure of a frame, or an error message, as JSON."""
    try:
        shown = decode(frame, Limits(MAX_PIXELS, formats=UNTRUSTED))
        # All units of a layer with pinned units: a pinned unit can have any rank.
        top = max([_TOP, *(layer.units for layer, pins in watched.items() if pins)])
        found = inspector.get().structure(shown, layers=tuple(watched), top=top, contrast_with=baseline)
    except UnitscopeError as problem:
        return to_json({"message": str(problem)})
    except Exception as problem:  # a user's network can raise anything; the next frame may run
        return to_json({"message": f"The network failed: {first_line(problem)}"})
    columns = tuple(_picked(column, pins) for column, pins in zip(found.columns, watched.values(), strict=True))
    return to_json(structure_json.structure(replace(found, columns=columns), links, explorer.atlas_cache))
