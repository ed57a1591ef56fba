"""Request checks and security headers: allowed hosts and origins, content security policy.

In: an ASGI application. Out: the same behind checks of Host and Origin, and with security headers.
Another site open in the browser must not read an atlas or run the network. So requests, including WebSockets, are
refused unless they name an allowed host and come from one of our own pages.
"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from unitscope.web.asgi import App, Headers, Receive, Scope, Send, headers_of, refuse
from unitscope.web.proxy import Proxy

LOCAL = frozenset({"127.0.0.1", "localhost", "[::1]"})
_MACHINE = LOCAL | {"0.0.0.0", "[::]"}  # other servers of this machine have pages too

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
        proxy: what a proxy in front of the server may say.
    """

    app: App
    hosts: frozenset[str] = LOCAL
    proxy: Proxy = field(default_factory=Proxy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(headers_of(scope), scope)
        if refusal and scope["type"] == "websocket":
            await receive()
            await send(
                {"type": "websocket.close", "code": 1008, "reason": refusal.encode("ascii", "replace")[:120].decode()}
            )
        elif refusal:
            await refuse(scope, _with_headers(send), 403, refusal)
        else:
            await self.app(scope, receive, _with_headers(send))

    def _refusal(self, headers: Headers, scope: Scope) -> str:
        names = [headers.get(b"host", ""), *self.proxy.forwarded_hosts(headers)]
        if wrong := [name for name in names if self.hosts and _name(name) not in self.hosts]:
            return (
                f"requests for the host '{wrong[0]}' are refused; start the server with "
                f"--allow-host {_name(wrong[0]) or 'NAME'}{self.proxy.advice(headers)}"
            )
        if headers.get(b"sec-fetch-site") == "cross-site" and headers.get(b"sec-fetch-mode") != "navigate":
            return "requests from other sites are refused; only links to this site are allowed"
        return self._wrong_origin(headers, names, scope)

    def _wrong_origin(self, headers: Headers, names: list[str], scope: Scope) -> str:
        """Return why the Origin is refused: it must be the host asked for, or a host that the user has named."""
        origin, websocket = headers.get(b"origin"), scope["type"] == "websocket"
        if origin is None:
            return "the WebSocket request has no Origin header" if websocket else ""
        own = _netloc(origin)
        if own in names or (own and _name(own) in self.hosts - _MACHINE):
            return ""
        if not websocket and scope["method"] in ("GET", "HEAD"):
            return ""
        return (
            f"requests from '{origin}' are refused; if that is this server behind a proxy, "
            f"start it with --allow-host {_name(own) or 'NAME'}, or let the proxy pass on the Host header"
        )


def host_name(given: str) -> str:
    """Return the name in a host as a user gives it: with a scheme, a port, a path, or an IPv6 address as it stands."""
    host = given.partition("://")[2].partition("/")[0] if "://" in given else given.rstrip("/")
    bare = ":" in host and not host.startswith("[") and host.count(":") > 1
    return f"[{host}]".lower() if bare else _name(host)


def _name(host: str) -> str:
    """Return a host in lower case, without its port."""
    return (host.rsplit("]", 1)[0] + "]" if host.startswith("[") else host.rsplit(":", 1)[0]).lower()


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # not a valid address
        return ""


def _with_headers(send: Send) -> Send:
    async def sending(message: Scope) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *_HEADERS]
        await send(message)

    return sending
