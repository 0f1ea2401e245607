"""Which tools are called, and with what."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from openai_async.server.calls import calls_for, function_call_for, plan_calls, schema_text
from openai_async.server.dice import Dice
from openai_async.server.problems import Problem

_PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Current temperature outside", "parameters": _PLACE},
}
_TIME = {"type": "function", "function": {"name": "getLocalTime", "parameters": _PLACE}}
_SHELL = {"type": "custom", "custom": {"name": "shell", "description": "Runs a command"}}


def _names(text, *, called=(), **fields):
    plan = plan_calls({"tools": [_WEATHER, _TIME, _SHELL], **fields}, text=text, called=called)
    return [tool[tool["type"]]["name"] for tool in plan.tools]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the weather in Paris?", ["get_weather"]),
        ("Weather and local time in Paris?", ["get_weather", "getLocalTime"]),
        ("Please use GETLOCALTIME.", ["getLocalTime"]),
        ("How high is the temperature outside the house?", ["get_weather"]),
        ("Who wrote Hamlet?", []),
        ("What is the current get?", []),
    ],
)
def test_tools_are_called_when_they_are_meant(text, expected):
    """A tool is called for its name, a telling word of it, or two words of its description."""
    assert _names(text) == expected


def test_choices_are_obeyed():
    """None, required, named and allowed tools are what they say, whatever the message asks for."""
    text = "Weather and local time in Paris?"
    named = {"type": "custom", "custom": {"name": "shell"}}
    only_time = [{"type": "function", "function": {"name": "getLocalTime"}}]
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": only_time}}
    forced = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": only_time}}

    assert _names(text, tool_choice="none") == []
    assert _names("Hamlet", tool_choice="required") == ["get_weather"]
    assert _names(text, tool_choice="required") == ["get_weather", "getLocalTime"]
    assert _names(text, tool_choice=named) == ["shell"]
    assert _names(text, tool_choice=allowed) == ["getLocalTime"]
    assert _names("Hamlet", tool_choice=allowed) == []
    assert _names("Hamlet", tool_choice=forced) == ["getLocalTime"]
    assert _names(text, parallel_tool_calls=False) == ["get_weather"]


def test_results_are_answered_with_text_unless_a_call_is_forced():
    """After tool results the answer is text; a forced call goes to a tool that was not called yet, while there is one."""
    forced = {"tool_choice": "required"}

    assert _names("weather", called=["get_weather"]) == []
    assert _names("weather", called=["get_weather"], **forced) == ["getLocalTime"]
    assert _names("weather", called=["get_weather", "getLocalTime"], **forced) == ["shell"]
    assert _names("weather", called=["get_weather", "getLocalTime", "shell"], **forced) == ["shell"]


def test_a_named_call_ends_with_stop():
    """The API's finish reason for a named tool is stop, for others tool_calls."""
    named = {"type": "function", "function": {"name": "get_weather"}}

    assert plan_calls({"tools": [_WEATHER], "tool_choice": named}, text="").finish_reason == "stop"
    assert plan_calls({"tools": [_WEATHER]}, text="weather").finish_reason == "tool_calls"


def _calls(tools, text="What is the weather in Paris?"):
    plan = plan_calls({"tools": tools, "tool_choice": "required"}, text=text)
    names = {tool[tool["type"]]["name"]: at for at, tool in enumerate(tools)}
    return calls_for(plan, text=text, dice=Dice(1), indexes=names)


def test_arguments_fit_and_take_up_the_message():
    """A function's arguments fit its schema, and name the place that the user named."""
    (call,) = _calls([_WEATHER])
    arguments = json.loads(call["function"]["arguments"])

    jsonschema.validate(arguments, _PLACE)
    assert arguments == {"city": "Paris"}
    assert re.fullmatch(r"call_\w{24}", call["id"])


@pytest.mark.parametrize("parameters", [None, {}, {"properties": {}}, {"type": "object"}])
def test_functions_without_parameters_get_an_object(parameters):
    """Arguments are always a JSON object."""
    (call,) = _calls([{"type": "function", "function": {"name": "f", "parameters": parameters}}])

    assert json.loads(call["function"]["arguments"]) == {}


def test_custom_tools_get_text():
    """A custom tool's input is the message, or what its grammar matches."""
    grammar = {"type": "grammar", "grammar": {"syntax": "regex", "definition": r"^ls -[al]{1,2}$"}}
    plain, shaped = _calls([_SHELL]), _calls([{"type": "custom", "custom": {"name": "s", "format": grammar}}])

    assert plain[0]["custom"] == {"name": "shell", "input": "What is the weather in Paris?"}
    assert re.fullmatch(r"ls -[al]{1,2}", shaped[0]["custom"]["input"])


@pytest.mark.parametrize(
    ("tool", "param", "code"),
    [
        (
            {
                "type": "function",
                "function": {"name": "f", "parameters": {"required": ["a"], "properties": {"a": False}}},
            },
            "tools[0].function.parameters",
            "unmet_schema",
        ),
        (
            {
                "type": "custom",
                "custom": {
                    "name": "c",
                    "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "a"'}},
                },
            },
            "tools[0].custom.format.grammar",
            "unmet_grammar",
        ),
        (
            {
                "type": "custom",
                "custom": {
                    "name": "c",
                    "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "("}},
                },
            },
            "tools[0].custom.format.grammar",
            "unmet_grammar",
        ),
    ],
)
def test_what_can_not_be_called_is_said(tool, param, code):
    """A tool whose schema or grammar can't be met is a bad request, not a wrong call."""
    with pytest.raises(Problem) as caught:
        _calls([tool])

    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)


def test_deprecated_functions_are_called_alike():
    """The single function call of old follows the message and `function_call`."""
    functions = [{"name": "get_weather", "parameters": _PLACE}]

    def call(text, *, called=(), **fields):
        return function_call_for({"functions": functions, **fields}, text=text, called=called, dice=Dice(1))

    assert call("The weather in Rome?") == {"name": "get_weather", "arguments": '{"city":"Rome"}'}
    assert call("Hamlet") is None
    assert call("Hamlet", function_call={"name": "get_weather"})["name"] == "get_weather"
    assert call("The weather in Rome?", function_call="none") is None
    assert call("The weather in Rome?", called=["get_weather"]) is None


def test_schema_text_is_compact_json():
    """Structured answers are JSON without spaces."""
    text = schema_text(
        {"const": {"a": [1, 2]}}, text="", dice=Dice(1), what="response_format 'n'", param="response_format"
    )

    assert text == '{"a":[1,2]}'
