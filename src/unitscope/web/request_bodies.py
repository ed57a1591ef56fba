"""The bodies of requests: their size, the memory that they take together, and the time in which they must arrive.

In: an ASGI application. Out: the same, which gets bodies of bounded size only, and of bounded size together. Clients
that send a body slowly are refused after a time that depends on its length.
"""

import asyncio
import re
from dataclasses import dataclass

from starlette.exceptions import HTTPException

from unitscope.errors import BusyError
from unitscope.web.asgi import App, Headers, Receive, Scope, Send, headers_of, refuse
from unitscope.web.memory_budget import MemoryBudget

MAX_FORM, MAX_OTHER = 21_000_000, 1_000_000
"""The largest bodies in bytes: of a form with an uploaded picture, and of others, which are parsed as a whole."""

SECONDS, BYTES_PER_SECOND = 10.0, 100_000.0
"""A body may take these seconds, and longer if it comes at this rate."""


@dataclass(frozen=True, slots=True)
class BodyMiddleware:
    """An application that gets bodies within the bounds.

    Attributes:
        app: the application.
        memory: what the bodies may take together.
        seconds: how long a body may take, if it is short.
    """

    app: App
    memory: MemoryBudget
    seconds: float = SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse its body."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        headers = headers_of(scope)
        if wrong := _wrong(headers):
            await refuse(scope, send, *wrong)
            return
        length = int(headers[b"content-length"])
        try:
            with self.memory.reserve(length):
                await self.app(scope, _in_time(receive, self.seconds + length / BYTES_PER_SECOND), send)
        except BusyError as problem:
            await refuse(scope, send, 429, str(problem))


def _wrong(headers: Headers) -> tuple[int, str] | None:
    """Return the status and reason to refuse a body before reading it; the server enforces the length declared."""
    length = headers.get(b"content-length", "")
    if b"transfer-encoding" in headers or not re.fullmatch(r"\d{1,15}", length):
        return 411, "the request needs a Content-Length header"
    most = MAX_FORM if headers.get(b"content-type", "").startswith("multipart/form-data") else MAX_OTHER
    if int(length) > most:
        return 413, f"at most {most // 1_000_000} MB can be sent, not {int(length) / 1e6:.0f}"
    return None


def _in_time(receive: Receive, seconds: float) -> Receive:
    """Return a function that receives the parts of a body until a deadline, and whatever follows without one."""
    deadline, whole = asyncio.get_running_loop().time() + seconds, False

    async def receiving() -> Scope:
        nonlocal whole
        if whole:
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, f"the body of the request took over {seconds:.0f} s; send it again") from None
        whole = not message.get("more_body", False)
        return message

    return receiving
