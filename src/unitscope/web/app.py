"""The server: it answers each address with a page, as HTML or as JSON.

In: a `PageRenderer`, `ImageFiles`, a `LazyInspector`. Out: an ASGI application behind its middlewares.
Each route asks one function of `pages` and renders what it says; what needs the network is in `network_routes`.
"""

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles

from unitscope.display.thumbnails import LARGE, SMALL
from unitscope.errors import ImageError
from unitscope.version import versions
from unitscope.web import plotly_asset as charting
from unitscope.web.error_pages import add_error_pages
from unitscope.web.image_files import ImageFiles
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.links import Links
from unitscope.web.network_routes import add_routes
from unitscope.web.notes_routes import add_notes_routes
from unitscope.web.page_renderer import PageRenderer
from unitscope.web.pages.class_page import class_page
from unitscope.web.pages.compare import compare_page
from unitscope.web.pages.image import image_page
from unitscope.web.pages.image_list import ImageFilter, image_list
from unitscope.web.pages.layer import layer_page
from unitscope.web.pages.notes import NotesFilter, notes_page
from unitscope.web.pages.search import search_page
from unitscope.web.pages.unit import unit_page
from unitscope.web.proxy import Proxy, RootPathMiddleware
from unitscope.web.request_bodies import BodyMiddleware
from unitscope.web.responses import json_response, links_of, picture_response
from unitscope.web.security import LOCAL, SecurityMiddleware
from unitscope.web.work_queues import WorkQueues

Show = Callable[[Any, Links], str | Response]
_UNAVAILABLE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96"><rect width="96" height="96" fill="#8884"/>'
    '<text x="48" y="51" font-size="11" font-family="sans-serif" text-anchor="middle" fill="#888">not available</text>'
    "</svg>"
)


def create_app(
    explorer: PageRenderer,
    pictures: ImageFiles,
    inspector: LazyInspector,
    *,
    hosts: frozenset[str] = LOCAL,
    proxy: Proxy | None = None,
) -> SecurityMiddleware:
    """Return the application that serves an atlas.

    Args:
        explorer: renders the atlas's pages.
        pictures: the atlas's pictures.
        inspector: the atlas's network, or the reason why there is none.
        hosts: host names that requests may use; empty for any.
        proxy: what is known of a proxy in front of the server.
    """
    queues, proxy = WorkQueues(), proxy or Proxy()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        queues.drop()

    version = versions().get("unitscope", "")
    app = FastAPI(title="unitscope", version=version, docs_url=None, redoc_url=None, lifespan=lifespan)
    _pages(app, explorer, inspector)
    _pictures(app, explorer, pictures, queues)
    add_notes_routes(app, explorer)
    add_routes(app, explorer, pictures, inspector, queues)
    app.add_api_route("/static/plotly.min.js", _plotly, include_in_schema=False)
    app.mount("/static", StaticFiles(packages=[("unitscope.web", "static")]))
    add_error_pages(app, explorer)
    return SecurityMiddleware(RootPathMiddleware(BodyMiddleware(app, pictures.memory), proxy), hosts, proxy)


