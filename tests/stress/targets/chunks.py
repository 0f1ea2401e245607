"""`ChunkDecoder`, `ChatCompletionAccumulator` and `EventBuilder`: a stream's bytes to its completion, without a loop."""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from random import Random
from typing import Any, NamedTuple

from support.fold import clean, fold
from support.sse_cases import naive

from openai_async.errors import APIError
from openai_async.protocol import codec
from openai_async.protocol.chunks import DONE, ChunkDecoder
from openai_async.protocol.events import EventBuilder
from openai_async.protocol.snapshot import ChatCompletionAccumulator
from openai_async.protocol.sse import EventParser
from openai_async.types.chat import ChatCompletion, ChatCompletionChunk
from stress.inputs.seeds import stream_bytes, sure_stream
from stress.inputs.words import pieces

from .target import Target, check_error, finite, same

__all__ = ["CHUNKS", "FOLD", "check_completion"]


class _Reading(NamedTuple):
    """What came of a stream: its chunks, the completion, and the error's class and message, or "done", or ""."""

    chunks: list[ChatCompletionChunk]
    completion: ChatCompletion
    ending: tuple[str, str]


def _read(parts: list[bytes], look: Random | None = None) -> _Reading:
    """Read a stream; `look`: now and then look at the completion so far, which must change nothing."""
    parser, decoder, accumulator = EventParser(), ChunkDecoder(), ChatCompletionAccumulator()
    chunks: list[ChatCompletionChunk] = []
    looks: list[tuple[ChatCompletion, str]] = []
    ending = ("", "")
    try:
        for part in parts:
            for event in parser.feed(part):
                chunk = decoder.decode(event)
                if chunk is DONE:
                    ending = ("done", "")
                    break
                if chunk is not None:
                    accumulator.add(chunk)
                    chunks.append(chunk)
                    if look is not None and look.random() < 0.3:
                        seen = accumulator.completion()
                        looks.append((seen, repr(seen)))
            if ending[0]:
                break
    except APIError as error:
        check_error(error)
        ending = (type(error).__name__, str(error))
    assert all(repr(seen) == was for seen, was in looks), "a completion changed after it was looked at"
    return _Reading(chunks, accumulator.completion(), ending)


def _check(data: bytes, rng: Random) -> str:
    whole = _read([data])
    for looks in (None, rng):
        cut = _read(pieces(data, rng, 30), looks)
        assert same(cut.chunks, whole.chunks), "another cut, other chunks"
        assert same(cut.completion, whole.completion), "another cut, another completion"
        assert cut.ending == whole.ending, f"another cut, another end: {cut.ending} {whole.ending}"
    check_completion(whole.completion)
    for chunk in whole.chunks:
        assert same(ChatCompletionChunk.from_dict(chunk.to_dict()).to_dict(), chunk.to_dict()), (
            "a chunk is lost in itself"
        )
    _check_texts(whole)
    _check_events(whole.chunks)
    return whole.ending[0] or "no [DONE]"


def check_completion(completion: ChatCompletion) -> None:
    """Hold a completion against what all of them can: be written, read again, shown, copied and sent back."""
    plain = completion.to_dict()
    # Chunks have no field of that name: what comes under it is kept as it is, where a completion's has text for numbers.
    plain.pop("metadata", None)
    assert same(ChatCompletion.from_dict(copy.deepcopy(plain)).to_dict(), plain), "from_dict(to_dict()) is another"
    text = completion.to_json()
    json.loads(text)
    if finite(plain):
        again = codec.decode(text.encode(), ChatCompletion).to_dict()
        again.pop("metadata", None)
        assert same(again, plain), "decoded from its JSON it is another"
        codec.dumps({"messages": [choice.message for choice in completion.choices]})
    completion.model_dump_json()
    repr(completion).encode("utf-8", "replace")
    assert same(copy.deepcopy(completion), completion), "a copy is another"


def _check_texts(read: _Reading) -> None:
    """No text of a choice is lost on its way."""
    texts: defaultdict[int, str] = defaultdict(str)
    refusals: defaultdict[int, str] = defaultdict(str)
    for chunk in read.chunks:
        for choice in chunk.choices:
            texts[max(choice.index, 0)] += choice.delta.text or ""
            refusals[max(choice.index, 0)] += choice.delta.refusal or ""
    for choice in read.completion.choices:
        assert (choice.message.content or "") == texts[choice.index], "content is lost"
        assert (choice.message.refusal or "") == refusals[choice.index], "a refusal is lost"


def _check_events(chunks: list[ChatCompletionChunk]) -> None:
    """The events of a stream say what its completion says, as much as there was at each."""
    accumulator = ChatCompletionAccumulator()
    builder: EventBuilder[None] = EventBuilder(accumulator)
    told: defaultdict[tuple[Any, ...], str] = defaultdict(str)
    events: list[Any] = []
    for chunk in chunks:
        accumulator.add(chunk)
        events += builder.events(chunk)
    events += builder.end()
    for event in events:
        repr(event)
        if event.type == "content.delta":
            told["content", event.choice_index] += event.delta
            assert event.snapshot == told["content", event.choice_index], "a snapshot is not what was told until then"
        elif event.type == "refusal.delta":
            told["refusal", event.choice_index] += event.delta
        elif event.type == "tool_calls.function.arguments.delta":
            told["call", event.choice_index] += event.arguments_delta
        elif event.type == "chunk":
            seen = event
    for choice in accumulator.completion().choices:
        assert (choice.message.content or "") == told["content", choice.index], "the events lose content"
        assert (choice.message.refusal or "") == told["refusal", choice.index], "the events lose a refusal"
    if chunks:
        assert same(seen.snapshot.to_dict(), accumulator.completion().to_dict()), "the last event's snapshot is another"


def _check_fold(data: bytes, rng: Random) -> str:
    """A valid stream adds up to what a naive reading of it does, without a line of the package's."""
    read = _read(pieces(data, rng, 30))
    assert read.ending in {("done", ""), ("", "")}, f"a valid stream ends with {read.ending}"
    said = [json.loads(event.data) for event in naive(data) if event.data != b"[DONE]"]
    whole = clean(read.completion.to_dict())
    assert same(whole, _ordered(_printable(clean(fold(said))), whole)), "a naive reading adds up to something else"
    return "the same sum"


def _printable(value: Any) -> Any:
    """The value with the halves of characters that it has joined."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16")
    if isinstance(value, dict):
        return {name: _printable(item) for name, item in value.items()}
    return [*map(_printable, value)] if isinstance(value, list) else value


def _ordered(value: Any, like: Any) -> Any:
    """`value` with its keys in the order of another: only where it is compared by how it is written does that count."""
    if isinstance(value, dict) and isinstance(like, dict):
        keys = [key for key in like if key in value] + [key for key in value if key not in like]
        return {key: _ordered(value[key], like.get(key)) for key in keys}
    if isinstance(value, list) and isinstance(like, list) and len(value) == len(like):
        return [*map(_ordered, value, like)]
    return value


CHUNKS = Target("chunks", 18, stream_bytes, _check)
FOLD = Target("fold", 8, sure_stream, _check_fold, exact=True)
