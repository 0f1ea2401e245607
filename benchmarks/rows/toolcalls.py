"""Two parallel tool calls in fragments, put together again: what an agent's stream consists of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.clients import MESSAGES, aiohttp_session, official_client, our_client
from benchmarks.row import Client, Goal, Row, Work

__all__ = ["ROW"]

_PARAMETERS: Any = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
    "required": ["path", "content"],
    "additionalProperties": False,
}
# The official .stream() refuses tools that are not strict.
_TOOLS: Any = [
    {"type": "function", "function": {"name": "write_file", "strict": True, "parameters": _PARAMETERS}},
]


async def _follow(manager: Any) -> int:
    """Every event, and the final completion. The two SDKs' code is the same."""
    heard = 0
    async with manager as stream:
        async for event in stream:
            if event.type == "tool_calls.function.arguments.delta":
                heard += len(event.arguments_delta)
        completion = await stream.get_final_completion()
    calls = completion.choices[0].message.tool_calls
    whole = sum(len(call.function.arguments) for call in calls)
    return whole if whole == heard and len(calls) == 2 else -1


def _followed(client: Any, **options: Any) -> Work:
    async def work(model: str, _units: int) -> int:
        return await _follow(client.chat.completions.stream(model=model, messages=MESSAGES, **options))

    return work


@asynccontextmanager
async def _official(origin: str) -> AsyncIterator[Work]:
    async with official_client(origin) as client:
        yield _followed(client)


@asynccontextmanager
async def _official_with_tools(origin: str) -> AsyncIterator[Work]:
    async with official_client(origin) as client:
        yield _followed(client, tools=_TOOLS)


@asynccontextmanager
async def _ours(origin: str) -> AsyncIterator[Work]:
    async with our_client(origin) as client:
        yield _followed(client)


@asynccontextmanager
async def _ours_with_tools(origin: str) -> AsyncIterator[Work]:
    async with our_client(origin) as client:
        yield _followed(client, tools=_TOOLS)


@asynccontextmanager
async def _by_hand(origin: str) -> AsyncIterator[Work]:
    import orjson

    async with aiohttp_session(origin) as session:

        async def work(model: str, _units: int) -> int:
            calls: dict[int, dict[str, Any]] = {}
            request = orjson.dumps({"model": model, "messages": MESSAGES, "stream": True})
            async with session.post("/v1/chat/completions", data=request) as response:
                async for line in response.content:
                    if not line.startswith(b"data: "):
                        continue
                    data = line[6:].strip()
                    if data == b"[DONE]":
                        break
                    for choice in orjson.loads(data)["choices"]:
                        for piece in choice["delta"].get("tool_calls") or ():
                            if "id" in piece:
                                calls[piece["index"]] = {**piece, "pieces": []}
                            calls[piece["index"]]["pieces"].append(piece["function"]["arguments"])
            for call in calls.values():
                call["function"]["arguments"] = "".join(call.pop("pieces"))
            return sum(len(call["function"]["arguments"]) for call in calls.values())

        yield work


ROW = Row(
    name="toolcalls",
    title="`stream()` of two parallel tool calls in fragments: all events, then the final completion",
    unit="chunk",
    units=2_000,
    quick=500,
    model="toolcalls-{}",
    contestants=(
        Client(name="openai, .stream()", open=_official),
        Client(name="openai, .stream(tools=)", open=_official_with_tools),
        Client(name="aiohttp + orjson by hand", open=_by_hand, rounds=15),
        Client(name="openai_async, .stream()", open=_ours, rounds=15),
        Client(name="openai_async, .stream(tools=)", open=_ours_with_tools, rounds=15),
    ),
    goals=(
        Goal(ours="openai_async, .stream()", rival="openai, .stream()", cpu=1 / 30),
        Goal(ours="openai_async, .stream(tools=)", rival="openai, .stream(tools=)", cpu=1 / 30),
    ),
    repeat=5,
    notes=(
        "By hand: the fragments are joined by index; no events, no types.",
        (
            "With `tools=`, which have to be strict there, openai parses the arguments so far with every fragment; "
            "openai_async when an event's `parsed_arguments` is looked at."
        ),
    ),
)