def _pages(app: FastAPI, explorer: PageRenderer, inspector: LazyInspector) -> None:
    atlas_cache = explorer.atlas_cache

    def page(path: str, template: str, get_values: Callable[..., Any], show: Show | None = None) -> None:
        """Add a page, as HTML and as JSON; `get_values` is the route and returns the page's values."""
        shown = show or (lambda values, links: explorer.html(template, values, links, missing=inspector.missing))
        twin = "/index.json" if path == "/" else f"{path}.json"
        app.add_api_route(twin, _route(get_values, lambda values, _: json_response(values)))
        app.add_api_route(path, _route(get_values, partial(_html, shown)), response_class=HTMLResponse)

    def home_values() -> Any:
        return explorer.home

    def layer_values(layer: str) -> Any:
        return layer_page(atlas_cache, atlas_cache.atlas.find(layer))

    def unit_values(layer: str, channel: int) -> Any:
        found, number = atlas_cache.atlas.unit(f"{layer}:{channel}")
        return unit_page(atlas_cache, found, number, results=explorer.results)

    def images_values(page: int = 1, wanted: ImageFilter = Depends()) -> Any:  # noqa: B008 (FastAPI's way)
        return image_list(atlas_cache, page, wanted)

    def image_values(image: str, rank: str = "") -> Any:
        return image_page(atlas_cache, image, rank=rank)

    def class_values(label: str, layer: str = "") -> Any:
        return class_page(atlas_cache, label, explorer.find(layer))

    def compare_values(
        a: Annotated[list[str], Query()] = [],  # noqa: B006 (FastAPI copies it)
        layer: str = "",
        top: int = 9,
    ) -> Any:
        return compare_page(atlas_cache, [name for name in a if name], explorer.find(layer), top=top)

    def search_values(q: str = "", page: int = 1) -> Any:
        return search_page(atlas_cache, q, page, explorer.notes.notes)

    def notes_values(wanted: NotesFilter = Depends()) -> Any:  # noqa: B008 (FastAPI's way)
        return notes_page(atlas_cache, explorer.notes.notes, wanted)

    def show_image(values: Any, links: Links) -> str:
        return explorer.image_html(values, links, missing=inspector.missing)

    def show_images(values: Any, links: Links) -> str:
        return explorer.images_html(values, links, missing=inspector.missing)

    def show_search(values: Any, links: Links) -> str | Response:
        if link := values.sole(links):
            return RedirectResponse(link, 303)
        return explorer.html("search", values, links, query=values.query)

    def show_unit(values: Any, links: Links) -> str:
        return explorer.unit_html(values, links, missing=inspector.missing)

    page("/", "home", home_values, lambda _, links: explorer.home_html(links))
    page("/layer/{layer:text}", "layer", layer_values)
    page("/unit/{layer:text}/{channel}", "unit", unit_values, show_unit)
    page("/images", "images", images_values, show_images)
    page("/image/{image:text}", "image", image_values, show_image)
    page("/class/{label:text}", "class", class_values, explorer.class_html)
    page("/compare", "compare", compare_values, explorer.compare_html)
    page("/notes", "notes", notes_values, explorer.notes_html)
    page("/search", "search", search_values, show_search)


def _html(show: Show, values: Any, links: Links) -> Response:
    shown = show(values, links)
    return shown if isinstance(shown, Response) else HTMLResponse(shown)


def _route(get_values: Callable[..., Any], to_response: Callable[[Any, Links], Response]) -> Callable[..., Response]:
    """Return a route with the parameters of `get_values`, whose values `to_response` turns into a response."""

    def answer(request: Request, **values: Any) -> Response:
        return to_response(get_values(**values), links_of(request))

    given = inspect.signature(get_values)
    request = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    signature = given.replace(parameters=[*given.parameters.values(), request], return_annotation=Response)
    answer.__name__, answer.__signature__ = get_values.__name__, signature  # type: ignore[attr-defined]
    return answer


def _pictures(app: FastAPI, explorer: PageRenderer, pictures: ImageFiles, queues: WorkQueues) -> None:
    async def sized(request: Request, row: int, side: int) -> Response:
        try:
            data = await queues.pictures.run(partial(pictures.thumbnail, row, side), request)
            return picture_response(request, data, "image/webp")
        except ImageError:
            if not 0 <= row < len(explorer.atlas_cache.ids):
                raise
            return Response(_UNAVAILABLE, media_type="image/svg+xml")

    @app.get("/thumbnail/{row}.webp", response_class=Response)
    async def thumbnail(request: Request, row: int) -> Response:
        return await sized(request, row, SMALL)

    @app.get("/picture/{row}.webp", response_class=Response)
    async def picture(request: Request, row: int) -> Response:
        return await sized(request, row, LARGE)

    @app.get("/picture-of", response_class=Response)
    async def picture_of(request: Request, image: str) -> Response:
        data = await queues.pictures.run(partial(pictures.picture_of, image, LARGE), request)
        return picture_response(request, data, "image/webp")


def _plotly() -> FileResponse:
    return FileResponse(
        charting.script(), media_type="text/javascript", headers={"cache-control": "private, max-age=86400"}
    )
