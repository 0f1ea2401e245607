"""What hooks are told of tools: each call starts and ends, whatever becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest
from support.rawserver import RawServer, answer, completion

from openai_async import AsyncOpenAI, errors
from openai_async.hooks import Record, RequestStarted, ToolEnded, ToolStarted

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

MESSAGES: Any = [{"role": "user", "content": "hi"}]


async def good(city: str) -> str:
    """Say something."""
    return f"private {city}"


async def bad(city: str) -> str:
    """Fail."""
    raise KeyError(city)


async def slow(city: str) -> str:
    """Take for ever."""
    await asyncio.sleep(99)
    return city


def calling(*names: str, arguments: str = '{"city": "private"}') -> dict[str, Any]:
    """A completion that calls tools."""
    calls = [
        {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": arguments}} for name in names
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    return {**completion(), "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}


async def run(*answers: Any, **params: Any) -> list[Record]:
    """Run tools, and return what was told."""
    told: list[Record] = []
    async with (
        RawServer(*map(answer, answers)) as server,
        AsyncOpenAI(api_key="sk-0123456789", base_url=server.url, hooks=[told.append]) as client,
    ):
        with contextlib.suppress(KeyError, errors.OpenAIError):
            await client.chat.completions.run_tools(model="m", messages=MESSAGES, tools=[good, bad, slow], **params)
    return told


def ends(told: list[Record]) -> list[tuple[str, str, str | None]]:
    """How each tool's call ended."""
    started = [record for record in told if isinstance(record, ToolStarted)]
    ended = [record for record in told if isinstance(record, ToolEnded)]
    assert sorted(record.call for record in started) == sorted(record.call for record in ended)
    return [(record.tool, record.outcome, record.error) for record in ended]


async def test_call() -> None:
    """A call is told with its name, its id and how long it took; what was said can be had by name only."""
    told = await run(calling("good"), completion())

    (start,) = [record for record in told if isinstance(record, ToolStarted)]
    (end,) = [record for record in told if isinstance(record, ToolEnded)]
    assert (start.tool, start.tool_call_id, start.arguments) == ("good", "call_good", '{"city": "private"}')
    assert start.offered
    assert end.offered
    assert (end.outcome, end.tool_call_id, end.result) == ("done", "call_good", "private private")
    assert 0 <= end.seconds < 60
    assert "private" not in repr((start, end))
    assert b"private" not in msgspec.json.encode((start, end))
    assert len([record for record in told if isinstance(record, RequestStarted)]) == 2
    assert start.call == end.call not in {record.call for record in told if isinstance(record, RequestStarted)}


async def test_calls_at_once() -> None:
    """One that fails cancels those beside it, and each is told."""
    told = await run(calling("good", "slow", "bad"))

    assert sorted(ends(told)) == [("bad", "error", "KeyError"), ("good", "done", None), ("slow", "cancelled", None)]


async def test_time_limit() -> None:
    """A call that takes too long has failed."""
    told = await run(calling("slow"), completion(), tool_timeout=0.01)

    assert ends(told) == [("slow", "error", "TimeoutError")]


@pytest.mark.parametrize(
    ("call", "end"),
    [
        (calling("good", arguments="{}"), ("good", "error", "OutputParseError")),
        (calling("unknown"), ("unknown", "error", "LookupError")),
    ],
)
async def test_what_the_model_did_wrong(call: Any, end: Any) -> None:
    """A call that can't be made has failed with its reason."""
    assert ends(await run(call, completion())) == [end]


async def test_name_that_the_model_made_up() -> None:
    """Start and end tell that the run has no such tool."""
    told = await run(calling("unknown"), completion())

    assert [(record.tool, record.offered) for record in told if isinstance(record, ToolStarted | ToolEnded)] == [
        ("unknown", False)
    ] * 2


async def test_call_that_is_not_made() -> None:
    """After the call of the tool that was asked for, the others are skipped."""
    choice = {"type": "function", "function": {"name": "good"}}
    told = await run(calling("good", "good"), tool_choice=choice)

    assert ends(told) == [("good", "done", None), ("good", "skipped", None)]


async def test_run_that_is_left() -> None:
    """Leaving a run cancels its tools, and tells of them."""
    told: list[Record] = []
    async with (
        RawServer(answer(calling("slow"))) as server,
        AsyncOpenAI(api_key="sk-0123456789", base_url=server.url, hooks=[told.append]) as client,
        client.chat.completions.run_tools(model="m", messages=MESSAGES, tools=[slow]) as events,
    ):
        async for event in events:
            if event.type == "run.tool.started":
                break

    assert ends(told) == [("slow", "cancelled", None)]
