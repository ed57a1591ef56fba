"""Slow work in queues of their own: that of the network, pictures, and uploads never delay the pages of the atlas.

In: a function and the request that it is for. Out: what the function returns. Pages run in FastAPI's own threads.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from unitscope.errors import BusyError

T = TypeVar("T")
_CLIENT_LEFT = 499  # as in nginx; nobody gets it
_POLL = 1.0  # seconds between looks at whether a client still waits


class WorkQueue:
    """Runs functions in a few threads, in the order of arrival.

    Attributes:
        name: what the queue does, for messages.
        threads: how many functions run at once.
        waiting: how many functions may wait for a thread.
        length: how many wait or run now.
    """

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self.name, self.threads, self.waiting, self.length = name, threads, waiting, 0
        self._pool = self._threads()
        self._lock = threading.Lock()

    async def run(self, work: Callable[[], T], request: Request) -> T:
        """Return what a function returns; it is not run if the client that sent the request leaves before its turn.

        Raises:
            BusyError: if the queue is full.
        """
        future = self._submit(work, limit=self.threads + self.waiting)
        waiting = asyncio.wrap_future(future)
        while not (await asyncio.wait([waiting], timeout=_POLL))[0]:
            if await request.is_disconnected() and future.cancel():
                raise HTTPException(_CLIENT_LEFT, "the client has left")
        return await waiting

    async def run_always(self, work: Callable[[], T]) -> T:
        """Return what a function returns, however many wait; the caller bounds how many it sends."""
        return await asyncio.wrap_future(self._submit(work, limit=None))

    def _submit(self, work: Callable[[], T], *, limit: int | None) -> "Future[T]":
        with self._lock:
            if limit is not None and self.length >= limit:
                raise BusyError(
                    f"the {self.name} is busy with {self.length} other requests; try again in a few seconds"
                )
            self.length += 1
        future = self._pool.submit(work)
        future.add_done_callback(self._done)
        return future

    def _done(self, _: "Future[Any]") -> None:
        with self._lock:
            self.length -= 1

    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, thread_name_prefix=self.name)  # starts none before there is work

    def drop(self) -> None:
        """Drop the functions that wait, since nobody will get their results."""
        stopped, self._pool = self._pool, self._threads()
        stopped.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class WorkQueues:
    """The queues of a server.

    Attributes:
        network: whatever runs the network, one request at a time, as its session has one lock.
        pictures: thumbnails and pictures; pages ask for many at once.
        uploads: pictures that visitors send.
    """

    network: WorkQueue = field(default_factory=partial(WorkQueue, "network", threads=1, waiting=32))
    pictures: WorkQueue = field(default_factory=partial(WorkQueue, "decoder of pictures", threads=2, waiting=1024))
    uploads: WorkQueue = field(default_factory=partial(WorkQueue, "decoder of uploads", threads=1, waiting=8))

    def drop(self) -> None:
        """Drop all work that waits."""
        for queue in (self.network, self.pictures, self.uploads):
            queue.drop()
