"""A transport that plays a script, for tests of what stands above transports.

A list of outcomes goes in, one for each request: an exception to raise, or a response. It keeps every request and
remembers how each response was left. It sends nothing anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from openai_async.errors import APIConnectionError
from openai_async.transport.message import Request
from openai_async.transport.timer import Timer

__all__ = ["EVENT_STREAM", "ScriptedResponse", "ScriptedTransport"]

EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}

Part = bytes | float | Exception


class ScriptedResponse:
    """A response whose body is a list: bytes to return, seconds to let pass, an exception to raise.

    Args:
        parts: The body. After the last part it ends.
        status: The HTTP status.
        headers: Names in lower case.
        before: Seconds until the head is here.
    """

    def __init__(
        self,
        *parts: Part,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        before: float = 0.0,
    ) -> None:
        self.status = status
        self.headers = {"content-type": "application/json"} if headers is None else headers
        self.before = before
        self.released = 0
        self.closed = 0
        self.reads = 0
        self._parts = list(parts)
        self._gone = asyncio.Event()

    async def read(self) -> bytes:
        """Play the next part."""
        self.reads += 1
        while self._parts and not self.closed:
            part = self._parts[0]
            if isinstance(part, float | int):
                try:
                    async with asyncio.timeout(part):
                        await self._gone.wait()
                except TimeoutError:
                    self._parts.pop(0)
                continue
            self._parts.pop(0)
            if isinstance(part, Exception):
                raise part
            return part
        if self.closed:
            raise APIConnectionError("The response was closed.")
        return b""

    def release(self) -> None:
        """Count it."""
        self.released += 1

    def close(self) -> None:
        """Count it, and end a pause that is being waited for."""
        self.closed += 1
        self._gone.set()


class ScriptedTransport:
    """Plays one outcome a request, in order; a request beyond the last one fails the test.

    Args:
        script: What each request brings.
        phases: Whether the timer is told of phases, as transports should.
    """

    def __init__(self, script: Sequence[ScriptedResponse | Exception], *, phases: bool = True) -> None:
        self._script = list(script)
        self._phases = phases
        self.requests: list[Request] = []
        self.times: list[float] = []
        self.closed = False

    async def send(self, request: Request, timer: Timer) -> ScriptedResponse:
        """Play the next outcome."""
        self.requests.append(request)
        self.times.append(timer.loop.time())
        assert self._script, "a request that the script does not know"
        outcome = self._script.pop(0)
        if self._phases:
            timer.enter("first_token")
        if isinstance(outcome, Exception):
            raise outcome
        with timer:
            await asyncio.sleep(outcome.before)
        return outcome

    async def aclose(self) -> None:
        """Note it."""
        self.closed = True
