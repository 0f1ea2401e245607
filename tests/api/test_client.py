"""`AsyncOpenAI`: settings, the requests that they make, connections, and keys that nobody gets to see."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import pickle
import re
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.rawserver import Peer, RawRequest, RawServer, answer, completion, event, hello, in_thread, sse
from support.scripted import ScriptedResponse, ScriptedTransport

from openai_async import AsyncOpenAI, Timeout, __version__, errors, omit
from openai_async.transport.message import Request

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

KEY = "sk-secret-0123456789"
MESSAGES: Any = [{"role": "user", "content": "hi"}]


async def ask(client: AsyncOpenAI, **options: Any) -> Any:
    """One plain call."""
    return await client.chat.completions.create(model="m", messages=MESSAGES, **options)


async def asked(client_options: dict[str, Any] | None = None, **options: Any) -> RawRequest:
    """What one plain call sends."""
    server = RawServer(answer(completion()))
    async with server, AsyncOpenAI(**{"api_key": KEY, "base_url": server.url, **(client_options or {})}) as client:
        await ask(client, **options)
    (request,) = server.requests
    return request


def scripted(*script: Any, **options: Any) -> tuple[AsyncOpenAI, ScriptedTransport]:
    """A client on a scripted transport."""
    transport = ScriptedTransport(script)
    return AsyncOpenAI(**{"api_key": KEY, "transport": transport, **options}), transport


def good() -> ScriptedResponse:
    """A plain answer."""
    return ScriptedResponse(b'{"id": "c", "choices": [{"index": 0, "message": {"content": "x"}}]}')


# Settings.


async def test_request_as_it_is_sent() -> None:
    """A plain call is a POST with these headers, and no others."""
    request = await asked()

    assert (request.method, request.target) == ("POST", "/v1/chat/completions")
    assert request.json == {"model": "m", "messages": MESSAGES}
    del request.headers["host"]
    assert request.headers == {
        "accept": "application/json",
        "accept-encoding": "gzip, deflate",
        "authorization": f"Bearer {KEY}",
        "content-length": str(len(request.body)),
        "content-type": "application/json",
        "user-agent": request.headers["user-agent"],
    }
    assert re.fullmatch(rf"openai-async-sdk/{re.escape(__version__)} Python/3\.\d+", request.headers["user-agent"])


async def test_streaming_request() -> None:
    """A streaming call asks for an event stream, unpacked: a packer would hold tokens back."""
    async with RawServer(sse(hello())) as server, AsyncOpenAI(api_key=KEY, base_url=server.url) as client:
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        await stream.final()

    (request,) = server.requests
    assert request.headers["accept"] == "text/event-stream, application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert request.json["stream"] is True


def test_key_is_required() -> None:
    """Without a key there is no client, and the error says what to do."""
    with pytest.raises(errors.OpenAIError) as caught:
        AsyncOpenAI()

    assert str(caught.value) == (
        "There is no API key. Pass api_key=..., or set the environment variable OPENAI_API_KEY; "
        'for a server that wants none, pass api_key="".'
    )


async def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key, organization, project and address may come from the environment."""
    async with RawServer(answer(completion())) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment")
        monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        async with AsyncOpenAI() as client:
            await ask(client)

    (request,) = server.requests
    assert request.headers["authorization"] == "Bearer sk-from-environment"
    assert request.headers["openai-organization"] == "org-1"
    assert request.headers["openai-project"] == "proj-1"


async def test_arguments_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is passed is used, whatever the environment says."""
    for name in ("API_KEY", "ORG_ID", "PROJECT_ID"):
        monkeypatch.setenv(f"OPENAI_{name}", "from-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")

    request = await asked({"organization": "org-2", "project": "proj-2"})

    assert "from-environment" not in str(request.headers)
    assert request.headers["openai-organization"] == "org-2"
    assert request.headers["openai-project"] == "proj-2"


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID"])
def test_empty_variables_are_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A variable that is set to nothing counts as not set."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv(name, "")

    if name == "OPENAI_API_KEY":
        with pytest.raises(errors.OpenAIError, match="no API key"):
            AsyncOpenAI()
    else:
        client = AsyncOpenAI()
        assert client.base_url == "https://api.openai.com/v1"
        assert client.organization is None


async def test_empty_key_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty key sends none, though the environment has one."""
    monkeypatch.setenv("OPENAI_API_KEY", "from-environment")

    request = await asked({"api_key": ""})

    assert "authorization" not in request.headers


