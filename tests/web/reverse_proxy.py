"""A small reverse proxy that serves one path of a host, as nginx, Traefik or JupyterHub do."""

import contextlib
import socket
import socketserver
import threading
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ReverseProxy:
    """Passes requests below a path on to a port of this machine; others are not found.

    Attributes:
        port: where the server listens.
        path: the path that is served, without its last slash.
        strip: whether the server gets requests without that path.
        headers: headers that replace those of the client, such as Host.
    """

    port: int
    path: str
    strip: bool = True
    headers: dict[str, str] = field(default_factory=dict)

    def changed(self, head):
        """Return the head of a request as the server gets it."""
        line, *rest = head.split("\r\n")[:-2]
        method, target, version = line.split(" ")
        given = dict(one.split(": ", 1) for one in rest)
        if given.get("Connection", "").lower() != "upgrade":
            given["Connection"] = "close"
        changed = {name.lower() for name in self.headers}
        kept = {name: value for name, value in given.items() if name.lower() not in changed} | self.headers
        target = target.removeprefix(self.path) if self.strip else target
        return "\r\n".join([f"{method} {target} {version}", *(f"{n}: {v}" for n, v in kept.items()), "", ""])


def handler_of(proxy):
    class Handler(socketserver.BaseRequestHandler):
        """Passes on one request and its response, then whatever a WebSocket sends."""

        def handle(self):
            received = b""
            while b"\r\n\r\n" not in received:
                if not (data := self.request.recv(65536)):
                    return
                received += data
            head, _, rest = received.partition(b"\r\n\r\n")
            if not head.split(b" ")[1].startswith(f"{proxy.path}/".encode()):
                self.request.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", proxy.port)) as server:
                server.sendall(proxy.changed(head.decode("latin-1") + "\r\n\r\n").encode("latin-1") + rest)
                up = threading.Thread(target=copy, args=(self.request, server))
                up.start()
                copy(server, self.request)
                up.join()

    return Handler


def copy(source, target):
    """Copy until the source ends, and then end both ways."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxied(proxy):
    """Run a proxy in a thread; yield its address, with the path."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler_of(proxy)) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}{proxy.path}"
        finally:
            server.shutdown()
            thread.join()
