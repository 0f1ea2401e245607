"""What the client promises about keys, prompts, other hosts and TLS: docs/security.md names the tests here.

Every request of `told` carries a secret wherever one can be. Whatever goes wrong then, `exposed` collects all that
anybody could print of it: messages, chains of exceptions, fields, notes, pickles, logs, warnings, and the local variables
of every frame that is not the test's own. Nothing of it may hold a secret or the prompt.

Refused headers are in test_bad_requests.py and test_bad_settings.py, what errors say in tests/functional.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gc
import json
import logging
import os
import pickle
import pprint
import re
import socket
import ssl
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp.connector
import pytest
import trustme
from rich.pretty import pretty_repr
from support.rawserver import Handler, Peer, RawServer, answer, certificates, chunk, completion, free_port, hello, sse
from support.scripted import ScriptedTransport

from openai_async import AsyncAzureOpenAI, AsyncOpenAI, Timeout, errors
from openai_async.transport.message import Request
from openai_async.transport.redaction import Secret, Secrets

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

KEY = "sk-proj-KEY-0123456789abcdef"
TOKEN = "tok-gateway-0123456789"
COOKIE = "cookie-value-0123456789"
QUERY = "query-key-0123456789"
SECRETS = (KEY, TOKEN, COOKIE, QUERY)
PROMPT = "a private diary"
MESSAGES: Any = [{"role": "user", "content": PROMPT}]

CLIENT: Any = {
    "api_key": KEY,
    "default_headers": {"X-Gateway-Token": TOKEN, "Cookie": f"who={COOKIE}; theme=dark"},
    "default_query": {"key": QUERY},
}


def client_of(server: RawServer | str, **options: Any) -> AsyncOpenAI:
    """A client whose every request holds all secrets."""
    url = server if isinstance(server, str) else server.url
    return AsyncOpenAI(**{**CLIENT, "base_url": url, "max_retries": 1, **options})


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that is logged, by anyone, with `OPENAI_LOG=debug`."""
    monkeypatch.setenv("OPENAI_LOG", "debug")
    ours = logging.getLogger("openai_async")
    before = ours.level
    caplog.set_level(logging.DEBUG)
    yield caplog
    ours.setLevel(before)


# What can be seen.


def graph(error: BaseException) -> list[BaseException]:
    """An exception and all behind it, also those that a traceback does not print."""
    found: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        if (one := left.pop()) is not None and one not in found:
            found.append(one)
            left += (one.__cause__, one.__context__, *getattr(one, "exceptions", ()))
    return found