@pytest.mark.parametrize("key", ["sk-key\n", "sk\rkey", "sk key\u2028"])
def test_key_with_a_line_break(key: str) -> None:
    """A key read from a file with its line end is refused when the client is made, and not shown."""
    with pytest.raises(errors.OpenAIError, match="strip it") as caught:
        AsyncOpenAI(api_key=key)

    assert key.strip() not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("key", [5, b"key", ["key"]])
def test_key_of_another_type(key: Any) -> None:
    """A key is a string, or a function."""
    with pytest.raises(TypeError, match="api_key must be a string or a function"):
        AsyncOpenAI(api_key=key)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_function_as_key(asynchronous: bool) -> None:  # noqa: FBT001 - a column of the table
    """A function is asked for the key before each attempt, so that a retry may bring a fresh one."""
    keys = iter(["sk-first-00000", "sk-second-0000"])

    def now() -> str:
        return next(keys)

    async def later() -> str:
        await asyncio.sleep(0)
        return next(keys)

    client, transport = scripted(
        ScriptedResponse(b"", status=500, headers={"retry-after-ms": "1"}),
        good(),
        api_key=later if asynchronous else now,
    )
    await ask(client)

    sent = [request.headers["authorization"] for request in transport.requests]
    assert sent == ["Bearer sk-first-00000", "Bearer sk-second-0000"]


async def test_function_that_gives_a_key_with_a_line_break() -> None:
    """A key that no header can hold is refused before it is sent, and not shown."""
    client, transport = scripted(api_key=lambda: "sk-secret\r\nX-Evil: 1")

    with pytest.raises(errors.OpenAIError, match="authorization") as caught:
        await ask(client)

    assert "sk-secret" not in "".join(traceback.format_exception(caught.value))
    assert transport.requests == []


@pytest.mark.parametrize("retries", [-1, -100])
def test_negative_retries(retries: int) -> None:
    """Retries are 0 or more."""
    with pytest.raises(ValueError, match="max_retries must be 0 or more"):
        AsyncOpenAI(api_key=KEY, max_retries=retries)


@pytest.mark.parametrize("retries", [None, 1.5, "2", True])
def test_retries_of_another_type(retries: Any) -> None:
    """Retries are a whole number; None is no way to say 0."""
    with pytest.raises(TypeError, match="0 turns retries off"):
        AsyncOpenAI(api_key=KEY, max_retries=retries)


async def test_retries_of_a_call() -> None:
    """A call may have another number of retries than its client, checked in the same way."""
    client, transport = scripted(ScriptedResponse(b"", status=500), max_retries=5)

    with pytest.raises(errors.InternalServerError):
        await ask(client, max_retries=0)
    assert len(transport.requests) == 1
    with pytest.raises(ValueError, match="max_retries"):
        client.chat.completions.create(model="m", messages=MESSAGES, max_retries=-1)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (30, Timeout(total=30)),
        (0.5, Timeout(total=0.5)),
        (None, Timeout(connect=None, first_token=None, idle=None)),
        (Timeout(idle=3), Timeout(idle=3)),
    ],
)
def test_timeouts(given: Any, kept: Timeout) -> None:
    """A number is the total, None is no limit at all, a `Timeout` is itself."""
    assert AsyncOpenAI(api_key=KEY, timeout=given).timeout == kept


def test_default_timeout() -> None:
    """Left out, the limits are those of `Timeout()`."""
    assert AsyncOpenAI(api_key=KEY).timeout == Timeout()


@pytest.mark.parametrize(("given", "error"), [(0, ValueError), (-1, ValueError), ("30", TypeError), (True, TypeError)])
def test_timeouts_that_are_none(given: Any, error: type[Exception]) -> None:
    """Zero, below, and what is no number are refused, for a client and for a call."""
    with pytest.raises(error):
        AsyncOpenAI(api_key=KEY, timeout=given)
    with pytest.raises(error):
        AsyncOpenAI(api_key=KEY).chat.completions.create(model="m", messages=MESSAGES, timeout=given)


