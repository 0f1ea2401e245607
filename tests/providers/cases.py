"""The cases: what our client does with a real server.

A target comes in, out goes a short remark on what came; a case that fails raises, AssertionError or an error of ours.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from openai_async import (
    APIStatusError,
    AsyncOpenAI,
    AuthenticationError,
    BadRequestError,
    IncompleteStreamError,
    InternalServerError,
    NotFoundError,
    UnprocessableEntityError,
)

from .processes import kill, processor_time
from .server import Running, Server

__all__ = ["CASES", "Target"]

_HELLO: list[Any] = [{"role": "user", "content": "Say hello in one short sentence."}]
_STORY: list[Any] = [{"role": "user", "content": "Write a long story about a lighthouse."}]
_PERSON: list[Any] = [{"role": "user", "content": "Give me a person."}]
_WEATHER: list[Any] = [{"role": "user", "content": "Get the weather in a city: Paris"}]
_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_ENDS = {"stop", "length"}
_LONG = 300  # tokens of an answer that is left early: seconds of computing
_LEFT_AFTER = 5  # chunks
_WORTH_LEAVING = 1.0  # seconds that the whole answer has to take for it
_SETTLING = 1.0  # seconds from leaving it until the server has to have noticed
_LOOKED_AT = 3.0  # seconds after that
_IDLE = 0.3  # of what going on would take


@dataclass(frozen=True)
class Person:
    """What the model is made to write."""

    name: str
    age: int


@dataclass(frozen=True)
class Target:
    """A server under trial.

    Attributes:
        client: Ours, with the right key.
        server: What the catalogue says of it.
        running: Where it is.
    """

    client: AsyncOpenAI
    server: Server
    running: Running

    def settings(self, messages: list[Any] = _HELLO, **others: Any) -> dict[str, Any]:
        """Parameters of a request, such that the answer is short and repeatable."""
        return {"model": self.running.model, "messages": messages, "temperature": 0, "max_tokens": 40, **others}


async def _plain(target: Target) -> str:
    completion = await target.client.chat.completions.create(**target.settings())
    choice, usage = completion.choices[0], completion.usage
    assert choice.message.content, f"the answer is {choice.message!r}"
    assert choice.finish_reason in _ENDS, f"it ended with {choice.finish_reason!r}"
    assert usage is not None, "no usage came"
    assert min(usage.prompt_tokens, usage.completion_tokens) > 0, f"the usage is {usage!r}"
    return f"{choice.message.content!r}, {usage.completion_tokens} tokens"


async def _stream(target: Target) -> str:
    async with target.client.chat.completions.create(**target.settings(stream=True)) as stream:
        pieces = [piece async for piece in stream.text()]
        completion = await stream.final()
    message = completion.choices[0].message
    assert len(pieces) > 2, f"the pieces are {pieces!r}"
    assert "".join(pieces) == message.content, f"{pieces!r} are not {message.content!r}"
    assert message.role == "assistant", f"the role is {message.role!r}"
    assert completion.choices[0].finish_reason in _ENDS, f"it ended with {completion.choices[0].finish_reason!r}"
    async with target.client.chat.completions.create(**target.settings(stream=True)) as again:
        wire = b"".join([data async for data in again.raw()])
    return f"{len(pieces)} pieces, {'[DONE]' if b'[DONE]' in wire else 'no [DONE]'}"


async def _usage(target: Target) -> str:
    options = {"include_usage": True}
    call = target.client.chat.completions.create(**target.settings(stream=True, stream_options=options))
    async with call as stream:
        last = [chunk async for chunk in stream][-1]
        usage = (await stream.final()).usage
    assert usage is not None, "no usage came"
    assert min(usage.prompt_tokens, usage.completion_tokens) > 0, f"the usage is {usage!r}"
    return f"{usage.completion_tokens} tokens, in a chunk with {len(last.choices)} choices"


async def _left(target: Target) -> str:
    params = target.settings(_STORY, stream=True, max_tokens=_LONG)
    began, before = time.monotonic(), processor_time(target.running.pids)
    async with target.client.chat.completions.create(**params) as stream:
        await stream.until_done()
    whole, computed = time.monotonic() - began, processor_time(target.running.pids) - before
    assert whole > _WORTH_LEAVING, f"the whole answer takes {whole:.1f} s"
    told = "the system does not tell how much it computes"
    for last in (False, True):  # llama-stack misses it now and then, though the connection is closed
        async with target.client.chat.completions.create(**params) as stream:
            count = 0
            async for _ in stream:
                count += 1
                if count == _LEFT_AFTER:
                    break
        assert stream.snapshot.choices[0].finish_reason is None
        share = await _share(target, computed / whole, whole) if computed else 0.0
        if computed:
            told = (
                f"computes {share:.0%} of what the answer takes, {whole:.1f} s{', at the second try' if last else ''}"
            )
        if share < _IDLE:
            break
    else:
        raise AssertionError(f"after it was left, twice, the server {told}")
    await target.client.chat.completions.create(**target.settings())
    return told


async def _share(target: Target, load: float, whole: float) -> float:
    """How much of the processor a server takes that was left, of what going on would take: `load`, in processors."""
    await asyncio.sleep(_SETTLING)
    # As much of the processor as going on would take, in as long: a busy machine slows down both alike.
    waited = min(whole / 2, _LOOKED_AT)
    before = processor_time(target.running.pids)
    await asyncio.sleep(waited)
    return (processor_time(target.running.pids) - before) / (load * waited)


async def _call(target: Target) -> tuple[Any, int]:
    """A message with a call, and how many fragments its arguments came in."""
    params = target.settings(_WEATHER, tools=[_TOOL], tool_choice=target.server.tool_choice, max_tokens=64)
    async with target.client.chat.completions.stream(**params) as stream:
        told: list[Any] = [event async for event in stream]
        message = (await stream.final()).choices[0].message
    assert message.tool_calls, f"no call came, but {message.content!r}"
    call = message.tool_calls[0].function
    fragments = [event.arguments_delta for event in told if event.type == "tool_calls.function.arguments.delta"]
    ends = [event.arguments for event in told if event.type == "tool_calls.function.arguments.done"]
    assert call.name == "get_weather", f"the call is of {call.name!r}"
    assert ends[0] == call.arguments, f"the arguments are {ends!r}"
    assert "".join(fragments) == "".join(ends), f"{fragments!r} are not {ends!r}"
    assert "city" in json.loads(call.arguments), f"the arguments are {call.arguments!r}"
    return message, len(fragments)


async def _tools(target: Target) -> str:
    message, count = await _call(target)
    return f"get_weather({message.tool_calls[0].function.arguments}), {count} fragments"


async def _result(target: Target) -> str:
    message, _ = await _call(target)
    results = [{"role": "tool", "tool_call_id": call.id, "content": "18 degrees"} for call in message.tool_calls]
    params = target.settings([*_WEATHER, message, *results], tools=[_TOOL])
    completion = await target.client.chat.completions.create(**params)
    said = completion.choices[0].message
    assert said.content or said.tool_calls, f"the answer is {said!r}"
    return f"{said.content!r}"


async def _schema(target: Target) -> str:
    params = target.settings(_PERSON, response_format=Person, max_tokens=80)
    completion = await target.client.chat.completions.parse(**params)
    person = completion.choices[0].message.parsed
    assert isinstance(person, Person), f"the object is {person!r}"
    return f"{person.name!r}, {person.age}"


async def _choices(target: Target) -> str:
    params = target.settings(n=2, stream=True, temperature=1, max_tokens=12)
    async with target.client.chat.completions.create(**params) as stream:
        order = [choice.index async for chunk in stream for choice in chunk.choices]
        choices = (await stream.final()).choices
    assert [choice.index for choice in choices] == [0, 1], f"the choices are {choices!r}"
    assert all(choice.message.content for choice in choices), f"the choices are {choices!r}"
    lacking = [choice.index for choice in choices if choice.finish_reason not in _ENDS]
    assert not lacking, f"choices without an end: {lacking}"
    return f"choice {order[0]} comes first"


async def _logprobs(target: Target) -> str:
    params = target.settings(logprobs=True, top_logprobs=2, max_tokens=5, stream=True)
    async with target.client.chat.completions.create(**params) as stream:
        logprobs = (await stream.final()).choices[0].logprobs
    assert logprobs is not None, "no logprobs came"
    tokens = logprobs.content or []
    assert tokens, f"the logprobs are {logprobs!r}"
    assert all(len(token.top_logprobs) == 2 for token in tokens), f"the first is {tokens[0]!r}"
    return f"{len(tokens)} tokens, {'with' if tokens[0].bytes else 'without'} bytes"


async def _reasoning(target: Target) -> str:
    params = target.settings(**(target.server.thinking or {}))
    plain = (await target.client.chat.completions.create(**params)).choices[0].message
    async with target.client.chat.completions.create(**params, stream=True) as stream:
        pieces = [choice.delta.reasoning or "" async for chunk in stream for choice in chunk.choices]
        message = (await stream.final()).choices[0].message
    assert message.reasoning, f"the message is {message!r}"
    assert plain.reasoning, f"the plain message is {plain!r}"
    assert "".join(pieces) == message.reasoning, f"{pieces!r} are not {message.reasoning!r}"
    names = [name for name in message.to_dict() if name.startswith("reasoning")]
    return f"as {', '.join(names)}, {len([piece for piece in pieces if piece])} pieces"


async def _refused(client: AsyncOpenAI, params: dict[str, Any], *kinds: type[APIStatusError]) -> str:
    """The error that a request ends in, which is one of these."""
    try:
        await client.chat.completions.create(**params)
    except kinds as error:
        if not error.message:
            raise AssertionError(f"{error!r} says nothing") from error
        return f"{type(error).__name__}: {error.message[:100]}"
    except APIStatusError as error:
        raise AssertionError(f"{type(error).__name__}: {error.message}") from error
    raise AssertionError("the server took it")


async def _key(target: Target) -> str:
    stranger = target.client.with_options(api_key="sk-unknown-to-it")
    return await _refused(stranger, target.settings(), AuthenticationError)


async def _model(target: Target) -> str:
    return await _refused(target.client, target.settings() | {"model": "nobody"}, NotFoundError, BadRequestError)


async def _request(target: Target) -> str:
    params = target.settings(extra_body={"temperature": "hot"})
    said = [await _refused(target.client, params, BadRequestError, UnprocessableEntityError)]
    said += [await _refused(target.client, params | {"stream": True}, BadRequestError, UnprocessableEntityError)]
    return said[0]


async def _stored(target: Target) -> str:
    completions = target.client.chat.completions
    made = await completions.create(**target.settings(store=True))
    listed = [item.id async for item in completions.list(limit=5)]
    assert made.id in listed, f"{made.id} is not listed: {listed}"
    read = await completions.retrieve(made.id)
    assert read.choices[0].message.content == made.choices[0].message.content, f"what is stored is {read!r}"
    return f"{len(listed)} listed"


async def _killed(target: Target) -> str:
    assert target.running.pids, "there is no process to kill"
    count = 0
    try:
        async with target.client.chat.completions.create(
            **target.settings(_STORY, stream=True, max_tokens=_LONG)
        ) as stream:
            async for _ in stream:
                count += 1
                if count == _LEFT_AFTER:
                    kill(target.running.pids[0])
    except (IncompleteStreamError, InternalServerError) as error:
        partial = error.partial
    else:
        raise AssertionError("the stream ended as if it were whole")
    assert partial is not None, "what came before is lost"
    assert partial.choices[0].message.content, f"what came before is {partial!r}"
    return f"after {count} chunks"


CASES: dict[str, tuple[str, Callable[[Target], Awaitable[str]]]] = {
    "plain": ("an answer in one piece, with its end and its usage", _plain),
    "stream": ("a streamed answer, whose pieces add up to the whole", _stream),
    "usage": ("the same with `include_usage`: the usage is in the completion", _usage),
    "left": ("a long stream left after five chunks: the server stops computing, and takes the next request", _left),
    "tools": ("a required call of a tool, streamed, with the events of its arguments", _tools),
    "result": ("the message with the call sent back, with the tool's result", _result),
    "schema": ("`parse` with a dataclass", _schema),
    "choices": ("`n=2`, streamed: two answers, both with an end", _choices),
    "logprobs": ("logprobs of a stream, with two alternatives", _logprobs),
    "reasoning": ("the model's thinking, plain and streamed", _reasoning),
    "key": ("a wrong key: `AuthenticationError`", _key),
    "model": ("an unknown model: `NotFoundError` or `BadRequestError`", _model),
    "request": ("a temperature that is a word, plain and streamed: `BadRequestError` or 422's", _request),
    "stored": ("a completion stored, found in the list, and read", _stored),
    "killed": ("the server killed in the middle of a stream: an error, with what came before in `partial`", _killed),
}
"""The cases in the table's order: what each is, and what tries it. The last one ends the server."""
