"""Bad arguments of the methods: refused before anything is sent, by name and without a secret; or sent just so.

The values are those of `support.odd`, and each goes into every argument. Two claims hold for all of them: whatever is
sent is, as JSON, the plain data that was meant; and nothing else than a documented error ever comes out. Arguments of
the clients are in `test_bad_settings`; see also tests/protocol/test_codec.py and tests/api/test_completions.py.
"""

from __future__ import annotations

import asyncio
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.faults import EarlyServer, early
from support.odd import ODD, REFUSED, SECRET, Loud, Word, check_refusal, deep, pairs_of
from support.rawserver import Peer, RawRequest, RawServer, answer, completion, hello, in_thread, sse
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport

from openai_async import AsyncAzureOpenAI, AsyncOpenAI, OpenAIError, Timeout, errors, function_tool, omit
from openai_async.types.completion import ChatCompletionMessage

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

KEY = "sk-secret-0123456789"
MESSAGES: Any = [{"role": "user", "content": SECRET}]
ASK: Any = {"model": "m", "messages": MESSAGES}


class OwnError(Exception):
    """Something of the caller's."""


def look(city: str) -> str:
    """Look out of a window."""
    return city


async def both(peer: Peer) -> None:
    """Answer with what is asked for: a stream, a page, or a completion."""
    try:
        stream = peer.request.json.get("stream") is True
    except (ValueError, AttributeError):
        stream = False
    if stream:
        await sse(hello())(peer)
    elif peer.request.method == "GET":
        await answer({"object": "list", "data": [], "has_more": False, **completion()})(peer)
    else:
        await answer(completion())(peer)


@asynccontextmanager
async def served() -> AsyncIterator[tuple[RawServer, AsyncOpenAI]]:
    """A server, and a client of it that tries once."""
    async with (
        RawServer(both) as server,
        AsyncOpenAI(api_key=KEY, base_url=server.url, max_retries=0, timeout=5) as client,
    ):
        yield server, client


async def settle(call: Callable[[AsyncOpenAI], Any], client: AsyncOpenAI) -> Exception | None:
    """Make a call and read what it gives; return what went wrong."""
    try:
        given = await call(client)
        if hasattr(given.__class__, "aclose"):
            await given.aclose()
    except Exception as error:  # noqa: BLE001 - every kind is looked at
        return error
    return None


# Everywhere that plain data goes.


class Place(NamedTuple):
    """An argument that takes any JSON.

    Attributes:
        call: Makes the call with a value in it.
        told: What an error calls it.
        path: Where in the body it arrives.
    """

    call: Callable[[AsyncOpenAI, Any], Any]
    told: str
    path: tuple[str | int, ...]


def _create(name: str) -> Callable[[AsyncOpenAI, Any], Any]:
    return lambda client, value: client.chat.completions.create(**{**ASK, name: value})


def _azure(client: AsyncOpenAI, value: Any) -> Any:
    transport = client._transport.get()
    azure = AsyncAzureOpenAI(api_key=KEY, base_url=client.base_url, api_version="v", transport=transport)
    return azure.chat.completions.create(**ASK, user=value)


PLACES = {
    **{
        f"create {name}": Place(_create(name), name, (name,))
        for name in (
            "temperature",
            "metadata",
            "stop",
            "logit_bias",
            "n",
            "max_tokens",
            "tool_choice",
            "store",
            "model",
        )
    },
    "create tools": Place(_create("tools"), "tools", ("tools",)),
    "create messages": Place(
        lambda client, value: client.chat.completions.create(model="m", messages=[*MESSAGES, value]),
        "messages[1]",
        ("messages", 1),
    ),
    "create role": Place(
        lambda client, value: client.chat.completions.create(model="m", messages=[{"role": value, "content": "x"}]),
        "messages[0].role",
        ("messages", 0, "role"),
    ),
    "create content": Place(
        lambda client, value: client.chat.completions.create(model="m", messages=iter([{"content": value}])),
        "messages[0].content",
        ("messages", 0, "content"),
    ),
    "create text": Place(
        lambda client, value: client.chat.completions.create(
            model="m", messages=({"role": "user", "content": [{"type": "text", "text": value}]},)
        ),
        "messages[0].content[0].text",
        ("messages", 0, "content", 0, "text"),
    ),
    "create extra_body": Place(
        lambda client, value: client.chat.completions.create(**ASK, extra_body={"top_k": value}),
        "extra_body.top_k",
        ("top_k",),
    ),
    "create stream": Place(
        lambda client, value: client.chat.completions.create(**ASK, stream=True, user=value), "user", ("user",)
    ),
    "parse": Place(lambda client, value: client.chat.completions.parse(**ASK, user=value), "user", ("user",)),
    "parse tools": Place(
        lambda client, value: client.chat.completions.parse(**ASK, tools=[{"type": "function", "x": value}]),
        "tools[0].x",
        ("tools", 0, "x"),
    ),
    "stream": Place(lambda client, value: client.chat.completions.stream(**ASK, seed=value), "seed", ("seed",)),
    "run_tools": Place(
        lambda client, value: client.chat.completions.run_tools(**ASK, tools=[look], seed=value), "seed", ("seed",)
    ),
    "run_tools messages": Place(
        lambda client, value: client.chat.completions.run_tools(
            model="m", messages=[{"role": "user", "content": value}], tools=[look], stream=True
        ),
        "messages[0].content",
        ("messages", 0, "content"),
    ),
    "update": Place(
        lambda client, value: client.chat.completions.update("c-1", metadata=value), "metadata", ("metadata",)
    ),
    "delete": Place(
        lambda client, value: client.chat.completions.delete("c-1", extra_body={"x": value}), "extra_body.x", ("x",)
    ),
    "post": Place(lambda client, value: client.post("/x", body={"a": [value]}), "a[0]", ("a", 0)),
    "request": Place(lambda client, value: client.request("QUERY", "/x", body=[[value]]), "body[0][0]", (0, 0)),
    "with_raw_response": Place(
        lambda client, value: client.with_raw_response.chat.completions.create(**ASK, user=value), "user", ("user",)
    ),
    "with_streaming_response": Place(
        lambda client, value: client.chat.completions.with_streaming_response.create(**ASK, user=value),
        "user",
        ("user",),
    ),
    "with_options": Place(
        lambda client, value: client.with_options(max_retries=1).chat.completions.create(**ASK, user=value),
        "user",
        ("user",),
    ),
    "azure": Place(_azure, "user", ("user",)),
}

