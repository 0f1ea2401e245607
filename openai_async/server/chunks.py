"""An answer in pieces: the events of a stream.

A finished completion comes in, or text as it is written; out go encoded events, token by token, the choices in turn.
Joined by the API's rules the pieces are the completion. It never paces, frames or spoils them; `streams` and `faults`
do.
"""

from __future__ import annotations

from contextlib import aclosing
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal

import anyio
import msgspec

from .completions import Cutter, Draft, complete, head_of
from .dice import Dice
from .tokens import split_tokens

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

__all__ = ["DONE", "Event", "close_source", "events_of", "live_events"]

_encode = msgspec.json.Encoder().encode
_LONGEST_CLOSE = 1.0  # seconds that a responder has to stop writing
_BLOCK = 16  # obfuscation fills a token up to a multiple of this many characters
_AUDIO_PIECE = 4_000  # base64 characters in one event; a multiple of 4, so that the pieces join into valid base64


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event of a stream, encoded.

    Attributes:
        kind: What it brings: a choice's `role`, a `token`, its `finish`, the `tail` (usage) or the end, `done`.
        data: The JSON text.
    """

    kind: Literal["role", "token", "finish", "tail", "done"]
    data: bytes


DONE = Event("done", b"[DONE]")

# One step of a choice: its kind, delta, and log probabilities.
_Step = tuple[Literal["role", "token", "finish"], dict[str, Any], dict[str, Any] | None]


class _Writer:
    """Writes the chunks of one answer."""

    def __init__(self, request: dict[str, Any], head: dict[str, Any]) -> None:
        options: dict[str, Any] = request.get("stream_options") or {}
        self._head = {**head, "object": "chat.completion.chunk"}
        self._usage = bool(options.get("include_usage"))
        self._padding = Dice.of(head["id"], "obfuscation") if options.get("include_obfuscation") else None

    def step(self, index: int, step: _Step) -> Event:
        kind, delta, logprobs = step
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}
        return self._event(kind, [choice])

    def finish(self, index: int, reason: str) -> Event:
        return self._event("finish", [{"index": index, "delta": {}, "logprobs": None, "finish_reason": reason}])

    def tail(self, completion: dict[str, Any]) -> Iterator[Event]:
        """What follows the choices: the moderation, and the usage, if they were asked for."""
        if "moderation" in completion:
            yield self._event("tail", [], moderation=completion["moderation"])
        if self._usage:
            yield self._event("tail", [], usage=completion["usage"])
        yield DONE

    def _event(self, kind: Literal["role", "token", "finish", "tail"], choices: list[Any], **more: Any) -> Event:
        chunk = {**self._head, "choices": choices}
        if self._usage:
            chunk["usage"] = None
        chunk.update(more)
        if self._padding is not None and choices:
            length = sum(len(text) for text in choices[0]["delta"].values() if isinstance(text, str))
            chunk["obfuscation"] = self._padding.letters(_BLOCK - length % _BLOCK)
        return Event(kind, _encode(chunk))


def events_of(request: dict[str, Any], completion: dict[str, Any]) -> Iterator[Event]:
    """Cut a finished completion into the events of a stream, `DONE` at the end.

    Args:
        request: The request, for its `stream_options`.
        completion: The answer that a plain call would get.
    """
    names = ("id", "created", "model", "service_tier", "system_fingerprint")
    writer = _Writer(request, {name: completion[name] for name in names if name in completion})
    choices: list[dict[str, Any]] = completion["choices"]
    for round_ in zip_longest(*map(_steps, choices)):
        for choice, step in zip(choices, round_, strict=True):
            if step is None:
                continue  # this choice is over, another is not
            if step[0] == "finish":
                yield writer.finish(choice["index"], choice["finish_reason"])
            else:
                yield writer.step(choice["index"], step)
    yield from writer.tail(completion)


def _steps(choice: dict[str, Any]) -> Iterator[_Step]:
    """The steps of one choice, its finish at the end."""
    message: dict[str, Any] = choice["message"]
    calls: list[dict[str, Any]] = message.get("tool_calls") or []
    logprobs: dict[str, Any] | None = choice.get("logprobs")
    yield "role", _first_delta(message, calls), _first_logprobs(message, logprobs)
    for name in ("content", "refusal"):
        entries: list[dict[str, Any]] = (logprobs or {}).get(name) or []
        for at, token in enumerate(split_tokens(message.get(name) or "")):
            yield "token", {name: token}, {"content": None, "refusal": None, name: [entries[at]]} if entries else None
    for at, call in enumerate(calls):
        yield from _call_steps(at, call, opened=len(calls) == 1)
    if message.get("function_call"):
        for token in split_tokens(message["function_call"]["arguments"]):
            yield "token", {"function_call": {"arguments": token}}, None
    if message.get("audio"):
        yield from _audio_steps(message["audio"])
    if message.get("annotations"):
        yield "token", {"annotations": message["annotations"]}, None
    yield "finish", {}, None


def _first_delta(message: dict[str, Any], calls: list[dict[str, Any]]) -> dict[str, Any]:
    delta: dict[str, Any] = {"role": "assistant"}
    # The API opens text with an empty string, and says null where something else follows.
    delta["content"] = None if message.get("content") is None else ""
    delta["refusal"] = None if message.get("refusal") is None else ""
    if len(calls) == 1:
        delta["tool_calls"] = [_opening(0, calls[0])]
    if message.get("function_call"):
        delta["function_call"] = {"name": message["function_call"]["name"], "arguments": ""}
    if message.get("audio"):
        delta["audio"] = {"id": message["audio"]["id"], "transcript": ""}
    return delta


def _first_logprobs(message: dict[str, Any], logprobs: dict[str, Any] | None) -> dict[str, Any] | None:
    if logprobs is None:
        return None
    return {name: None if message.get(name) is None else [] for name in ("content", "refusal")}


def _opening(at: int, call: dict[str, Any]) -> dict[str, Any]:
    kind: str = call["type"]
    field = "arguments" if kind == "function" else "input"
    return {"index": at, "id": call["id"], "type": kind, kind: {"name": call[kind]["name"], field: ""}}


def _call_steps(at: int, call: dict[str, Any], *, opened: bool) -> Iterator[_Step]:
    kind: str = call["type"]
    field = "arguments" if kind == "function" else "input"
    if not opened:
        yield "token", {"tool_calls": [_opening(at, call)]}, None
    for token in split_tokens(call[kind][field]):
        yield "token", {"tool_calls": [{"index": at, kind: {field: token}}]}, None


def _audio_steps(audio: dict[str, Any]) -> Iterator[_Step]:
    for token in split_tokens(audio["transcript"]):
        yield "token", {"audio": {"transcript": token}}, None
    for start in range(0, len(audio["data"]), _AUDIO_PIECE):
        yield "token", {"audio": {"data": audio["data"][start : start + _AUDIO_PIECE]}}, None
    yield "token", {"audio": {"expires_at": audio["expires_at"]}}, None


async def live_events(
    request: dict[str, Any],
    pieces: AsyncIterator[str],
    *,
    created: int | None = None,
    id: str | None = None,
    finished: Callable[[dict[str, Any]], None] | None = None,
) -> AsyncGenerator[Event]:
    """Turn text that is still being written into the events of a stream.

    One event per piece and choice; every choice says the same. The text ends at a stop sequence or the token limit,
    and then no further piece is asked for.

    Args:
        request: The request.
        pieces: The text; closed at the end, and when this iterator is closed before it.
        created: As in `head_of`.
        id: As in `head_of`.
        finished: Called with the completion that was sent once the text is over; None: nobody needs to know.
    """
    writer = _Writer(request, head_of(request, created=created, id=id))
    choices = range(request.get("n", 1))
    cutter = Cutter(request)
    said: list[str] = []
    for index in choices:
        yield writer.step(index, ("role", {"role": "assistant", "content": "", "refusal": None}, None))
    async with aclosing(_cut(pieces, cutter)) as texts:
        async for text in texts:
            said.append(text)
            for index in choices:
                yield writer.step(index, ("token", {"content": text}, None))
    for index in choices:
        yield writer.finish(index, cutter.reason or "stop")
    draft = Draft(content="".join(said), finish_reason=cutter.reason)
    completion = complete(request, [draft for _ in choices], created=created, id=id)
    if finished is not None:
        finished(completion)
    for event in writer.tail(completion):
        yield event


async def _cut(pieces: AsyncIterator[str], cutter: Cutter) -> AsyncGenerator[str]:
    try:
        async for piece in pieces:
            text = cutter.feed(piece)
            if text:
                yield text
            if cutter.reason is not None:
                return
        text = cutter.end()
        if text:
            yield text
    finally:
        await close_source(pieces)


async def close_source(pieces: AsyncIterator[str]) -> None:
    """Tell whoever writes the pieces to stop, if it can be told; bounded, and not to be cancelled."""
    close = getattr(pieces, "aclose", None)
    if close is not None:
        # The client may have left: then everything here is cancelled, but a model must still be told to stop.
        with anyio.move_on_after(_LONGEST_CLOSE, shield=True):
            await close()