@pytest.mark.parametrize(
    ("client", "call", "plain", "streaming"),
    [
        (omit, omit, Timeout(first_token=None, idle=None, total=600), Timeout()),
        (20, omit, Timeout(first_token=None, idle=None, total=20), Timeout(total=20)),
        (omit, 20, Timeout(first_token=None, idle=None, total=20), Timeout(total=20)),
        (20, None, Timeout.of(None), Timeout.of(None)),
        (
            omit,
            Timeout(pool=1, connect=2),
            Timeout(pool=1, connect=2, first_token=None, idle=None, total=600),
            Timeout(pool=1, connect=2),
        ),
    ],
)
def test_timeouts_of_calls(client: Any, call: Any, plain: Timeout, streaming: Timeout) -> None:
    """A plain call has no token to wait for: its limits are pool, connect and the total, 600 s unless given."""
    api = AsyncOpenAI(api_key=KEY, timeout=client)
    options: Any = {"timeout": call}

    assert api._plan("POST", "/x", None, options, stream=False).timeout == plain
    assert api._plan("POST", "/x", None, options, stream=True).timeout == streaming


@pytest.mark.parametrize("address", ["api.openai.com/v1", "http://", "http://h/v1\n#", "http://user:pw@h/v1"])
def test_bad_base_urls(address: str) -> None:
    """An address that can't be is refused when the client is made."""
    with pytest.raises(errors.OpenAIError, match="base_url"):
        AsyncOpenAI(api_key=KEY, base_url=address)


def test_limit_below_one() -> None:
    """A client has one connection at least."""
    with pytest.raises(ValueError, match="limit"):
        AsyncOpenAI(api_key=KEY, limit=0)


def test_repr_shows_no_key() -> None:
    """What is printed of a client does not hold its key."""
    client = AsyncOpenAI(api_key=KEY, base_url="http://host/v1")

    assert repr(client) == "<AsyncOpenAI base_url='http://host/v1'>"


# Headers and queries.


async def test_default_headers_and_query() -> None:
    """They go with every request, and a call's own win over them."""
    request = await asked(
        {"default_headers": {"X-One": "1", "X-Two": "1", "User-Agent": "mine"}, "default_query": {"a": 1, "b": 1}},
        extra_headers={"x-two": "2"},
        extra_query={"b": 2, "list": [1, 2], "dict": {"k": "v"}},
    )

    assert (request.headers["x-one"], request.headers["x-two"]) == ("1", "2")
    assert request.headers["user-agent"] == "mine"
    assert request.target == "/v1/chat/completions?a=1&b=2&list[]=1&list[]=2&dict[k]=v"


async def test_default_headers_win_over_ours() -> None:
    """Also over those that depend on the call."""
    request = await asked({"default_headers": {"accept": "application/x-mine", "accept-encoding": "br"}})

    assert (request.headers["accept"], request.headers["accept-encoding"]) == ("application/x-mine", "br")


@pytest.mark.parametrize("where", ["client", "call"])
@pytest.mark.parametrize("name", ["User-Agent", "Accept", "Accept-Encoding", "Content-Type", "Authorization"])
async def test_headers_can_be_removed(where: str, name: str) -> None:
    """`omit` removes any header, the key's too, for a client or for a call."""
    headers = {name: omit}

    if where == "client":
        request = await asked({"default_headers": headers})
    else:
        request = await asked(extra_headers=headers)

    assert name.lower() not in request.headers


async def test_callers_own_authorization() -> None:
    """An authorization of the caller's goes out in the place of the key."""
    request = await asked(extra_headers={"Authorization": "Basic bWluZQ=="})

    assert request.headers["authorization"] == "Basic bWluZQ=="


@pytest.mark.parametrize("headers", [{"x-bad": "a\r\nX-Evil: 1"}, {"x bad": "a"}, {"x-bad:": "a"}])
def test_headers_that_can_not_be(headers: dict[str, str]) -> None:
    """A header that would be two is refused, for a client and for a call, before anything is sent."""
    with pytest.raises(errors.OpenAIError):
        AsyncOpenAI(api_key=KEY, default_headers=headers)
    with pytest.raises(errors.OpenAIError):
        AsyncOpenAI(api_key=KEY).chat.completions.create(model="m", messages=MESSAGES, extra_headers=headers)