# What a place takes otherwise than the rest does.
MISSING = {("create model", "omit"), ("create model", "not given")}
IN_LISTS = {"create messages", "post", "request"}  # nothing is left out of a list


@pytest.mark.parametrize("place", PLACES)
async def test_data_is_sent_as_it_is_or_not_at_all(place: str) -> None:
    """Each value arrives as the JSON that it means; one that means none is refused where it stands, and nothing is sent."""
    call, told, path = PLACES[place]
    async with served() as (server, client):
        for name, odd in ODD.items():
            if name in {"omit", "not given"} and (place in IN_LISTS or (place, name) in MISSING):
                odd = odd._replace(plain=REFUSED)  # noqa: PLW2901 - of this place
            before = len(server.requests)
            error = await settle(lambda client, make=odd.make: call(client, make()), client)
            sent = server.requests[before:]
            if odd.plain is REFUSED:
                assert error is not None, f"{name} was sent"
                check_refusal(error, told.removeprefix("'"), secrets=(SECRET, KEY))
                assert sent == [], name
                continue
            assert error is None, f"{name}: {error!r}"
            (request,) = sent
            check_sent(request, path, odd.plain)


def check_sent(request: RawRequest, path: tuple[str | int, ...], plain: Any) -> None:
    """Hold a body against what was meant."""
    value = request.json
    for step in path[:-1]:
        value = value[step]
    if plain is omit:
        assert path[-1] not in value
    else:
        assert json.dumps(value[path[-1]]) == json.dumps(plain)


QUERIES: dict[str, Place] = {
    "create extra_query": Place(
        lambda client, value: client.chat.completions.create(**ASK, extra_query={"q": value}), "extra_query.q", ("q",)
    ),
    "retrieve extra_query": Place(
        lambda client, value: client.chat.completions.retrieve("c-1", extra_query={"q": value}), "extra_query.q", ("q",)
    ),
    "list extra_query": Place(
        lambda client, value: client.chat.completions.list(extra_query={"q": value}), "extra_query.q", ("q",)
    ),
    "messages.list": Place(
        lambda client, value: client.chat.completions.messages.list("c-1", after=value), "after", ("after",)
    ),
    "list limit": Place(lambda client, value: client.chat.completions.list(limit=value), "limit", ("limit",)),
    "list metadata": Place(
        lambda client, value: client.chat.completions.list(metadata={"k": value}), "metadata.k", ("metadata[k]",)
    ),
    "get": Place(lambda client, value: client.get("/x", options={"params": {"q": value}}), "extra_query.q", ("q",)),
    "default_query": Place(
        lambda client, value: client.with_options(default_query={"q": value}).get("/x"), "default_query.q", ("q",)
    ),
}


@pytest.mark.parametrize("place", QUERIES)
async def test_queries_say_what_was_meant_or_nothing(place: str) -> None:
    """What JSON takes, a query takes, written flat; the rest is refused."""
    call, told, (name,) = QUERIES[place]
    async with served() as (server, client):
        for odd_name, odd in ODD.items():
            before = len(server.requests)
            error = await settle(lambda client, make=odd.make: call(client, make()), client)
            sent = server.requests[before:]
            if odd.plain is REFUSED:
                assert error is not None, f"{odd_name} was sent"
                check_refusal(error, told, secrets=(SECRET, KEY))
                assert sent == [], odd_name
                continue
            assert error is None, f"{odd_name}: {error!r}"
            (request,) = sent
            query = parse_qsl(urlsplit(request.target).query, keep_blank_values=True)
            assert query == ([] if odd.plain is omit else list(pairs_of(str(name), odd.plain))), odd_name


# Arguments of which we know what they are.


class Strict(NamedTuple):
    """An argument that takes some things.

    Attributes:
        call: Makes the call with a value in it.
        told: What an error calls it.
        fit: Names of the odd values that it takes.
    """

    call: Callable[[AsyncOpenAI, Any], Any]
    told: str
    fit: frozenset[str]


