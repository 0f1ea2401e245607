"""What a server's error means, whatever shape it has."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from support.strategies import JSON

from openai_async import errors
from openai_async.protocol import failures

HEADERS = {"x-request-id": "req_1", "retry-after": "2"}

CLASSES = {
    300: errors.APIStatusError,
    307: errors.APIStatusError,
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    402: errors.APIStatusError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    405: errors.APIStatusError,
    408: errors.APIStatusError,
    409: errors.ConflictError,
    413: errors.APIStatusError,
    422: errors.UnprocessableEntityError,
    429: errors.RateLimitError,
    499: errors.APIStatusError,
    500: errors.InternalServerError,
    502: errors.InternalServerError,
    529: errors.InternalServerError,
    599: errors.InternalServerError,
}


def refused(body, status=400, headers=HEADERS):
    """The error for a response with `body`, which is JSON unless it is bytes."""
    return failures.from_response(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def told(payload):
    """The error that an event's object stands for; None: it is an ordinary chunk."""
    error = failures.stream_error(payload, None)
    return None if error is None else failures.from_event(error, headers=HEADERS)


# Responses.


@pytest.mark.parametrize(("status", "cls"), CLASSES.items())
@pytest.mark.parametrize("body", [{"error": {"message": "m", "code": 400, "type": "rate_limit_error"}}, b"", b"text"])
def test_the_status_chooses_the_class(status, cls, body):
    """A response's class goes by its status, whatever its body says."""
    error = refused(body, status)
    assert type(error) is cls
    assert error.status_code == status
    assert error.headers == HEADERS
    assert error.request_id == "req_1"
    assert error.partial is None


def test_all_fields():
    """OpenAI's error object gives the message and the fields; the object is the body."""
    body = {"message": "No such model.", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}
    error = refused({"error": body}, 404)
    assert error.message == "No such model."
    assert (error.type, error.param, error.code) == ("invalid_request_error", "model", "model_not_found")
    assert error.body == body
    assert str(error) == "Error code: 404 - No such model. (request id: req_1)"


# What is in the body, the message that comes of it, and what `body` of the error is (... : all of it).
BODIES = {
    "OpenAI": ({"error": {"message": "m", "code": "c"}}, "m", {"message": "m", "code": "c"}),
    "a sentence (vLLM 401)": ({"error": "Unauthorized"}, "Unauthorized", "Unauthorized"),
    "a sentence and more": ({"error": "Too many", "code": "c"}, "Too many", ...),
    "a code and a sentence": (
        {"error": "invalid_key", "message": "The key is wrong", "code": "c"},
        "The key is wrong",
        ...,
    ),
    "true and a sentence": ({"error": True, "message": "m", "code": "c"}, "m", ...),
    "false and a sentence": ({"error": False, "message": "m"}, "m", ...),
    "FastAPI's sentence": ({"detail": "Not Found"}, "Not Found", ...),
    "FastAPI's list": (
        {"detail": [{"loc": ["body"], "msg": "field required", "type": "missing"}]},
        "field required",
        ...,
    ),
    "Gemini's list": (
        [{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}],
        "m",
        {
            "code": 400,
            "message": "m",
            "status": "INVALID_ARGUMENT",
        },
    ),
    "a list of errors": ({"error": [{"message": "m"}]}, "m", [{"message": "m"}]),
    "a list of sentences": (["m", "n"], "m", ...),
    "portkey": ({"status": "failure", "message": "m"}, "m", ...),
    "OAuth": ({"error": "invalid_client", "error_description": "who?"}, "invalid_client", ...),
    "FastAPI's list as a message": (
        {"object": "error", "message": {"detail": [{"type": "extra", "msg": "Extra inputs are not permitted"}]}},
        "Extra inputs are not permitted",
        ...,
    ),
    "msg": ({"code": 7, "msg": "m"}, "m", ...),
    "no message": ({"error": {"code": "c"}}, "The server gave no message; see the error's body.", {"code": "c"}),
    "an empty message": ({"error": {"message": " ", "detail": "d"}}, "d", {"message": " ", "detail": "d"}),
    "an empty error": ({"error": {}}, "The server gave no message; see the error's body.", ...),
    "a message of another type": (
        {"error": {"message": {"a": 1}}},
        "The server gave no message; see the error's body.",
        {
            "message": {"a": 1},
        },
    ),
    "an empty object": ({}, "The server gave no message; see the error's body.", ...),
    "an empty list": ([], "The server gave no message; see the error's body.", ...),
    "a list of nothing": ([[[]]], "The server gave no message; see the error's body.", ...),
    "null": (None, "The server sent no body.", None),
    "a number": (5, "The server gave no message; see the error's body.", ...),
    "a JSON string": ("m", "m", ...),
    "an empty JSON string": ("", "The server gave no message; see the error's body.", ...),
    "a blank sentence": ({"error": " "}, "The server gave no message; see the error's body.", " "),
    "plain text": (b"Internal Server Error\n", "Internal Server Error", "Internal Server Error\n"),
    "text that is no UTF-8": (b"\xffm", "\ufffdm", "\ufffdm"),
    "nothing": (b"", "The server sent no body.", None),
    "blanks": (b" \r\n", "The server sent no body.", None),
    "a web page": (
        b"<!DOCTYPE html><html><head><TITLE lang=en> 502 Bad\nGateway </TITLE></head></html>",
        r"The server sent a web page titled '502 Bad\nGateway'; is there a proxy in between, or is base_url wrong?",
        ...,
    ),
    "a web page without a title": (
        b"\n <html><body>nginx</body></html>",
        "The server sent a web page; is there a proxy in between, or is base_url wrong?",
        ...,
    ),
    "JSON in the way of HTML": (
        {"error": "<html>no"},
        "The server sent a web page; is there a proxy in between, or is base_url wrong?",
        "<html>no",
    ),
}


