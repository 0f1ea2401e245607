"""Responders."""

from __future__ import annotations

import asyncio
import json

import jsonschema
import msgspec
import pytest

from openai_async.server.completions import Draft
from openai_async.server.problems import Problem
from openai_async.server.replies import Call, Script, StandIn, completion_of

_TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
_PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def _request(text="What is the capital of France?", **fields):
    return {"model": "m", "messages": [{"role": "user", "content": text}], **fields}


def _answer(request):
    """The stand-in's answer to a request."""
    return completion_of(request, asyncio.run(StandIn()(request)))


def _message(*args, **fields):
    return _answer(_request(*args, **fields))["choices"][0]["message"]


def test_the_same_request_has_the_same_answer():
    """Two stand-ins answer with the same bytes, and another question otherwise."""
    one, two = (msgspec.json.encode(_answer(_request(temperature=1))) for _ in range(2))

    assert one == two
    assert one != msgspec.json.encode(_answer(_request(temperature=0)))


def test_answers_are_what_they_were():
    """This very answer belongs to this request, whatever the platform: a change here changes users' tests."""
    completion = _answer(_request("Hello"))

    assert completion["id"] == "chatcmpl-k2GfI8QTFh4eBdpdWGTBRfBKzZz9b"
    assert completion["choices"][0]["message"]["content"] == "Hello there, and welcome."


def test_every_choice_is_another_answer():
    """With n answers, all differ."""
    choices = _answer(_request(n=128))["choices"]

    assert len({choice["message"]["content"] for choice in choices}) == 128
    assert [choice["index"] for choice in choices] == list(range(128))


def test_it_refuses_when_asked_to():
    """The word refuse in the last user message gets a refusal, without content."""
    message = _message("Please refuse this.")

    assert message["content"] is None
    assert message["refusal"].startswith("I'm sorry")


def test_the_content_filter_can_be_asked_for():
    """The word content_filter makes it the finish reason."""
    assert _answer(_request("content_filter"))["choices"][0]["finish_reason"] == "content_filter"


def test_tools_are_called_and_their_results_reported():
    """A fitting tool is called; when its result comes, a text quotes it."""
    request = _request("The weather in Paris?", tools=[_TOOL])
    message = _answer(request)["choices"][0]["message"]
    (call,) = message["tool_calls"]
    request["messages"] += [message, {"role": "tool", "tool_call_id": call["id"], "content": "18 degrees"}]

    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    answer = _answer(request)["choices"][0]
    assert "get_weather says “18 degrees”" in answer["message"]["content"]
    assert answer["finish_reason"] == "stop"


def test_old_functions_are_called_and_their_results_reported():
    """The deprecated way works alike, with its own finish reason."""
    request = _request("The weather in Paris?", functions=[_TOOL["function"]])
    choice = _answer(request)["choices"][0]
    request["messages"] += [choice["message"], {"role": "function", "name": "get_weather", "content": "cold"}]

    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"]["name"] == "get_weather"
    assert "get_weather says “cold”" in _answer(request)["choices"][0]["message"]["content"]


def test_answers_fit_the_schema():
    """A structured answer fits its schema, and uses the user's words."""
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": _PERSON, "strict": True}}
    value = json.loads(_message("Ada Lovelace is 36 years old.", response_format=wanted)["content"])

    jsonschema.validate(value, _PERSON)
    assert value == {"name": "Ada Lovelace", "age": 36}


def test_json_is_answered_with_an_object():
    """In JSON mode the answer is an object."""
    message = _message("Answer in JSON.", response_format={"type": "json_object"})

    assert json.loads(message["content"])["question"] == "Answer in JSON."


def test_json_fits_a_schema_that_a_message_spells_out():
    """In JSON mode, a schema in the messages is obeyed: that is how libraries ask models that know no json_schema."""
    messages = [
        {"role": "system", "content": f"Answer {{in}} JSON that fits this schema:\n{json.dumps(_PERSON, indent=2)}\n"},
        {"role": "user", "content": "Ada Lovelace, 36"},
    ]
    message = _message(messages=messages, response_format={"type": "json_object"})

    assert json.loads(message["content"]) == {"name": "Ada Lovelace", "age": 36}