ABSENT = frozenset({"null", "omit", "not given"})
TEXTS = frozenset({"text", "no text", "text of a class", "text enum", "long text"})
ANY_TEXT = TEXTS | {"NUL", "line break", "other letters", "long text"}
MAPPINGS = frozenset({"ordered dict", "default dict", "proxy", "mapping", "dict"})
LISTS = frozenset({"list", "tuple", "set", "range", "generator", "iterator used up", "dict view"})
WHOLE = frozenset({"zero", "five", "large number", "number of a class", "number enum"})
HUGE = frozenset({"number of 400 digits", "number of 5000 digits"})
SECONDS = frozenset({"five", "half", "large number", "number of a class", "number enum", "infinity"})
FLAGS = frozenset({"true", "false"})


def _options(name: str) -> Callable[[AsyncOpenAI, Any], Any]:
    return lambda client, value: client.chat.completions.create(**{**ASK, name: value})


def _completions(method: str, name: str, **more: Any) -> Callable[[AsyncOpenAI, Any], Any]:
    return lambda client, value: getattr(client.chat.completions, method)(**{**ASK, **more, name: value})


STRICT = {
    # Lists.
    **{
        f"{method} messages": Strict(_completions(method, "messages", **more), "messages", LISTS)
        for method, more in (("create", {}), ("parse", {}), ("stream", {}), ("run_tools", {"tools": [look]}))
    },
    **{
        f"{method} tools": Strict(_completions(method, "tools"), "tools", LISTS | ABSENT)
        for method in ("parse", "stream")
    },
    "run_tools tools": Strict(
        _completions("run_tools", "tools"), "run_tools(tools=...)", frozenset({"iterator used up"})
    ),
    # Flags.
    "create stream": Strict(_completions("create", "stream"), "create(stream=...)", FLAGS | ABSENT),
    "run_tools stream": Strict(_completions("run_tools", "stream", tools=[look]), "run_tools(stream=...)", FLAGS),
    "post stream": Strict(
        lambda client, value: client.post("/x", body={**ASK, "stream": value is True}, stream=value),
        "post(stream=...)",
        FLAGS,
    ),
    # Mappings.
    "extra_headers": Strict(_options("extra_headers"), "extra_headers", ABSENT),
    "extra_query": Strict(_options("extra_query"), "extra_query", ABSENT | MAPPINGS | {"text as a key"}),
    "extra_body": Strict(_options("extra_body"), "extra_body", ABSENT | MAPPINGS | {"text as a key"}),
    "list extra_query": Strict(
        lambda client, value: client.chat.completions.list(extra_query=value),
        "extra_query",
        ABSENT | MAPPINGS | {"text as a key"},
    ),
    "post extra_body": Strict(
        lambda client, value: client.post("/x", extra_body=value), "extra_body", ABSENT | MAPPINGS | {"text as a key"}
    ),
    "post options": Strict(lambda client, value: client.post("/x", options=value), "post(options=...)", ABSENT),
    # Numbers.
    "timeout": Strict(_options("timeout"), "timeout", SECONDS | ABSENT),
    "retrieve timeout": Strict(
        lambda client, value: client.chat.completions.retrieve("c-1", timeout=value), "timeout", SECONDS | ABSENT
    ),
    **{
        f"Timeout {name}": Strict(
            lambda client, value, name=name: client.chat.completions.create(**ASK, timeout=Timeout(**{name: value})),
            f"Timeout({name}=...)",
            SECONDS | {"null"},
        )
        for name in ("connect", "first_token", "idle", "total", "pool")
    },
    "max_retries": Strict(_options("max_retries"), "max_retries", WHOLE | HUGE | {"null"}),
    "list max_retries": Strict(
        lambda client, value: client.chat.completions.list(max_retries=value), "max_retries", WHOLE | HUGE | {"null"}
    ),
    "run_tools max_turns": Strict(
        _completions("run_tools", "max_turns", tools=[look]), "max_turns", (WHOLE | HUGE) - {"zero"}
    ),
    "run_tools tool_timeout": Strict(
        _completions("run_tools", "tool_timeout", tools=[look]), "tool_timeout", SECONDS | {"null"}
    ),
    "run_tools n": Strict(_completions("run_tools", "n", tools=[look]), "run_tools(n=...)", ABSENT | {"true"}),
    # Text.
    "idempotency_key": Strict(_options("idempotency_key"), "idempotency", TEXTS | ABSENT),
    "a header": Strict(
        lambda client, value: client.chat.completions.create(**ASK, extra_headers={"x-own": value}),
        "extra_headers: the ",
        TEXTS | {"omit", "not given"},
    ),
    "retrieve": Strict(
        lambda client, value: client.chat.completions.retrieve(value), "completion_id", ANY_TEXT - {"no text"}
    ),
    "update id": Strict(
        lambda client, value: client.chat.completions.update(value, metadata=None),
        "completion_id",
        ANY_TEXT - {"no text"},
    ),
    "delete id": Strict(
        lambda client, value: client.chat.completions.delete(value), "completion_id", ANY_TEXT - {"no text"}
    ),
    "messages.list id": Strict(
        lambda client, value: client.chat.completions.messages.list(value), "completion_id", ANY_TEXT - {"no text"}
    ),
    "path": Strict(lambda client, value: client.get(value), "path", frozenset({"no text", "long text"})),
    "method": Strict(lambda client, value: client.request(value, "/x"), "method", frozenset({"long text"})),
    # Types.
    "cast_to": Strict(
        lambda client, value: client.get("/x", cast_to=value), "cast_to", frozenset({"null", "pydantic class"})
    ),
    "parse response_format": Strict(
        _completions("parse", "response_format"), "response_format", ABSENT | MAPPINGS | {"text as a key"}
    ),
    "create response_format": Strict(
        _completions("create", "response_format"), "response_format", ABSENT | MAPPINGS | {"text as a key"}
    ),
    "run_tools on_tool_error": Strict(
        _completions("run_tools", "on_tool_error", tools=[look]),
        "on_tool_error",
        frozenset({"function", "class", "pydantic class"}),
    ),
}
# Those that are taken, and are then no answer to the server's answer.
NO_ANSWER = {("parse response_format", "class"), ("parse response_format", "pydantic class"), ("cast_to", "class")}


