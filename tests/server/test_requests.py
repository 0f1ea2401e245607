"""What a request may hold."""

from __future__ import annotations

import copy
import json

import pytest

from openai_async.server.problems import Problem
from openai_async.server.requests import PARAMETERS, read_request

_USER = {"role": "user", "content": "hi"}
_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def _read(**fields):
    return read_request(json.dumps({"model": "m", "messages": [_USER], **fields}).encode())


def _problem(**fields):
    with pytest.raises(Problem) as caught:
        _read(**fields)
    return caught.value


def test_the_tables_know_every_documented_parameter(shared):
    """The parameters are exactly those of the API's published schema."""
    defs = json.loads((shared / "openapi" / "chat.schema.json").read_text(encoding="utf-8"))["$defs"]
    documented = set()
    for part in ("CreateChatCompletionRequest", "CreateModelResponseProperties"):
        documented.update(defs[part]["allOf"][1]["properties"])
    documented.update(defs["ModelResponseProperties"]["properties"])

    assert set(PARAMETERS) == documented


def test_every_request_of_the_official_client_is_taken(shared):
    """All recorded requests, which the real API took, are taken here."""
    paths = sorted((shared / "recordings").glob("*.request.json"))
    assert paths

    for path in paths:
        assert read_request(path.read_bytes())["messages"], path.name


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": role, "content": "x"} for role in ("system", "developer", "user", "assistant")]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "low"}}]},
                {
                    "role": "user",
                    "content": [
                        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
                        {
                            "type": "file",
                            "file": {"file_id": "f"},
                            "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"},
                        },
                    ],
                },
            ]
        },
        {"messages": [_USER, {"role": "assistant", "content": None, "refusal": "no"}]},
        {
            "messages": [
                _USER,
                {"role": "assistant", "content": None, "tool_calls": [_CALL], "annotations": []},
                {"role": "tool", "tool_call_id": "c1", "content": "1"},
            ]
        },
        {
            "messages": [
                _USER,
                {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "1"},
            ]
        },
        {"tools": [_TOOL], "tool_choice": "required", "parallel_tool_calls": False},
        {"tools": [_TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}}]},
        {
            "tools": [_TOOL],
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
        },
        {"functions": [{"name": "f"}], "function_call": {"name": "f"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
        {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
        {"logprobs": True, "top_logprobs": 20},
        {"modalities": ["text", "audio"], "audio": {"voice": {"id": "v"}, "format": "wav"}},
        {"moderation": {"model": "omni", "policy": {"input": {"mode": "score"}, "output": None}}},
        {"web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": "Rome"}}}},
        {"prediction": {"type": "content", "content": "x"}, "stop": ["a", "b"], "logit_bias": {"50256": -100}},
        {"metadata": {"k": "v"}, "store": True, "seed": -1, "verbosity": "low", "reasoning_effort": "xhigh"},
        {"temperature": 2, "top_p": 0.5, "presence_penalty": -2, "frequency_penalty": 2.0, "n": 128},
    ],
)
def test_well_formed_requests_are_taken_as_they_are(fields, conforms):
    """What the reference allows comes back unchanged, and the published schema agrees that it is allowed."""
    request = _read(**fields)

    assert request == {"model": "m", "messages": [_USER], **fields}
    if "prompt_cache_breakpoint" not in json.dumps(fields):  # its ttl is newer than the published schema
        conforms(request, "CreateChatCompletionRequest")


