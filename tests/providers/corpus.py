"""The corpus: each family's answers and refusals, sent over a real socket and read by our client.

A family comes in, out goes what came of it by group. The checks raise AssertionError; the tests make the same ones.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import random
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from support.bodies import framed, in_pieces, serving

from openai_async import APIError, AsyncOpenAI
from openai_async.types.chat import ChatCompletion
from providers import families
from providers.answer import Answer, Refusal

__all__ = ["CUTS", "FAMILIES", "GROUPS", "Family", "Tally", "answered", "evented", "refused", "tried"]

GROUPS: dict[str, str] = {
    "stream": "a streamed answer: chunks, pieces of text and the whole completion",
    "events": "the same as events, of which each kind adds up and ends once",
    "plain": "an answer in one piece",
    "reasoning": "the model's thinking, under the vendor's own names",
    "tools": "calls of tools, whole or in fragments",
    "choices": "several answers to one request",
    "errors in streams": "an error after the first chunk, with what came before",
    "refusals": "an answer with another status than 200, as the error that it means, retried or not",
}
"""The groups in the table's order, and what is in them. An answer may belong to several."""

CUTS: tuple[str | int, ...] = ("whole", "bytes", 1, 2, 3)
"""How a body is cut: whole, a byte each, or at random by a seed."""

_MESSAGES: list[Any] = [{"role": "user", "content": "hi"}]
_LONGEST = 60  # bytes of a piece that is cut at random


@dataclass(frozen=True)
class Family:
    """A family of servers.

    Attributes:
        name: Its module's.
        answers: With status 200.
        refusals: With another.
    """

    name: str
    answers: list[Answer]
    refusals: list[Refusal]


@dataclass
class Tally:
    """What came of a family's group.

    Attributes:
        passed: Answers that came out as they were meant, in every cut.
        failed: Those that did not, each with the reason.
    """

    passed: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def _found() -> Iterator[Family]:
    for found in pkgutil.iter_modules(families.__path__, "providers.families."):
        module: ModuleType = importlib.import_module(found.name)
        yield Family(found.name.rpartition(".")[2], module.ANSWERS, module.REFUSALS)


FAMILIES: dict[str, Family] = {family.name: family for family in _found()}


async def tried(family: Family) -> dict[str, Tally]:
    """Try all of a family's answers, in every cut; a group that it has no answer for is missing."""
    made: dict[str, Tally] = {}
    for answer in family.answers:
        why = ""
        for how in CUTS:
            if not why:
                why = await _why(answered(answer, how))
        for group in _groups(answer):
            _count(made, group, answer.name, why)
        if answer.streamed and answer.error is None:
            _count(made, "events", answer.name, await _why(evented(answer)))
    for refusal in family.refusals:
        _count(made, "refusals", refusal.name, await _why(refused(refusal)))
    return made


async def _why(check: Awaitable[None]) -> str:
    """Why a check failed; empty: it did not."""
    try:
        await check
    except Exception as error:  # noqa: BLE001 - whatever our client raises is what is told
        return f"{type(error).__name__}: {error}"
    return ""


def _groups(answer: Answer) -> list[str]:
    messages = [choice["message"] for choice in answer.completion.get("choices", ())]
    has = {
        "stream": answer.streamed and answer.error is None,
        "plain": not answer.streamed,
        "reasoning": answer.reasoning is not None,
        "tools": any("tool_calls" in message for message in messages),
        "choices": len(messages) > 1,
        "errors in streams": answer.error is not None,
    }
    return [group for group, member in has.items() if member]


def _count(made: dict[str, Tally], group: str, name: str, why: str) -> None:
    tally = made.setdefault(group, Tally())
    if why:
        tally.failed[name] = why
    else:
        tally.passed += 1


def _cut(body: bytes, how: str | int) -> list[bytes]:
    if how == "whole":
        return [body]
    if how == "bytes":
        return in_pieces(body, 1)
    chance, pieces = random.Random(how), list[bytes]()
    while body:
        size = chance.randint(1, _LONGEST)
        pieces.append(body[:size])
        body = body[size:]
    return pieces