@pytest.mark.parametrize("argument", STRICT)
async def test_what_an_argument_is_not(argument: str) -> None:
    """Where an argument has a type, every other value is refused by its name, and what fits is sent."""
    call, told, fit = STRICT[argument]
    async with served() as (server, client):
        for name, odd in ODD.items():
            before = len(server.requests)
            error = await settle(lambda client, make=odd.make: call(client, make()), client)
            sent = server.requests[before:]
            if (argument, name) in NO_ANSWER:
                assert isinstance(error, OpenAIError), name
                assert len(sent) == 1, name
            elif name in fit:
                assert error is None, f"{name}: {error!r}"
                assert len(sent) == 1, name
            else:
                assert error is not None, f"{name} was taken"
                # The name of an option is no secret: it is told, so that it can be put right.
                told_name = argument == "post options" and name in {
                    "text as a key",
                    "half a pair as a key",
                    "secret key",
                }
                secrets = (KEY,) if told_name else (SECRET, KEY)
                check_refusal(error, told, secrets=secrets)
                assert sent == [], name


# The head.


def scripted(*script: Any, **options: Any) -> tuple[AsyncOpenAI, ScriptedTransport]:
    """A client on a scripted transport."""
    transport = ScriptedTransport(script or [good()])
    return AsyncOpenAI(**{"api_key": KEY, "transport": transport, "base_url": "http://h/v1", **options}), transport


def good() -> ScriptedResponse:
    """A plain answer."""
    return ScriptedResponse(json.dumps(completion()).encode())


def busy() -> ScriptedResponse:
    """A refusal that is worth another attempt."""
    return ScriptedResponse(b"", status=500, headers={"retry-after-ms": "1"})


async def test_long_text_in_the_head() -> None:
    """A megabyte of an id, a query or a header is sent whole: how much is too much is the server's business."""
    long = "x" * 2**20
    client, transport = scripted(good(), good(), good(), good())
    await client.chat.completions.retrieve(long)
    await client.chat.completions.create(**ASK, extra_query={"q": long}, extra_headers={"x-own": long})
    await client.chat.completions.create(**ASK, idempotency_key=long)
    await client.get(f"/{long}")

    one, two, three, four = transport.requests
    assert one.url == f"http://h/v1/chat/completions/{long}"
    assert two.url == f"http://h/v1/chat/completions?q={long}"
    assert (two.headers["x-own"], three.headers["idempotency-key"]) == (long, long)
    assert four.url == f"http://h/v1/{long}"


IDS = {
    "../x": "..%2Fx",
    "?x": "%3Fx",
    "#x": "%23x",
    "%2F": "%252F",
    "%2e%2e": "%252e%252e",
    "\0": "%00",
    "a\nb": "a%0Ab",
    " ": "%20",
    "\\..\\x": "%5C..%5Cx",
    "http://evil.example/": "http:%2F%2Fevil.example%2F",
    Word.RED: "hunter2%20prompt",
    Loud("c-1"): "c-1",
}


async def test_ids_that_look_like_paths() -> None:
    """An id stays one segment, whatever it looks like, in every method that takes one."""
    for completion_id, segment in IDS.items():
        async with served() as (server, client):
            completions = client.chat.completions
            await completions.retrieve(completion_id)
            await completions.update(completion_id, metadata=None)
            await completions.delete(completion_id)
            await completions.messages.list(completion_id)
            await completions.with_raw_response.retrieve(completion_id)

        path = f"/v1/chat/completions/{segment}"
        assert [request.target for request in server.requests] == [path, path, path, f"{path}/messages", path]


async def test_framing_is_not_the_callers() -> None:
    """A header that says where the body ends is refused: the rest of the body would be read as the next request."""
    async with served() as (server, client):
        for name in ("content-length", "Content-Length", "transfer-encoding", "Transfer-Encoding"):
            for value in ("5", "500", "chunked", "", "x"):
                headers = {name: value}
                for call in (
                    lambda client, headers=headers: client.chat.completions.create(**ASK, extra_headers=headers),
                    lambda client, headers=headers: client.post("/x", body={}, options={"headers": headers}),
                    lambda client, headers=headers: client.with_options(default_headers=headers).get("/x"),
                ):
                    error = await settle(call, client)
                    assert error is not None
                    check_refusal(error, f"headers: the header {name!r}", "leave it out")
    assert server.requests == []


async def test_names_of_headers() -> None:
    """What can't be the name of a header is refused, and not shown: it may be a whole line, with the key."""
    names = ["", " ", "a b", "a:", "a\nb", "a\0b", "gr\xfc\xdfe", "\u2603", f"Bearer {KEY}", "\ud800", "(x)"]
    async with served() as (server, client):
        for name in names:
            for call in (
                lambda client, name=name: client.chat.completions.create(**ASK, extra_headers={name: "x"}),
                lambda client, name=name: client.chat.completions.list(extra_headers={name: omit}),
                lambda client, name=name: client.with_options(set_default_headers={name: "x"}),
            ):
                error = await settle(call, client)
                assert error is not None
                check_refusal(error, "headers: ", "can't be the name of a header", secrets=(KEY,))
    assert server.requests == []


