"""Open a listening socket, and run the web server on it until it is stopped.

In: an ASGI application, an address. Out: a socket, a uvicorn server.
"""

import socket

import uvicorn

from unitscope.errors import UnitscopeError
from unitscope.web.network_routes import MAX_BYTES
from unitscope.web.security import App


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


def server(app: App) -> uvicorn.Server:
    """Return a server for an application; run it with sockets."""
    config = uvicorn.Config(app, log_level="warning", ws_max_size=MAX_BYTES, ws_max_queue=1, server_header=False)
    return uvicorn.Server(config)
