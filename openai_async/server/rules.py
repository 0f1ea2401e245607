"""How the parameters of a request must go together.

A request whose single parameters are all well-formed comes in; nothing goes out, or the `Problem` that the API would
answer with. Each rule is one function in `RULES`; none of them changes the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .problems import Problem
from .strict import check_strict
from .tokens import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RULES", "check_rules"]

_Request = dict[str, Any]

# Parameter, what it needs, and whether that other parameter must be true (or merely be there).
_NEEDS = (
    ("stream_options", "stream", True),
    ("top_logprobs", "logprobs", True),
    ("tool_choice", "tools", False),
    ("parallel_tool_calls", "tools", False),
    ("function_call", "functions", False),
)


def check_rules(request: _Request) -> None:
    """Raise the first rule's complaint.

    Args:
        request: The request, each parameter of which is known to be well-formed.

    Raises:
        Problem: Status 400; the parameters do not go together.
    """
    for rule in RULES:
        rule(request)


def _needs(request: _Request) -> None:
    for name, other, truth in _NEEDS:
        if name in request and not request.get(other):
            state = "enabled" if truth else "specified"
            raise _bad(f"Invalid value for '{name}': '{name}' is only allowed when '{other}' is {state}.", name)


def _one_limit(request: _Request) -> None:
    if "max_tokens" in request and "max_completion_tokens" in request:
        text = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        raise _bad(text, "max_tokens", code="invalid_parameter_combination")


def _conversation(request: _Request) -> None:
    """Each tool call is answered by a tool message before anything else is said, and no other tool message exists."""
    open_calls: list[str] = []
    asked = 0  # index of the assistant message whose calls are open
    for index, message in enumerate(request["messages"]):
        role = message["role"]
        if role == "tool":
            if message["tool_call_id"] not in open_calls:
                raise _orphan(index, open_calls)
            open_calls.remove(message["tool_call_id"])
        elif open_calls:
            raise _unanswered(asked, open_calls)
        if role == "assistant":
            _something_said(message, index)
            open_calls = [call["id"] for call in message.get("tool_calls") or ()]
            asked = index
    if open_calls:
        raise _unanswered(asked, open_calls)


def _orphan(index: int, open_calls: list[str]) -> Problem:
    if open_calls:
        return _bad(f"Invalid 'messages[{index}].tool_call_id': no such tool call.", f"messages[{index}].tool_call_id")
    text = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
    return _bad(f"Invalid parameter: {text}", f"messages[{index}].role")


def _unanswered(index: int, open_calls: list[str]) -> Problem:
    text = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(open_calls)}"
    )
    return _bad(text, f"messages[{index}].role")


def _something_said(message: dict[str, Any], index: int) -> None:
    if all(message.get(name) is None for name in ("content", "refusal", "tool_calls", "function_call", "audio")):
        text = f"Invalid value for 'messages[{index}].content': expected a string, got null."
        raise _bad(text, f"messages[{index}].content")


def _choice(request: _Request) -> None:
    """A choice names tools that exist."""
    if not isinstance(request.get("tool_choice"), dict):
        return
    choice: dict[str, Any] = request["tool_choice"]
    tools = {(tool["type"], tool[tool["type"]]["name"]) for tool in request["tools"]}
    wanted: list[dict[str, Any]] = [choice]
    if choice["type"] == "allowed_tools":
        wanted = choice["allowed_tools"]["tools"]
    for item in wanted:
        name: str = item[item["type"]]["name"]
        if (item["type"], name) not in tools:
            raise _bad(f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice")


def _function_choice(request: _Request) -> None:
    choice = request.get("function_call")
    if isinstance(choice, dict) and choice["name"] not in [function["name"] for function in request["functions"]]:
        raise _bad(f"Function '{choice['name']}' not found in 'functions' parameter.", "function_call")


def _tool_names(request: _Request) -> None:
    seen = set[str]()
    for index, tool in enumerate(request.get("tools", ())):
        name: str = tool[tool["type"]]["name"]
        if name in seen:
            raise _bad(f"Invalid 'tools': the name '{name}' is used twice.", f"tools[{index}].{tool['type']}.name")
        seen.add(name)


def _json_mentioned(request: _Request) -> None:
    if request.get("response_format", {}).get("type") == "json_object":
        said = "\n".join(text_of(message.get("content")) for message in request["messages"])
        if "json" not in said.casefold():
            text = "must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
            raise _bad(f"'messages' {text}", "messages")


def _schemas(request: _Request) -> None:
    """Schemas marked as strict keep to what strict mode supports."""
    wrapper = request.get("response_format", {}).get("json_schema")
    if wrapper is not None:
        if "schema" not in wrapper:
            path = "response_format.json_schema.schema"
            raise _bad(f"Missing required parameter: '{path}'.", path, code="missing_required_parameter")
        if wrapper.get("strict"):
            check_strict(wrapper["schema"], what=f"response_format '{wrapper['name']}'", param="response_format")
    for index, tool in enumerate(request.get("tools", ())):
        function = tool.get("function", {})
        if function.get("strict") and function.get("parameters") is not None:
            param = f"tools[{index}].function.parameters"
            check_strict(function["parameters"], what=f"function '{function['name']}'", param=param)


def _speech(request: _Request) -> None:
    if "audio" in request.get("modalities", ()) and "audio" not in request:
        raise _bad("Missing required parameter: 'audio'.", "audio", code="missing_required_parameter")


RULES: tuple[Callable[[_Request], None], ...] = (
    _needs,
    _one_limit,
    _conversation,
    _choice,
    _function_choice,
    _tool_names,
    _json_mentioned,
    _schemas,
    _speech,
)


def _bad(message: str, param: str, *, code: str | None = None) -> Problem:
    return Problem(400, message, param=param, code=code)