def frames(error: BaseException) -> Iterator[tuple[str, dict[str, Any]]]:
    """The frames of a traceback but for those of tests: name of the function, local variables."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "/tests/" not in frame.f_code.co_filename:
            yield f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}", frame.f_locals


def exposed(error: BaseException, log: pytest.LogCaptureFixture | None = None, *, variables: bool = True) -> str:
    """All that a user, a log, a crash reporter or a debugger prints of an error, local variables included."""
    shown = ["".join(traceback.format_exception(error))]
    for one in graph(error):
        shown += [repr(one), str(one), repr(one.args), repr(vars(one)), repr(getattr(one, "__notes__", ""))]
        for where, held in frames(one) if variables else ():
            shown += [f"{where} {name}={value!r}" for name, value in held.items()]
            shown += [f"{where} {pretty_repr(value, max_depth=4)}" for value in held.values()]
    if isinstance(error, errors.OpenAIError):
        shown.append(pickle.dumps(error).decode("latin-1"))
    if log is not None:
        formatter = logging.Formatter()
        for record in log.records:
            shown += [formatter.format(record), repr(record.__dict__)]
    return "\n".join(shown)


def leaks(text: str, *, model: bool = True) -> list[str]:
    """The lines of `text` that hold a secret, the beginning of one that could be guessed on from, or the prompt."""
    marks = [*(secret[:12] for secret in SECRETS), *([PROMPT] if model else [])]
    return [line for line in text.splitlines() if any(mark in line for mark in marks)]


async def fails(client: AsyncOpenAI, *, stream: bool, **options: Any) -> BaseException:
    """Ask, read to the end, and return what was raised."""

    async def ask() -> None:
        made: Any = await client.chat.completions.create(model="m", messages=MESSAGES, stream=stream, **options)
        await made.final()

    with pytest.raises((errors.OpenAIError, asyncio.CancelledError)) as caught:
        await ask()
    return caught.value


# How it fails.


async def hang_up(peer: Peer) -> None:
    """Close without a word."""
    peer.fin()


async def reset(peer: Peer) -> None:
    """Close with a RST."""
    peer.reset()


async def silent(peer: Peer) -> None:
    """Never answer."""
    await peer.gone()


async def garbled(peer: Peer) -> None:
    """Answer in chunks that are none."""
    await peer.head(transfer_encoding="chunked")
    await peer.send(b"zz\r\nhello\r\n")


async def short(peer: Peer) -> None:
    """Close in the middle of a body."""
    await peer.head(content_length="100")
    await peer.send(b"some")
    peer.fin()


NOW = {"retry-after-ms": "1"}
FAILURES: dict[str, Handler] = {
    "401": answer({"error": {"message": "no"}}, 401),
    "404": answer(b"", 404),
    "429": answer({"error": {"message": "slow down"}}, 429, NOW),
    "500": answer(b"oops", 500, NOW, kind="text/plain"),
    "redirect": answer(b"", 307, {"location": "http://127.0.0.1:1/"}),
    "gone": hang_up,
    "reset": reset,
    "short": short,
    "garbled": garbled,
    "not packed": answer(b"plain", headers={"content-encoding": "gzip"}),
    "web page": answer(b"<html><title>Sign in</title></html>", kind="text/html"),
    "broken json": answer(b'{"choices": ['),
    "no answer": answer({"choices": None}),
    "error in 200": answer({"error": {"message": "no"}}),
    "error event": sse([*hello()[:2], {"error": {"message": "no"}}]),
    "broken event": sse([*hello()[:2], "{"]),
    "impossible choice": sse([*hello()[:2], chunk("x", index=10**6)]),
    "incomplete": sse(hello()[:2], done=False),
    "broken off": sse(hello()[:2], done=False, ending="reset"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", FAILURES)
async def test_nothing_private_in_failures(kind: str, stream: bool, log: pytest.LogCaptureFixture) -> None:  # noqa: FBT001 - a column
    """Whatever the server does, nothing that can be printed of the error or the log has a secret or the prompt."""
    retries = int(kind in ("429", "500", "error event"))  # others would wait half a second
    async with RawServer(FAILURES[kind]) as server, client_of(server, max_retries=retries) as client:
        error = await fails(client, stream=stream)

    assert leaks(exposed(error, log)) == []
    assert all(secret in str(server.requests[0].lines) + server.requests[0].target for secret in SECRETS)


@pytest.mark.parametrize("stream", [False, True])
async def test_nothing_private_without_a_connection(stream: bool, log: pytest.LogCaptureFixture) -> None:  # noqa: FBT001 - a column
    """Nor where there is no such host, nobody listens, or TLS does not come about."""
    context, _ = certificates()
    async with RawServer(hang_up, context=context) as secure, RawServer(hang_up) as plain:
        for url in (
            "http://no-such-host.invalid/v1",
            f"http://127.0.0.1:{free_port()}/v1",
            "http://xn--a.example/v1",
            secure.url,
            plain.url.replace("http:", "https:"),
        ):
            async with client_of(url, max_retries=0, timeout=Timeout(connect=0.2)) as client:
                error = await fails(client, stream=stream)
            assert leaks(exposed(error, log)) == [], url


@pytest.mark.parametrize(
    ("phase", "answered", "limits"),
    [
        ("first_token", silent, Timeout(first_token=0.05)),
        ("first_token", sse([], done=False, ending="nothing"), Timeout(first_token=0.05)),
        ("idle", sse(hello()[:2], done=False, ending="nothing"), Timeout(idle=0.05)),
        ("total", silent, Timeout(total=0.05)),
        ("total", sse(hello()[:2], done=False, ending="nothing"), Timeout(total=0.05)),
    ],
)
async def test_nothing_private_in_timeouts(
    phase: str, answered: Handler, limits: Timeout, log: pytest.LogCaptureFixture
) -> None:
    """Nor where a limit passes."""
    async with RawServer(answered) as server, client_of(server, timeout=limits, max_retries=0) as client:
        error = await fails(client, stream=True)

    assert isinstance(error, errors.APITimeoutError)
    assert error.phase == phase
    assert leaks(exposed(error, log)) == []


async def test_nothing_private_while_connecting(log: pytest.LogCaptureFixture) -> None:
    """Nor where a connection does not open in time, or none becomes free."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        async with client_of(f"http://127.0.0.1:{port}/v1", timeout=Timeout(connect=0.1), max_retries=0) as client:
            connecting = await fails(client, stream=True)
        for filler in fillers:
            filler.close()
    async with RawServer(silent) as server, client_of(server, limit=1, timeout=Timeout(pool=0.05)) as client:
        first = asyncio.create_task(fails(client, stream=True))
        while not server.requests:  # noqa: ASYNC110 - the server's end sets no event
            await asyncio.sleep(0.005)
        pooling = await fails(client, stream=True, max_retries=0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    assert [getattr(error, "phase", None) for error in (connecting, pooling)] == ["connect", "pool"]
    assert leaks(exposed(connecting, log) + exposed(pooling)) == []


@pytest.mark.parametrize("answered", [silent, sse(hello()[:2], done=False, ending="nothing")])
async def test_nothing_private_when_cancelled(answered: Handler, log: pytest.LogCaptureFixture) -> None:
    """Nor does a cancellation carry anything, be it before the head or in the middle of a stream."""
    async with RawServer(answered) as server, client_of(server) as client:
        task = asyncio.create_task(fails(client, stream=True))
        while not server.requests:  # noqa: ASYNC110 - the server's end sets no event
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)  # wherever it is then: nothing depends on it
        task.cancel()
        error = await task

    assert isinstance(error, asyncio.CancelledError)
    assert leaks(exposed(error, log)) == []


