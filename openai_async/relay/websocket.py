"""WebSocket frames of the relay, whatever framework holds the socket.

Batches of a subscription, or payloads of a direct relay, come in; text frames go out: `{"id": CURSOR, "chunk": {...}}`,
spliced and never encoded anew, or bare text. The last one is `{"end": {"status": ...}}`. Frames of the client's are read
meanwhile: `{"stop": true}` stops the answer, `{"after": CURSOR}` says at the beginning where to go on. A stop that does
not get through is answered with `{"stopped": false, "error": {...}}`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import anyio
import msgspec

from openai_async.errors import APIError, OpenAIError, StreamStateError
from openai_async.protocol.chunks import ChunkDecoder
from openai_async.protocol.sse import ServerSentEvent
from openai_async.types.json import is_object

from .direct import DirectRelay
from .log import Batch, End
from .refusal import Refusal
from .watcher import until

__all__ = ["End", "FrameFormat", "FrameSink", "Socket", "SocketGone", "converse", "first_cursor", "hand_on"]

FrameFormat: TypeAlias = Literal["chunk", "text"]
"""`"chunk"`: JSON objects with the chunks as the server sent them; `"text"`: what choice 0 says, bare, nothing else."""

T = TypeVar("T")

# Close codes, RFC 6455, section 7.4.1, and IANA's registry: all is said; not allowed; the service begins anew.
_NORMAL, POLICY, _RESTART = 1000, 1008, 1012
# Seconds that closing may take: the other side may be the reason for it.
GRACE = 1.0
# Bytes that a frame of the client's may have to be looked at: it says little.
_FRAME_SIZE = 4096


class SocketGone(OpenAIError):  # noqa: N818 - leaving is what readers do, no error
    """The other side of a WebSocket left."""


class Socket(Protocol):
    """A WebSocket that was accepted."""

    async def send(self, text: str) -> None:
        """Send one text frame, waiting where the reader is slow.

        Raises:
            SocketGone: The reader left.
        """
        ...

    async def receive(self) -> str:
        """Return the next text frame.

        Raises:
            SocketGone: The reader left.
        """
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close it; nothing happens where it is closed already."""
        ...


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None


_decode = msgspec.json.Decoder(_Chunk).decode


def _sendable(payload: bytes) -> str:
    """A payload as a text frame, which is UTF-8 (RFC 6455, section 5.6); some servers cut characters in two."""
    return payload.decode("utf-8", "replace")


class FrameSink:
    """Writes frames to a socket: the `Sink` of a subscription, and of a direct relay.

    Args:
        socket: Accepted.
        format: See `FrameFormat`.

    Raises:
        ValueError: `format` is neither of the two.
    """

    def __init__(self, socket: Socket, *, format: FrameFormat = "chunk") -> None:
        if format not in ("chunk", "text"):
            raise ValueError(f'format is "chunk" or "text", not {format!r}')
        self._socket = socket
        self._text_only = format == "text"
        self._said = False  # some text was sent
        self._ended = False
        self._odd = ChunkDecoder()  # for what is not as published, characters in two halves among it

    async def send(self, batch: Batch) -> None:
        """Send a batch; `pump` calls it. Cancelling it may leave the rest of the batch unsent.

        Raises:
            SocketGone: The reader left; or reads bare text, which can't say that the answer begins anew.
        """
        if batch.reset:
            await self._reset(batch.epoch)
        if self._text_only:
            await self._say(batch.frames)
            return
        for seq, frame in enumerate(batch.frames, batch.first):
            await self._socket.send(f'{{"id":"{batch.epoch}-{seq}","chunk":{_sendable(frame)}}}')

    async def send_payloads(self, payloads: Iterable[bytes]) -> None:
        """Send payloads that have no cursors: those of a direct relay. Cancels and raises as `send`."""
        if self._text_only:
            await self._say(payloads)
            return
        for payload in payloads:
            await self._socket.send(f'{{"chunk":{_sendable(payload)}}}')

    async def close(self, end: End) -> None:
        """Send the last frame, and close the socket; `pump` calls it."""
        await self.end(end.status, end.error)

    async def end(self, status: str, error: dict[str, Any] | None = None, *, code: int = _NORMAL) -> None:
        """Send `{"end": ...}` and close the socket; nothing happens where the reader has left.

        Args:
            status: How the stream ended; also the reason that the close frame gives.
            error: The API's error object; None: nothing went wrong.
            code: The close frame's.
        """
        end: dict[str, Any] = {"status": status} if error is None else {"status": status, "error": error}
        self._ended = True
        with anyio.move_on_after(GRACE):
            try:
                await self._socket.send(msgspec.json.encode({"end": end}).decode())
            except SocketGone:
                return
            await self._socket.close(code, status)

    async def refuse_stop(self, error: dict[str, Any]) -> None:
        """Say that a stop did not get through so far; bare text can't say it, and nothing is said after the end.

        Args:
            error: The API's error object.

        Raises:
            SocketGone: The reader left.
        """
        if not (self._text_only or self._ended):
            await self._socket.send(msgspec.json.encode({"stopped": False, "error": error}).decode())

    async def _say(self, payloads: Iterable[bytes]) -> None:
        if said := "".join(map(self._text, payloads)):
            self._said = True
            await self._socket.send(said)

    def _text(self, payload: bytes) -> str:
        """What a payload adds to choice 0; an event of another kind adds nothing."""
        chunk: Any
        try:
            chunk = _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            try:
                chunk = self._odd.decode(ServerSentEvent(payload))
            except APIError:
                return ""
        choices = getattr(chunk, "choices", None) or ()
        return "".join(
            choice.delta.content or "" for choice in choices if choice.index == 0 and choice.delta is not None
        )

    async def _reset(self, epoch: int) -> None:
        if not self._text_only:
            await self._socket.send(f'{{"reset":"{epoch}-0"}}')
        elif self._said:
            with anyio.move_on_after(GRACE):
                await self._socket.close(_RESTART, "reset")
            raise SocketGone("The answer begins anew, which bare text can't say: the socket was closed with 1012.")


