"""A time for each request to arrive, so that slow callers cannot wear a Hub out.

A connection that sends its request a byte at a time is closed after a while, and a body that stops
coming is given up; neither holds others up meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from palrs_hub.local_hub import limits
from palrs_hub.local_hub.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request


class HurriedProtocol(H11Protocol):
    """HTTP whose connections are closed if a request's head does not arrive in time."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as the base declares it
        """Wait for the first request, but not for ever."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Once a head is complete, the body has a time of its own."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()
        elif self._late is None and (self.cycle is None or self.cycle.response_complete):
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._late = self.loop.call_later(limits.HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


async def body_of(request: Request) -> AsyncIterator[bytes]:
    """The parts of a body, each of which has to come soon after the last.

    Raises:
        Refusal: It stopped coming, or comes too slowly.
    """
    stream = request.stream().__aiter__()
    end = time.monotonic() + limits.BODY_SECONDS
    received = 0
    while True:
        try:
            part = await asyncio.wait_for(anext(stream), limits.BODY_PAUSE_SECONDS)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Refusal(408, "The body of this request stopped coming. Send it again.") from None
        received += len(part)
        if time.monotonic() > end + received / limits.SLOWEST_BYTES_PER_SECOND:
            raise Refusal(408, "The body of this request comes too slowly. Send it again.")
        yield part