@pytest.mark.parametrize(("body", "message", "kept"), BODIES.values(), ids=BODIES.keys())
def test_bodies_of_every_shape(body, message, kept):
    """A body of any shape gives the sentence in it, and stays readable."""
    error = refused(body)
    assert error.message == message
    whole = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    assert error.body == (whole if kept is ... else kept)


@pytest.mark.parametrize("name", [name for name, (body, *_) in BODIES.items() if isinstance(body, dict)])
def test_fields_beside_the_message(name):
    """`code` is read wherever the message was, as text; what is no scalar is none."""
    body, *_ = BODIES[name]
    inner = body["error"] if isinstance(body.get("error"), dict) and body["error"] else body
    error = refused(body)
    assert error.code == (str(inner["code"]) if "code" in inner else None)
    assert refused({"error": {"message": "m", "code": [1], "type": {}, "param": 0}}).code is None
    assert refused({"error": {"message": "m", "code": [1], "type": {}, "param": 0}}).param == "0"


@pytest.mark.parametrize("field", ["code", "type"])
@pytest.mark.parametrize(
    "word", ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded"]
)
def test_a_quota_is_no_rate(field, word):
    """A 429 whose code or type tells of a quota is an error that is never retried; other statuses don't become one."""
    assert type(refused({"error": {"message": "m", field: word}}, 429)) is errors.InsufficientQuotaError
    assert type(refused({"error": {"message": "m", field: word}}, 403)) is errors.PermissionDeniedError
    assert type(told({"error": {"message": "m", field: word, "status": 429}})) is errors.InsufficientQuotaError


def test_unhashable_codes():
    """A code that is an object is no quota, and no crash."""
    assert type(refused({"error": {"message": "m", "code": {}, "type": []}}, 429)) is errors.RateLimitError


def test_a_redirect():
    """A redirect says where to, and why it is not followed."""
    error = refused(b"", 308, {"location": "https://example.com/v1"})
    assert "redirects to https://example.com/v1" in error.message
    assert "base_url" in error.message
    assert "an unnamed place" in refused(b"", 302, {}).message
    assert [status for status in (300, 399, 400) if "redirects" in refused(b"", status).message] == [300, 399]
    assert refused({"error": "moved"}, 301).message == "moved"


