"""Open a listening socket, and run the web server on it until it is stopped.

In: an ASGI application, an address. Out: a socket, a uvicorn server.
"""

import socket

import uvicorn

from unitscope.errors import UnitscopeError
from unitscope.web.asgi import App
from unitscope.web.connections import TimedProtocol
from unitscope.web.live_routes import MAX_FRAME_BYTES

SECONDS_TO_STOP = 5
"""How long requests may take to end when the server stops."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address, so that a taken port is noticed before slow work starts.

    Raises:
        UnitscopeError: if the address can't be used.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family)
    except OSError as problem:
        why = str(problem.strerror or problem).partition(" (")[0]  # the rest repeats the address
        raise UnitscopeError(
            f"can't listen on {host}:{port}: {why}; give another --host or --port (0 picks a free one)"
        ) from None
    # Connections inherit it. Without it, all responses of a connection but the first wait 40 ms for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def server(app: App) -> uvicorn.Server:
    """Return a server for an application; run it with sockets."""
    config = uvicorn.Config(
        app,
        http=TimedProtocol,
        log_level="warning",
        ws_max_size=MAX_FRAME_BYTES,
        ws_max_queue=1,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_STOP,
    )
    return uvicorn.Server(config)