METHODS: dict[str, Callable[[Any], Any]] = {
    "parse": lambda client: client.chat.completions.parse(model="m", messages=MESSAGES, response_format=dict[str, int]),
    "stream": lambda client: client.chat.completions.stream(model="m", messages=MESSAGES),
    "raw": lambda client: client.chat.completions.create(model="m", messages=MESSAGES).raw(),
    "with_raw_response": lambda client: client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES),
    "run_tools": lambda client: client.chat.completions.run_tools(model="m", messages=MESSAGES, tools=[]),
    "run_tools streamed": lambda client: client.chat.completions.run_tools(
        model="m", messages=MESSAGES, tools=[], stream=True
    ),
    "retrieve": lambda client: client.chat.completions.retrieve("chatcmpl-1"),
    "update": lambda client: client.chat.completions.update("chatcmpl-1", metadata={"of": PROMPT}),
    "list": lambda client: client.chat.completions.list(metadata={"of": PROMPT}),
    "delete": lambda client: client.chat.completions.delete("chatcmpl-1"),
    "messages": lambda client: client.chat.completions.messages.list("chatcmpl-1"),
    "post": lambda client: client.post("/embeddings", body={"input": PROMPT}),
    "get": lambda client: client.get("/models"),
}


async def streamed(client: AsyncOpenAI) -> None:
    """Read a response whose body stays on the wire."""
    call = client.chat.completions.with_streaming_response.create(model="m", messages=MESSAGES)
    async with call as response:
        await response.parse()


async def read(made: Any) -> None:
    """Read what a method gave to its end."""
    answered = await made
    await (answered.parse() if hasattr(answered, "parse") else answered.final())


@pytest.mark.parametrize("kind", ["401", "gone", "short", "broken json"])
async def test_nothing_private_in_any_method(kind: str, log: pytest.LogCaptureFixture) -> None:
    """Every method keeps it so, Azure's client, and one whose key a function gives, too."""

    async def give() -> str:
        return KEY

    async with RawServer(FAILURES[kind]) as server:
        azure = AsyncAzureOpenAI(azure_endpoint=server.url, api_version="1", **{**CLIENT, "max_retries": 0})
        twin = client_of(server, max_retries=0).with_options(api_key=give)
        calls = [(name, azure if "run" in name else twin, make) for name, make in METHODS.items()]
        for name, client, make in [*calls, ("azure", azure, METHODS["raw"]), ("streamed", twin, streamed)]:
            with pytest.raises(errors.OpenAIError) as caught:
                await read(make(client))
            assert leaks(exposed(caught.value, log)) == [], name
        await azure.close()
        await twin.close()


@pytest.mark.parametrize("gives", [f"{KEY}\r\nX-Evil: 1", KEY.encode(), [KEY], f"{KEY}\u2028"], ids=repr)
@pytest.mark.parametrize("azure", [False, True])
async def test_bad_keys_of_functions_are_not_shown(gives: Any, azure: bool) -> None:  # noqa: FBT001 - a column
    """A function that gives what no header can hold fails the call, and what it gave is nowhere."""
    transport = ScriptedTransport([])

    async def give() -> Any:
        return gives

    made: Any = {"transport": transport, "api_key": give}
    client = (
        AsyncAzureOpenAI(azure_endpoint="http://h", api_version="1", **made)
        if azure
        else AsyncOpenAI(base_url="http://h/v1", **made)
    )
    error = await fails(client, stream=False)

    assert leaks(exposed(error)) == []
    assert transport.requests == []


@pytest.mark.parametrize("debug", [False, True])
async def test_log_has_nothing_private(debug: bool, log: pytest.LogCaptureFixture) -> None:  # noqa: FBT001 - a column
    """Calls that work, and retries, log nothing private at any level; asyncio's own account of each step does not either."""
    loop = asyncio.get_running_loop()
    loop.set_debug(debug)
    slow, loop.slow_callback_duration = loop.slow_callback_duration, 0.0 if debug else loop.slow_callback_duration
    said = {"error": {"message": f"Received Messages={MESSAGES} with {KEY}"}}
    try:
        server = RawServer(answer(said, 500, NOW), answer(completion(PROMPT)), sse(hello()))
        async with server, client_of(server) as client:
            await client.chat.completions.create(model="m", messages=MESSAGES)
            async with client.chat.completions.create(model="m", messages=MESSAGES, stream=True) as stream:
                await stream.final()
    finally:
        loop.set_debug(False)
        loop.slow_callback_duration = slow

    lines = [f"{record.name} {record.getMessage()} {record.__dict__}" for record in log.records]
    assert any("InternalServerError, status 500" in line for line in lines)
    assert len(lines) > 20 if debug else lines
    ours = "\n".join(line for line in lines if not line.startswith("asyncio") or "/tests/" not in line)
    assert leaks(ours) == []


