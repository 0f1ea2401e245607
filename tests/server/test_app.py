"""The server as an app: what goes in and out by HTTP."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import jsonschema
import pytest
from starlette.testclient import TestClient

from openai_async.server import Problem, RateLimits, Script, serve
from openai_async.server.app import create_app
from openai_async.server.completions import Draft

_TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
    for name in ("get_weather", "get_time")
]


def test_a_question_is_answered(ask, question, conforms):
    """A plain request gets a completion of the published form, as JSON, with the API's headers."""
    answer = ask(question)

    conforms(answer.json, "CreateChatCompletionResponse")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert "“What is the capital of France?”" in answer.message["content"]
    assert answer.json["model"] == "m"


def test_every_answer_carries_the_apis_headers(ask, question):
    """Answers, streams and errors alike tell request id, version, processing time and rate limits."""
    expected = {
        "x-request-id",
        "openai-version",
        "openai-organization",
        "openai-processing-ms",
        *(f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset") for of in ("requests", "tokens")),
    }

    for answer in (ask(question), ask({**question, "stream": True}), ask({}), ask(path="/nowhere", method="GET")):
        assert expected <= set(answer.headers)


def test_a_question_is_streamed(ask, question, conforms):
    """A streamed request gets an event stream of chunks of the published form, and [DONE] at the end."""
    answer = ask({**question, "stream": True})

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert b"\r" not in answer.body
    for chunk in answer.chunks:
        conforms(chunk, "CreateChatCompletionStreamResponse")


def test_streamed_and_plain_agree(ask, question):
    """The stream's text, joined, is that of the plain answer, and so are id, date and finish reason."""
    for extra in ({}, {"n": 3}, {"seed": 4}, {"max_tokens": 5}):
        plain = ask({**question, **extra}).json
        chunks = ask({**question, **extra, "stream": True}).chunks

        for choice in plain["choices"]:
            own = [c for chunk in chunks for c in chunk["choices"] if c["index"] == choice["index"]]
            assert "".join(c["delta"].get("content") or "" for c in own) == choice["message"]["content"]
            assert own[-1]["finish_reason"] == choice["finish_reason"]
        assert {(chunk["id"], chunk["created"]) for chunk in chunks} == {(plain["id"], plain["created"])}


def test_the_same_request_gets_the_same_bytes(ask, question):
    """Two servers answer the same request with the same bytes, streamed or not."""
    for extra in (
        {},
        {"stream": True},
        {"logprobs": True, "top_logprobs": 5},
        {"tools": _TOOLS, "tool_choice": "required"},
    ):
        assert ask({**question, **extra}).body == ask({**question, **extra}).body


def test_a_clock_dates_the_answers(ask, question):
    """With a clock, answers are dated by it, streamed or not."""
    assert ask(question, clock=lambda: 99.9).json["created"] == 99
    assert ask({**question, "stream": True}, clock=lambda: 99.9).chunks[0]["created"] == 99


@pytest.mark.parametrize("place", ["/openai/v1", "/openai/deployments/gpt"])
def test_other_vendors_places_answer_alike(question, place):
    """Clients that are made for Groq or Azure find the API where they look for it."""

    async def scenario():
        async with serve() as url, aiohttp.ClientSession() as session:
            address = url.removesuffix("/v1") + place + "/chat/completions?api-version=2026-01-01"
            async with session.post(address, json=question, headers={"api-key": "any"}) as response:
                return (await response.json())["object"]

    assert asyncio.run(scenario()) == "chat.completion"


def test_tools_are_called_in_parallel(ask, conforms):
    """Several fitting tools are called at once, and the answer is of the published form."""
    request = {"model": "m", "messages": [{"role": "user", "content": "Weather and time in Rome?"}], "tools": _TOOLS}
    answer = ask(request)

    conforms(answer.json, "CreateChatCompletionResponse")
    assert [call["function"] for call in answer.message["tool_calls"]] == [
        {"name": "get_weather", "arguments": '{"city":"Rome"}'},
        {"name": "get_time", "arguments": '{"city":"Rome"}'},
    ]
    for chunk in ask({**request, "stream": True}).chunks:
        conforms(chunk, "CreateChatCompletionStreamResponse")


def test_answers_fit_a_schema(ask, question):
    """A structured answer fits, streamed or not."""
    schema = {"type": "object", "properties": {"capital": {"type": "string"}}, "required": ["capital"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    whole = ask({**question, "response_format": wanted}).message["content"]
    chunks = ask({**question, "response_format": wanted, "stream": True}).chunks

    jsonschema.validate(json.loads(whole), schema)
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == whole


def test_a_schema_that_can_not_be_met_is_a_bad_request(ask, question):
    """It is refused before anything is streamed."""
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"not": {}}}}

    assert ask({**question, "response_format": wanted, "stream": True}).error["code"] == "unmet_schema"


