"""Responses that routes share: JSON and pictures; and what a request says of the response it wants.

In: a page's values, or a picture's bytes; a request. Out: responses; the links of its page, and whether it wants JSON.
"""

import hashlib
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import quote

from fastapi.responses import Response
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import HTTPConnection, Request

from unitscope.web.links import ServerLinks
from unitscope.web.templating import to_json

Scope = MutableMapping[str, Any]

RETRY_AFTER = 5
"""Seconds after which a refused request may be sent again."""


class AnyText(Convertor[str]):
    """A part of an address with any characters, ``{name:text}``; Starlette's own ``path`` stops at a line break."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        """Return the text."""
        return value

    def to_string(self, value: str) -> str:
        """Return the text."""
        return value


register_url_convertor("text", AnyText())


def links_of(request: HTTPConnection) -> ServerLinks:
    """Return the links of the page that a request asks for."""
    return ServerLinks(quote(request.scope.get("root_path", "")))


def wants_json(scope: Scope) -> bool:
    """Return whether a request asks for JSON, so that its errors are JSON too."""
    accepted = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    return scope["path"].endswith(".json") or b"application/json" in accepted


def json_response(values: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a page's values, or an error, as JSON."""
    return Response(to_json(values), status, headers, media_type="application/json")


def picture_response(request: Request, data: bytes, kind: str) -> Response:
    """Return a picture that a browser may cache, but must revalidate each time."""
    tag = f'"{hashlib.sha256(data).hexdigest()[:20]}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=kind, headers=headers)
