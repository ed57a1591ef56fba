"""A server behind a proxy: the path that the proxy serves, and what the proxy says in headers.

In: the settings of `serve`, a request. Out: the request with its path below the root path, which links begin with.
Headers of a proxy are believed only if the user asks for it, since any client can send them where there is no proxy.
"""

import logging
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from unitscope.errors import UnitscopeError
from unitscope.web.asgi import App, Headers, Receive, Scope, Send, headers_of

# Traefik and others; Jupyter's proxy, in its newer and older versions; WSGI's proxies.
_PREFIX_HEADERS = (b"x-forwarded-prefix", b"x-forwarded-context", b"x-proxycontextpath", b"x-script-name")
_VALID = re.compile(r"(/[^/\\?#]+)+")
_LOG = logging.getLogger(__name__)
_PAGES = (
    *("class", "compare", "image", "images", "lab", "layer", "live", "maps", "notes", "picture", "picture-of"),
    *("search", "selections", "static", "thumbnail", "unit", "upload"),
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """What is known of a proxy.

    Attributes:
        root_path: the path that it serves, with percent signs decoded and without its last slash; empty for the root.
        trusted: whether its headers are believed: X-Forwarded-Host and X-Forwarded-Prefix.
    """

    root_path: str = ""
    trusted: bool = False

    def forwarded_hosts(self, headers: Headers) -> list[str]:
        """Return the hosts that the proxy was asked for, if its headers are believed."""
        named = headers.get(b"x-forwarded-host", "") if self.trusted else ""
        return [name for part in named.split(",") if (name := part.strip())]

    def root(self, headers: Headers) -> str:
        """Return the root path of a request."""
        return self.root_path or (_prefix(headers) if self.trusted else "")

    def advice(self, headers: Headers) -> str:
        """Return the option that a request needs for its links to work, after a space; empty if it needs none."""
        prefix = _prefix(headers)
        return f" --root-path {quote(prefix)}" if prefix and prefix != self.root(headers) else ""


def parse_root_path(text: str) -> str:
    """Return the root path in an option, as `Proxy` has it.

    Raises:
        UnitscopeError: if it is not a path, or a page of the explorer has its name.
    """
    path = unquote(text).rstrip("/")
    if path and not _is_valid(path):
        raise UnitscopeError(f"--root-path '{text}' is not a path such as /atlas; give the part after the host's name")
    if path and path.split("/")[1] in _PAGES:
        raise UnitscopeError(f"--root-path '{text}' begins as a page of the explorer does; serve another path")
    return path


class RootPathMiddleware:
    """An application whose requests come with or without the root path; proxies do either.

    It logs a note once if a proxy says that it serves another path.
    """

    def __init__(self, app: App, proxy: Proxy) -> None:
        self.app, self.proxy, self._noted = app, proxy, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its path below the root path."""
        if scope["type"] != "lifespan":
            headers = headers_of(scope)
            self._note(self.proxy.advice(headers))
            root = self.proxy.root(headers)
            scope = {**scope, "root_path": root, "path": root + _below(root, scope["path"])}
        await self.app(scope, receive, send)

    def _note(self, advice: str) -> None:
        if advice and not self._noted:
            self._noted = True
            _LOG.warning("note: a proxy serves this under another path, so links do not work; start with%s", advice)


def _below(root: str, path: str) -> str:
    """Return a path without the root path, if it begins with it."""
    if root and (path + "/").startswith(root + "/"):
        return path[len(root) :] or "/"
    return path


def _prefix(headers: Headers) -> str:
    """Return the path that a proxy says it serves, decoded; empty if there is none, or it is not valid."""
    given = next((headers[name] for name in _PREFIX_HEADERS if name in headers), "")
    path = unquote(given).rstrip("/")
    return path if _is_valid(path) else ""


def _is_valid(path: str) -> bool:
    return bool(_VALID.fullmatch(path)) and path.isprintable() and not {".", ".."} & set(path.split("/"))