def test_nulls_are_dropped():
    """A parameter that is null is as good as absent, as the official client's None."""
    assert "temperature" not in _read(temperature=None)
    assert "tools" not in _read(tools=None)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": "hi"}, "messages", "invalid_type"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "missing_required_parameter"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content", "invalid_type"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content", "empty_array"),
        (
            {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
            "messages[0].content[0].type",
            "invalid_value",
        ),
        (
            {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}]},
            "messages[0].content[0].type",
            "invalid_value",
        ),
        ({"messages": [{"role": "user", "content": "x", "parsed": 1}]}, "messages[0].parsed", "unknown_parameter"),
        ({"temprature": 1}, "temprature", "unknown_parameter"),
        ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 1.5}, "n", "invalid_type"),
        ({"stop": ["a"] * 5}, "stop", "array_above_max_length"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs", "integer_above_max_value"),
        ({"model": ""}, "model", "empty_string"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k", "string_above_max_length"),
        ({"metadata": {str(i): "" for i in range(17)}}, "metadata", "object_above_max_properties"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name", "invalid_value"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "Gen[int]", "schema": {}}}},
            "response_format.json_schema.name",
            "invalid_value",
        ),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"seed": 2**63}, "seed", "integer_above_max_value"),
    ],
)
def test_malformed_requests_name_the_parameter(fields, param, code):
    """A parameter that is wrong is named, with the API's code."""
    problem = _problem(**fields)

    assert (problem.status, problem.param, problem.code) == (400, param, code)


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_required_parameters_are_asked_for(missing):
    """Without a model or messages, the missing parameter is named."""
    request = {"model": "m", "messages": [_USER]}
    del request[missing]

    with pytest.raises(Problem) as caught:
        read_request(json.dumps(request).encode())

    assert (caught.value.param, caught.value.code) == (missing, "missing_required_parameter")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"model": NaN}', b"nonsense"])
def test_bodies_that_are_no_json_are_refused(body):
    """What can't be decoded is a bad request, whatever is wrong with it."""
    with pytest.raises(Problem, match="could not parse") as caught:
        read_request(body)

    assert caught.value.status == 400


@pytest.mark.parametrize("opening", [b"[", b'{"tools":'])
def test_bodies_that_are_nested_too_deeply_are_refused(opening):
    """A body that goes a hundred thousand levels down is a bad request, and no failure of the server's."""
    with pytest.raises(Problem, match="nested too deeply") as caught:
        read_request(opening * 100_000)

    assert caught.value.status == 400


def test_bodies_that_are_no_object_are_refused():
    """JSON that is no object is a bad request."""
    with pytest.raises(Problem, match="must be an object"):
        read_request(b"[]")


def test_unknown_parameters_can_be_ignored():
    """On request, parameters that the API does not know are dropped, and known ones still checked."""
    body = json.dumps({"model": "m", "messages": [_USER], "safe_prompt": True}).encode()

    assert "safe_prompt" not in read_request(body, ignore_unknown=True)
    with pytest.raises(Problem, match="safe_prompt"):
        read_request(body)


def test_what_is_not_known_inside_is_dropped_too():
    """With `ignore_unknown` no key that the API does not know is left, at any depth, but free objects stay whole."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    schema = {"type": "object", "x-order": ["a"]}
    plain = {
        "model": "m",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "b"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
        "stop": ["a"],
        "metadata": {"any": "thing"},
    }
    dressed = copy.deepcopy(plain)
    dressed["safe_prompt"] = True
    dressed["messages"][0]["content"][0]["cache_control"] = {"type": "ephemeral"}
    dressed["messages"][1]["prefix"] = False
    dressed["messages"][1]["tool_calls"][0]["extra_content"] = {"google": {}}
    dressed["messages"][1]["tool_calls"][0]["function"]["parsed_arguments"] = None
    dressed["tools"][0]["function"]["cache"] = True

    assert read_request(json.dumps(dressed).encode(), ignore_unknown=True) == plain
    with pytest.raises(Problem):
        read_request(json.dumps(dressed).encode())


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": ["user"], "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "thinking"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"stream_options": []}, "stream_options"),
    ],
)
def test_what_is_wrong_is_still_refused(changed, param):
    """`ignore_unknown` drops keys, and lets no wrong value pass."""
    request = {"model": "m", "messages": [{"role": "user", "content": "a"}], **changed}

    with pytest.raises(Problem) as caught:
        read_request(json.dumps(request).encode(), ignore_unknown=True)
    assert caught.value.param == param
