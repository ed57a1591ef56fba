"""A small reverse proxy that serves one path of a host, as nginx, Traefik or JupyterHub do."""

import asyncio
import contextlib
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

    async def serve_client(self, reader, writer):
        """Pass on one request and its response, then whatever a WebSocket sends."""
        async with closing(writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            if not head.split(" ")[1].startswith(f"{self.path}/"):
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
                return
            answers, server = await asyncio.open_connection("127.0.0.1", self.port)
            async with closing(server):
                server.write(self._changed(head).encode("latin-1"))
                sent = asyncio.create_task(copied(reader, server))
                await copied(answers, writer)
                sent.cancel()

    def _changed(self, head):
        line, *rest = head.split("\r\n")[:-2]
        method, target, version = line.split(" ")
        given = dict(one.split(": ", 1) for one in rest)
        if given.get("Connection", "").lower() != "upgrade":
            given["Connection"] = "close"
        changed = {name.lower() for name in self.headers}
        kept = {name: value for name, value in given.items() if name.lower() not in changed} | self.headers
        target = target.removeprefix(self.path) if self.strip else target
        return "\r\n".join([f"{method} {target} {version}", *(f"{n}: {v}" for n, v in kept.items()), "", ""])


@contextlib.asynccontextmanager
async def closing(writer):
    """Close a connection at the end, whatever happened to it."""
    try:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            yield
    finally:
        writer.close()


async def copied(reader, writer):
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@contextlib.contextmanager
def proxied(proxy):
    """Run a proxy in a thread; yield its address, with the path."""
    running, started = [], threading.Event()

    async def run():
        server = await asyncio.start_server(proxy.serve_client, "127.0.0.1", 0)
        running.extend([asyncio.get_running_loop(), asyncio.current_task(), server.sockets[0].getsockname()[1]])
        started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert started.wait(30)
    loop, task, port = running
    try:
        yield f"http://127.0.0.1:{port}{proxy.path}"
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
