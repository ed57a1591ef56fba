"""Answer every error with a page, or with JSON if JSON was requested; the status tells the kind of error.

In: a FastAPI application, a `PageRenderer`. Out: the same with handlers of errors. Tracebacks go to the log only.
"""

from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import Request

from unitscope.errors import (
    AtlasError,
    BusyError,
    DamagedAtlasError,
    ImageError,
    ImageOutsideError,
    NetworkError,
    UnitscopeError,
    first_line,
)
from unitscope.web.page_renderer import PageRenderer
from unitscope.web.responses import RETRY_AFTER, json_response, links_of, wants_json

Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """Why a page can't be shown."""

    title: str
    message: str


# The first that an error is an instance of; a LookupError is an unknown layer, unit, image or class.
_STATUSES: tuple[tuple[type[Exception], int, str], ...] = (
    (BusyError, 429, "Too many requests"),
    (LookupError, 404, "Not found"),
    (DamagedAtlasError, 500, "Damaged atlas"),
    (AtlasError, 409, "Not in this atlas"),
    (NetworkError, 404, "No network"),
    (ImageOutsideError, 403, "Not allowed"),
    (ImageError, 422, "Unreadable image"),
    (UnitscopeError, 400, "Invalid request"),
)


def status_of(error: UnitscopeError) -> tuple[int, str]:
    """Return the HTTP status of an error, and the title of its page."""
    return next((status, title) for kind, status, title in _STATUSES if isinstance(error, kind))


def add_error_pages(app: FastAPI, explorer: PageRenderer) -> None:
    """Add the handlers of errors."""

    def response(request: Request, status: int, page: ErrorPage, headers: Headers | None = None) -> Response:
        if wants_json(request.scope):
            return json_response(page, status, headers)
        return HTMLResponse(explorer.html("error", page, links_of(request)), status, headers)

    @app.exception_handler(UnitscopeError)
    def known(request: Request, error: UnitscopeError) -> Response:
        status, title = status_of(error)
        message = str(error).encode("utf-8", "replace").decode()  # it may quote bytes that are not valid text
        headers = {"retry-after": str(RETRY_AFTER)} if status == 429 else None
        return response(request, status, ErrorPage(title, message), headers)

    @app.exception_handler(OSError)
    def unreadable(request: Request, error: OSError) -> Response:
        where = f" '{error.filename}'" if error.filename else ""
        message = f"The server can't read or write{where}: {error.strerror or error}."
        return response(request, 500, ErrorPage("Server error", message))

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