async def converse(
    socket: Socket,
    work: Callable[[], Awaitable[T]],
    stop: Callable[[], Awaitable[object]] | None,
    stopping: Callable[[], bool] | None = None,
) -> T | None:
    """Do some work while listening to the client; return its result, or None: the client left first, or the server stops.

    Cancelling it, and the client's leaving, cancel the work. A stop that is under way then has `GRACE` seconds more: who
    closes a page has often just stopped the answer.

    Args:
        socket: Nothing else receives from it.
        work: Sends.
        stop: Called for `{"stop": true}`, unless it runs already; None: nobody may. What it raises is raised here.
        stopping: Whether the server was told to stop: the socket is closed with 1012, "come back"; None: nobody knows.
    """
    results: list[T] = []
    failures: list[Exception] = []
    obeying: anyio.CancelScope | None = None  # of the stop that is under way
    async with anyio.create_task_group() as group:

        async def do(part: Callable[[], Awaitable[object]], *, last: bool = True) -> None:
            try:
                await part()
            except SocketGone:
                pass
            except Exception as error:  # noqa: BLE001 - raised below: a task group would wrap it
                failures.append(error)
            finally:
                if obeying is not None and (last or failures):
                    obeying.deadline = anyio.current_time() + (0 if results else GRACE)
            if last or failures:
                group.cancel_scope.cancel()

        async def listen() -> None:
            nonlocal obeying
            while True:
                said = _object(await socket.receive())
                if stop is not None and said.get("stop") is True and obeying is None:
                    obeying = anyio.CancelScope(shield=True)
                    group.start_soon(obey, stop, obeying)

        async def obey(stop: Callable[[], Awaitable[object]], scope: anyio.CancelScope) -> None:
            nonlocal obeying
            with scope:
                await do(stop, last=False)
            obeying = None

        async def part() -> None:
            assert stopping is not None  # else it is not begun
            await until(stopping)
            with anyio.move_on_after(GRACE):
                await socket.close(_RESTART, "the server restarts")

        async def speak() -> None:
            results.append(await work())

        group.start_soon(do, listen)
        if stopping is not None:
            group.start_soon(do, part)
        await do(speak)
    if failures:
        raise failures[0]
    return results[0] if results else None


async def first_cursor(socket: Socket, *, seconds: float) -> str | None:
    """Return what the client's first frame, `{"after": CURSOR}`, says; None: from the start, or it is late.

    Raises:
        SocketGone: The client left.
    """
    with anyio.move_on_after(seconds):
        after = _object(await socket.receive()).get("after")
        return after if isinstance(after, str) else None
    return None


async def hand_on(
    socket: Socket,
    relay: DirectRelay,
    sink: FrameSink,
    *,
    send_timeout: float,
    may_stop: bool,
    stopping: Callable[[], bool],
) -> None:
    """Send a direct relay's answer frame by frame, until it ends, the client stops it, leaves, or does not read.

    Args:
        socket: Accepted.
        relay: Not started, and of payloads.
        sink: Of the socket.
        send_timeout: Seconds that the sends of what came meanwhile may take; 0: no limit.
        may_stop: Whether `{"stop": true}` is obeyed.
        stopping: As `converse` takes it.
    """
    stopped = False

    async def stop() -> None:
        nonlocal stopped
        stopped = not relay.over
        relay.stop()

    async def work() -> None:
        while payloads := await relay.take():
            with anyio.fail_after(send_timeout or None):
                await sink.send_payloads(payloads)
        failure = relay.failure
        if stopped and isinstance(failure, StreamStateError):
            await sink.end("cancelled")
        elif failure is not None:
            await sink.end("error", Refusal.of(failure).error)
        else:
            await sink.end("done")

    relay.start()
    try:
        await converse(socket, work, stop if may_stop else None, stopping)
    except TimeoutError:
        with anyio.move_on_after(GRACE):
            await socket.close(POLICY, "too slow")
    finally:
        await relay.leave()


def _object(text: str) -> dict[str, Any]:
    """A client's frame; empty for what is none of ours."""
    try:
        said: object = msgspec.json.decode(text) if len(text) <= _FRAME_SIZE else None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        said = None
    return said if is_object(said) else {}