async def test_nothing_private_in_reprs() -> None:
    """What a client makes and gives can be printed: by repr, by pprint, and by rich, which looks into objects."""
    tool_call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    calling = completion(
        None, choices=[{"index": 0, "finish_reason": "tool_calls", "message": {"tool_calls": [tool_call]}}]
    )

    def look() -> str:
        return "nothing"

    async with RawServer(answer(calling), answer(completion()), answer(completion()), sse(hello())) as server:
        client = client_of(server)
        azure = AsyncAzureOpenAI(azure_endpoint="http://h", api_version="1", **CLIENT)
        completions: Any = client.chat.completions
        run = await completions.run_tools(model="m", messages=MESSAGES, tools=[look])
        raw = await completions.create(model="m", messages=MESSAGES).raw()
        stream = await completions.create(model="m", messages=MESSAGES, stream=True)
        plan = client._plan("POST", "/x", json.dumps(MESSAGES).encode(), {}, stream=False)
        request = Request(method="POST", url=plan.url, headers={"authorization": f"Bearer {KEY}"}, body=plan.body)
        call = completions.create(model="m", messages=MESSAGES)
        runner = completions.run_tools(model="m", messages=MESSAGES, tools=[look])
        listing = completions.list(extra_headers={"x-own-key": TOKEN})
        objects: list[Any] = [
            client,
            client.with_options(api_key=KEY),
            azure,
            client.chat,
            completions,
            client._transport,
        ]
        objects += [client._transport.get(), plan, request, Secrets(request), Secret(KEY), call, runner, listing, run]
        objects += [raw, raw.parse(), stream, stream._reader, completions.with_raw_response, errors.ToolLoopError(run)]
        async with client.chat.completions.with_streaming_response.create(model="m", messages=MESSAGES) as response:
            objects.append(response)
            shown = [show(one) for one in objects for show in (repr, str, pprint.pformat, pretty_repr) if one != KEY]
            shown += [repr(Secret(KEY)), pretty_repr(Secret(KEY))]
        await stream.aclose()
        runner.abort()
        for unused in (call, listing):
            unused.close()
        await client.close()
        await azure.close()

    assert leaks("\n".join(shown)) == []
    assert "<ToolRun turns=2 messages=4 calls=1>" in shown


async def test_nothing_private_in_warnings() -> None:
    """What warns of things that were left open or never used, names none of it."""
    async with RawServer(sse(hello(), ending="nothing")) as server:
        client = client_of(server)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            client.chat.completions.create(model="m", messages=MESSAGES)
            call = client.chat.completions.with_streaming_response.create(model="m", messages=MESSAGES)
            response = await call.__aenter__()
            said: list[str] = []
            del stream, call, response, client
            while gc.collect() or caught:  # a warning holds on to what it is about
                said += [f"{one.message} {one.source!r} {pretty_repr(one.source)}" for one in caught]
                caught.clear()

    for expected in ("was never awaited", "<ChatStream open", "<StreamedResponse POST", "client was not closed"):
        assert any(expected in one for one in said), said
    assert leaks("\n".join(said)) == []


# What servers repeat.


async def echo_no_http(peer: Peer) -> None:
    """Send the request's head back, as no HTTP."""
    await peer.send(" ".join(peer.request.lines).encode() + peer.request.target.encode() + b"\r\n\r\n")
    peer.fin()


def echoes(said: str) -> dict[str, Handler]:
    """Servers that repeat a text in every place there is."""
    told = {
        "error": {"message": f"Incorrect: {said}", "code": said, "type": said, "param": said, "deep": [{said: said}]}
    }
    headers = {"x-echo": said, "x-request-id": said, "location": f"http://127.0.0.1:1/?key={said}", **NOW}
    page = f"<html><head><title>{said}</title></head><body>{said}</body></html>".encode()
    return {
        "401": answer(told, 401, headers),
        "500": answer(told, 500, headers),
        "307": answer(told, 307, headers),
        "text": answer(said.encode(), 403, headers, kind="text/plain"),
        "page": answer(page, 502, headers, kind="text/html"),
        "page in 200": answer(page, 200, headers, kind=f"text/html; of={said}"),
        "broken json": answer(f'{{"a": "{said}'.encode(), 200, headers),
        "error in 200": answer(told, 200, headers),
        "no completion": answer({said: said, "object": said}, 200, headers),
        "error event": sse([*hello()[:2], told], headers=headers),
        "first event": sse([told], headers=headers),
        "broken event": sse([*hello()[:2], f"{{{said}"], headers=headers),
        "chunk sizes": sse([said.encode() + b"\r\n"], done=False, ending="reset", headers=headers),
        "no http": echo_no_http,
    }


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", echoes(""))
async def test_repeated_keys_are_masked(kind: str, stream: bool, log: pytest.LogCaptureFixture) -> None:  # noqa: FBT001 - a column
    """A server that sends everything back that it got, gets no secret into an error, its chain, its pickle or a log."""
    said = f"Bearer {KEY}, {TOKEN}; who={COOKIE} key={QUERY}"
    async with RawServer(echoes(said)[kind]) as server, client_of(server) as client:
        error = await fails(client, stream=stream)

    assert leaks(exposed(error, log), model=False) == []


@pytest.mark.parametrize("kind", ["401", "307", "page", "page in 200", "broken json", "text", "no completion"])
async def test_repeated_keys_that_are_cut_off_are_masked(kind: str) -> None:
    """Of texts that are shortened, a key that the end cuts through is masked as well."""
    async with RawServer() as server, client_of(server, max_retries=0) as client:
        for size in (100, 105, 110, 190, 480, 495, 500, 1985, 16370):
            said = "x" * size + KEY + "y" * 30
            headers = {"x-echo": "x", "location": said, **NOW}
            long = answer(said.encode(), 500, headers, kind="text/plain")
            server.handlers = [echoes(said)[kind] if size < 5000 else long]
            error = await fails(client, stream=False)
            # Where no part of the key is left in the error, the frames keep what the server sent: docs/security.md.
            assert leaks(exposed(error, variables=False), model=False) == [], size