HEADERS: dict[str, Callable[[AsyncOpenAI, str], Any]] = {
    "extra_headers: the value of the header 'x-own'": lambda client, value: client.chat.completions.create(
        **ASK, extra_headers={"x-own": value}
    ),
    "idempotency_key holds": lambda client, value: client.chat.completions.create(**ASK, idempotency_key=value),
    "organization holds": lambda client, value: client.with_options(organization=value),
    "project holds": lambda client, value: client.with_options(project=value),
    "api_key holds": lambda client, value: client.with_options(api_key=value),
    "the header 'authorization' holds": lambda client, value: client.with_options(
        api_key=lambda: value
    ).chat.completions.create(**ASK),
}


@pytest.mark.parametrize("told", HEADERS)
async def test_values_of_headers(told: str) -> None:
    """What no header can hold is refused in every place that becomes one."""
    async with served() as (server, client):
        for wrong in ("a\nb", "a\rb", "a\0b", "a\x7fb", "a\x85b", "\u2028", "\u2603", "\ud800"):
            error = await settle(lambda client, wrong=wrong: HEADERS[told](client, f"{SECRET}{wrong}"), client)
            assert error is not None
            check_refusal(error, told, secrets=(SECRET, KEY))
    assert server.requests == []


async def test_text_of_a_class_is_the_text() -> None:
    """A member of a text enum, and any text of a class, goes into heads as the text that it is, not as it prints."""
    async with served() as (server, client):
        twin = client.with_options(
            api_key=lambda: Word.RED, organization=Word.RED, project=Loud("p"), default_headers={"x-default": Word.RED}
        )
        await twin.chat.completions.create(
            **ASK, extra_headers={Loud("X-Own"): Loud("own")}, idempotency_key=Word.RED, extra_query={"q": Word.RED}
        )
        await client.with_options(api_key=Word.RED).get(Loud("/x"))

    one, two = server.requests
    assert one.headers["authorization"] == two.headers["authorization"] == f"Bearer {SECRET}"
    assert (one.headers["openai-organization"], one.headers["openai-project"]) == (SECRET, "p")
    assert (one.headers["x-own"], one.headers["x-default"], one.headers["idempotency-key"]) == ("own", SECRET, SECRET)
    assert (one.target, two.target) == ("/v1/chat/completions?q=hunter2%20prompt", "/v1/x")


# Names.


async def test_names_of_arguments() -> None:
    """A misspelt argument is refused by every spelling of every method, with the one that was meant."""
    calls: list[tuple[Callable[[Any], Any], str]] = [
        (
            lambda client: client.chat.completions.run_tools(**ASK, tools=[look], max_turn=1),
            "did you mean 'max_turns'?",
        ),
        (lambda client: client.chat.completions.parse(**ASK, response_formt=1), "did you mean 'response_format'?"),
        (lambda client: client.chat.completions.parse(**ASK, stream=True), "'stream'"),
        (lambda client: client.chat.completions.messages.list("c", limits=1), "did you mean 'limit'?"),
        (lambda client: client.with_raw_response.chat.completions.create(**ASK, temprature=1), "'temperature'?"),
        (lambda client: client.chat.completions.with_streaming_response.retrieve("c", timout=1), "'timeout'?"),
        (lambda client: client.post("/x", options={"header": {}}), "post(options=...) got an unexpected"),
        (lambda client: client.post("/x", options={1: {}}), "post(options=...) got an unexpected"),
        (lambda client: client.chat.completions.create(**ASK, **{"x" * 2**20: 1}), "unexpected keyword argument 'xxx"),
        (
            lambda client: client.chat.completions.create(**ASK, **{"\ud800": 1}),
            "unexpected keyword argument '\\ud800'",
        ),
    ]
    async with served() as (server, client):
        for call, told in calls:
            error = await settle(call, client)
            assert isinstance(error, TypeError)
            check_refusal(error, told)
    assert server.requests == []


async def test_what_is_missing_or_too_much() -> None:
    """What a method has to have, and what it can't have, is a `TypeError`."""
    calls: list[Callable[[Any], Any]] = [
        lambda client: client.chat.completions.create(),
        lambda client: client.chat.completions.create(model="m"),
        lambda client: client.chat.completions.stream(messages=MESSAGES),
        lambda client: client.chat.completions.run_tools(model="m", tools=[look]),
        lambda client: client.chat.completions.run_tools(**ASK),
        lambda client: client.chat.completions.retrieve(),
        lambda client: client.chat.completions.update("c"),
        lambda client: client.get(),
        lambda client: client.chat.completions.create("m", MESSAGES),
        lambda client: client.chat.completions.retrieve("c", "d"),
        lambda client: client.chat.completions.run_tools([look], **ASK),
    ]
    async with served() as (server, client):
        for call in calls:
            error = await settle(call, client)
            assert isinstance(error, TypeError)
            check_refusal(error, "argument")
    assert server.requests == []


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: function_tool(5), "a tool is made of a function or a type, not of a int"),  # type: ignore[call-overload]  # the mistake
        (lambda: function_tool(look, name=5), "a tool's name must be a string"),  # type: ignore[call-overload]  # likewise
        (lambda: function_tool(look, name=""), "a tool's name has 1 to 64"),
        (lambda: function_tool(look, name="x" * 2**20), "a tool's name has 1 to 64"),
        (lambda: function_tool(look, name="a b"), "a tool's name has 1 to 64"),
        (lambda: function_tool(object()), "not of a object"),  # type: ignore[call-overload]  # likewise
        (lambda: function_tool(lambda city: city, name="f"), "the parameter 'city' of <lambda>() has no annotation"),
    ],
)
def test_tools_that_can_not_be(make: Callable[[], Any], told: str) -> None:
    """What no tool can be made of is refused where it is made."""
    with pytest.raises(TypeError) as caught:
        make()
    check_refusal(caught.value, told)


