"""Answers captured off the wire from a dozen servers: read right, or refused as what they are."""

from __future__ import annotations

import asyncio
import json

import pytest
from support import shared
from support.bodies import Capture, recorded, serving
from support.fold import clean, fold

from openai_async import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    AsyncOpenAI,
    AuthenticationError,
    BadRequestError,
    IncompleteStreamError,
    InternalServerError,
    NotFoundError,
    RateLimitError,
    StreamProtocolError,
)
from openai_async.protocol import codec
from openai_async.types.chat import ChatCompletion

pytestmark = [shared.needs("captures"), pytest.mark.sockets]

MESSAGES = [{"role": "user", "content": "hi"}]
REFUSALS = {400: BadRequestError, 401: AuthenticationError, 404: NotFoundError, 429: RateLimitError}


def captures():
    """The captured answers to a creation, by name; the other routes are other tests' business."""
    names = {name: recorded(name) for name in shared.stems("captures", ".http")}
    return {name: found for name, found in names.items() if found.request.startswith("POST /v1/chat/completions HTTP")}


CAPTURES = captures()
each = pytest.mark.parametrize("name", CAPTURES)


class Outcome:
    """What an answer is: the completion in it, whole or partial, as plain data, and the error that it ends in."""

    def __init__(self, completion=None, error=None):
        self.completion = completion
        self.error = error


def meant(capture: Capture) -> Outcome:
    """What the bytes say, by a reading that knows nothing of the package."""
    status, headers = capture.head
    body, whole = capture.body
    if status >= 500:
        return Outcome(error=InternalServerError)
    if status >= 300:
        return Outcome(error=REFUSALS.get(status, APIStatusError))
    if capture.streams and headers["content-type"].startswith("text/event-stream"):
        return streamed(capture.events)
    if not whole:
        return Outcome(error=APIConnectionError)
    value = json.loads(body)
    return Outcome(value) if isinstance(value.get("choices"), list) else Outcome(error=APIResponseValidationError)


def streamed(events) -> Outcome:
    """What a stream says up to its end, its first error, or where it was cut."""
    chunks = []
    for name, data in events:
        if data == b"[DONE]":
            return Outcome(fold(chunks)) if chunks else Outcome(error=APIResponseValidationError)
        try:
            value = json.loads(data)
        except ValueError:
            return Outcome(partial(chunks), StreamProtocolError)
        if name == "error" or value.get("error"):
            return Outcome(partial(chunks), APIError)
        chunks.append(value)
    completion = fold(chunks)
    if completion["choices"] and all(choice.get("finish_reason") for choice in completion["choices"]):
        return Outcome(completion)
    return Outcome(partial(chunks), IncompleteStreamError if chunks else APIResponseValidationError)


def partial(chunks):
    """What was said so far; None where that is at most the role."""
    completion = fold(chunks)
    told = any(choice["message"].keys() - {"role"} for choice in completion["choices"])
    return completion if told else None


async def ask(capture: Capture, size: int | None, *, events: bool) -> Outcome:
    """What the client makes of the same bytes, in pieces of `size`; None: as they were recorded."""
    async with serving(capture.pieces(size)) as url, AsyncOpenAI(api_key="k", base_url=url, max_retries=0) as client:
        completions = client.chat.completions
        try:
            if not capture.streams:
                return Outcome((await completions.create(model="m", messages=MESSAGES)).to_dict())
            call = completions.stream if events else completions.create
            async with call(model="m", messages=MESSAGES, **({} if events else {"stream": True})) as stream:
                async for _ in stream:
                    pass
                return Outcome((await stream.final()).to_dict())
        except Exception as error:  # noqa: BLE001 - no other than ours may come out, which the test asserts
            found = getattr(error, "partial", None)
            return Outcome(found and found.to_dict(), error)


# What a type says of a field that the server left out.
DEFAULTS = ("", 0, [], {}, "assistant", "function", "chat.completion", "url_citation")


def differences(want, got, place=""):
    """Where two pieces of plain data differ, null being as good as absent, and a default as good as nothing."""
    if isinstance(want, dict) and isinstance(got, dict):
        told = [
            f"{place}.{name}: {got[name]!r} was not sent" for name in got.keys() - want if got[name] not in DEFAULTS
        ]
        for name, value in want.items():
            told += differences(value, got.get(name), f"{place}.{name}")
        return told
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        return [
            told for at, pair in enumerate(zip(want, got, strict=True)) for told in differences(*pair, f"{place}[{at}]")
        ]
    return [] if want == got else [f"{place}: {got!r}, not {want!r}"]


def check(want: Outcome, got: Outcome) -> None:
    """Hold what the client made of an answer against what it says."""
    if want.error is None:
        assert got.error is None
    else:
        assert isinstance(got.error, want.error), repr(got.error)
    assert (want.completion is None) == (got.completion is None)
    if want.completion is not None:
        assert differences(clean(want.completion), clean(got.completion)) == []


@each
def test_as_recorded(name):
    """Read as it was recorded, each answer gives the completion in it, or the error that it is."""
    check(meant(CAPTURES[name]), asyncio.run(ask(CAPTURES[name], None, events=False)))


@each
def test_in_small_pieces(name):
    """In pieces of seven bytes, which cut heads, chunk sizes, lines and characters, it gives the same by events."""
    check(meant(CAPTURES[name]), asyncio.run(ask(CAPTURES[name], 7, events=True)))


@each
def test_messages_go_back(name):
    """The message of a whole answer can be sent back as it is."""
    want = meant(CAPTURES[name])
    for choice in ChatCompletion.from_dict(want.completion or {}).choices:
        sent = json.loads(codec.dumps([choice.message]))
        assert sent[0]["role"] == "assistant"
        assert not any("index" in call for call in sent[0].get("tool_calls", ()))


def test_what_the_captures_are():
    """Most answers are whole, some are refusals, and each kind of broken stream is among them."""
    kinds = [meant(capture).error for capture in CAPTURES.values()]
    assert kinds.count(None) > 170
    assert {StreamProtocolError, IncompleteStreamError, BadRequestError, InternalServerError} <= set(kinds)
