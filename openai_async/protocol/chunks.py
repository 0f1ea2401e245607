"""What an event means: a chunk of the answer, the end, an error, or nothing.

Events come in, one `ChatCompletionChunk` each goes out; an error inside the stream is raised as the class it stands
for. This module never joins chunks: it remembers only what decoding the next one needs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec import UNSET

from openai_async.errors import StreamProtocolError
from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.json import is_array, is_object

from . import codec, failures
from .sse import ServerSentEvent
from .text import HALF, whole_characters

__all__ = ["DONE", "ChunkDecoder", "Done", "as_chunk", "has_payload"]


class Done:
    """The type of `DONE`."""

    def __repr__(self) -> str:
        return "DONE"


DONE: Final = Done()
"""What `ChunkDecoder.decode` returns for `data: [DONE]`: the stream is complete."""

# Names that vendors give to ordinary chunks; an event of another name may be a ping with any data.
_CHUNK_NAMES = frozenset({None, "message", "chunk", "completion", "data", "delta", "chat.completion.chunk"})

# Characters that tell of a deviation.
_DEVIATION_SIZE = 200

_choices = attrgetter("choices")

# After two refusals in a row the strict decoder is only asked every 16th time: asking in vain costs 1.4 µs.
_STREAK, _ASK_AGAIN = 2, 16


class ChunkDecoder:
    """Turns the events of one stream into chunks.

    Args:
        headers: The response's headers, names in lower case, for the errors raised; None: there was no response.

    Attributes:
        deviation: Where the stream first left the published schema (an unknown field, another type), in msgspec's
            words; None: nowhere yet. Such chunks are read by the lenient second pass, without loss.
    """

    __slots__ = ("_halves", "_headers", "_refusals", "_strict", "deviation")

    def __init__(self, *, headers: Mapping[str, str] | None = None) -> None:
        self.deviation: str | None = None
        self._headers = headers or {}
        self._strict = codec.strict_decoder(ChatCompletionChunk).decode
        self._refusals = 0  # in a row
        self._halves: dict[tuple[object, ...], str] = {}  # surrogates whose other half is to come, by place

    def decode_plain(self, lines: list[bytes]) -> list[ChatCompletionChunk]:
        """Return the chunks that these events' data say, as far as they keep to the published schema.

        Where they don't, or one is no chunk, the rest is for `decode`, event by event. One loop in C for a whole read.

        Args:
            lines: The data of events that have nothing else.
        """
        chunks: list[ChatCompletionChunk] = []
        if self._refusals or self._halves:
            return chunks
        try:  # noqa: SIM105 - `suppress` takes 1 µs more, and there may be but one line
            chunks.extend(map(self._strict, lines))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # those before it are in the list
        if not all(map(_choices, chunks)):  # an error can look like a chunk without choices
            for place, chunk in enumerate(chunks):
                if chunk.object == "error" and not chunk.choices:
                    return chunks[:place]
        return chunks

    def decode(self, event: ServerSentEvent) -> ChatCompletionChunk | Done | None:
        """Return what `event` says.

        Returns:
            A chunk; `DONE`; or None for an event without meaning, such as a keep-alive with data.

        Raises:
            APIError: The event is an error; the class is the one its code or type stands for.
            StreamProtocolError: The data is no JSON object, though nothing marks the event as a keep-alive.
        """
        strange: str | None = None  # the text alone: an error holds this frame, and the frame the error
        if event.event is None and not self._halves and (self._refusals < _STREAK or self._ask_again()):
            try:
                chunk = self._strict(event.data)
            except msgspec.ValidationError as refusal:
                self._refusals += 1
                strange = str(refusal)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass
            else:
                self._refusals = 0
                if chunk.choices or chunk.object != "error":
                    return chunk
        meant = self._second_pass(event)
        if strange is not None and self.deviation is None and isinstance(meant, ChatCompletionChunk):
            self.deviation = whole_characters(strange)[:_DEVIATION_SIZE]  # it names the key, of any length
        return meant

    def _ask_again(self) -> bool:
        self._refusals += 1
        return self._refusals % _ASK_AGAIN == 0

    def _second_pass(self, event: ServerSentEvent) -> ChatCompletionChunk | Done | None:
        data = event.data.strip()
        if data == b"[DONE]":
            return DONE
        if not data and event.event != "error":
            return None
        payload = self._payload(event)
        if event.event == "error":
            raise failures.from_event(payload, headers=self._headers)
        if not is_object(payload):
            return None
        error = failures.stream_error(payload, event.event)
        if error is not None:
            raise failures.from_event(error, headers=self._headers)
        if event.event not in _CHUNK_NAMES and payload.keys().isdisjoint(("choices", "usage", "id")):
            return None
        return as_chunk(payload)

    def _payload(self, event: ServerSentEvent) -> Any:
        """The event's JSON object; for an error whatever it says; None for a keep-alive whose data is no JSON."""
        try:
            payload = self._loads(event.data)
        except ValueError as error:
            if event.event == "error":
                return event.data.decode("utf-8", "replace")
            if event.event not in _CHUNK_NAMES:
                return None
            raise self._malformed(event, f"is no JSON ({error})") from error
        if not is_object(payload) and event.event in _CHUNK_NAMES:
            raise self._malformed(event, "is no JSON object")
        return payload

    def _loads(self, data: bytes) -> Any:
        if not self._halves:
            try:
                return codec.loads_strictly(data)
            except ValueError:
                pass  # perhaps what only the lenient parser reads
        payload = self._join_halves(codec.loads_leniently(data), ())
        if self._halves and is_object(payload) and is_array(choices := payload.get("choices")):
            waiting: dict[object, list[Any]] = {}  # the names of each choice's texts that wait for another half
            for place in self._halves:
                if len(place) == 4 and place[::2] == ("choices", "delta"):
                    waiting.setdefault(place[1], []).append(place[3])
            for at, choice in enumerate(choices):
                if is_object(choice) and choice.get("finish_reason"):
                    index = _index(choice, at)
                    self._give_up_halves(choice, index, waiting.pop(index, ()))
        return payload

    def _malformed(self, event: ServerSentEvent, what: str) -> StreamProtocolError:
        sample = event.data[:512].decode("utf-8", "replace")
        return StreamProtocolError(
            f"An event of the stream {what}: {sample[:100]!r}",
            headers=dict(self._headers),
            request_id=self._headers.get("x-request-id"),
            body=sample,
        )

    def _join_halves(self, value: Any, place: tuple[object, ...]) -> Any:
        """Return `value` with every string valid: halves of a surrogate pair joined over events, else U+FFFD."""
        if isinstance(value, str):
            text = self._halves.pop(place, "") + value
            if HALF.search(text):
                if "\ud800" <= text[-1] <= "\udbff":
                    self._halves[place] = text[-1]
                    text = text[:-1]
                text = whole_characters(text)
            return text
        if is_object(value):
            named = ((whole_characters(key), item) for key, item in value.items())
            return {name: self._join_halves(item, (*place, name)) for name, item in named}
        if is_array(value):
            return [self._join_halves(item, (*place, _index(item, at))) for at, item in enumerate(value)]
        return value

    def _give_up_halves(self, choice: dict[str, Any], index: int, names: Collection[str]) -> None:
        """Put U+FFFD for the halves that a choice's deltas, under these names, still wait for: it ends with this chunk."""
        delta: Any = choice.get("delta") or {}
        if names and is_object(delta):
            for name in names:
                del self._halves["choices", index, "delta", name]
                text = delta.get(name) or ""
                delta[name] = f"{text}\ufffd" if isinstance(text, str) else text
            choice["delta"] = delta