def test_a_long_text():
    """A text body's message is bounded, and what is kept of the body; the beginning of both is there."""
    error = refused(b"x" * 10_000)
    assert error.message == "x" * 2000 + "…"
    assert error.body == "x" * 10_000
    assert refused(b"x" * 2000).message == "x" * 2000
    assert refused(b"x" * 1_000_000).body == "x" * 16_384


@pytest.mark.parametrize("depth", [100, 128, 129, 900, 50_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"detail":[', b"]}"), (b'{"error":', b"}")])
def test_a_deeply_nested_body(depth, opening, closing):
    """Nesting without end is read as text; nothing recurses with it."""
    error = refused(opening * depth + b'"m"' + closing * depth)
    assert isinstance(error, errors.BadRequestError)
    assert error.message


@given(body=JSON)
def test_any_json_body(body):
    """Any JSON gives an error with a message, the right class, and fields that are text."""
    for error in (refused(body), refused({"error": body})):
        assert type(error) is errors.BadRequestError
        assert error.message
        assert all(isinstance(field, str | None) for field in (error.code, error.type, error.param))


# The stream.

# What an error in a stream says, and the status that it stands for.
NAMED = [
    ("code", 400, 400),
    ("code", "429", 429),
    ("code", 529, 529),
    ("code", 418, 418),
    ("status", 503, 503),
    ("status_code", 401, 401),
    ("type", "invalid_request_error", 400),
    ("type", "BadRequestError", 400),
    ("code", "context_length_exceeded", 400),
    ("type", "authentication_error", 401),
    ("code", "invalid_api_key", 401),
    ("type", "permission_error", 403),
    ("type", "not_found_error", 404),
    ("code", "model_not_found", 404),
    ("type", "rate_limit_error", 429),
    ("type", "RateLimitError", 429),
    ("code", "rate_limit_exceeded", 429),
    ("type", "tokens", 429),
    ("type", "requests", 429),
    ("code", "insufficient_quota", 429),
    ("type", "api_error", 500),
    ("type", "server_error", 500),
    ("type", "internal_error", 500),
    ("type", "InternalServerError", 500),
    ("type", "overloaded_error", 529),
    ("code", "engine_overloaded", 503),
    ("type", "timeout_error", 504),
    ("type", "UnprocessableEntityError", 422),
    ("type", "conflict", 409),
    ("code", "invalid_value", 400),
    ("code", "invalid_api_key_error", 401),
    ("code", "unauthorized", 401),
    ("type", "PermissionDeniedError", 403),
    ("code", "too_many_requests", 429),
    ("code", "service_unavailable", 503),
    ("code", "gateway_timeout", 504),
    ("code", 300, 300),
    ("code", 299, None),
    ("code", 599, 599),
    ("code", 600, None),
    ("code", "something else", None),
    ("code", "1234", None),
    ("code", 200, None),
    ("code", 1000, None),
    ("code", True, None),
    ("code", 4.29, None),
    ("code", ["429"], None),
    ("code", "9" * 5000, None),
    ("code", "٤٢٩", 429),
    ("message", "429", None),
]


@pytest.mark.parametrize(("name", "value", "status"), NAMED, ids=[f"{name}={value!r:.30}" for name, value, _ in NAMED])
def test_the_status_of_an_error_in_a_stream(name, value, status):
    """An error in a stream has the status that its number or its word stands for, and that status's class."""
    error = failures.from_event({"error": {"message": "m", name: value}}, headers=HEADERS)
    assert error.status_code == status
    if status is None:
        assert type(error) is errors.APIError
    else:
        assert isinstance(error, CLASSES.get(status, errors.APIStatusError))
    assert error.request_id == "req_1"


NAMED_PAIRS = [
    ({"code": "unknown", "type": "rate_limit_error"}, 429),
    ({"code": None, "type": "server_error"}, 500),
    ({"code": 7, "status": 404, "type": "server_error"}, 404),
    ({"code": "400", "type": "server_error"}, 400),
]


@pytest.mark.parametrize(("detail", "status"), NAMED_PAIRS)
def test_what_names_the_status_first(detail, status):
    """The code goes before the status, the status before the type; what means nothing is passed over."""
    assert failures.from_event(detail, headers={}).status_code == status


# Objects inside a stream: what their message is; None: they are ordinary chunks.
OBJECTS = {
    "OpenAI, OpenRouter, llama.cpp": ({"error": {"message": "m"}}, "m"),
    "beside choices": ({"id": "c", "choices": [{"index": 0, "delta": {}}], "error": {"message": "m"}}, "m"),
    "a sentence": ({"error": "m"}, "m"),
    "true and a sentence": ({"error": True, "message": "m"}, "m"),
    "an empty error alone": ({"error": {}}, "The server reported an error, without saying which."),
    "an empty sentence alone": ({"error": ""}, "The server reported an error, without saying which."),
    "null alone": ({"error": None}, None),
    "false alone": ({"error": False}, None),
    "null on a chunk": ({"error": None, "choices": [{"delta": {}}]}, None),
    "empty on a chunk": ({"error": {}, "choices": [{"delta": {}}]}, None),
    "empty on the usage chunk": ({"error": "", "choices": [], "usage": {"total_tokens": 1}}, None),
    "older vLLM": ({"object": "error", "message": "m", "code": 400}, "m"),
    "bare, with a code": ({"code": "c", "message": "m"}, "m"),
    "bare, with a type": ({"type": "error", "message": "m"}, "m"),
    "bare, without either": ({"message": "m"}, None),
    "a message on a chunk": ({"type": "x", "message": "m", "choices": [{"delta": {}}]}, None),
    "Anthropic": ({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, "m"),
    "in the choice (OpenRouter)": ({"choices": [{"finish_reason": "error", "error": {"message": "m"}}]}, "m"),
    "in the second choice": (
        {"choices": [{}, {"finish_reason": "error", "error": {"code": 502, "message": "m"}}]},
        "m",
    ),
    "in a choice that goes on": ({"choices": [{"finish_reason": None, "error": {"message": "m"}}]}, None),
    "a choice that ends with error": ({"choices": [{"finish_reason": "error"}]}, None),
    "choices of another type": ({"choices": "x"}, None),
    "choices of other types": ({"choices": [None, 1, "x", []]}, None),
    "nothing": ({}, None),
    "an ordinary chunk": ({"id": "c", "object": "chat.completion.chunk", "choices": []}, None),
}


@pytest.mark.parametrize(("payload", "message"), OBJECTS.values(), ids=OBJECTS.keys())
def test_errors_and_chunks(payload, message):
    """Errors in every vendor's form are told from chunks that only look like one."""
    error = told(payload)
    assert (error and error.message) == message


def test_an_event_named_error():
    """An event named "error" is one, whatever it says; another name changes nothing."""
    assert failures.stream_error({}, "error") == {}
    assert failures.stream_error({"choices": [1]}, "error") == {"choices": [1]}
    assert failures.stream_error({}, "ping") is None


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("m", "m"),
        (" ", "without saying which"),
        (None, "without saying which"),
        ([], "without saying which"),
        (["m"], "m"),
    ],
)
def test_events_without_an_object(payload, message):
    """Text is the message; what says nothing gives a sentence of ours."""
    error = failures.from_event(payload, headers={})
    assert type(error) is errors.APIError
    assert error.message.endswith((message, message + "."))
    assert error.body == payload


@given(payload=JSON)
def test_any_json_in_a_stream(payload):
    """Any JSON can be told to be an error, and an object can be asked whether it is one; nothing foreign is raised."""
    assert failures.from_event(payload, headers={}).message
    if isinstance(payload, dict):
        failures.stream_error(payload, None)


# Web pages.


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("<!doctype html><title>x</title>", "a web page titled 'x'"),
        ("  <HTML>", "a web page"),
        ("<?xml version='1.0'?>", "a web page"),
        ("<head><title>y", "a web page"),
        ("<p>", None),
        ("data: <html>", None),
        ("", None),
        ("<html><title>" + "z" * 500 + "</title>", f"a web page titled {'z' * 200!r}"),
    ],
)
def test_web_pages(text, name):
    """A web page is called one, by its title where it has one."""
    assert failures.web_page(text) == name