async def test_extra_body() -> None:
    """Parameters of other vendors are added to the body, and win over the API's."""
    request = await asked(extra_body={"top_k": 5, "model": "other"}, temperature=0.5)

    assert request.json == {"model": "other", "messages": MESSAGES, "temperature": 0.5, "top_k": 5}


async def test_idempotency_key_is_the_same_for_all_attempts() -> None:
    """A key that is given goes with each attempt; without one there is no such header."""
    failing = ScriptedResponse(b"", status=500, headers={"retry-after-ms": "1"})
    client, transport = scripted(failing, good(), good())
    await ask(client, idempotency_key="once")
    await ask(client)

    assert [request.headers.get("idempotency-key") for request in transport.requests] == ["once", "once", None]


async def test_attempts_send_the_same() -> None:
    """Every attempt sends the same bytes, to the same place."""
    failing = ScriptedResponse(b"", status=500, headers={"retry-after-ms": "1"})
    client, transport = scripted(failing, good())
    await ask(client)

    assert transport.requests[0] == transport.requests[1]


# Settings of the official client.


async def test_admin_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator's key is kept, and goes nowhere; without another a client can be made, and asks for one."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-0123456789")
    client, transport = scripted(good())
    await ask(client)
    assert client.admin_api_key == "sk-admin-0123456789"
    assert client.with_options(admin_api_key="other").admin_api_key == "other"
    assert "sk-admin" not in str(transport.requests[0].headers)

    client = AsyncOpenAI(transport=transport)
    assert client.api_key == ""
    with pytest.raises(errors.OpenAIError, match="no API key"):
        await ask(client)
    assert len(transport.requests) == 1


async def test_no_credentials_enforced() -> None:
    """A client may be made without a key, for calls that bring a header of their own, or none on purpose."""
    transport = ScriptedTransport([good(), good()])
    client = AsyncOpenAI(transport=transport, _enforce_credentials=False)
    with pytest.raises(errors.OpenAIError, match="no API key"):
        await ask(client)
    await ask(client, extra_headers={"Authorization": "Mine"})
    await ask(client, extra_headers={"Authorization": omit})

    assert [request.headers.get("authorization") for request in transport.requests] == ["Mine", None]


def test_key_as_an_attribute() -> None:
    """The key can be asked for; that of a function can't."""
    assert AsyncOpenAI(api_key=KEY).api_key == KEY
    assert AsyncOpenAI(api_key=lambda: KEY).api_key == ""


async def test_region() -> None:
    """A region stands for its address, for a client and for a twin."""
    client, transport = scripted(good(), good(), data_residency="eu")
    await ask(client)
    await ask(client.with_options(data_residency="jp"))

    assert [request.url for request in transport.requests] == [
        "https://eu.api.openai.com/v1/chat/completions",
        "https://jp.api.openai.com/v1/chat/completions",
    ]


async def test_headers_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`OPENAI_CUSTOM_HEADERS` go with every request; those of arguments win."""
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-One: environment\nX-Two: environment\nX-Three: environment")
    request = await asked({"default_headers": {"x-two": "2"}}, extra_headers={"X-Three": omit})

    assert (request.headers["x-one"], request.headers["x-two"]) == ("environment", "2")
    assert "x-three" not in request.headers


async def test_beta() -> None:
    """`client.beta.chat` is `client.chat`."""
    client, transport = scripted(good())
    completion = await client.beta.chat.completions.create(model="m", messages=MESSAGES)

    assert completion.choices[0].message.content == "x"
    assert transport.requests[0].url.endswith("/v1/chat/completions")


async def test_unix_socket(tmp_path: Path) -> None:
    """With `uds` the address needs no host."""
    assert AsyncOpenAI(api_key=KEY, uds=tmp_path / "s").base_url == "http://localhost/v1"
    assert AsyncOpenAI(api_key=KEY, uds=tmp_path / "s", base_url="http://x/v2").base_url == "http://x/v2"


def test_transport_excludes_other_ways() -> None:
    """What a transport of one's own would not heed is refused."""
    with pytest.raises(ValueError, match="proxy= would not reach it"):
        scripted(proxy="http://proxy.example:3128")


