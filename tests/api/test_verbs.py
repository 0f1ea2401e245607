"""`client.get`, `client.post` and the like, for routes that have no method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec
import pytest
from support.rawserver import Handler, RawRequest, RawServer, answer, completion, hello, sse

from openai_async import AsyncOpenAI, ChatCompletion, ChatStream, errors, omit

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

KEY = "sk-secret-0123456789"
BODY: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class Model(msgspec.Struct):
    """A model, as `/models/{id}` tells of it."""

    id: str
    owned_by: str = "nobody"


@dataclass
class Data:
    """The same, as a dataclass."""

    id: str


class Typed(TypedDict):
    """The same, as a dictionary."""

    id: str


async def asked(method: str, path: str, *, handler: Handler | None = None, **params: Any) -> tuple[RawRequest, Any]:
    """What a verb sends, and what it gives."""
    server = RawServer(handler or answer({"id": "x"}))
    async with server, AsyncOpenAI(api_key=KEY, base_url=server.url, max_retries=0) as client:
        given = await getattr(client, method)(path, **params)
    (request,) = server.requests
    return request, given


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete"])
async def test_verbs(verb: str) -> None:
    """Each verb sends its method to the path, with the key, and gives plain JSON."""
    request, given = await asked(verb, "/models/x")

    assert (request.method, request.target, request.body) == (verb.upper(), "/v1/models/x", b"")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "content-type" not in request.headers
    assert given == {"id": "x"}


async def test_any_method() -> None:
    """`request` takes any method, in any case, and only a word."""
    server = RawServer(answer({"id": "x"}))
    async with server, AsyncOpenAI(api_key=KEY, base_url=server.url) as client:
        assert await client.request("options", "models", cast_to=Model) == Model("x")
        with pytest.raises(TypeError, match="method of a request"):
            client.request("GET / HTTP/1.1\r\n", "/models")

    assert [request.method for request in server.requests] == ["OPTIONS"]


@pytest.mark.parametrize(
    ("cast_to", "given"),
    [
        (None, {"id": "x"}),
        (object, {"id": "x"}),
        (dict, {"id": "x"}),
        (bytes, b'{"id": "x"}'),
        (str, '{"id": "x"}'),
        (Model, Model("x")),
        (Data, Data("x")),
        (Typed, {"id": "x"}),
    ],
)
async def test_answers(cast_to: Any, given: object) -> None:
    """The answer becomes what is asked for."""
    assert (await asked("get", "/models/x", cast_to=cast_to))[1] == given


async def test_answer_of_the_package() -> None:
    """A type of the package is decoded as its own method would."""
    _, given = await asked("post", "/chat/completions", handler=answer(completion("Hi")), cast_to=ChatCompletion)

    assert isinstance(given, ChatCompletion)
    assert given.choices[0].message.content == "Hi"


async def test_answer_that_does_not_fit() -> None:
    """An answer that is not of the type is told as one."""
    with pytest.raises(errors.APIResponseValidationError, match="does not fit"):
        await asked("get", "/models/x", handler=answer({"id": 5}), cast_to=Model)


@pytest.mark.parametrize(("status", "cls"), [(404, errors.NotFoundError), (200, errors.APIError)])
async def test_errors(status: int, cls: type[errors.APIError]) -> None:
    """A refusal is raised as from every method, also in a 200."""
    with pytest.raises(cls, match="No such thing"):
        await asked("get", "/x", handler=answer({"error": {"message": "No such thing."}}, status))


@pytest.mark.parametrize(
    ("body", "extra", "sent"),
    [
        ({"a": 1, "b": None, "c": omit}, None, b'{"a":1,"b":null}'),
        ({"a": 1}, {"b": 2}, b'{"a":1,"b":2}'),
        (None, {"b": 2}, b'{"b":2}'),
        ([1, 2], None, b"[1,2]"),
        ("text", None, b'"text"'),
        (b"\x00\xff", None, b"\x00\xff"),
        ({}, None, b"{}"),
    ],
)
async def test_bodies(body: object, extra: Any, sent: bytes) -> None:
    """Data is sent as JSON, bytes as they are."""
    request, _ = await asked("post", "/x", body=body, extra_body=extra)

    assert request.body == sent
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("body", [b"x", [1]])
async def test_extra_of_no_mapping(body: object) -> None:
    """Keys can't be added to what has none."""
    with pytest.raises(TypeError, match="extra_body"):
        AsyncOpenAI(api_key=KEY).post("/x", body=body, extra_body={"a": 1})


