"""The server: it answers each address with a page, as HTML or as JSON.

In: a `PageRenderer`, `ImageFiles`, a `LazyInspector`. Out: an ASGI application behind its `SecurityMiddleware`.
Each route asks one function of `pages` and renders what it says; what needs the network is in `network_routes`.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from unitscope.display.thumbnails import LARGE, SMALL
from unitscope.errors import ImageError, UnitscopeError, first_line
from unitscope.version import versions
from unitscope.web import plotly_asset as charting
from unitscope.web.image_files import ImageFiles
from unitscope.web.lazy_inspector import LazyInspector
from unitscope.web.links import ServerLinks
from unitscope.web.network_routes import add_routes
from unitscope.web.page_renderer import PageRenderer
from unitscope.web.pages.class_page import class_page
from unitscope.web.pages.compare import compare_page
from unitscope.web.pages.home import home_page
from unitscope.web.pages.image import image_list, image_page
from unitscope.web.pages.layer import layer_page
from unitscope.web.pages.search import search_page
from unitscope.web.pages.unit import unit_page
from unitscope.web.responses import json_response, picture_response, quoted
from unitscope.web.security import LOCAL, SecurityMiddleware

LINKS = ServerLinks()
_UNAVAILABLE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96"><rect width="96" height="96" fill="#8884"/>'
    '<text x="48" y="51" font-size="11" font-family="sans-serif" text-anchor="middle" fill="#888">not available</text>'
    "</svg>"
)


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """Why a page can't be shown."""

    title: str
    message: str


def create_app(
    explorer: PageRenderer, pictures: ImageFiles, inspector: LazyInspector, *, hosts: frozenset[str] = LOCAL
) -> SecurityMiddleware:
    """Return the application that serves an atlas.

    Args:
        explorer: renders the atlas's pages.
        pictures: the atlas's pictures.
        inspector: the atlas's network, or the reason why there is none.
        hosts: host names that requests may use; empty for any.
    """
    app = FastAPI(title="unitscope", version=versions().get("unitscope", ""), docs_url=None, redoc_url=None)
    _pages(app, explorer, pictures, inspector)
    _pictures(app, explorer, pictures)
    add_routes(app, explorer, pictures, inspector)
    app.add_api_route("/static/plotly.min.js", _plotly, include_in_schema=False)
    app.mount("/static", StaticFiles(packages=[("unitscope.web", "static")]))
    _error_pages(app, explorer)
    return SecurityMiddleware(app, hosts)


def _pages(app: FastAPI, explorer: PageRenderer, pictures: ImageFiles, inspector: LazyInspector) -> None:
    atlas_cache = explorer.atlas_cache

    def page(
        path: str, template: str, get_values: Callable[..., Any], show: Callable[[Any], Any] | None = None
    ) -> None:
        """Add a page, as HTML and as JSON; `get_values` is the route and returns the page's values."""
        shown = show or (lambda values: explorer.html(template, values, LINKS, missing=inspector.missing))
        twin = "/index.json" if path == "/" else f"{path}.json"
        app.add_api_route(twin, _route(get_values, json_response))
        app.add_api_route(path, _route(get_values, lambda values: _html(shown(values))), response_class=HTMLResponse)

    def home_values() -> Any:
        return home_page(atlas_cache)

    def layer_values(layer: str) -> Any:
        return layer_page(atlas_cache, atlas_cache.atlas.find(layer))

    def unit_values(layer: str, channel: int) -> Any:
        found, number = atlas_cache.atlas.unit(f"{layer}:{channel}")
        return unit_page(atlas_cache, found, number, results=explorer.results)

    def images_values(page: int = 1) -> Any:
        return image_list(atlas_cache, page)

    def image_values(image: str) -> Any:
        return image_page(atlas_cache, image)

    def class_values(label: str, layer: str = "") -> Any:
        return class_page(atlas_cache, label, explorer.find(layer))

    def compare_values(
        a: Annotated[list[str], Query()] = [],  # noqa: B006 (FastAPI copies it)
        layer: str = "",
        top: int = 9,
    ) -> Any:
        return compare_page(atlas_cache, [name for name in a if name], explorer.find(layer), top=top)

    def search_values(q: str = "") -> Any:
        return search_page(atlas_cache, q)

    def show_image(values: Any) -> str:
        address = values.image
        picture = f"/picture-of?image={quoted(address)}"
        return explorer.html("image", values, LINKS, missing=inspector.missing, address=address, picture=picture)

    def show_search(values: Any) -> str | Response:
        if link := values.sole(LINKS):
            return RedirectResponse(link, 303)
        return explorer.html("search", values, LINKS, query=values.query)

    page("/", "home", home_values)
    page("/layer/{layer:text}", "layer", layer_values)
    page(
        "/unit/{layer:text}/{channel}",
        "unit",
        unit_values,
        lambda values: explorer.unit_html(values, LINKS, missing=inspector.missing),
    )
    page("/images", "images", images_values)
    page("/image/{image:text}", "image", image_values, show_image)
    page("/class/{label:text}", "class", class_values, lambda values: explorer.class_html(values, LINKS))
    page("/compare", "compare", compare_values, lambda values: explorer.compare_html(values, LINKS))
    page("/search", "search", search_values, show_search)