# Functions and sizes that are asked for later.


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (lambda _error, _call: 5, "on_tool_error must return text, or None to raise; it returned a int"),
        (lambda _error, _call: b"x", "it returned a bytes"),
        (lambda: "x", "positional arguments"),
    ],
)
async def test_policies_for_the_errors_of_tools(policy: Any, told: str) -> None:
    """A function that says nothing that can be sent ends the run, and the model is not asked again."""
    call = {"id": "c1", "type": "function", "function": {"name": "fail", "arguments": "{}"}}
    calls = {"role": "assistant", "content": None, "tool_calls": [call]}
    asked = {**completion(), "choices": [{"index": 0, "message": calls, "finish_reason": "tool_calls"}]}

    async def fail() -> str:
        raise OwnError("mine")

    async with RawServer(answer(asked)) as server, AsyncOpenAI(api_key=KEY, base_url=server.url) as client:
        with pytest.raises(TypeError) as caught:
            await client.chat.completions.run_tools(**ASK, tools=[fail], on_tool_error=policy)
    check_refusal(caught.value, told)
    assert len(server.requests) == 1


@pytest.mark.parametrize("size", ["5", 1.5, True, 0, -1, -(10**400)])
async def test_sizes_of_pieces(size: Any) -> None:
    """A size of pieces is a whole number above 0; the response can still be read."""
    async with (
        served() as (_, client),
        client.with_streaming_response.chat.completions.create(**ASK) as response,
    ):
        for pieces in (response.iter_bytes(size), response.iter_text(size)):
            with pytest.raises((TypeError, ValueError)) as caught:
                await anext(pieces)
            check_refusal(caught.value, "chunk_size is")
        assert json.loads(await response.read()) == completion()


# What is the caller's.


@pytest.mark.parametrize(
    "value",
    [
        ChatCompletionMessage(content="x"),
        ChatCompletionMessage.from_dict({"role": "assistant", "content": "x", "vendor": {"a": [1]}}),
    ],
)
async def test_messages_of_answers(value: Any) -> None:
    """A message of an answer goes back as a message, in the middle of others, and in a mapping of any kind."""
    client, transport = scripted()
    await client.chat.completions.create(model="m", messages=[*MESSAGES, value, {"content": "y"}, {}])

    assert json.loads(transport.requests[0].body or b"")["messages"] == [
        *MESSAGES,
        json.loads(json.dumps(value.to_param())),
        {"content": "y"},
        {},
    ]


@pytest.mark.parametrize("content", [b"x", float("nan"), object(), "\ud800"])
async def test_messages_of_answers_that_were_changed(content: Any) -> None:
    """A message that was given what is no JSON is refused like any other, and not sent as base64 or null."""
    message = ChatCompletionMessage(content="x")
    message.content = content
    client, transport = scripted()
    error = await settle(lambda client: client.chat.completions.create(model="m", messages=[message]), client)

    assert error is not None
    check_refusal(error, "messages[0].content")
    assert transport.requests == []


def failing() -> Iterator[Any]:
    """One message, and then none."""
    yield MESSAGES[0]
    raise OwnError("mine")


async def test_errors_of_the_callers_own() -> None:
    """An exception of the caller's own generator is the caller's, and comes as it is; nothing is sent."""
    calls: list[Callable[[Any], Any]] = [
        lambda client: client.chat.completions.create(model="m", messages=failing()),
        lambda client: client.chat.completions.parse(**ASK, tools=failing()),
        lambda client: client.chat.completions.run_tools(model="m", messages=failing(), tools=[look]),
        lambda client: client.chat.completions.list(metadata={"k": failing()}),
        lambda client: client.post("/x", body=failing()),
    ]
    async with served() as (server, client):
        for call in calls:
            assert isinstance(await settle(call, client), OwnError)
    assert server.requests == []


def given_arguments() -> dict[str, Any]:
    """Arguments with parts that could be changed."""
    return {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache": omit}]}],
        "metadata": {"k": "v"},
        "stop": ["a"],
        "extra_headers": {"X-Own": "1", "x-gone": omit},
        "extra_query": {"Q": [1, {"a": 2}], "none": None},
        "extra_body": {"top_k": {"a": [1]}, "user": omit},
        "user": "u",
    }