async def test_options() -> None:
    """The options are those of every method."""
    request, _ = await asked(
        "get",
        "/x?a=1",
        extra_headers={"X-Mine": "1", "accept": omit},
        extra_query={"b": [1, 2]},
        idempotency_key="once",
        timeout=5,
        max_retries=1,
    )

    assert request.target == "/v1/x?a=1&b[]=1&b[]=2"
    assert (request.headers["x-mine"], request.headers["idempotency-key"]) == ("1", "once")
    assert "accept" not in request.headers


async def test_options_as_the_official_client_has_them() -> None:
    """`options=` is read by its own names, and arguments win over it."""
    request, _ = await asked(
        "post",
        "/x",
        body={"a": 1},
        options={
            "headers": {"x-mine": "1"},
            "params": {"b": 2},
            "extra_json": {"c": 3},
            "timeout": 5.0,
            "max_retries": 0,
            "idempotency_key": "first",
        },
        idempotency_key="second",
    )

    assert (request.target, request.json) == ("/v1/x?b=2", {"a": 1, "c": 3})
    assert (request.headers["x-mine"], request.headers["idempotency-key"]) == ("1", "second")


@pytest.mark.parametrize("params", [{"extra_header": {}}, {"options": {"header": {}}}, {"files": []}])
async def test_unknown_options(params: Any) -> None:
    """An argument or option that nobody has is refused."""
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        AsyncOpenAI(api_key=KEY).post("/x", **params)


async def test_stream() -> None:
    """With `stream=True` the answer is a stream of chunks."""
    server = RawServer(sse(hello()))
    async with (
        server,
        AsyncOpenAI(api_key=KEY, base_url=server.url) as client,
        client.post("/chat/completions", body={**BODY, "stream": True}, stream=True) as stream,
    ):
        assert isinstance(stream, ChatStream)
        text = "".join([chunk.text async for chunk in stream])

    (request,) = server.requests
    assert (text, request.headers["accept-encoding"]) == ("Hello", "identity")


async def test_stream_of_a_type() -> None:
    """With `cast_to`, too, each chunk is of that type."""
    server = RawServer(sse(hello()))
    async with (
        server,
        AsyncOpenAI(api_key=KEY, base_url=server.url) as client,
        client.post("/x", body=BODY, stream=True, cast_to=dict) as stream,
    ):
        chunks = [chunk async for chunk in stream]

    assert chunks == hello()


async def test_raw_response() -> None:
    """The response with its head is one word away."""
    server = RawServer(answer({"id": "x"}, headers={"x-request-id": "req-1"}))
    async with server, AsyncOpenAI(api_key=KEY, base_url=server.url) as client:
        response = await client.get("/models/x", cast_to=Model).raw()

    assert (response.status, response.request_id, response.parse()) == (200, "req-1", Model("x"))


async def test_no_key_for_another_origin() -> None:
    """Nothing is sent to an address of another origin; to one of the same, everything is."""
    async with (
        RawServer(answer({"id": "x"})) as stranger,
        RawServer(answer({"id": "x"})) as server,
        AsyncOpenAI(api_key=KEY, base_url=server.url) as client,
    ):
        with pytest.raises(errors.OpenAIError, match="another origin"):
            client.get(f"{stranger.url}/models")
        assert await client.get(f"http://127.0.0.1:{server.port}/other") == {"id": "x"}

    assert stranger.requests == []
    assert [request.target for request in server.requests] == ["/other"]


async def test_redirect_is_not_followed() -> None:
    """A redirect to elsewhere is an error, and the key stays here."""
    async with RawServer(answer({})) as stranger:
        redirect = answer({}, 302, {"location": f"{stranger.url}/models"})
        with pytest.raises(errors.APIStatusError) as caught:
            await asked("get", "/models", handler=redirect)

    assert caught.value.status_code == 302
    assert stranger.requests == []
