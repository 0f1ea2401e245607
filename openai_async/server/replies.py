"""What the server answers: responders.

A checked request comes in; out goes a reply: text, a message, a whole completion, or text as it is written. The default
responder, `StandIn`, answers the same request with the same bytes, always. No responder knows of sockets, headers or
streams.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec

from .calls import calls_for, function_call_for, plan_calls, schema_text
from .completions import Draft, complete, request_key
from .dice import Dice
from .extras import citation_of
from .problems import Problem
from .prose import REFUSAL, answer_text, result_text, wants_filter, wants_refusal
from .schemas import is_list, is_object
from .tokens import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Call", "Reply", "Responder", "Script", "StandIn", "completion_of", "drafts_of"]

_MOST_BRACES = 100  # places in a message where a schema is looked for


class Call(msgspec.Struct, frozen=True):
    """A function call for a `Script`.

    Attributes:
        name: The function.
        arguments: Its arguments, as an object or as the JSON text that a model might write, valid or not.
        id: None: one is made up.
    """

    name: str
    arguments: dict[str, Any] | str = "{}"
    id: str | None = None


# A text, an assistant message (`role` may be missing) or a whole completion as plain data, calls, or text as it is
# written, to be sent piece by piece.
Reply: TypeAlias = str | dict[str, Any] | Call | list[Call] | Draft | list[Draft] | AsyncIterator[str]


class Responder(Protocol):
    """Whatever answers requests: an async function, an async generator function, or an object with `__call__`.

    It is cancelled when the client goes away. It may raise a `Problem` to answer with an error.
    """

    def __call__(self, request: dict[str, Any], /) -> Awaitable[Reply] | AsyncIterator[str]:
        """Answer a request: plain data as the client sent it, checked, without nulls."""
        ...


class StandIn:
    """The default responder: no model, but an answer that fits the request, and always the same one.

    It calls tools that are forced or plausibly asked for, fits JSON schemas, reports tool results, refuses when the
    last user message has the word "refuse", is stopped by the content filter when it has "content_filter", and writes
    n words when it asks for "n words".
    """

    async def __call__(self, request: dict[str, Any], /) -> list[Draft]:
        """Answer a request with one draft per choice; cancelling it loses nothing."""
        key = request_key(request)
        return [self._draft(request, index, Dice.of(key, index)) for index in range(request.get("n", 1))]

    def _draft(self, request: dict[str, Any], index: int, dice: Dice) -> Draft:
        messages: list[dict[str, Any]] = request["messages"]
        text = next((text_of(m.get("content")) for m in reversed(messages) if m["role"] == "user"), "")
        results = _results(messages)
        recent = [name for name, _ in results]
        if wants_refusal(text):
            return Draft(refusal=REFUSAL)
        called = _called(request, text, recent=recent, dice=dice)
        if called is not None:
            return called
        structured = _structured(request, text, dice)
        if structured is not None:
            return Draft(content=structured)
        if results:
            return Draft(content=result_text(results, index=index, dice=dice))
        draft = Draft(content=answer_text(text, index=index, verbosity=request.get("verbosity", "medium"), dice=dice))
        if wants_filter(text):
            draft.finish_reason = "content_filter"
        if "web_search_options" in request:
            draft.content, citation = citation_of(draft.content or "")
            draft.annotations = [citation]
        return draft


class Script:
    """A responder that hands out prepared replies in turn, one per request.

    Args:
        replies: Texts, messages, completions, calls, and exceptions to raise (a `Problem` becomes that error).
        repeat: Begin again at the end instead of refusing further requests.

    Attributes:
        used: How many replies were handed out.
    """

    def __init__(self, replies: Iterable[Reply | Exception], *, repeat: bool = False) -> None:
        self._replies = list(replies)
        self._repeat = repeat
        self.used: int = 0

    async def __call__(self, request: dict[str, Any], /) -> Reply:
        """Return the next reply, whatever is asked.

        Raises:
            Problem: Status 400, which no client retries: there are no more replies. Or the reply itself.
        """
        del request
        if self.used >= len(self._replies) and not (self._repeat and self._replies):
            text = f"The script has no reply left: all {len(self._replies)} were handed out."
            raise Problem(400, text, code="script_exhausted")
        reply = self._replies[self.used % len(self._replies)]
        self.used += 1
        if isinstance(reply, Exception):
            raise reply
        return reply


def completion_of(request: dict[str, Any], reply: Any, *, created: int | None = None) -> dict[str, Any]:
    """Return the completion that a reply amounts to; each choice says the same unless the reply says otherwise.

    Args:
        request: The request.
        reply: Any `Reply` except text that is still being written.
        created: Unix time in seconds; None: one in 2025 that depends on the request only.

    Raises:
        TypeError: The reply is of no kind that a responder may return.
    """
    if is_object(reply) and "choices" in reply:
        return reply
    drafts = drafts_of(reply)
    if len(drafts) == 1:
        drafts *= request.get("n", 1)
    return complete(request, drafts, created=created)


def drafts_of(reply: Any) -> list[Draft]:
    """Return what a reply says, one draft for all choices or one for each.

    Raises:
        TypeError: As in `completion_of`.
    """
    if isinstance(reply, str):
        return [Draft(content=reply)]
    if isinstance(reply, Call):
        return [Draft(calls=[_call(reply)])]
    if isinstance(reply, Draft):
        return [reply]
    if is_object(reply):
        return [_message_draft(reply)]
    if is_list(reply) and reply:
        if all(isinstance(item, Call) for item in reply):
            return [Draft(calls=[_call(item) for item in reply])]
        if all(isinstance(item, Draft) for item in reply):
            return reply
    raise TypeError(f"a responder can't reply with {type(reply).__name__}")


def _call(call: Call) -> dict[str, Any]:
    text = call.arguments if isinstance(call.arguments, str) else msgspec.json.encode(call.arguments).decode()
    number = call.id or f"call_{Dice.of('call', call.name, text).letters(24)}"
    return {"id": number, "type": "function", "function": {"name": call.name, "arguments": text}}


def _message_draft(message: dict[str, Any]) -> Draft:
    return Draft(
        content=message.get("content"),
        refusal=message.get("refusal"),
        calls=message.get("tool_calls") or [],
        function_call=message.get("function_call"),
        annotations=message.get("annotations") or [],
        finish_reason=message.get("finish_reason"),
    )


def _results(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Name and text of each tool result at the conversation's end, in order."""
    names = {call["id"]: call[call["type"]]["name"] for m in messages for call in m.get("tool_calls") or ()}
    last = list(takewhile(lambda message: message["role"] in ("tool", "function"), reversed(messages)))[::-1]
    return [(names[m["tool_call_id"]] if m["role"] == "tool" else m["name"], text_of(m.get("content"))) for m in last]