async def test_renewed_key() -> None:
    """A key of a function that is refused is asked for once more at once; one that is given is not."""
    denied = ScriptedResponse(b'{"error": {"message": "expired"}}', status=401)
    keys = iter(["sk-old-0123456789", "sk-new-0123456789"])
    client, transport = scripted(denied, good(), api_key=lambda: next(keys), max_retries=0)
    await ask(client)
    assert [request.headers["authorization"][-14:] for request in transport.requests] == [
        "old-0123456789",
        "new-0123456789",
    ]

    for options in ({}, {"extra_headers": {"authorization": "Mine"}}):
        client, transport = scripted(denied, api_key=KEY if not options else lambda: KEY)
        with pytest.raises(errors.AuthenticationError):
            await ask(client, **options)
        assert len(transport.requests) == 1


async def test_function_is_asked_only_for_what_is_wanted() -> None:
    """Where the caller has an authorization of their own, the key is not asked for."""
    client, _ = scripted(good(), api_key=lambda: pytest.fail("asked for nothing"))
    await ask(client, extra_headers={"authorization": "Mine"})


# with_options.


async def test_options_of_a_twin() -> None:
    """`with_options` changes what it is given and nothing else; the first client stays as it was."""
    client, transport = scripted(
        *[good() for _ in range(3)],
        organization="org",
        default_headers={"x-one": "1"},
        default_query={"a": 1},
        timeout=9,
    )
    twin = client.with_options(
        api_key="sk-other-0123456789",
        project="proj",
        base_url="http://other/v2/",
        max_retries=7,
        default_headers={"x-two": "2"},
        default_query={"b": 2},
    )
    for one in (client, twin, client.copy(timeout=None)):
        await ask(one)

    first, second, third = transport.requests
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert second.headers["authorization"] == "Bearer sk-other-0123456789"
    assert first.url == "https://api.openai.com/v1/chat/completions?a=1"
    assert second.url == "http://other/v2/chat/completions?a=1&b=2"
    assert (second.headers["x-one"], second.headers["x-two"]) == ("1", "2")
    assert (second.headers["openai-organization"], second.headers["openai-project"]) == ("org", "proj")
    assert "x-two" not in first.headers
    assert "openai-project" not in first.headers
    assert (twin.max_retries, client.max_retries) == (7, 2)
    assert (twin.timeout, client.timeout) == (Timeout(total=9), Timeout(total=9))
    assert client.with_options(timeout=None).timeout == Timeout.of(None)
    assert third == first


async def test_replaced_headers_and_query() -> None:
    """`set_default_headers` and `set_default_query` replace what there was, whatever the case of the names."""
    client, transport = scripted(good(), good(), default_headers={"X-One": "1", "x-two": "1"}, default_query={"a": 1})
    await ask(client.with_options(set_default_headers={"X-Two": "2"}, set_default_query={"b": 2}))
    await ask(client.with_options(default_headers={"x-one": "3"}).with_options(set_default_query={}))

    first, second = transport.requests
    assert "x-one" not in first.headers
    assert (first.headers["x-two"], first.url[-4:]) == ("2", "?b=2")
    assert (second.headers["x-one"], second.headers["x-two"]) == ("3", "1")
    assert "?" not in second.url


@pytest.mark.parametrize("what", ["headers", "query"])
def test_adding_and_replacing(what: str) -> None:
    """To add and to replace at once is neither."""
    changes: Any = {f"default_{what}": {}, f"set_default_{what}": {}}
    with pytest.raises(ValueError, match="give one of them"):
        AsyncOpenAI(api_key=KEY).with_options(**changes)


async def test_twin_is_checked_too() -> None:
    """What a client refuses, `with_options` refuses."""
    client = AsyncOpenAI(api_key=KEY)
    with pytest.raises(ValueError, match="max_retries"):
        client.with_options(max_retries=-1)
    with pytest.raises(errors.OpenAIError, match="base_url"):
        client.with_options(base_url="nowhere")
    with pytest.raises(errors.OpenAIError, match="header"):
        client.with_options(default_headers={"x": "\n"})
    with pytest.raises(errors.OpenAIError, match="api_key"):
        client.with_options(api_key="k\n")


