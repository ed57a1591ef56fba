"""Connections of HTTP that slow clients can't hold.

In: a connection. Out: uvicorn's protocol for it, which closes it if no request begins in time, or if the client does
not read its response. `request_bodies` bounds the time of bodies.
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 500
"""More are closed at once; a process can often open about a thousand files."""

SECONDS = 10.0
"""How long the head of a request may take."""

MAX_WAITS = 6
"""A client that is behind with reading a response at so many looks in turn, each after `SECONDS`, is left."""


class TimedProtocol(H11Protocol):
    """HTTP/1.1 on one connection, which is looked at from time to time."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Watch a new connection, or close it if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.close()
        self._look_later(0)

    def _look_later(self, waits: int) -> None:
        self.loop.call_later(SECONDS, self._look, self.cycle, waits)

    def _look(self, last: object, waits: int) -> None:
        """Close the connection if nothing has happened since the last look; ``last`` was its request then."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:  # it is a WebSocket now
            return
        same = self.cycle is last
        waits = waits + 1 if same and self.flow.write_paused else 0
        if waits == MAX_WAITS:
            self.transport.abort()
        elif same and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
        else:
            self._look_later(waits)
