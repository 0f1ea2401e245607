"""How a planned request becomes an answer: the whole of it, its raw response, or the response with its body unread.

A plan and a reading function come in; what a method returns goes out. Every method is one of the two kinds here:
its answer is one body, or a stream.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from openai_async.transport.message import Response
from openai_async.transport.timer import Timer

from .opening import open_reader, read_answer
from .raw import RawResponse
from .reader import ChunkReader
from .request import Plan, Sender
from .response import ResponseInfo
from .streamed import StreamedResponse

__all__ = ["PlainSending", "Sending", "StreamSending"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Sending(Protocol[T_co]):
    """A request that can be sent, once, in one of three ways.

    All of them raise an `APIError` for whatever goes wrong, and abort the request when they are cancelled.
    """

    async def result(self) -> T_co:
        """Send it and return the answer."""
        ...

    async def raw(self) -> RawResponse[Any]:
        """Send it and return the response, its body read and not looked at."""
        ...

    async def streamed(self) -> StreamedResponse[Any]:
        """Send it and return the response when its head is here."""
        ...


class PlainSending(Generic[T]):
    """A request whose answer is one body.

    Args:
        client: Sends it.
        plan: The request.
        read: What a body and its response mean.
    """

    def __init__(self, client: Sender, plan: Plan, read: Callable[[bytes, ResponseInfo], T]) -> None:
        self._client = client
        self._plan = plan
        self._read = read

    async def result(self) -> T:
        """Send it and return the answer; what turns out to be no answer may be retried."""
        return await self._client._send(self._plan, self._accept)

    async def raw(self) -> RawResponse[T]:
        """Send it and return the response, its body read."""

        async def accept(response: Response, timer: Timer) -> RawResponse[T]:
            info = ResponseInfo.of(response, timer)
            body = await read_answer(response, timer)
            return RawResponse(self._plan, info, timer, body, partial(self._read, body, info))

        return await self._client._send(self._plan, accept)

    async def streamed(self) -> StreamedResponse[T]:
        """Send it and return the response when its head is here."""

        async def accept(response: Response, timer: Timer) -> StreamedResponse[T]:
            return StreamedResponse(self._plan, response, timer, read=self._read)

        return await self._client._send(self._plan, accept)

    async def _accept(self, response: Response, timer: Timer) -> T:
        info = ResponseInfo.of(response, timer)
        return self._read(await read_answer(response, timer), info)


class StreamSending(Generic[T]):
    """A request whose answer is a stream.

    Args:
        client: Sends it.
        plan: The request.
        choices: How many answers it asks for.
        wrap: Makes the stream for the user of its reader.
        keep_data: Whether the reader keeps the JSON of each chunk.
    """

    def __init__(
        self, client: Sender, plan: Plan, wrap: Callable[[ChunkReader], T], *, choices: int, keep_data: bool = False
    ) -> None:
        self._client = client
        self._plan = plan
        self._wrap = wrap
        self._open = partial(open_reader, choices=choices, deviations=client._deviations, keep_data=keep_data)
        if client._hooks is not None and client._hooks.per_chunk:
            from .timed import TimedReader  # noqa: PLC0415 - loaded where a hook asks

            self._open = partial(self._open, kind=TimedReader)

    async def result(self) -> T:
        """Send it and return the stream once its first content is here."""
        return self._wrap(await self._client._send(self._plan, self._open))

    async def raw(self) -> RawResponse[T]:
        """Send it and return the response whose `parse` gives the stream; its first content is here."""
        reader = await self._client._send(self._plan, self._open)
        stream = self._wrap(reader)
        return RawResponse(self._plan, reader.info, reader.timer, None, lambda: stream)

    async def streamed(self) -> StreamedResponse[T]:
        """Send it and return the response when its head is here."""

        async def accept(response: Response, timer: Timer) -> StreamedResponse[T]:
            return StreamedResponse(self._plan, response, timer, open=self._open, wrap=self._wrap)

        return await self._client._send(self._plan, accept)