async def test_twins_share_connections() -> None:
    """A client and its twin use one pool, and are closed together."""
    async with RawServer(answer(completion())) as server:
        client = AsyncOpenAI(api_key=KEY, base_url=server.url)
        twin = client.with_options(max_retries=0)
        for one in (client, twin, client):
            await ask(one)
        assert server.connections == 1
        await twin.close()

    assert client.is_closed()
    assert twin.is_closed()
    with pytest.raises(errors.OpenAIError, match="client is closed"):
        await ask(client)


# Closing.


async def test_closed_client() -> None:
    """A closed client says so, at every call; closing twice is no harm."""
    client, transport = scripted(good())
    assert not client.is_closed()
    await client.close()
    await client.aclose()

    assert client.is_closed()
    assert transport.closed
    with pytest.raises(errors.OpenAIError, match="The client is closed; make a new one, or close it later"):
        await ask(client)
    assert transport.requests == []


async def test_entered_client_closes() -> None:
    """`async with` closes the client."""
    client, transport = scripted(good())
    async with client as entered:
        assert entered is client
        await ask(client)
    assert transport.closed


async def test_closing_under_a_stream() -> None:
    """A stream that is read while the client is closed ends with an error, and with what it has received."""
    async with RawServer(sse(hello()[:2], done=False, ending="nothing")) as server:
        client = AsyncOpenAI(api_key=KEY, base_url=server.url)
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        reading = asyncio.create_task(stream.final())
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(errors.IncompleteStreamError) as caught:
            await asyncio.wait_for(reading, 2)

    assert caught.value.partial.choices[0].message.content == "Hel"


def test_client_of_many_event_loops() -> None:
    """One client serves one `asyncio.run` after the other, closed or not, without a warning."""
    with in_thread(RawServer(answer(completion()))) as server:
        client = AsyncOpenAI(api_key=KEY, base_url=server.url)
        for _ in range(3):
            asyncio.run(ask(client))
        asyncio.run(client.close())
    assert server.connections == 3


async def test_dropped_client_is_collected_at_once() -> None:
    """A client is part of no cycle: dropped unclosed, it warns and closes its connections there and then."""
    async with RawServer(answer(completion())) as server:
        client = AsyncOpenAI(api_key=KEY, base_url=server.url)
        await ask(client)
        gc.disable()
        try:
            with pytest.warns(ResourceWarning, match="client was not closed"):
                del client
        finally:
            gc.enable()
        async with asyncio.timeout(2):
            while server.open:  # noqa: ASYNC110 - the server's end sets no event
                await asyncio.sleep(0.005)


async def test_stream_outlives_its_client() -> None:
    """A stream whose client was dropped goes on: it holds the connections."""
    go = asyncio.Event()

    async def paused(peer: Peer) -> None:
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        await peer.chunk(b"".join(map(event, hello()[:2])))
        await go.wait()
        await peer.chunk(b"".join(map(event, [*hello()[2:], "[DONE]"])))
        await peer.chunk(b"")

    async with RawServer(paused) as server:

        async def open_one() -> Any:
            client = AsyncOpenAI(api_key=KEY, base_url=server.url)
            return await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)

        stream = await open_one()
        gc.collect()
        go.set()
        assert (await stream.final()).choices[0].message.content == "Hello"
        with pytest.warns(ResourceWarning, match="client was not closed"):  # noqa: PT031 - both drop it
            del stream
            gc.collect()


# Secrets.


def visible(error: BaseException, log: pytest.LogCaptureFixture) -> str:
    """All that a user, a log or a crash reporter gets to see."""
    shown = ["".join(traceback.format_exception(error)), log.text]
    behind: BaseException | None = error
    while behind is not None:
        shown += [repr(behind), str(behind), repr(behind.args), repr(getattr(behind, "__dict__", ""))]
        behind = behind.__cause__ or behind.__context__
    shown += [repr(record.__dict__) for record in log.records]
    return "\n".join(shown)


async def hang_up(peer: Peer) -> None:
    """Close without a word."""
    peer.fin()


async def echo(peer: Peer) -> None:
    """Answer with the key, in bytes that are no HTTP."""
    await peer.send(peer.request.headers["authorization"].encode() + b"\r\n\r\n")
    peer.fin()