def test_schemas_that_can_not_be_met_are_refused():
    """An impossible schema is a bad request."""
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"not": {}}}}

    with pytest.raises(Problem, match="response_format 'n'") as caught:
        _answer(_request(response_format=wanted))
    assert caught.value.status == 400


def test_searches_cite_a_page():
    """With web search, the answer has an annotation."""
    (annotation,) = _message(web_search_options={})["annotations"]

    assert annotation["type"] == "url_citation"


def test_parts_of_a_message_are_read_together():
    """A message in parts is read as one text."""
    parts = [{"type": "text", "text": "Please"}, {"type": "text", "text": "refuse"}]

    assert _message(parts)["refusal"]


def test_without_a_user_message_there_is_an_answer():
    """A system message alone is answered, too."""
    request = {"model": "m", "messages": [{"role": "system", "content": "Be brief."}]}

    assert _answer(request)["choices"][0]["message"]["content"].startswith("You have not asked")


def test_a_script_hands_out_its_replies_in_turn():
    """One reply per request, whatever it asks; then a refusal that no client retries."""
    script = Script(["one", {"content": "two"}, Problem(429, "wait")])

    assert asyncio.run(script(_request())) == "one"
    assert asyncio.run(script(_request())) == {"content": "two"}
    with pytest.raises(Problem, match="wait"):
        asyncio.run(script(_request()))
    with pytest.raises(Problem, match="all 3 were handed out") as caught:
        asyncio.run(script(_request()))
    assert (caught.value.status, caught.value.code, script.used) == (400, "script_exhausted", 3)


def test_a_script_can_begin_again():
    """A repeating script never ends, unless it is empty."""
    script = Script(["one", "two"], repeat=True)

    assert [asyncio.run(script(_request())) for _ in range(3)] == ["one", "two", "one"]
    with pytest.raises(Problem, match="no reply left"):
        asyncio.run(Script([], repeat=True)(_request()))


@pytest.mark.parametrize(
    ("reply", "content"),
    [
        ("text", "text"),
        ({"content": "text"}, "text"),
        (Draft(content="text"), "text"),
        ([Draft(content="text")], "text"),
    ],
)
def test_replies_become_completions(reply, content):
    """Texts, messages and drafts become whole completions, cut as the request says."""
    choice = completion_of(_request(), reply)["choices"][0]

    assert (choice["message"]["content"], choice["finish_reason"]) == (content, "stop")
    assert completion_of(_request(max_tokens=1), "one two")["choices"][0]["finish_reason"] == "length"


def test_every_choice_says_what_the_reply_says():
    """One reply serves all choices."""
    choices = completion_of(_request(n=2), "text")["choices"]

    assert [choice["message"]["content"] for choice in choices] == ["text", "text"]


def test_messages_keep_their_calls():
    """A message's calls, refusal and finish reason are kept."""
    call = {"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}
    choice = completion_of(_request(), {"tool_calls": [call]})["choices"][0]

    assert choice["message"]["tool_calls"] == [call]
    assert completion_of(_request(), {"refusal": "no"})["choices"][0]["message"]["refusal"] == "no"
    assert (
        completion_of(_request(), {"content": "x", "finish_reason": "length"})["choices"][0]["finish_reason"]
        == "length"
    )


def test_calls_may_be_broken_on_purpose():
    """A scripted call has an id, and arguments as they are given, valid or not."""
    (one, two) = completion_of(_request(), [Call("f", {"a": 1}), Call("g", "{broken", id="mine")])["choices"][0][
        "message"
    ]["tool_calls"]

    assert one["function"] == {"name": "f", "arguments": '{"a":1}'}
    assert one["id"].startswith("call_")
    assert two == {"id": "mine", "type": "function", "function": {"name": "g", "arguments": "{broken"}}
    assert completion_of(_request(), Call("f"))["choices"][0]["finish_reason"] == "tool_calls"


def test_completions_are_taken_as_they_are():
    """A reply that is a completion already goes out untouched."""
    completion = {"id": "mine", "choices": []}

    assert completion_of(_request(), completion) is completion


@pytest.mark.parametrize("reply", [None, 7, [], ["text"], [Call("f"), "text"]])
def test_other_replies_are_mistakes(reply):
    """What no responder may return is a TypeError that says what it was."""
    with pytest.raises(TypeError, match="can't reply with"):
        completion_of(_request(), reply)
