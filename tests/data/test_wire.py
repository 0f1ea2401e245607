"""The wire bodies: one odd answer each, over real sockets, and what a client has to make of it."""

from __future__ import annotations

import asyncio
import random

import pytest
from support import shared
from support.bodies import framed, in_pieces, serving
from support.fold import clean

import openai_async
from openai_async import AsyncOpenAI, OpenAIError
from openai_async.transport.session import AiohttpTransport

EXPECTED = shared.load("wire/expect.json") or {}
MESSAGES = [{"role": "user", "content": "hi"}]

pytestmark = [shared.needs("wire"), pytest.mark.sockets]


def cut(body, how):
    """The body in pieces: "whole", of one byte, or of random sizes up to 40 by a seed."""
    if how == "whole":
        return [body]
    if how == "bytes":
        return in_pieces(body, 1)
    chance, pieces = random.Random(how), []
    while body:
        size = chance.randint(1, 40)
        pieces.append(body[:size])
        body = body[size:]
    return pieces


async def ask(name, how, *, events=True):
    """The final completion of a body, as plain data, or the error that it ends in."""
    body = (shared.SHARED / f"wire/{name}.sse").read_bytes()
    kind = (
        "application/json"
        if name.startswith("json_")
        else "text/html"
        if name.startswith("html")
        else "text/event-stream"
    )
    pieces = framed(cut(body, how), mode=EXPECTED[name]["mode"], content_type=kind, x_request_id="req_9")
    async with serving(pieces) as url, AsyncOpenAI(api_key="k", base_url=url, max_retries=0) as client:
        completions = client.chat.completions
        call = completions.stream if events else completions.create
        options = {} if events else {"stream": True}
        try:
            async with call(model="m", messages=MESSAGES, **options) as stream:
                async for _ in stream:
                    pass
                return (await stream.get_final_completion()).to_dict(), None
        except Exception as error:  # noqa: BLE001 - which one it is, is what the test is about
            return None, error


def differences(want, got, place=""):
    """Where `want` is not part of `got`, as sentences."""
    if isinstance(want, dict):
        if not isinstance(got, dict):
            return [f"{place}: {got!r} is no object"]
        return [told for name, value in want.items() for told in _difference(name, value, got, f"{place}.{name}")]
    if isinstance(want, list):
        if not isinstance(got, list) or len(want) != len(got):
            return [f"{place}: {got!r} is not of {len(want)} members"]
        return [told for at, value in enumerate(want) for told in differences(value, got[at], f"{place}[{at}]")]
    return [] if want == got and type(want) is type(got) else [f"{place}: {got!r}, not {want!r}"]


def _difference(name, value, got, place):
    if name == "logprob_tokens":
        tokens = (got.get("logprobs") or {}).get("content") or []
        return [] if len(tokens) == value else [f"{place}: {len(tokens)} tokens, not {value}"]
    if value in (None, "") and name in {"finish_reason", "content", "arguments"}:
        return [f"{place}: {got[name]!r}, not nothing"] if got.get(name) else []
    if name == "arguments":
        return differences(value.replace(" ", ""), (got.get(name) or "").replace(" ", ""), place)
    return differences(value, got.get(name), place)


def check(name, final, error):
    """Compare an outcome with what is expected of the body."""
    want = EXPECTED[name]
    assert error is None or isinstance(error, OpenAIError), repr(error)
    if want["outcome"] == "error":
        assert isinstance(error, getattr(openai_async, want["class"])), repr(error)
        assert error.request_id == "req_9"
        if "partial_text" in want:
            assert error.partial.choices[0].message.content == want["partial_text"]
    elif want["outcome"] == "ok":
        assert error is None
        parts = {name: value for name, value in want.items() if name not in {"mode", "note", "outcome", "class"}}
        got = clean(final)
        assert differences(parts, got) == []
        assert not any("index" in call for choice in got["choices"] for call in choice["message"].get("tool_calls", ()))


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("how", ["whole", "bytes", 7, 8])
def test_body(name, how):
    """Each body gives the expected completion or error, however it is cut."""
    check(name, *asyncio.run(ask(name, how)))


@pytest.mark.parametrize("name", EXPECTED)
def test_chunks(name):
    """Read chunk by chunk instead of by events, each body gives the same."""
    check(name, *asyncio.run(ask(name, "whole", events=False)))


def test_all_bodies_are_here():
    """Every expectation has its body, and every body its expectation; there are 58."""
    assert sorted(EXPECTED) == shared.stems("wire", ".sse")
    assert len(EXPECTED) == 58


def test_the_client_under_test_uses_sockets():
    """The bodies travel over aiohttp, not over a double of it."""
    client = AsyncOpenAI(api_key="k")
    assert isinstance(client._transport.get(), AiohttpTransport)