def test_prompts_and_answers_are_spent_from_the_limits(question):
    """The headers count requests and tokens down."""

    async def scenario():
        limits = RateLimits(requests=10, tokens=1000)
        async with serve(limits=limits) as url, aiohttp.ClientSession() as session:
            left = []
            for _ in range(2):
                async with session.post(url + "/chat/completions", json=question) as response:
                    headers = response.headers
                left.append(int(headers["x-ratelimit-remaining-requests"]))
            return left, int(headers["x-ratelimit-remaining-tokens"])

    left, tokens = asyncio.run(scenario())
    assert left == [9, 8]
    assert 800 < tokens < 950


def test_live_text_is_spent_too(question):
    """Tokens of text that was sent as it was written count as well."""

    async def count(request):
        for number in range(100):
            yield f" {number}"

    async def scenario():
        async with serve(count, limits=RateLimits(tokens=1000)) as url, aiohttp.ClientSession() as session:
            for _ in range(2):
                async with session.post(url + "/chat/completions", json={**question, "stream": True}) as response:
                    await response.read()
            return int(response.headers["x-ratelimit-remaining-tokens"])

    assert asyncio.run(scenario()) < 900


def test_enforced_limits_refuse(question):
    """One request too many is a 429 with the time to wait."""

    async def scenario():
        async with serve(limits=RateLimits(requests=1, enforce=True)) as url, aiohttp.ClientSession() as session:
            for _ in range(2):
                async with session.post(url + "/chat/completions", json=question) as response:
                    answer = response.status, response.headers.get("retry-after"), await response.json()
            return answer

    status, wait, body = asyncio.run(scenario())
    assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 0 < float(wait) <= 60


# --- Errors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "words"), [({}, "didn't provide an API key"), ({"authorization": "Bearer wrong"}, "Incorrect API key")]
)
def test_keys_are_asked_for(ask, question, headers, words):
    """With a key set, requests without it are a 401, and with it are answered."""
    answer = ask(question, api_key="right", headers=headers)

    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert words in answer.error["message"]
    assert ask(question, api_key=["other", "right"], headers={"authorization": "Bearer right"}).status == 200


def test_unknown_models_are_not_found(ask, question):
    """A model that is not in the list is a 404 with the API's code."""
    answer = ask(question, models=["other"])

    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


def test_models_are_listed(ask, conforms):
    """The list has the models that there are, each can be retrieved, others can't."""
    listed = ask(path="/models", method="GET", models=["a", "org/b"])

    conforms(listed.json, "ListModelsResponse")
    assert [model["id"] for model in listed.json["data"]] == ["a", "org/b"]
    assert ask(path="/models/org/b", method="GET", models=["a", "org/b"]).json["id"] == "org/b"
    assert ask(path="/models/c", method="GET", models=["a"]).error["code"] == "model_not_found"
    assert ask(path="/models/anything", method="GET").json["id"] == "anything"
    assert len(ask(path="/models", method="GET").json["data"]) == 1


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("/nowhere", "POST", 404, None),
        ("/completions", "POST", 404, None),
        ("/chat/completions/", "POST", 404, None),
        ("/chat/completions", "PUT", 405, "method_not_supported"),
        ("/models", "POST", 405, "method_not_supported"),
    ],
)
def test_other_places_are_refused_in_the_apis_shape(ask, conforms, path, method, status, code):
    """Unknown paths and methods get the API's errors, not the framework's."""
    answer = ask(b"{}", path=path, method=method)

    conforms(answer.json, "ErrorResponse")
    assert (answer.status, answer.error["code"]) == (status, code)
    assert path in answer.error["message"]
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (b"{", {}, "could not parse the JSON body"),
        (b"[]", {}, "must be an object"),
        (b"{}", {"content-type": "text/plain"}, "Invalid Content-Type header (text/plain)"),
        (b"{}", {"content-type": ""}, "Missing Content-Type header"),
        (b"{}", {"content-type": "application/json; charset=utf-8"}, "Missing required parameter: 'model'"),
    ],
)
def test_bad_bodies_are_bad_requests(ask, body, headers, words):
    """What is no JSON object is a 400, and what does not say that it is JSON a 415."""
    answer = ask(body, headers=headers)

    assert answer.status == (415 if "Content-Type" in words else 400)
    assert words in answer.error["message"]
    assert answer.error["type"] == "invalid_request_error"


