"""One stream, read as its script says: by this view, to its end, to where the client leaves, or until it is cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

from openai_async import AsyncOpenAI, Timeout
from openai_async.errors import OpenAIError

from .judge import Seen
from .script import Script
from .server import STREAM_HEADER

__all__ = ["read"]

_STALL = 1.0  # seconds, of a limit that passes
_PATIENCE = 0.2  # seconds after which a client leaves that waits for the first token


async def read(client: AsyncOpenAI, script: Script, *, patience: float) -> Seen:
    """Ask for a stream and read it; return what came of it, whatever that is.

    Args:
        client: Whose limits pass in no stream.
        script: Of the stream.
        patience: Seconds in which an answer has begun, however busy the machine is.
    """
    if script.expected.phase is not None:
        client = client.with_options(timeout=_limits(script.expected.phase, patience))
    if not script.cancels:
        return await _read(client, script)
    # A cancellation is something that others do to a task.
    seen, reached = Seen(), asyncio.Event()
    task = asyncio.create_task(_read(client, script, seen, reached))
    if script.leave_after is None:
        await asyncio.sleep(_PATIENCE)
    else:
        await reached.wait()
    task.cancel()
    await asyncio.wait([task])
    if task.cancelled():
        seen.error = asyncio.CancelledError()
        return seen
    return task.result()


def _limits(phase: str, patience: float) -> Timeout:
    """Limits of which one passes."""
    if phase == "first_token":
        return Timeout(connect=60, first_token=_STALL)
    if phase == "idle":
        return Timeout(connect=60, first_token=120, idle=_STALL)
    return Timeout(connect=60, first_token=120, idle=120, total=patience)


async def _read(
    client: AsyncOpenAI, script: Script, seen: Seen | None = None, reached: asyncio.Event | None = None
) -> Seen:
    seen = Seen() if seen is None else seen
    call: Any = client.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": str(script.number)}],
        stream=True,
        extra_headers={STREAM_HEADER: str(script.number)},
        **script.params,
    )
    try:
        async with call as stream:
            try:
                await _view(stream, script, seen, reached)
            finally:
                seen.completion = stream.snapshot
                seen.retries = stream.response.retries_taken
                seen.chunks = stream._reader.accumulator.chunks
    except OpenAIError as error:
        seen.error = error
    finally:
        if reached is not None:
            reached.set()  # so that nobody waits for what will not be reached
    return seen


async def _view(stream: Any, script: Script, seen: Seen, reached: asyncio.Event | None) -> None:
    if script.view == "chunks":
        await _chunks(stream, script, seen, reached)
    elif script.view == "text":
        seen.text = "".join([piece async for piece in stream.text()])
    elif script.view == "events":
        seen.text = "".join([event.delta async for event in stream.events() if _is_text(event)])
    elif script.view == "batches":
        seen.text = "".join([chunk.text async for batch in stream.batches() for chunk in batch])
    elif script.view == "raw":
        async for _ in stream.raw():
            pass
    else:
        await stream.final()


def _is_text(event: Any) -> bool:
    return event.type == "content.delta" and event.choice_index == 0


async def _chunks(stream: Any, script: Script, seen: Seen, reached: asyncio.Event | None) -> None:
    pieces: list[str] = []
    count = 0
    async for chunk in stream:
        pieces.append(chunk.text)
        count += 1
        if script.pace:
            await asyncio.sleep(script.pace)
        if count == script.leave_after:
            if reached is None:
                break
            reached.set()
    seen.text = "".join(pieces)