def _html(shown: str | Response) -> Response:
    return shown if isinstance(shown, Response) else HTMLResponse(shown)


def _route(get_values: Callable[..., Any], to_response: Callable[[Any], Response]) -> Callable[..., Response]:
    """Return a route with the parameters of `get_values`, whose values `to_response` turns into a response."""

    @functools.wraps(get_values)
    def answer(*args: Any, **values: Any) -> Response:
        return to_response(get_values(*args, **values))

    answer.__annotations__["return"] = Response
    return answer


def _pictures(app: FastAPI, explorer: PageRenderer, pictures: ImageFiles) -> None:
    def sized(request: Request, row: int, side: int) -> Response:
        try:
            return picture_response(request, pictures.thumbnail(row, side), "image/webp")
        except ImageError:
            if not 0 <= row < len(explorer.atlas_cache.ids):
                raise
            return Response(_UNAVAILABLE, media_type="image/svg+xml")

    @app.get("/thumbnail/{row}.webp", response_class=Response)
    def thumbnail(request: Request, row: int) -> Response:
        return sized(request, row, SMALL)

    @app.get("/picture/{row}.webp", response_class=Response)
    def picture(request: Request, row: int) -> Response:
        return sized(request, row, LARGE)

    @app.get("/picture-of", response_class=Response)
    def picture_of(request: Request, image: str) -> Response:
        return picture_response(request, pictures.picture_of(image, LARGE), "image/webp")


def _plotly() -> FileResponse:
    return FileResponse(
        charting.script(), media_type="text/javascript", headers={"cache-control": "private, max-age=86400"}
    )


def _error_pages(app: FastAPI, explorer: PageRenderer) -> None:
    """Answer every error with a page, or with JSON if JSON was requested; tracebacks go to the log only."""

    def response(request: Request, status: int, page: ErrorPage) -> Response:
        wants_json = request.url.path.endswith(".json") or "application/json" in request.headers.get("accept", "")
        if wants_json:
            return json_response(page, status)
        return HTMLResponse(explorer.html("error", page, LINKS), status)

    @app.exception_handler(UnitscopeError)
    def not_found(request: Request, error: UnitscopeError) -> Response:
        message = str(error).encode("utf-8", "replace").decode()  # it may quote bytes that are not valid text
        return response(request, 404, ErrorPage("Not found", message))

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        missing = error.status_code == 404
        message = f"There is no page '{request.url.path}'." if missing else str(error.detail)
        return response(request, error.status_code, ErrorPage("Not found" if missing else "Invalid request", message))

    @app.exception_handler(Exception)
    def failed(request: Request, error: Exception) -> Response:
        return response(request, 500, ErrorPage("Server error", f"{first_line(error)}. The server's log has more."))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        if any(one["loc"][0] == "path" for one in error.errors()):
            return response(request, 404, ErrorPage("Not found", f"There is no page '{request.url.path}'."))
        message = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors())
        return response(request, 422, ErrorPage("Invalid request", message))
