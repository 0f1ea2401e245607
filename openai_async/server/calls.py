"""Which tools an answer calls, and with what.

A request with tools comes in; out go tool calls as the API writes them, none where a text is the better answer.
Arguments fit the tool's schema and take what they can from the user's message. It never runs a tool.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from .patterns import text_matching
from .problems import Problem
from .samples import Hints
from .schema_values import UnmetSchemaError, value_for
from .schemas import is_object

if TYPE_CHECKING:
    from collections.abc import Collection

    from .dice import Dice

__all__ = ["Plan", "calls_for", "function_call_for", "plan_calls", "schema_text"]

# Words that say nothing about which tool is meant.
_COMMON = frozenset({"get", "set", "the", "a", "an", "of", "for", "to", "in", "on", "is", "and", "or", "with", "from",
                     "tool", "function", "call", "this", "that", "what", "your", "you", "returns", "return", "given",
                     "user", "use", "it", "by", "at", "be", "are", "my", "me", "do", "does", "please", "current"})  # fmt: skip

_Tool = dict[str, Any]


class Plan(msgspec.Struct, frozen=True):
    """The tools that an answer calls, in order (none: it is text), and the finish reason that goes with them."""

    tools: list[_Tool]
    finish_reason: str = "tool_calls"


def plan_calls(request: dict[str, Any], *, text: str, called: Collection[str] = ()) -> Plan:
    """Decide which tools to call.

    After a tool's result the answer is text. Where a call is forced all the same, it is one of a tool that was not
    called yet, as long as there is one: so programs that loop until a certain tool is called do not loop for ever.

    Args:
        request: The request, with or without `tools`.
        text: The last user message.
        called: Names of the tools whose results the conversation ends with; empty: it ends with no results.
    """
    tools: list[_Tool] = request.get("tools", [])
    choice: Any = request.get("tool_choice", "auto")
    if is_object(choice):
        if choice["type"] != "allowed_tools":
            # A named tool is no decision of the model's: the API then says "stop", not "tool_calls".
            return Plan([tool for tool in tools if _key(tool) == _key(choice)], "stop")
        allowed = [_key(item) for item in choice["allowed_tools"]["tools"]]
        tools = [tool for tool in tools if _key(tool) in allowed]
        choice = choice["allowed_tools"]["mode"]
    if choice == "none" or (choice == "auto" and called):
        return Plan([])
    fresh = [tool for tool in tools if _key(tool)[1] not in called]
    chosen = [tool for tool in fresh if _suits(tool[tool["type"]], text)]
    if choice == "required" and not chosen:
        chosen = fresh[:1] or tools[-1:]
    return Plan(chosen[:1] if request.get("parallel_tool_calls") is False else chosen)


def calls_for(plan: Plan, *, text: str, dice: Dice, indexes: dict[str, int]) -> list[dict[str, Any]]:
    """Write the calls of a plan.

    Args:
        plan: The tools to call.
        text: The user's message, from which arguments are taken where they fit.
        dice: Decides the rest.
        indexes: Position of each tool's name in the request, for complaints.

    Raises:
        Problem: Status 400; nothing fits a tool's schema or grammar.
    """
    calls: list[dict[str, Any]] = []
    for tool in plan.tools:
        kind, spec = tool["type"], tool[tool["type"]]
        path = f"tools[{indexes[spec['name']]}].{kind}"
        if kind == "function":
            arguments = _arguments(spec, text, dice, f"{path}.parameters")
            inner = {"name": spec["name"], "arguments": arguments}
        else:
            inner = {"name": spec["name"], "input": _input(spec, text, dice, path)}
        calls.append({"id": f"call_{dice.letters(24)}", "type": kind, kind: inner})
    return calls


def function_call_for(
    request: dict[str, Any], *, text: str, called: Collection[str] = (), dice: Dice
) -> dict[str, Any] | None:
    """Write the single call of the deprecated `functions`; None: a text is the better answer.

    Args:
        request: The request, with or without `functions`.
        text: The last user message.
        called: As in `plan_calls`.
        dice: Decides what the message does not.

    Raises:
        Problem: Status 400; nothing fits the function's schema.
    """
    functions: list[dict[str, Any]] = request.get("functions", [])
    choice: Any = request.get("function_call", "auto")
    if is_object(choice):
        chosen = [function for function in functions if function["name"] == choice["name"]]
    elif choice == "none" or called:
        chosen = []
    else:
        chosen = [function for function in functions if _suits(function, text)]
    if not chosen:
        return None
    path = f"functions[{functions.index(chosen[0])}].parameters"
    return {"name": chosen[0]["name"], "arguments": _arguments(chosen[0], text, dice, path)}


def schema_text(schema: Any, *, text: str, dice: Dice, what: str, param: str) -> str:
    """Return JSON text that fits a schema.

    Args:
        schema: The schema.
        text: The user's message, from which values are taken where they fit.
        dice: Decides the rest.
        what: What the schema belongs to, for the complaint.
        param: The parameter to blame.

    Raises:
        Problem: Status 400; nothing fits.
    """
    try:
        return msgspec.json.encode(value_for(schema, dice=dice, hints=Hints(text))).decode()
    except UnmetSchemaError as error:
        message = f"Invalid schema for {what}: this server can't meet it: {error}."
        raise Problem(400, message, param=param, code="unmet_schema") from error


def _arguments(function: dict[str, Any], text: str, dice: Dice, path: str) -> str:
    schema: dict[str, Any] = {"type": "object", **(function.get("parameters") or {})}
    return schema_text(schema, text=text, dice=dice, what=f"function '{function['name']}'", param=path)


def _input(spec: dict[str, Any], text: str, dice: Dice, path: str) -> str:
    shape = spec.get("format", {"type": "text"})
    if shape["type"] == "text":
        return text or spec["name"]
    grammar = shape["grammar"]
    reason = "it understands 'regex' only"
    if grammar["syntax"] == "regex":
        try:
            return text_matching(grammar["definition"], dice=dice)
        except ValueError as error:
            reason = str(error)
    message = f"Invalid grammar for custom tool '{spec['name']}': this server can't meet it: {reason}."
    raise Problem(400, message, param=f"{path}.format.grammar", code="unmet_grammar")


def _key(tool: _Tool) -> tuple[str, str]:
    return tool["type"], tool[tool["type"]]["name"]


def _suits(spec: dict[str, Any], text: str) -> bool:
    """Whether a message plausibly asks for a tool: by its name, a word of it, or two words of its description."""
    if spec["name"].casefold() in text.casefold():
        return True
    said = _words(text)
    return bool(_words(spec["name"]) & said) or len(_words(spec.get("description") or "") & said) >= 2


def _words(text: str) -> set[str]:
    """The telling words of a text, plural endings dropped; `getWeather_now` has three."""
    parts = re.findall(r"[^\W\d_]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", text))
    return {word.casefold().rstrip("s") for word in parts if len(word) > 2 and word.casefold() not in _COMMON}
