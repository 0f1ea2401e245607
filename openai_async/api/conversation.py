"""`Conversation`: what a run of tools says to the model, turn by turn, and what it was told.

A request's parameters, the model's answers and those of tools come in; the parameters of the next request go out.
Nothing here sends or calls anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar, cast
from uuid import uuid4

from openai_async.errors import (
    APIResponseValidationError,
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
)
from openai_async.protocol import codec
from openai_async.types.json import is_object
from openai_async.types.options import Omit, RequestOptions, omit
from openai_async.types.parsed import ParsedChatCompletion

from .arguments import MESSAGES, CreateParams, check_names, is_type, items_of, mapping_of
from .runevents import ToolCall, ToolCallDoneEvent, ToolRun

__all__ = ["Conversation"]

T = TypeVar("T")

# With those of `run_tools` itself, which never get here: a misspelt one shall find them.
_NAMES = frozenset({*CreateParams.__annotations__, "stream", "max_turns", "tool_timeout", "on_tool_error"})
_OPTIONS = frozenset(RequestOptions.__annotations__)
_CUT_SHORT = {"length": LengthFinishReasonError, "content_filter": ContentFilterFinishReasonError}


class Conversation(Generic[T]):
    """A conversation with tools.

    Args:
        params: Of the first request, but for its tools.
        tools: As they are sent; none: `tools` is left out.

    Attributes:
        named: The tool that `tool_choice` names; None: it names none.
        parallel: Whether the calls of one answer may be made at the same time.
        open_calls: Of the model's last answer, those that are not answered yet.
        over: Whether the turn before was the last one.

    Raises:
        TypeError: A parameter is unknown.
        ValueError: More than one answer is asked for.
    """

    def __init__(self, params: Mapping[str, Any], tools: Sequence[Mapping[str, Any]]) -> None:
        check_names("run_tools", params, _NAMES)
        asked = params.get("n")
        if not (asked is None or isinstance(asked, Omit) or (isinstance(asked, int) and asked == 1)):
            raise ValueError("run_tools(n=...): with tools there is one answer a turn; leave n out")
        # Each turn sends them again: a generator is read once, and what the caller changes meanwhile changes nothing.
        self._params = {name: _kept(name, value) for name, value in params.items()}
        if tools:
            self._params["tools"] = list(tools)
        self._messages: list[Any] | None = None  # None: what was given is nothing to continue
        given = params.get("messages", omit)
        if not isinstance(given, Omit):
            items_of(given, "run_tools(messages=...)", MESSAGES)
            self._messages = codec.plain(given, "messages")
        self._completions: list[ParsedChatCompletion[T]] = []
        self._calls: list[ToolCallDoneEvent] = []
        self._turn: list[Any] = []  # what the turn under way adds
        self.open_calls: list[ToolCall] = []
        self.over: bool = False
        self.named: str | None = _named(self._params.get("tool_choice"))
        self.parallel: bool = params.get("parallel_tool_calls") is not False and self.named is None

    @property
    def run(self) -> ToolRun[T]:
        """What was said and done so far."""
        messages = list(self._messages or ())
        return ToolRun(messages=messages, completions=list(self._completions), calls=list(self._calls))

    def params(self) -> dict[str, Any]:
        """Return the parameters of the next request."""
        params = dict(self._params)
        if self._messages is not None:
            params["messages"] = list(self._messages)
        if self._completions:
            if "tool_choice" in params:
                params["tool_choice"] = _relaxed(params["tool_choice"])
            if isinstance(key := params.get("idempotency_key"), str):
                # Another request under the same key would get the first one's answer.
                params["idempotency_key"] = f"{key}-{len(self._completions) + 1}"
        return params

    def take(self, completion: ParsedChatCompletion[T]) -> None:
        """Take the model's answer; each of its calls has an id of its own from now on.

        Raises:
            LengthFinishReasonError, ContentFilterFinishReasonError: It was cut off or withheld where it makes calls.
            APIResponseValidationError: It has no choice.
        """
        if not completion.choices:
            raise APIResponseValidationError("The answer has no choice.", body=completion.to_dict())
        choice = completion.choices[0]
        calls = cast("list[ToolCall]", choice.message.tool_calls or [])
        if calls and choice.finish_reason in _CUT_SHORT:
            raise _CUT_SHORT[choice.finish_reason](completion)
        seen: set[str] = set()
        for call in calls:
            if not call.id or call.id in seen:
                call.id = f"call_{uuid4().hex}"
            seen.add(call.id)
        self._completions.append(completion)
        self._turn = [choice.message.to_param()]
        self.open_calls, self.over = calls, not calls

    def answer(self, answers: Sequence[ToolCallDoneEvent]) -> None:
        """Take how the open calls ended. The conversation is over if the named tool was called among them."""
        self._calls += answers
        self._turn += [{"role": "tool", "tool_call_id": done.id, "content": done.content} for done in answers]
        self.open_calls = []
        self.over = any(done.made and done.name == self.named for done in answers)

    def end_turn(self) -> list[Any]:
        """Make the turn a part of the conversation, and return the messages that it adds."""
        turn, self._turn = self._turn, []
        self._messages = [*(self._messages or ()), *turn]
        return turn


def _kept(name: str, value: Any) -> Any:
    """A parameter as it is kept: plain data of our own, unless it is none."""
    if name in ("extra_body", "extra_query"):
        given = mapping_of(value, name)  # in which `omit` has a meaning
        return {key: item if isinstance(item, Omit) else codec.plain(item, name) for key, item in given.items()}
    if name == "extra_headers":
        return dict(mapping_of(value, name))
    if (
        name in _OPTIONS
        or name == "messages"
        or isinstance(value, Omit)
        or (name == "response_format" and is_type(value))
    ):
        return value
    return codec.plain(value, name)


def _named(choice: Any) -> str | None:
    """The tool that a `tool_choice` names."""
    described: Any = choice.get(choice.get("type", "")) if is_object(choice) else None
    name: Any = described.get("name") if is_object(described) else None
    return name if isinstance(name, str) else None


def _relaxed(choice: Any) -> Any:
    """A `tool_choice` for the turns after the first: what forces any call would force one for ever."""
    if choice == "required":
        return "auto"
    allowed: Any = choice.get("allowed_tools") if is_object(choice) else None
    if is_object(allowed) and allowed.get("mode") == "required":
        return {**choice, "allowed_tools": {**allowed, "mode": "auto"}}
    return choice