def test_large_bodies_are_refused(ask):
    """A body over the limit is a 413."""
    answer = ask(b"x" * 2000, max_body=1000)

    assert (answer.status, answer.error["code"]) == (413, "request_too_large")


def test_unknown_parameters_can_be_tolerated(ask, question):
    """By default unknown parameters are refused by name; a server can be told to ignore them."""
    question["safe_prompt"] = True

    assert ask(question).error["param"] == "safe_prompt"
    assert ask(question, ignore_unknown=True).status == 200


# --- Responders ------------------------------------------------------------------------------------------------


def test_any_async_function_answers(ask, question):
    """A function gets the checked request, and its text is the answer, streamed or not."""

    async def shout(request):
        return request["messages"][-1]["content"].upper()

    assert ask(question, responder=shout).message["content"] == "WHAT IS THE CAPITAL OF FRANCE?"
    chunks = ask({**question, "stream": True}, responder=shout).chunks
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == "WHAT IS THE CAPITAL OF FRANCE?"


def test_any_async_generator_answers(ask, question):
    """A generator's pieces are streamed one by one, and joined for a plain answer."""

    async def count(request):
        for number in ("One", " two", " three"):
            yield number

    chunks = ask({**question, "stream": True}, responder=count).chunks
    assert [c["choices"][0]["delta"].get("content") for c in chunks] == ["", "One", " two", " three", None]
    assert ask(question, responder=count).message["content"] == "One two three"


def test_a_function_may_return_an_iterator(ask, question):
    """An async function that returns an async iterator is as good as a generator."""

    async def pieces():
        yield "One"

    async def respond(request):
        return pieces()

    assert ask(question, responder=respond).message["content"] == "One"


@pytest.mark.parametrize("stream", [False, True])
def test_responders_refuse_with_problems(ask, question, stream):
    """A problem is the answer, also of a generator that fails before its first piece."""

    async def function(request):
        raise Problem(429, "Quota.", type="insufficient_quota", code="insufficient_quota")

    async def generator(request):
        raise Problem(429, "Quota.", type="insufficient_quota", code="insufficient_quota")
        yield ""

    for responder in (function, generator):
        answer = ask({**question, "stream": stream}, responder=responder)
        assert (answer.status, answer.error["type"]) == (429, "insufficient_quota")


def test_failing_responders_are_server_errors(ask, question, caplog):
    """Any other exception is a 500 that names it, and is logged with its traceback."""

    async def respond(request):
        raise LookupError("nothing there")

    answer = ask(question, responder=respond)

    assert (answer.status, answer.error["type"]) == (500, "server_error")
    assert "LookupError: nothing there" in answer.error["message"]
    assert "nothing there" in caplog.text


def test_scripts_and_drafts_answer(ask, question):
    """Scripted replies go out in turn, drafts with all they hold."""

    async def scenario():
        script = Script(["one", [Draft(content="two"), Draft(content="drei")], Problem(503, "later")])
        async with serve(script) as url, aiohttp.ClientSession() as session:
            answers = []
            for _ in range(4):
                async with session.post(url + "/chat/completions", json=question) as response:
                    answers.append((response.status, await response.json()))
            return answers

    one, two, three, four = asyncio.run(scenario())
    assert one[1]["choices"][0]["message"]["content"] == "one"
    assert [choice["message"]["content"] for choice in two[1]["choices"]] == ["two", "drei"]
    assert three[0] == 503
    assert four[1]["error"]["code"] == "script_exhausted"


def test_tokens_can_be_paced(question):
    """With a delay the tokens of a stream come one by one, each after its pause."""

    async def scenario():
        async with serve(Script(["One two three"]), delay=0.02) as url, aiohttp.ClientSession() as session:
            loop = asyncio.get_running_loop()
            async with session.post(url + "/chat/completions", json={**question, "stream": True}) as response:
                times = [loop.time() async for _ in response.content.iter_any()]
            return times[-1] - times[0]

    assert asyncio.run(scenario()) >= 0.05


def test_the_app_runs_without_a_socket(question):
    """Any ASGI server or test client will do: the app needs nothing of uvicorn."""
    app = create_app()
    client = TestClient(app)

    plain = client.post("/v1/chat/completions", json=question)
    streamed = client.post("/v1/chat/completions", json={**question, "stream": True})

    assert plain.json()["object"] == "chat.completion"
    assert streamed.text.endswith("data: [DONE]\n\n")
    assert [recorded.path for recorded in app.state.desk.requests] == ["/v1/chat/completions"] * 2
