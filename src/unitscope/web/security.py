"""Request checks and security headers: allowed hosts and origins, body size, content security policy.

In: an ASGI application. Out: the same behind checks of Host and Origin, and with security headers.
Another site open in the browser must not read an atlas or run the network. So requests, including WebSockets, are
refused unless they name an allowed host and come from one of our own pages.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOCAL = frozenset({"127.0.0.1", "localhost", "[::1]"})

MAX_BYTES = 21_000_000
"""The largest body of a request: an uploaded picture with its form."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
)


@dataclass(frozen=True, slots=True)
class SecurityMiddleware:
    """An application behind the checks.

    Attributes:
        app: the application.
        hosts: host names, without port, that requests may use; empty allows any.
        max_bytes: the largest body of a request.
    """

    app: App
    hosts: frozenset[str] = LOCAL
    max_bytes: int = MAX_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(headers, websocket=scope["type"] == "websocket", method=scope.get("method", "GET"))
        if refusal and scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
        elif refusal:
            await _refuse(send, 403, refusal)
        elif scope["type"] == "http" and (wrong := self._wrong_body(headers, scope["method"])):
            await _refuse(send, *wrong)
        else:
            await self.app(scope, receive, _with_headers(send))

    def _refusal(self, headers: dict[bytes, str], *, websocket: bool, method: str) -> str:
        host = headers.get(b"host", "")
        if self.hosts and _name(host) not in self.hosts:
            name = _name(host) or "NAME"
            return f"requests for the host '{host}' are refused; start the server with --allow-host {name}"
        if headers.get(b"sec-fetch-site") == "cross-site" and headers.get(b"sec-fetch-mode") != "navigate":
            return "requests from other sites are refused; only links to this site are allowed"
        origin = headers.get(b"origin")
        if origin is None:
            return "the WebSocket request has no Origin header" if websocket else ""
        if _netloc(origin) != host and (websocket or method not in ("GET", "HEAD")):
            return f"requests from '{origin}' are refused"
        return ""

    def _wrong_body(self, headers: dict[bytes, str], method: str) -> tuple[int, str] | None:
        """Return the status and reason to refuse a body before reading it; the server enforces the length declared."""
        if method in ("GET", "HEAD", "OPTIONS"):
            return None
        length = headers.get(b"content-length", "")
        if b"transfer-encoding" in headers or not re.fullmatch(r"\d{1,15}", length):
            return 411, "the request needs a Content-Length header"
        if int(length) > self.max_bytes:
            return 413, f"at most {self.max_bytes // 1_000_000} MB can be sent, not {int(length) / 1e6:.0f}"
        return None


def _name(host: str) -> str:
    """Return a host in lower case, without its port."""
    return (host.rsplit("]", 1)[0] + "]" if host.startswith("[") else host.rsplit(":", 1)[0]).lower()


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # not a valid address
        return ""


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *_HEADERS]
        await send(message)

    return sending


async def _refuse(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *_HEADERS]})
    await send({"type": "http.response.body", "body": body})