REPEATED: Any = {"error": {"message": f"Incorrect key {KEY}", "code": KEY, "deep": [{"k": KEY}]}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "handler",
    [
        hang_up,
        echo,
        answer(REPEATED, 401),
        answer(REPEATED, 500, {"retry-after-ms": "1", "x-echo": KEY}),
        answer(REPEATED, 200),
        answer(f"<html><title>{KEY}</title>".encode(), 200, kind="text/html"),
        answer(f"<html><title>{KEY}</title>".encode(), 502, {"retry-after-ms": "1"}, kind="text/html"),
        sse([REPEATED]),
        sse([f"not json {KEY}"]),
        sse([f"not json {KEY}"], ending="reset", done=False),
    ],
    ids=["gone", "no http", "401", "500", "200", "html", "502", "in stream", "no json", "reset"],
)
async def test_keys_are_not_shown(
    handler: Callable[[Peer], Awaitable[None]],
    stream: bool,  # noqa: FBT001 - a column of the table
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever fails, and even where the server repeats it, the key is in no message, traceback, attempt or log."""
    caplog.set_level(logging.DEBUG)
    async with RawServer(handler) as server, AsyncOpenAI(api_key=KEY, base_url=server.url, max_retries=1) as client:
        with pytest.raises(errors.APIError) as caught:
            await client.chat.completions.create(model="m", messages=MESSAGES, stream=stream)

    assert KEY not in visible(caught.value, caplog)
    assert KEY in server.requests[0].headers["authorization"]


@pytest.mark.parametrize("tail", [[REPEATED], [f"not json {KEY}"]], ids=["error", "no json"])
async def test_keys_are_not_shown_in_the_middle_of_a_stream(tail: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    """Nor is it shown by what fails after the first token."""
    caplog.set_level(logging.DEBUG)
    async with RawServer(sse([*hello()[:2], *tail])) as server, AsyncOpenAI(api_key=KEY, base_url=server.url) as client:
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        with pytest.raises(errors.APIError) as caught:
            await stream.final()

    assert KEY not in visible(caught.value, caplog)
    assert caught.value.partial is not None


async def test_log_of_a_good_call_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG a call that works logs neither its headers nor its bodies."""
    caplog.set_level(logging.DEBUG)
    server = RawServer(answer(completion("private answer")))
    async with server, AsyncOpenAI(api_key=KEY, base_url=server.url) as client:
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "private question"}])

    assert KEY not in caplog.text
    assert "private" not in caplog.text


async def test_errors_travel() -> None:
    """An error of a call can be pickled and copied, with its fields."""
    refusal = ScriptedResponse(b'{"error": {"message": "no", "code": "c"}}', status=400, headers={"x-request-id": "r"})
    client, _ = scripted(refusal)
    with pytest.raises(errors.BadRequestError) as caught:
        await ask(client)

    for twin in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert (str(twin), twin.code, twin.request_id) == (str(caught.value), "c", "r")


async def test_transport_of_the_users() -> None:
    """Anything that keeps the protocol is a transport; what it gets is a plain request."""
    client, transport = scripted(good(), base_url="http://host/v1")
    await ask(client)

    (request,) = transport.requests
    assert type(request) is Request
    assert (request.method, request.url) == ("POST", "http://host/v1/chat/completions")
    assert all(name == name.lower() for name in request.headers)


@pytest.mark.parametrize("hooks", [None, [print]])
@pytest.mark.parametrize("way", ["create", "stream", "run_tools"])
def test_without_a_loop_of_asyncios(way: str, hooks: Any) -> None:
    """As under trio: a call says so, whichever it is, and the client can be closed after it."""

    def get() -> None:
        """Get it."""

    async def main() -> None:
        async with AsyncOpenAI(api_key=KEY, hooks=hooks) as client:
            more: Any = {"tools": [get]} if way == "run_tools" else {}
            method: Any = getattr(client.chat.completions, way)
            await method(model="m", messages=[{"role": "user", "content": "hi"}], **more)

    with pytest.raises(errors.OpenAIError, match="No asyncio event loop is running here"):
        main().send(None)


@pytest.mark.parametrize("name", ["api_key", "base_url", "timeout", "max_retries", "organization", "project", "chat"])
def test_settings_do_not_change(name: str) -> None:
    """Assigning a setting, which would do nothing, is an error that says what to do instead."""
    client = AsyncOpenAI(api_key="k")

    with pytest.raises(AttributeError, match="with_options"):
        setattr(client, name, "x")
