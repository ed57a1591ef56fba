"""Responses that routes share: JSON and pictures, and addresses in a query string.

In: a page's values, or a picture's bytes. Out: responses, and quoted addresses.
"""

import hashlib
from typing import Any
from urllib.parse import quote

from fastapi.responses import Response
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request

from unitscope.web.templating import to_json


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


def json_response(values: Any, status: int = 200) -> Response:
    """Return a page's values, or an error, as JSON."""
    return Response(to_json(values), status, media_type="application/json")


def picture_response(request: Request, data: bytes, kind: str) -> Response:
    """Return a picture that a browser may cache, but must revalidate each time."""
    tag = f'"{hashlib.sha256(data).hexdigest()[:20]}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=kind, headers=headers)


def quoted(address: str) -> str:
    """Return an address, quoted for a query string."""
    return quote(address, safe="")
