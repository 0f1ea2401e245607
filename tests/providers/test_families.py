"""Each family's answers come out as they were meant, however they are cut, and its refusals as the errors they are."""

from __future__ import annotations

import importlib
import json
import pkgutil
import random

import pytest
from support.bodies import framed, in_pieces, serving

from openai_async import AsyncOpenAI
from providers import families

MESSAGES = [{"role": "user", "content": "hi"}]
MODULES = [
    importlib.import_module(found.name) for found in pkgutil.iter_modules(families.__path__, "providers.families.")
]
ANSWERS = [(module, answer) for module in MODULES for answer in module.ANSWERS]
STREAMS = [(module, answer) for module, answer in ANSWERS if answer.streamed and answer.error is None]
REFUSALS = [(module, refusal) for module in MODULES for refusal in module.REFUSALS]

pytestmark = [pytest.mark.sockets, pytest.mark.anyio]


def family(module):
    """Its name."""
    return module.__name__.rpartition(".")[2]


def names(rows):
    """Ids for rows of a module and a case."""
    return [f"{family(module)}-{case.name.replace(' ', '_')}" for module, case in rows]


def cut(body, how):
    """The body in pieces: whole, a byte each, or of random sizes up to 60 by a seed."""
    if how == "whole":
        return [body]
    if how == "bytes":
        return in_pieces(body, 1)
    chance, pieces = random.Random(how), []
    while body:
        size = chance.randint(1, 60)
        pieces.append(body[:size])
        body = body[size:]
    return pieces


async def read(client, answer):
    """The completion of an answer, the pieces of reasoning and of text that its stream gave, and the error at its end."""
    if not answer.streamed:
        return await client.chat.completions.create(model="m", messages=MESSAGES), None, None, None
    thoughts, texts = "", ""
    try:
        async with client.chat.completions.create(model="m", messages=MESSAGES, stream=True) as stream:
            async for chunk in stream:
                texts += chunk.text
                thoughts += "".join(choice.delta.reasoning or "" for choice in chunk.choices if choice.index in (0, -1))
            return await stream.final(), thoughts, texts, None
    except Exception as error:  # noqa: BLE001 - which one it is, is looked at
        return getattr(error, "partial", None), thoughts, texts, error


@pytest.mark.parametrize("how", ["whole", "bytes", 1, 2, 3])
@pytest.mark.parametrize(("module", "answer"), ANSWERS, ids=names(ANSWERS))
async def test_answers(module, answer, how):
    """The completion is whole and exact, its reasoning is read, and the pieces of both add up to them."""
    kind = "text/event-stream" if answer.streamed else "application/json"
    pieces = framed(cut(answer.body, how), content_type=kind)
    async with serving(pieces) as url, AsyncOpenAI(api_key="k", base_url=url, max_retries=0) as client:
        completion, thoughts, texts, error = await read(client, answer)

    assert type(error) is (answer.error or type(None)), error
    assert getattr(error, "code", None) == answer.code
    got = None if completion is None else completion.to_dict()
    assert got == (answer.completion or None)
    if completion is None:
        return
    message = completion.choices[0].message
    assert message.reasoning == answer.reasoning
    if answer.streamed:
        assert thoughts == (answer.reasoning or "")
        assert texts == (message.content or "")
    if answer.sent_back is not None:
        assert message.to_param() == answer.sent_back


@pytest.mark.parametrize(("module", "answer"), STREAMS, ids=names(STREAMS))
async def test_events(module, answer):
    """As events, reasoning and text come in deltas that add up, each with one end that has it all."""
    pieces = framed([answer.body], content_type="text/event-stream")
    async with (
        serving(pieces) as url,
        AsyncOpenAI(api_key="k", base_url=url, max_retries=0) as client,
        client.chat.completions.stream(model="m", messages=MESSAGES) as stream,
    ):
        told = [event async for event in stream if getattr(event, "choice_index", 0) == 0]
        message = (await stream.final()).choices[0].message

    for kind, end, whole in (("reasoning", "reasoning", answer.reasoning), ("content", "content", message.content)):
        assert "".join(event.delta for event in told if event.type == f"{kind}.delta") == (whole or "")
        assert [getattr(event, end) for event in told if event.type == f"{kind}.done"] == ([whole] if whole else [])


@pytest.mark.parametrize(("module", "refusal"), REFUSALS, ids=names(REFUSALS))
async def test_refusals(module, refusal):
    """The error has the class of its meaning, the family's own words, and its code as text; it is retried or not."""
    body = refusal.body if isinstance(refusal.body, bytes) else json.dumps(refusal.body).encode()
    # The server closes after each answer, and says so: else the next try may meet the closing, and there is one more.
    headers = {"content_type": "application/json", "retry_after_ms": "1", "connection": "close", **refusal.headers}
    head, *rest = framed([body], **headers)
    pieces = [head.replace(b"200 OK", f"{refusal.status} Refused".encode()), *rest]
    async with serving(pieces) as url, AsyncOpenAI(api_key="k", base_url=url, max_retries=1) as client:
        with pytest.raises(refusal.error) as caught:
            await client.chat.completions.create(model="m", messages=MESSAGES)

    error = caught.value
    assert type(error) is refusal.error
    assert (error.status_code, error.code) == (refusal.status, refusal.code)
    assert error.message.removeprefix(f"Error code: {refusal.status} - ").startswith(refusal.message)
    assert max(len(error.attempts), 1) == (2 if refusal.retried else 1)


def test_families_are_whole():
    """Every family has a stream, a call of a tool, and a refusal, but for those that are only another's envelope."""
    for module in MODULES:
        assert any(answer.streamed for answer in module.ANSWERS), family(module)
        assert any('"tool_calls"' in answer.body.decode() for answer in module.ANSWERS), family(module)
        assert module.REFUSALS, family(module)
