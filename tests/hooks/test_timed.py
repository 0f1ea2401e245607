"""When the chunks of a stream came, in virtual time: what hooks learn that ask, and that nobody pays who does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from support import clock
from support.rawserver import chunk, completion, event, hello
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport

from openai_async import AsyncOpenAI, errors
from openai_async.api.reader import ChunkReader
from openai_async.hooks import AttemptEnded, ContentArrived, FirstToken, Hook, Record, RequestEnded, RequestStarted

MESSAGES: Any = [{"role": "user", "content": "hi"}]
ROLE, HEL, LO, END = map(event, hello())
NOTHING = event(chunk(""))
USAGE = event(
    {**chunk(), "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}},
)
DONE = b"data: [DONE]\n\n"


class Timed(list[Any]):
    """A hook that wants to know of chunks."""

    per_chunk = True

    def __call__(self, record: Record) -> None:
        self.append(record)

    @property
    def arrivals(self) -> Any:
        """When content came, to the millisecond, and how many chunks; all before the end."""
        assert [isinstance(record, RequestEnded) for record in self] == [False] * (len(self) - 1) + [True]
        told = [record for record in self if isinstance(record, ContentArrived)]
        assert {(record.call, record.model) for record in told} <= {(self[0].call, "m-1")}
        return [(round(record.seconds, 3), record.chunks) for record in told]


def streamed(*parts: Any) -> Callable[[], ScriptedResponse]:
    """A stream, made inside of the loop."""
    return lambda: ScriptedResponse(*parts, headers=EVENT_STREAM)


def read(
    hook: Hook, *script: Callable[[], ScriptedResponse], way: str = "stream", more: Hook = print, key: str = "k"
) -> type[ChunkReader] | None:
    """Read one stream to its end; return what read it."""

    async def main() -> type[ChunkReader] | None:
        transport = ScriptedTransport([make() for make in script])
        async with AsyncOpenAI(api_key=key, transport=transport, hooks=[hook, more]) as client:
            call: Any = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            try:
                if way == "streamed":
                    async with call.streamed() as response:
                        stream = await response.parse()
                        await stream.final()
                        return type(stream._reader)
                stream = await call
                await stream.final()
                return type(stream._reader)
            except errors.APIError:
                return None

    return clock.run(main())


@pytest.mark.parametrize("way", ["stream", "streamed"])
@pytest.mark.parametrize(
    ("parts", "arrivals"),
    [
        ([1.0, ROLE, 1.0, HEL, 4.0, LO, 8.0, END, DONE], [(2.0, 1), (6.0, 1), (14.0, 1)]),
        ([1.0, ROLE + HEL + HEL, 2.0, LO + LO + LO + END + DONE], [(1.0, 2), (3.0, 4)]),
        ([1.0, HEL[:9], 1.0, HEL[9:] + LO[:9], 1.0, LO[9:], END, DONE], [(2.0, 1), (3.0, 1), (3.0, 1)]),
        ([HEL, 1.0, b": wait\n\n", 1.0, NOTHING, 1.0, LO + END, 1.0, USAGE + DONE], [(0.0, 1), (3.0, 2)]),
    ],
    ids=["one a read", "many a read", "cut", "no content"],
)
def test_arrivals(parts: list[Any], arrivals: list[Any], way: str) -> None:
    """Each read that brings content is told with the number of its chunks, from the request's start on."""
    told = Timed()
    read(told, streamed(*parts), way=way)

    assert told.arrivals == arrivals


def test_after_a_retry() -> None:
    """Waits and failed attempts count, what a failed attempt brought does not."""
    told = Timed()
    refused = event({"error": {"message": "slow", "type": "server_error"}})

    def refusal() -> ScriptedResponse:
        return ScriptedResponse(1.0, ROLE, refused, headers={**EVENT_STREAM, "retry-after": "4"})

    read(told, refusal, streamed(1.0, HEL, 1.0, END, DONE))

    assert told.arrivals == [(6.0, 1), (7.0, 1)]


def test_stream_that_breaks() -> None:
    """What came before is told."""
    told = Timed()
    read(told, streamed(HEL, 1.0, LO, 1.0, errors.APIConnectionError("gone")))

    assert told[-1].outcome == "error"
    assert told.arrivals == [(0.0, 1), (1.0, 1)]


def test_what_is_no_stream() -> None:
    """A whole answer has no chunks, though it be read as a stream."""
    told = Timed()
    read(told, lambda: ScriptedResponse(msgspec.json.encode(completion())))

    assert told.arrivals == []


def test_order() -> None:
    """The first content is told after the first token, in which it came."""
    told = Timed()
    read(told, streamed(HEL, 1.0, END, DONE))

    assert [type(record) for record in told] == [
        RequestStarted,
        AttemptEnded,
        FirstToken,
        ContentArrived,
        ContentArrived,
        RequestEnded,
    ]


def test_key_as_a_model() -> None:
    """A server that repeats the key tells hooks a mask."""
    told = Timed()
    key = "sk-secret-0123456789"
    read(told, streamed(event(chunk("a", model=f"m {key}")), 1.0, END, DONE), key=key)

    assert [record.model for record in told if isinstance(record, ContentArrived)] == ["m ***", "m ***"]


def test_model_that_comes_late() -> None:
    """Chunks that name no model are told without one, those after them with theirs."""
    told = Timed()
    read(told, streamed(event(chunk("a", model="")), 1.0, HEL, 1.0, END, DONE))

    assert [record.model for record in told if isinstance(record, ContentArrived)] == [None, "m-1", "m-1"]


def test_hooks_beside_one_that_asks() -> None:
    """They are told nothing of it."""
    told: list[Any] = []
    read(told.append, streamed(HEL, 1.0, END, DONE), more=Timed())

    assert not [record for record in told if isinstance(record, ContentArrived)]
    assert isinstance(told[-1], RequestEnded)


@pytest.mark.parametrize("value", [None, False, "yes"])
def test_nobody_asks(value: object) -> None:
    """Without a hook that asks, what reads is the reader that keeps no time."""

    class Other(Timed):
        per_chunk: Any = value

    told = Other()
    plain = read(told, streamed(HEL, 1.0, END, DONE))
    timed = read(Timed(), streamed(HEL, 1.0, END, DONE))

    assert told.arrivals == []
    assert plain is ChunkReader
    assert timed is not ChunkReader
