"""Open a listening socket, and run the web server on it until it is stopped.

In: an ASGI application, an address. Out: a socket, a uvicorn server.
"""

import asyncio
import socket

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from unitscope.errors import UnitscopeError
from unitscope.web.asgi import App
from unitscope.web.network_routes import MAX_BYTES

MAX_CONNECTIONS = 500
"""More are closed at once; a process can often open about a thousand files."""
SECONDS_TO_ASK, SECONDS_TO_STOP = 10, 5
"""How long a connection may take to send the head of a request, and requests to end when the server stops."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address, so that a taken port is noticed before slow work starts.

    Raises:
        UnitscopeError: if the address can't be used.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as problem:
        why = str(problem.strerror or problem).partition(" (")[0]  # the rest repeats the address
        raise UnitscopeError(
            f"can't listen on {host}:{port}: {why}; give another --host or --port (0 picks a free one)"
        ) from None


class TimedProtocol(H11Protocol):
    """HTTP whose connections are few, and closed if a request does not begin in time, as slow clients hold them."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Watch a new connection, or close it if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.close()
        self.loop.call_later(SECONDS_TO_ASK, self._close_if_idle, None)

    def _close_if_idle(self, last: object) -> None:
        """Close the connection if no request came since that one was answered, or any part of one."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:  # it is a WebSocket now
            return
        answered = self.cycle is None or self.cycle.response_complete
        if answered and self.cycle is last:
            self.transport.close()
        else:
            self.loop.call_later(SECONDS_TO_ASK, self._close_if_idle, self.cycle)


def server(app: App) -> uvicorn.Server:
    """Return a server for an application; run it with sockets."""
    config = uvicorn.Config(
        app,
        http=TimedProtocol,
        log_level="warning",
        ws_max_size=MAX_BYTES,
        ws_max_queue=1,
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_STOP,
    )
    return uvicorn.Server(config)