def _index(item: Any, position: int) -> int:
    """What names a list's member over events: its `index`, as choices and tool calls have, or its position."""
    index = item.get("index") if is_object(item) else None
    return index if isinstance(index, int) else position


def as_chunk(payload: dict[str, Any]) -> ChatCompletionChunk:
    """Return a decoded object as a chunk; a plain completion becomes the one chunk that says it all.

    Some servers ignore `stream`, some end a stream with the whole completion: its messages become deltas.

    Args:
        payload: The JSON object of a chunk or of a completion. It is not changed.
    """
    choices = payload.get("choices")
    if is_array(choices) and any(is_object(choice) and "message" in choice for choice in choices):
        deltas = [_as_delta(choice) if is_object(choice) else choice for choice in choices]
        payload = {**payload, "object": "chat.completion.chunk", "choices": deltas}
    return ChatCompletionChunk.from_dict(payload)


def _as_delta(choice: dict[str, Any]) -> dict[str, Any]:
    if "message" not in choice or "delta" in choice:
        return choice
    fields = dict(choice)
    message = fields.pop("message")
    if is_object(message) and is_array(calls := message.get("tool_calls")):
        numbered = [{"index": index, **call} if is_object(call) else call for index, call in enumerate(calls)]
        message = {**message, "tool_calls": numbered}
    return {**fields, "delta": message}


def has_payload(chunk: ChatCompletionChunk) -> bool:
    """Whether the chunk carries anything of the answer: more than a role, metadata or usage."""
    for choice in chunk.choices:
        delta = choice.delta
        if delta.content or delta.tool_calls or choice.finish_reason or delta.refusal or delta.audio:
            return True
        if delta.function_call or delta.annotations or (delta._extra is not UNSET and any(delta._extra.values())):
            return True
    return False