async def answered(answer: Answer, how: str | int) -> None:
    """Read an answer that is cut so: whole and exact, its reasoning read, the pieces of both adding up to them.

    Raises:
        AssertionError: It came out otherwise.
    """
    kind = "text/event-stream" if answer.streamed else "application/json"
    pieces = framed(_cut(answer.body, how), content_type=kind)
    async with serving(pieces) as url, AsyncOpenAI(api_key="k", base_url=url, max_retries=0) as client:
        completion, thoughts, texts, error = await _read(client, answer)

    assert type(error) is (answer.error or type(None)), f"it ended with {error!r}"
    _same("code", getattr(error, "code", None), answer.code)
    _same("completion", None if completion is None else completion.to_dict(), answer.completion or None)
    if completion is None:
        return
    message = completion.choices[0].message
    _same("reasoning", message.reasoning, answer.reasoning)
    if answer.streamed:
        _same("reasoning in pieces", thoughts, answer.reasoning or "")
        _same("text in pieces", texts, message.content or "")
    if answer.sent_back is not None:
        _same("message that is sent back", message.to_param(), answer.sent_back)


async def _read(client: AsyncOpenAI, answer: Answer) -> tuple[ChatCompletion | None, str, str, Exception | None]:
    """The completion of an answer, the pieces of reasoning and of text that its stream gave, and the error at its end."""
    if not answer.streamed:
        return await client.chat.completions.create(model="m", messages=_MESSAGES), "", "", None
    thoughts, texts = "", ""
    try:
        async with client.chat.completions.create(model="m", messages=_MESSAGES, stream=True) as stream:
            async for chunk in stream:
                texts += chunk.text
                thoughts += "".join(choice.delta.reasoning or "" for choice in chunk.choices if choice.index in (0, -1))
            return await stream.final(), thoughts, texts, None
    except Exception as error:  # noqa: BLE001 - which one it is, is looked at
        return getattr(error, "partial", None), thoughts, texts, error


async def evented(answer: Answer) -> None:
    """Read a stream as events: reasoning and text come in deltas that add up, each with one end that has it all.

    Raises:
        AssertionError: They came out otherwise.
    """
    pieces = framed([answer.body], content_type="text/event-stream")
    async with (
        serving(pieces) as url,
        AsyncOpenAI(api_key="k", base_url=url, max_retries=0) as client,
        client.chat.completions.stream(model="m", messages=_MESSAGES) as stream,
    ):
        told: list[Any] = [event async for event in stream if getattr(event, "choice_index", 0) == 0]
        message = (await stream.final()).choices[0].message

    for kind, whole in (("reasoning", answer.reasoning), ("content", message.content)):
        deltas = "".join(event.delta for event in told if event.type == f"{kind}.delta")
        _same(f"{kind}.delta", deltas, whole or "")
        ends = [getattr(event, kind) for event in told if event.type == f"{kind}.done"]
        _same(f"{kind}.done", ends, [whole] if whole else [])


async def refused(refusal: Refusal) -> None:
    """Send a request that is refused: the class of its meaning, the family's words, its code as text; retried or not.

    Raises:
        AssertionError: It came out otherwise.
    """
    body = refusal.body if isinstance(refusal.body, bytes) else json.dumps(refusal.body).encode()
    # The server closes after each answer, and says so: else the next try may meet the closing, and there is one more.
    headers = {"content_type": "application/json", "retry_after_ms": "1", "connection": "close", **refusal.headers}
    head, *rest = framed([body], **headers)
    pieces = [head.replace(b"200 OK", f"{refusal.status} Refused".encode()), *rest]
    async with serving(pieces) as url, AsyncOpenAI(api_key="k", base_url=url, max_retries=1) as client:
        try:
            await client.chat.completions.create(model="m", messages=_MESSAGES)
        except APIError as caught:
            error: Any = caught
        else:
            raise AssertionError("no error came")

    assert type(error) is refusal.error, f"the error is {error!r}"
    _same("status", error.status_code, refusal.status)
    _same("code", error.code, refusal.code)
    message = error.message.removeprefix(f"Error code: {refusal.status} - ")
    assert message.startswith(refusal.message), f"the message is {message!r}"
    _same("number of tries", max(len(error.attempts), 1), 2 if refusal.retried else 1)


def _same(what: str, got: Any, meant: Any) -> None:
    assert got == meant, f"{what}: {got!r}, not {meant!r}"
