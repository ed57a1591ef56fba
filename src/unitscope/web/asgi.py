"""What the middlewares share: ASGI's types, a request's headers, and refusals.

In: the scope of a request. Out: its headers by name; a response of one sentence.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from unitscope.web.responses import RETRY_AFTER, wants_json

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Mapping[bytes, str]


def headers_of(scope: Scope) -> Headers:
    """Return the headers of a request by lower-case name."""
    return {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def refuse(scope: Scope, send: Send, status: int, message: str) -> None:
    """Answer with one sentence: JSON if the request asks for JSON, else text."""
    as_json = wants_json(scope)
    body = (json.dumps({"title": "Refused", "message": message}) if as_json else message).encode()
    headers = [
        (b"content-type", b"application/json" if as_json else b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    if status == 429:
        headers.append((b"retry-after", str(RETRY_AFTER).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