@pytest.mark.parametrize(
    "key", ["sk-\\'\"-0123456789", 'sk-"quoted"-0123456789', "sk-{}[]-0123456789", "sk-gr\xfc\xdf-0123456789"]
)
async def test_keys_of_odd_characters_are_masked(key: str) -> None:
    """A key that JSON and reprs write otherwise than it is, is found all the same."""
    told = {"error": {"message": "no", "deep": [f'It\'s "{key}"']}}
    async with RawServer(answer(told, 401)) as server, client_of(server, api_key=key) as client:
        error = await fails(client, stream=False)

    assert isinstance(error, errors.AuthenticationError)
    assert error.body["deep"] == ['It\'s "***"']
    assert "0123456789" not in exposed(error)


async def test_exceptions_that_can_not_be_printed() -> None:
    """An exception of the transport's whose own code fails, ends nothing; it is not kept behind the error."""

    class Rude(Exception):  # noqa: N818 - of another program's making
        def __str__(self) -> str:
            raise RuntimeError(KEY)

    failed = errors.APIConnectionError("Connection error: gone")
    failed.__cause__ = Rude(KEY)
    client = AsyncOpenAI(api_key=KEY, base_url="http://h/v1", transport=ScriptedTransport([failed]), max_retries=0)
    error = await fails(client, stream=False)

    assert type(error) is errors.APIConnectionError
    assert error.__cause__ is None
    assert leaks(exposed(error)) == []


def test_what_counts_as_a_secret() -> None:
    """Headers and parameters are told by their names; what names a request, or only looks like a word, stays readable."""
    headers = {
        "authorization": "Digest username=alice-in-chains, response=0123456789",
        "api-key": "azure-0123456789",
        "ocp-apim-subscription-key": "subscription-012345",
        "x-functions-key": "functions-012345",
        "cf-access-client-secret": "cloudflare-012345",
        "helicone-auth": "Bearer helicone-0123",
        "proxy-authorization": "Basic dXNlcjpwYXNzd29yZA==",
        "idempotency-key": "order-0123456789",
        "x-request-id": "request-0123456789",
        "user-agent": "agent-0123456789",
    }
    request = Request(
        method="GET", url="http://h/?key=a%2Fb-0123456789&sig=signed-0123&limit=1234567890", headers=headers
    )
    found = set(Secrets(request))

    assert {
        "azure-0123456789",
        "subscription-012345",
        "functions-012345",
        "cloudflare-012345",
        "helicone-0123",
    } <= found
    assert {"dXNlcjpwYXNzd29yZA==", "a/b-0123456789", "a%2Fb-0123456789", "signed-0123", "0123456789"} <= found
    assert not found & {"order-0123456789", "request-0123456789", "agent-0123456789", "1234567890", "Bearer"}
    assert repr(list(found)) == str(["***"] * len(found)).replace('"', "")


# Other hosts: cookies, redirects, addresses, proxies.


async def test_no_cookies() -> None:
    """What a server sets, no later request brings, by name or by address, of this client or another; one's own is sent."""
    headers = {"set-cookie": "who=alice; Path=/; Max-Age=3600"}
    async with RawServer(answer(completion(), headers=headers)) as server:
        for host in ("localhost", "127.0.0.1"):
            for _ in range(2):
                async with AsyncOpenAI(api_key=KEY, base_url=f"http://{host}:{server.port}/v1") as client:
                    for _ in range(2):
                        await client.chat.completions.create(model="m", messages=MESSAGES)
                    await client.with_options(api_key="sk-other").chat.completions.create(model="m", messages=MESSAGES)
        assert not any("cookie" in request.headers for request in server.requests)
        async with client_of(server) as client:
            await client.chat.completions.create(model="m", messages=MESSAGES)

    assert len(server.requests) == 13
    assert server.requests[-1].headers["cookie"] == f"who={COOKIE}; theme=dark"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
async def test_no_redirects(status: int) -> None:
    """No redirect is followed, neither to another host nor on the same one, by no method: the error says where it leads."""
    async with RawServer(answer(completion())) as other, RawServer() as server:
        for place in (other.url, f"{server.url}/elsewhere", "/elsewhere", "//127.0.0.1:1/"):
            server.handlers = [answer(b"", status, {"location": place})]
            async with client_of(server) as client:
                for call in (
                    client.chat.completions.create(model="m", messages=MESSAGES),
                    client.chat.completions.create(model="m", messages=MESSAGES, stream=True),
                    client.chat.completions.list(),
                    client.chat.completions.delete("chatcmpl-1"),
                ):
                    with pytest.raises(errors.APIStatusError) as caught:
                        await call
                    assert caught.value.status_code == status
                    assert place in str(caught.value)

    assert other.requests == []
    assert len(server.requests) == 16
    assert not any("elsewhere" in request.target for request in server.requests)


async def test_key_goes_to_no_other_host() -> None:
    """An address of another origin is refused, however it is spelled, by every verb and by Azure's client."""
    async with RawServer(answer({})) as other, RawServer(answer({})) as server:
        here, there = f"127.0.0.1:{server.port}", f"127.0.0.1:{other.port}"
        places = [f"http://{there}/v1/x", f"HTTP://{there}/", f"https://{here}/v1/x", f"http://{here}@{there}/v1/x"]
        places += [
            f"http://localhost:{server.port}/x",
            f"ftp://{here}/",
            f"http://{here}:80@{there}",
            f"http://{here}#@{there}",
        ]
        clients = [client_of(server), AsyncAzureOpenAI(azure_endpoint=f"http://{here}", api_version="1", **CLIENT)]
        for client in clients:
            for place in places:
                for verb in (client.get, client.post, client.delete, client.put, client.patch):
                    with pytest.raises(errors.OpenAIError, match=r"another origin|can't"):
                        await verb(place)
            # What only looks like another host is a path below the client's own.
            for place in (f"//{there}/x", f"/x?next=http://{there}/", f"/http:/{there}/"):
                await client.get(place)
            await client.close()
        assert len(server.requests) == 6

    assert other.requests == []