def _called(request: dict[str, Any], text: str, *, recent: list[str], dice: Dice) -> Draft | None:
    """The draft of an answer that calls something; None: it calls nothing."""
    plan = plan_calls(request, text=text, called=recent)
    if plan.tools:
        indexes = {tool[tool["type"]]["name"]: at for at, tool in enumerate(request["tools"])}
        calls = calls_for(plan, text=text, dice=dice, indexes=indexes)
        return Draft(calls=calls, finish_reason=plan.finish_reason)
    call = function_call_for(request, text=text, called=recent, dice=dice)
    return None if call is None else Draft(function_call=call)


def _described_schema(request: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON schema that a message spells out, as libraries write it for models without `json_schema`; None: none."""
    decoder = json.JSONDecoder()
    for message in request["messages"]:
        text = text_of(message.get("content"))
        starts = [at for at, character in enumerate(text) if character == "{"]
        for start in starts[:_MOST_BRACES]:
            try:
                found, _ = decoder.raw_decode(text, start)
            except ValueError:
                continue
            if is_object(found) and is_object(found.get("properties")):
                return found
    return None


def _structured(request: dict[str, Any], text: str, dice: Dice) -> str | None:
    """The answer as JSON text; None: no JSON is asked for."""
    wanted: dict[str, Any] = request.get("response_format", {"type": "text"})
    if wanted["type"] == "json_schema":
        wrapper = wanted["json_schema"]
        what = f"response_format '{wrapper['name']}'"
        return schema_text(wrapper["schema"], text=text, dice=dice, what=what, param="response_format")
    if wanted["type"] == "json_object":
        schema = _described_schema(request)
        if schema is not None:
            what = "the answer that your messages describe"
            return schema_text(schema, text=text, dice=dice, what=what, param="messages")
        answer = {"question": text, "answer": answer_text(text, index=0, verbosity="low", dice=dice)}
        return msgspec.json.encode(answer).decode()
    return None