@pytest.mark.parametrize("method", ["create", "parse", "stream", "run_tools"])
async def test_arguments_are_not_changed(method: str) -> None:
    """What was given is as it was, in all its parts."""
    more = {"tools": [look]} if method == "run_tools" else {}
    arguments = {**given_arguments(), **more}
    async with served() as (server, client):
        assert await settle(lambda client: getattr(client.chat.completions, method)(**arguments), client) is None

    assert arguments == {**given_arguments(), **more}
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["create", "parse", "stream"])
async def test_changes_come_too_late(method: str) -> None:
    """Once the call is made, changing the arguments changes nothing that is sent, by any attempt."""
    arguments = given_arguments()
    answers = [*map(json.dumps, hello()), "[DONE]"]
    done = ScriptedResponse(*(f"data: {part}\n\n".encode() for part in answers), headers=EVENT_STREAM)
    client, transport = scripted(busy(), busy(), done if method == "stream" else good())
    call = getattr(client.chat.completions, method)(**arguments)
    given, _ = await asyncio.gather(call, spoil(arguments, transport))
    if method == "stream":
        await given.final()

    assert len(transport.requests) == 3
    assert transport.requests[0] == transport.requests[1] == transport.requests[2]
    assert transport.requests[0].body is transport.requests[2].body  # encoded once
    assert json.loads(transport.requests[0].body or b"")["messages"][0]["content"] == [{"type": "text", "text": "x"}]
    assert "evil" not in f"{transport.requests[2].url}{transport.requests[2].headers}"


async def spoil(arguments: Any, transport: ScriptedTransport) -> None:
    """Change everything, before the first attempt and during the wait after it."""
    for _ in range(2):
        arguments["messages"].append({"role": "user", "content": "evil"})
        arguments["messages"][0]["content"][0]["text"] = "evil"
        arguments["metadata"]["evil"] = "evil"
        for name in ("extra_headers", "extra_query", "extra_body"):
            arguments[name]["evil"] = "evil"
        arguments["extra_query"]["Q"][1]["a"] = "evil"
        while not transport.requests:  # noqa: ASYNC110 - a scripted transport sets no event
            await asyncio.sleep(0)


async def test_changes_come_too_late_for_later_pages() -> None:
    """The pages of a list are asked for with what was given first; a generator among it serves all of them."""
    labels, headers = {"k": "v"}, {"X-Own": "1"}
    page = {"object": "list", "has_more": True, "data": [{"id": "c-1"}]}
    last = {"object": "list", "has_more": False, "data": [{"id": "c-2"}]}
    async with (
        RawServer(answer(page), answer(last)) as server,
        AsyncOpenAI(api_key=KEY, base_url=server.url) as client,
    ):
        items = client.chat.completions.list(
            metadata=labels, extra_headers=headers, extra_query={"q": (number for number in (1, 2))}
        )
        labels["k"] = headers["X-Own"] = "evil"
        async for _ in items:
            labels["k"] = headers["X-Own"] = "evil"

    first, second = server.requests
    assert first.target == "/v1/chat/completions?metadata[k]=v&q[]=1&q[]=2"
    assert second.target == f"{first.target}&after=c-1"
    assert first.headers["x-own"] == second.headers["x-own"] == "1"


async def test_changes_come_too_late_for_later_turns() -> None:
    """So are the turns of a run, whose messages and parameters may hold generators as well."""
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"city": "Rome"}'}}
    calls = {"role": "assistant", "content": None, "tool_calls": [call]}
    asked = {**completion(), "choices": [{"index": 0, "message": calls, "finish_reason": "tool_calls"}]}
    message: Any = {"role": "user", "content": (part for part in [{"type": "text", "text": "x"}])}
    labels, extra, headers = {"k": "v"}, {"top_k": [1]}, {"X-Own": "1"}

    async def look(city: str) -> str:
        message["role"] = labels["k"] = headers["X-Own"] = "evil"
        extra["top_k"].append(2)
        return city

    async with (
        RawServer(answer(asked), answer(completion())) as server,
        AsyncOpenAI(api_key=KEY, base_url=server.url) as client,
    ):
        run = await client.chat.completions.run_tools(
            model="m",
            messages=(one for one in [message]),
            tools=[look],
            metadata=labels,
            stop=(text for text in ("a", "b")),
            extra_body=extra,
            extra_headers=headers,
        )

    first, second = server.requests
    assert first.json["messages"] == [{"role": "user", "content": [{"type": "text", "text": "x"}]}]
    assert second.json["messages"][:1] == first.json["messages"]
    for name, value in {"metadata": {"k": "v"}, "stop": ["a", "b"], "top_k": [1]}.items():
        assert first.json[name] == second.json[name] == value
    assert first.headers["x-own"] == second.headers["x-own"] == "1"
    assert run.messages[0] == first.json["messages"][0]


async def test_deep_in_a_program() -> None:
    """Called with few calls left of those that Python allows, a method sends what is deep or refuses it, no third."""
    client, transport = scripted(*(good() for _ in range(20)))
    outcomes = set()

    def dive(levels: int) -> Any:
        if levels:
            return dive(levels - 1)
        try:
            return client.chat.completions.create(**ASK, metadata=deep(200, objects=True))
        except ValueError as refusal:
            return str(refusal)

    for levels in range(300, 900, 30):
        made = dive(levels)
        outcomes.add(type(made))
        if isinstance(made, str):
            assert "nested too deeply" in made
        else:
            await made

    assert len(outcomes) == 2
    assert all(json.loads(request.body or b"")["metadata"] == deep(200, objects=True) for request in transport.requests)


# Any value, anywhere.

PARAMETERS = sorted(
    {"temperature", "metadata", "stop", "n", "tools", "seed", "logit_bias", "response_format", "user", "audio", "store"}
)