async def test_pages_stay_at_their_host() -> None:
    """What a server calls its last item goes into the query, whatever it looks like; links in a page are not followed."""
    async with RawServer(answer({})) as other, RawServer() as server:
        cursor = f"http://127.0.0.1:{other.port}/?\r\nX-Evil: 1#&limit=5"
        links = {"next": other.url, "next_page": other.url, "url": other.url, "links": {"next": other.url}}
        page = {"object": "list", "data": [{"id": cursor}], "last_id": cursor, "has_more": True, **links}
        server.handlers = [answer(page), answer({"object": "list", "data": [], "has_more": False})]
        async with client_of(server) as client:
            assert [item.id async for item in client.chat.completions.list()] == [cursor]

    assert other.requests == []
    first, second = server.requests
    assert first.target.startswith("/v1/chat/completions?")
    assert second.target.startswith("/v1/chat/completions?")
    assert "x-evil" not in second.headers
    assert second.target.count("limit") == 1  # inside of the cursor
    assert "limit=5" not in second.target


async def test_netrc_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that lie about for the host are not sent: neither beside a key nor in the place of one."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login alice password hunter2-hunter2\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    async with RawServer(answer(completion())) as server:
        for key in (KEY, ""):
            async with AsyncOpenAI(api_key=key, base_url=server.url) as client:
                await client.chat.completions.create(model="m", messages=MESSAGES)

    assert [request.headers.get("authorization") for request in server.requests] == [f"Bearer {KEY}", None]


async def tunnel(peer: Peer) -> None:
    """Be a proxy: open a tunnel, and pass bytes through."""
    host, _, port = peer.request.target.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer), return_exceptions=True)
    peer.fin()


PASSWORD = "proxy-password-0123456789"


@pytest.mark.parametrize("named", ["argument", "environment"])
async def test_proxy_gets_its_password_and_nothing_else(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a tunnel the proxy sees its own password and no key, the server the key and no password."""
    context, trusting = certificates()
    async with RawServer(tunnel) as proxy, RawServer(answer(completion()), context=context) as server:
        address = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
        if named == "environment":
            monkeypatch.setenv("HTTPS_PROXY", address)
        given = {"proxy": address} if named == "argument" else {}
        async with client_of(server, ssl_context=trusting, **given) as client:
            for _ in range(2):
                await client.chat.completions.create(model="m", messages=MESSAGES)
            (home,) = client._transport.get()._homes.values()  # type: ignore[attr-defined]  # of aiohttp's transport
            pool = repr(home.session.connector._conns)

    (opened,) = proxy.requests
    assert opened.method == "CONNECT"
    assert sorted(opened.headers) == ["accept", "accept-encoding", "host", "proxy-authorization", "user-agent"]
    assert leaks("\n".join(opened.lines)) == []
    assert len(server.requests) == 2
    assert not any("proxy-authorization" in request.headers for request in server.requests)
    assert PASSWORD not in pool


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_password_is_not_shown(scheme: str, log: pytest.LogCaptureFixture) -> None:
    """A proxy that can't be reached, closes, or refuses, has its password in no error, no frame and no log."""
    async with RawServer(hang_up) as closing, RawServer(answer(b"", 407)) as refusing:
        for place in (
            f"127.0.0.1:{closing.port}",
            f"127.0.0.1:{refusing.port}",
            f"127.0.0.1:{free_port()}",
            "nowhere.invalid:1",
        ):
            options: Any = {"proxy": f"http://user:{PASSWORD}@{place}", "max_retries": 0}
            async with client_of(f"{scheme}://127.0.0.1:1/v1", **options) as client:
                error = await fails(client, stream=False)
            shown = exposed(error, log)
            assert PASSWORD not in shown
            assert leaks(shown) == []


async def test_unusable_proxy_of_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor has what the environment names in vain."""
    monkeypatch.setenv("HTTP_PROXY", f"socks5://user:{PASSWORD}@127.0.0.1:1")
    async with client_of("http://127.0.0.1:1/v1") as client:
        error = await fails(client, stream=False)

    assert PASSWORD not in exposed(error)


async def test_direct_requests_have_no_proxy_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that `NO_PROXY` names gets nothing that was meant for the proxy."""
    monkeypatch.setenv("HTTP_PROXY", f"http://user:{PASSWORD}@127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with RawServer(answer(completion())) as server, client_of(server) as client:
        await client.chat.completions.create(model="m", messages=MESSAGES)

    assert "proxy-authorization" not in server.requests[0].headers


# Heads of requests.


BREAKS = [
    "\r\nX-Evil: 1",
    "\nX-Evil: 1",
    "\rX-Evil: 1",
    "\r\n\r\nGET /evil HTTP/1.1\r\n",
    "\u010aX-Evil: 1",
    "\u2028X-Evil: 1",
]
ENVIRONMENT = {
    "OPENAI_API_KEY": "k{}",
    "OPENAI_ORG_ID": "o{}",
    "OPENAI_PROJECT_ID": "p{}",
    "OPENAI_BASE_URL": "http://127.0.0.1:{port}/v1{}",
    "OPENAI_CUSTOM_HEADERS": "X-Own{}: 1",
    "AZURE_OPENAI_API_KEY": "k{}",
    "AZURE_OPENAI_AD_TOKEN": "t{}",
    "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:{port}/{}",
    "OPENAI_API_VERSION": "2024{}",
}


@pytest.mark.parametrize("variable", ENVIRONMENT)
async def test_environment_adds_no_header(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a variable holds, it adds no line to a head: it is refused, unshown, or encoded."""
    azure = variable.startswith("AZURE") or variable == "OPENAI_API_VERSION"
    plain = ["X-Own"] if variable == "OPENAI_CUSTOM_HEADERS" else []
    async with RawServer(answer(completion())) as server:
        monkeypatch.setenv("OPENAI_API_VERSION", "2024")
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT" if azure else "OPENAI_BASE_URL", server.url)
        if variable not in ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "OPENAI_API_KEY"):
            monkeypatch.setenv("AZURE_OPENAI_API_KEY" if azure else "OPENAI_API_KEY", "k")
        for broken in BREAKS:
            # A line break parts the headers of this one variable, which is what it is for.
            if variable == "OPENAI_CUSTOM_HEADERS" and broken.startswith(("\n", "\r\n")):
                continue
            monkeypatch.setenv(variable, ENVIRONMENT[variable].format(broken, port=server.port))
            with contextlib.suppress(errors.OpenAIError):
                async with AsyncAzureOpenAI() if azure else AsyncOpenAI() as client:
                    await client.chat.completions.create(model="m", messages=MESSAGES)

    for request in server.requests:
        assert "x-evil" not in request.headers
        assert "\u010a" not in request.target
        assert request.method == "POST"
        assert not set(plain) & set(request.headers)


def azure_client(server: RawServer, **options: Any) -> AsyncAzureOpenAI:
    """A client of Azure's."""
    made: Any = {"azure_endpoint": server.url, "api_version": "1", "api_key": KEY, **options}
    return AsyncAzureOpenAI(**made)


PLACES: dict[str, Callable[[RawServer, str], tuple[AsyncOpenAI, Callable[[Any], Any]]]] = {
    "azure's model": lambda server, text: (
        azure_client(server),
        lambda client: client.chat.completions.create(model=f"m{text}", messages=MESSAGES),
    ),
    "azure's deployment": lambda server, text: (
        azure_client(server, azure_deployment=f"d{text}"),
        lambda client: client.chat.completions.create(model="m", messages=MESSAGES),
    ),
    "azure's version": lambda server, text: (
        azure_client(server, api_version=f"1{text}"),
        lambda client: client.chat.completions.create(model="m", messages=MESSAGES),
    ),
    "an id": lambda server, text: (client_of(server), lambda client: client.chat.completions.retrieve(f"c{text}")),
    "a cursor": lambda server, text: (client_of(server), lambda client: client.chat.completions.list(after=f"c{text}")),
    "a query": lambda server, text: (
        client_of(server),
        lambda client: client.get("/x", extra_query={f"n{text}": f"v{text}"}),
    ),
    "a path": lambda server, text: (client_of(server), lambda client: client.get(f"/x{text}")),
    "a host": lambda server, text: (
        client_of(server),
        lambda client: client.get("/x", extra_headers={"host": f"h{text}"}),
    ),
}


@pytest.mark.parametrize("place", PLACES)
async def test_addresses_add_no_header(place: str) -> None:
    """What becomes a part of an address, or the name of the host, adds no line either."""
    async with RawServer(answer({**completion(), "data": [], "object": "list"})) as server:
        for broken in [*BREAKS, "\0", " HTTP/1.1\r\nX-Evil: 1", "\x85X-Evil: 1", "/../../evil"]:
            client: AsyncOpenAI | None = None
            with contextlib.suppress(errors.OpenAIError):
                client, call = PLACES[place](server, broken)
                await call(client)
            if client is not None:
                await client.close()

    for request in server.requests:
        assert "x-evil" not in request.headers
        assert sum(line.lower().startswith("host:") for line in request.lines) == 1
        assert not any(char in request.target for char in " \r\n\0")
        assert "/../" not in request.target


async def test_no_header_twice() -> None:
    """A header given in several spellings and places is sent once, and so is the host that the caller names."""
    headers = {
        "X-Own": "1",
        "x-own": "2",
        "Host": "a.example",
        "HOST": "b.example",
        "Content-Type": "a/b",
        "CONTENT-TYPE": "c/d",
    }
    server = RawServer(answer(completion()))
    async with server, AsyncOpenAI(api_key=KEY, base_url=server.url, default_headers=headers) as client:
        await client.chat.completions.create(model="m", messages=MESSAGES, extra_headers={"hOsT": "c.example"})

    (request,) = server.requests
    names = [line.partition(":")[0].lower() for line in request.lines]
    assert len(names) == len(set(names))
    assert (request.headers["host"], request.headers["x-own"]) == ("c.example", "2")
    assert request.headers["content-length"] == str(len(request.body))
    assert "transfer-encoding" not in request.headers


async def test_framing_can_not_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A length that the environment names is refused like one of the caller's, before a client is made."""
    for line in ("Content-Length: 5", "transfer-encoding: chunked", "TRANSFER-ENCODING : chunked"):
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Own: 1\n{line}")
        with pytest.raises(errors.OpenAIError, match="line 2 of the environment variable OPENAI_CUSTOM_HEADERS"):
            AsyncOpenAI(api_key=KEY)


# TLS.


def served_by(authority: trustme.CA, *names: str, **options: Any) -> ssl.SSLContext:
    """The context of a server with a certificate for these names."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names, **options).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """The context of a client that trusts an authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def self_signed(authority: trustme.CA) -> ssl.SSLContext:
    """The context of a server that shows a certificate which it signed itself."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with authority.cert_pem.tempfile() as certificate, authority.private_key_pem.tempfile() as key:
        context.load_cert_chain(certificate, key)
    return context


async def refusal(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext | None, host: str = "127.0.0.1"
) -> str:
    """What a client says of a server's certificate."""
    async with RawServer(answer(completion()), context=server_context) as server:
        url = server.url.replace("127.0.0.1", host)
        async with client_of(url, ssl_context=client_context, max_retries=0) as client:
            error = await fails(client, stream=False)
    assert type(error) is errors.APIConnectionError
    assert server.requests == []
    assert f"the certificate of {url.removesuffix('/v1')} is not trusted" in str(error)
    return str(error)


async def test_bad_certificates_are_told_apart() -> None:
    """A certificate that is self-signed, expired, for another host or of an unknown authority is refused as what it is."""
    authority = trustme.CA()
    long_ago = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    dates = {"not_before": long_ago, "not_after": long_ago + dt.timedelta(days=1)}
    trusts = trusting(authority)

    assert "self-signed certificate" in await refusal(self_signed(authority), None)
    assert "certificate has expired" in await refusal(served_by(authority, "127.0.0.1", **dates), trusts)
    assert "IP address mismatch" in await refusal(served_by(authority, "other.example"), trusts)
    assert "Hostname mismatch" in await refusal(served_by(authority, "other.example"), trusts, "localhost")
    assert "unable to get local issuer certificate" in await refusal(served_by(authority, "127.0.0.1"), None)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_old_tls_is_refused() -> None:
    """A server that knows no TLS 1.2 gets no request, whether the context is ours or one of the usual making."""
    authority = trustme.CA()
    old = served_by(authority, "127.0.0.1")
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_1
    lenient = trusting(authority)
    lenient.set_ciphers("ALL:@SECLEVEL=0")
    lenient.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    async with RawServer(answer(completion()), context=old) as server:
        async with client_of(server, ssl_context=lenient, max_retries=0) as client:
            await client.chat.completions.create(model="m", messages=MESSAGES)  # the server works
        for context in (None, trusting(authority)):
            async with client_of(server, ssl_context=context, max_retries=0) as client:
                error = await fails(client, stream=False)
            assert type(error) is errors.APIConnectionError

    assert len(server.requests) == 1


async def test_one_context_for_all_clients() -> None:
    """The system's certificates are loaded once a process, however many clients there are, and verify what they say."""
    context, _ = certificates()
    async with RawServer(answer(completion()), context=context) as server:
        made: list[ssl.SSLContext] = []
        gc.collect()
        before = contexts()
        for _ in range(3):
            async with client_of(server, max_retries=0) as client:
                await fails(client, stream=False)
                made += [one for one in contexts() if one not in before]

    assert made == []
    ours: ssl.SSLContext = aiohttp.connector._SSL_CONTEXT_VERIFIED
    assert (ours.verify_mode, ours.check_hostname) == (ssl.CERT_REQUIRED, True)


def contexts() -> list[ssl.SSLContext]:
    """All TLS contexts of this process that were made since its modules were loaded."""
    return [one for one in gc.get_objects() if isinstance(one, ssl.SSLContext)]


async def test_certificates_of_the_environment(tmp_path: Path) -> None:
    """An authority that `SSL_CERT_FILE` names is trusted: a company's own, for example."""
    authority = trustme.CA()
    bundle = tmp_path / "bundle.pem"
    authority.cert_pem.write_to_path(str(bundle))
    program = (
        "import asyncio, sys; from openai_async import AsyncOpenAI\n"
        "async def main():\n"
        "    async with AsyncOpenAI(api_key='k', base_url=sys.argv[1], max_retries=0) as client:\n"
        "        print((await client.get('/models'))['ok'])\n"
        "asyncio.run(main())"
    )
    async with RawServer(answer({"ok": "trusted"}), context=served_by(authority, "127.0.0.1")) as server:
        running = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            server.url,
            stdout=subprocess.PIPE,
            env={**os.environ, "SSL_CERT_FILE": str(bundle)},
        )
        told, _ = await running.communicate()

    assert told.strip() == b"trusted"


# The page.


ROOT = Path(__file__).resolve().parents[2]
FILES = {"client": "tests/reliability/test_security.py", "server": "tests/server/test_security.py"}


def test_page_names_tests() -> None:
    """Every test that docs/security.md names is there, and every test of these two files stands behind one of its promises."""
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    named = {(FILES.get(file, file), name) for file, name in re.findall(r"`([\w/.]+)::(\w+)`", page)}
    for file, name in named:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), name
    for file in FILES.values():
        tests = re.findall(r"^(?:async )?def (test_\w+)\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
        assert {name for name in tests if name != "test_page_names_tests"} == {name for at, name in named if at == file}