def _texts() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def _leaves() -> st.SearchStrategy[tuple[Any, Any]]:
    fit = st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False)
    return st.one_of(
        (fit | _texts()).map(lambda value: (value, value)),
        _texts().map(lambda text: (Loud(text), text)),
        st.sampled_from(sorted(ODD)).map(lambda name: (ODD[name].make(), ODD[name].plain)),
        st.text(st.characters(categories=["Cs"]), min_size=1, max_size=3).map(lambda half: (f"x{half}", REFUSED)),
    )


def _nested(inner: st.SearchStrategy[tuple[Any, Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.one_of(
        st.tuples(st.lists(inner, max_size=4), st.sampled_from([list, tuple, iter])).map(_array),
        st.tuples(st.dictionaries(_texts(), inner, max_size=4), st.sampled_from([dict, ODD["mapping"].make])).map(
            _object
        ),
    )


def _array(drawn: tuple[list[tuple[Any, Any]], Any]) -> tuple[Any, Any]:
    items, kind = drawn
    plain = [item for _, item in items]
    refused = any(item is REFUSED or item is omit for item in plain)
    return kind([value for value, _ in items]), REFUSED if refused else plain


def _object(drawn: tuple[dict[str, tuple[Any, Any]], Any]) -> tuple[Any, Any]:
    items, kind = drawn
    value: Any = kind()
    inner = getattr(value, "inner", value)
    inner.clear()
    inner.update({name: item for name, (item, _) in items.items()})
    plain = {name: item for name, (_, item) in items.items() if item is not omit}
    return value, REFUSED if any(item is REFUSED for item in plain.values()) else plain


@given(name=st.sampled_from(PARAMETERS), drawn=st.recursive(_leaves(), _nested, max_leaves=12))
def test_any_value_anywhere(name: str, drawn: tuple[Any, Any]) -> None:
    """Whatever is put wherever: what is sent, decoded, is what was meant; or it is refused, by the argument's name."""
    value, plain = drawn

    async def ask() -> tuple[Exception | None, ScriptedTransport]:
        client, transport = scripted()
        return await settle(lambda client: client.chat.completions.create(**ASK, **{name: value}), client), transport

    error, transport = asyncio.run(ask())
    if error is not None:
        check_refusal(error, name, secrets=(SECRET, KEY))
        assert transport.requests == []
        # Classes are for `parse`, which `create` says.
        assert plain is REFUSED or (name == "response_format" and not isinstance(plain, dict))
        return
    (request,) = transport.requests
    sent = json.loads(request.body or b"")
    assert sent == {**ASK, **({} if plain is omit else {name: plain})}


# Giants.


class Sink(RawServer):
    """Reads bodies piece by piece and keeps their lengths and sums only; refuses the first request."""

    def __init__(self) -> None:
        super().__init__(answer(b"", 500, {"retry-after-ms": "1"}), answer(completion()))
        self.read: list[tuple[int, int]] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        while True:
            request = RawRequest(await reader.readuntil(b"\r\n\r\n"), b"", connection)
            left = length = int(request.headers["content-length"])
            total = 0
            while left:
                piece = await reader.read(min(left, 2**16))
                total = zlib.crc32(piece, total)
                left -= len(piece)
            self.read.append((length, total))
            await self.handlers[min(len(self.read), 2) - 1](Peer(request, reader, writer))


SIZE = 8_000_000
GIANTS: dict[str, Callable[[], Any]] = {
    "a text": lambda: [{"role": "user", "content": "x" * SIZE}],
    "many messages": lambda: [{"role": "user", "content": f"no. {index:7}"} for index in range(80_000)],
    "an image": lambda: [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'QUJD' * (SIZE // 4)}"}}],
        }
    ],
}


@pytest.mark.parametrize("giant", GIANTS)
async def test_giants_are_sent_whole_and_held_once(giant: str) -> None:
    """A giant prompt is sent whole, by the retry as well, in less memory than twice its length."""
    messages = GIANTS[giant]()
    body = json.dumps({"model": "m", "messages": messages}, separators=(",", ":")).encode()
    whole = len(body), zlib.crc32(body)
    del body
    async with Sink() as server, AsyncOpenAI(api_key=KEY, base_url=server.url, max_retries=1) as client:
        tracemalloc.start()
        try:
            await client.chat.completions.create(model="m", messages=messages)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert server.read == [whole, whole]
    assert peak < 2 * whole[0]


@pytest.mark.parametrize("ending", ["reset", "fin", "nothing"])
@pytest.mark.parametrize("stream", [False, True])
def test_refusal_of_a_giant_that_is_still_being_sent(ending: Any, stream: bool) -> None:  # noqa: FBT001 - a column
    """A server that refuses a large request before it has read it, and closes, is heard: the error is its 413."""
    refusal = early(413, {"error": {"message": "too large", "code": "c"}}, ending=ending)

    async def ask(url: str) -> errors.APIStatusError:
        async with AsyncOpenAI(api_key=KEY, base_url=url, timeout=10) as client:
            with pytest.raises(errors.APIStatusError) as caught:
                await client.chat.completions.create(model="m", messages=GIANTS["a text"](), stream=stream)
        return caught.value

    # In a thread of its own: on the client's loop it would be heard by the order of events alone.
    with in_thread(EarlyServer(refusal)) as server:
        for number in range(1, 4):
            error = asyncio.run(ask(server.url))
            assert (error.status_code, error.message, error.code) == (413, "too large", "c")
            assert len(server.requests) == number  # not tried again
