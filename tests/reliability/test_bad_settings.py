"""Bad settings of the clients: refused when a client is made or changed, by name, without showing a key.

What is only seen at a call (keys from functions, limiters, transports) ends the call, and nothing is sent. See also
tests/api/test_client.py, test_settings.py and test_azure.py for what is refused there, and `test_bad_requests` for the
arguments of methods.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, NamedTuple

import aiohttp
import pytest
from support.limiter import WatchingLimiter
from support.odd import ODD, SECRET, Loud, Word, check_refusal
from support.rawserver import RawServer, answer, completion, hello, sse
from support.scripted import ScriptedResponse, ScriptedTransport

from openai_async import AsyncAzureOpenAI, AsyncOpenAI, OpenAIError, errors
from openai_async.transport.session import AiohttpTransport

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

KEY = "sk-secret-0123456789"
MESSAGES: Any = [{"role": "user", "content": "hi"}]


@pytest.fixture(autouse=True)
def _no_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "AD_TOKEN", "ENDPOINT"):
        monkeypatch.delenv(f"AZURE_OPENAI_{name}", raising=False)


async def ask(client: AsyncOpenAI, **options: Any) -> Any:
    """One plain call."""
    return await client.chat.completions.create(**{"model": "m", "messages": MESSAGES, **options})


async def failure(make: Callable[[], Any], **options: Any) -> Exception | None:
    """Make a client, ask once, and close it; return what went wrong."""
    try:
        async with make() as client:
            await ask(client, **options)
    except Exception as error:  # noqa: BLE001 - every kind is looked at
        return error
    return None


def refusal(make: Callable[[], Any]) -> Exception | None:
    """Make a client, or change one; return what was wrong."""
    try:
        make()
    except Exception as error:  # noqa: BLE001 - every kind is looked at
        return error
    return None


# One setting after the other.


class Setting(NamedTuple):
    """An argument of a client.

    Attributes:
        told: What an error calls it.
        fit: Names of the odd values that make a client.
    """

    told: str
    fit: frozenset[str]


NOTHING = frozenset({"null"})
ABSENT = NOTHING | {"omit", "not given"}
# Functions of any kind are asked for the key, which these don't give; that is an error of the call.
ASKED = frozenset({"function", "class", "pydantic class"})
TEXTS = frozenset({"text", "no text", "long text", "text of a class", "text enum"})
ANY_TEXT = TEXTS | {"NUL", "line break", "other letters"}
MAPPINGS = frozenset({"dict", "ordered dict", "default dict", "proxy", "mapping"})
WHOLE = frozenset({"zero", "five", "large number", "number of a class", "number enum"})
HUGE = frozenset({"number of 400 digits", "number of 5000 digits"})
SECONDS = frozenset({"five", "half", "large number", "number of a class", "number enum", "infinity"})

SETTINGS = {
    "api_key": Setting("API key", TEXTS),
    "admin_api_key": Setting("admin_api_key", ANY_TEXT | NOTHING | {"half a pair"}),
    "organization": Setting("organization", TEXTS | NOTHING),
    "project": Setting("project", TEXTS | NOTHING),
    "base_url": Setting("base_url", frozenset({"null", "no text"})),
    "data_residency": Setting("data_residency", NOTHING),
    "timeout": Setting("timeout", SECONDS | ABSENT),
    "max_retries": Setting("max_retries", WHOLE | HUGE),
    "default_headers": Setting("default_headers", ABSENT),
    "default_query": Setting("default_query", ABSENT | MAPPINGS | {"text as a key"}),
    "limiter": Setting("limiter", NOTHING),
    "transport": Setting("transport", NOTHING),
    "session": Setting("session", NOTHING),
    "ssl_context": Setting("ssl_context", NOTHING),
    "proxy": Setting("proxy", NOTHING),
    "uds": Setting("uds", ANY_TEXT - {"NUL", "no text"} | {"path", "null"}),
    "limit": Setting("limit", (WHOLE | HUGE) - {"zero"}),
    # Of the official client, and not of this one.
    "http_client": Setting("http_client", ABSENT | {"false"}),
    "websocket_base_url": Setting("websocket_base_url", ABSENT | {"false"}),
    "_strict_response_validation": Setting("_strict_response_validation", ABSENT | {"false"}),
    "apikey": Setting("did you mean 'api_key'?", frozenset()),
}


@pytest.mark.parametrize("name", SETTINGS)
async def test_what_a_setting_is_not(name: str) -> None:
    """Each setting refuses, by its name, what it is not, and takes what it is; nothing is connected to."""
    told, fit = SETTINGS[name]
    fit |= ASKED if name == "api_key" else frozenset()
    for odd_name, odd in ODD.items():
        error = refusal(lambda make=odd.make: AsyncOpenAI(**{"api_key": KEY, name: make()}))
        assert (error is None) == (odd_name in fit), f"{odd_name}: {error!r}"
        if error is not None:
            label = "api_key" if name == "api_key" and odd_name != "null" else told
            check_refusal(error, label, secrets=(KEY,) if name in {"base_url", "apikey"} else (KEY, SECRET))


CHANGES = {
    **{name: SETTINGS[name] for name in ("timeout", "limiter", "data_residency", "http_client", "apikey")},
    "api_key": Setting("api_key", TEXTS | NOTHING),
    "admin_api_key": SETTINGS["admin_api_key"],
    "organization": SETTINGS["organization"],
    "project": SETTINGS["project"],
    "base_url": Setting("base_url", NOTHING),
    "max_retries": Setting("max_retries", WHOLE | HUGE | NOTHING),
    **{f"{way}default_headers": Setting("default_headers", ABSENT) for way in ("", "set_")},
    **{f"{way}default_query": SETTINGS["default_query"] for way in ("", "set_")},
    **{name: Setting(f"{name}=...) belongs", ABSENT | {"false"}) for name in ("proxy", "uds", "limit", "session")},
}


@pytest.mark.parametrize("name", CHANGES)
async def test_what_a_change_is_not(name: str) -> None:
    """`with_options` refuses what the client does, and the client is as it was."""
    told, fit = CHANGES[name]
    fit |= {"api_key": ASKED, "limiter": ABSENT}.get(name, frozenset())
    client = AsyncOpenAI(api_key=KEY, transport=ScriptedTransport([]))
    before = dict(client.__dict__)
    for odd_name, odd in ODD.items():
        error = refusal(lambda make=odd.make: client.with_options(**{name: make()}))
        assert (error is None) == (odd_name in fit), f"{odd_name}: {error!r}"
        if error is not None:
            check_refusal(error, told, secrets=(KEY,) if name in {"base_url", "apikey"} else (KEY, SECRET))
    assert client.__dict__ == before


AZURE = {
    "azure_endpoint": Setting("azure_endpoint", frozenset()),
    "azure_deployment": Setting("azure_deployment", NOTHING | ANY_TEXT - {"no text"}),
    "api_version": Setting("api_version", ANY_TEXT - {"no text"}),
    "azure_ad_token": Setting("azure_ad_token", TEXTS),
    "azure_ad_token_provider": Setting("azure_ad_token_provider", frozenset()),
    "base_url": Setting("base_url", frozenset()),
    "default_query": SETTINGS["default_query"],
    "default_headers": SETTINGS["default_headers"],
    "data_residency": Setting("data_residency", frozenset()),
}


@pytest.mark.parametrize("name", AZURE)
async def test_what_a_setting_of_azure_is_not(name: str) -> None:
    """So does Azure's client, with its own settings."""
    told, fit = AZURE[name]
    fit |= ASKED if name.startswith("azure_ad") else frozenset()
    given: dict[str, Any] = {"api_key": KEY, "azure_endpoint": "https://mine.example", "api_version": "v"}
    if name.startswith("azure_ad"):
        del given["api_key"]
    if name == "base_url":
        del given["azure_endpoint"]
    for odd_name, odd in ODD.items():
        error = refusal(lambda make=odd.make: AsyncAzureOpenAI(**{**given, name: make()}))
        assert (error is None) == (odd_name in fit), f"{odd_name}: {error!r}"
        if error is not None:
            check_refusal(error, told, secrets=(KEY,) if name in {"azure_endpoint", "base_url"} else (KEY, SECRET))


MODELS = {
    "null": "",  # as on any server: the API is asked, and says what it thinks of null
    "text": "/deployments/hunter2%20prompt",
    "text of a class": "/deployments/hunter2%20prompt",
    "text enum": "/deployments/hunter2%20prompt",
    "enum": "/deployments/hunter2%20prompt",
    "NUL": "/deployments/hunter2%20prompt%00",
    "line break": "/deployments/hunter2%20prompt%0D%0Ax-evil:%201",
    "other letters": "/deployments/%E2%98%83%C3%A9%F0%9F%98%80%E2%80%A8",
    "long text": f"/deployments/{'x' * 2**15}",
}


async def test_models_of_azure() -> None:
    """A model, which is a part of the address there, is text, or an enum's member that is; anything else is refused."""
    endpoint = "https://mine.example"
    for name, odd in ODD.items():
        transport = ScriptedTransport([ScriptedResponse(b'{"id": "c", "choices": []}')])
        client = AsyncAzureOpenAI(api_key=KEY, azure_endpoint=endpoint, api_version="v", transport=transport)
        error = await failure(lambda client=client: client, model=odd.make())
        if name in MODELS:
            assert error is None, f"{name}: {error!r}"
            address = f"{endpoint}/openai{MODELS[name]}/chat/completions?api-version=v"
            assert [request.url for request in transport.requests] == [address]
        else:
            assert error is not None, f"{name} was taken"
            check_refusal(error, "model", secrets=(KEY, SECRET))
            assert transport.requests == []


@pytest.mark.parametrize(
    "given", [{}, {"base_url": ""}, {"azure_endpoint": ""}, {"base_url": "", "azure_endpoint": ""}]
)
def test_no_address_is_not_openais(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address, or with an empty one, there is no client: Azure's key is sent to nobody else."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://not-azure/v1")
    with pytest.raises(ValueError, match=r"There is no address\. Pass azure_endpoint"):
        AsyncAzureOpenAI(api_key=KEY, api_version="v", **given)


async def test_endpoint_with_a_query() -> None:
    """What a gateway's address has as its query stays one, behind the path."""
    transport = ScriptedTransport([ScriptedResponse(b'{"id": "c", "choices": []}') for _ in range(2)])
    for deployment in (None, "d"):
        client = AsyncAzureOpenAI(
            api_key=KEY,
            azure_endpoint="https://gate.example/a?tenant=t",
            azure_deployment=deployment,
            api_version="v",
            transport=transport,
        )
        await ask(client)

    assert [request.url for request in transport.requests] == [
        f"https://gate.example/a/openai/deployments/{name}/chat/completions?tenant=t&api-version=v"
        for name in ("m", "d")
    ]


# Addresses.

ADDRESSES = [
    "ftp://h/v1",
    "h/v1",
    "//h/v1",
    "https:h/v1",
    "http:/h/v1",
    "http:///v1",
    "http://?x",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "/run/model.sock",
    "unix:///run/model.sock",
    "http+unix://%2Frun%2Fmodel.sock/v1",
    "http://h h/v1",
    "http://h/v 1",
    "http://h/v1#f",
    "http://h/v1#",
    "http://h/v1\r\nX-Evil: 1",
    "http://h\0/v1",
    "http://h\\v1",
    "http://h/v1\\x",
    'http://h"i/v1',
    "http://h<i>/v1",
    "http://{h}/v1",
    "http://h|i/v1",
    "http://h^/v1",
    "http://h`/v1",
    "http://h,i/v1",
    "http://h'i/v1",
    "http://*/v1",
    "http://h%20i/v1",
    "http://h%0d%0a/v1",
    "http://%6c/v1",
    "http://b\xfccher.example/v1",
    "http://\u3000h/v1",
    "http://h\u200b/v1",
    "http://h:\uff18\uff10/v1",
    "http://h../v1",
    "http://.h/v1",
    "http://a..b/v1",
    f"http://{'a' * 64}.example/v1",
    f"http://{'a.' * 130}example/v1",
    "http://1.2.3/v1",
    "http://1.2.3.999/v1",
    "http://01.2.3.4/v1",
    f"http://{'9' * 5000}/v1",
    "http://[::1/v1",
    "http://::1/v1",
    "http://[zz]/v1",
    "http://[v1.a]/v1",
    "http://h:0/v1",
    "http://h:99999/v1",
    "http://h:-1/v1",
    "http://h:+80/v1",
    "http://h:80:80/v1",
    "http://h:/v1",
    "https://https://h/v1",
    f"http://h/{'x' * 2**20}\\",
]


def ways(address: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Everywhere that an address is given, by the argument's name."""
    yield "base_url", lambda: AsyncOpenAI(api_key=KEY, base_url=address)
    yield "base_url", lambda: AsyncOpenAI(api_key=KEY).with_options(base_url=address)
    yield "base_url", lambda: AsyncAzureOpenAI(api_key=KEY, base_url=address, api_version="v")
    yield "azure_endpoint", lambda: AsyncAzureOpenAI(api_key=KEY, azure_endpoint=address, api_version="v")


def test_addresses_that_are_none() -> None:
    """What no request can go to is refused when the client is made, in words of ours."""
    for address in ADDRESSES:
        for name, make in ways(address):
            with pytest.raises(OpenAIError) as caught:
                make()
            check_refusal(caught.value, name, secrets=(KEY,))


@pytest.mark.parametrize(
    "address",
    [
        "http://user:hunter2@h/v1",
        "http://user:hunter2@h h/v1",
        "http://user:hunter2@h/v1#f",
        "ftp://user:hunter2@h/v1",
        "http://user:hunter2@h:port/v1",
        "http://user:hun/ter2@h:0/v1",
        "user:hunter2@h/v1",
        "http://:hunter2@h/v1",
        "http://hunter2@/v1",
        "http://@h/v1",
        "ftp://h/v1?key=hunter2",
        "http://h/v 1?key=hunter2",
        f"{KEY}hunter2",
    ],
)
def test_passwords_in_addresses(address: str) -> None:
    """A name, a password, a query or a key that was given as the address is not shown by the error."""
    for name, make in ways(address):
        with pytest.raises(OpenAIError) as caught:
            make()
        check_refusal(caught.value, name, secrets=("hunter2", "hun/ter2", KEY))


async def test_query_of_the_address_is_not_shown() -> None:
    """Some gateways take their key in the query: no repr of ours has it, nor has the error of a call."""
    server = RawServer(answer(completion()), answer(b"", 500))
    async with server, AsyncOpenAI(api_key=KEY, base_url=f"{server.url}?key=hunter2", max_retries=0) as client:
        raw = await client.with_raw_response.chat.completions.create(model="m", messages=MESSAGES)
        with pytest.raises(errors.InternalServerError) as caught:
            await ask(client)
        request = client._plan("GET", "/x", None, {}, stream=False).request({})
        assert "hunter2" not in f"{client!r}{raw!r}{request!r}"
    check_refusal(caught.value, secrets=("hunter2", KEY))
    assert server.requests[0].target == "/v1/chat/completions?key=hunter2"


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{port}/v1",
        "  http://127.0.0.1:{port}/v1//\r\n",
        "HTTP://127.0.0.1:{port}/v1",
        "http://localhost:{port}/v1",
    ],
)
async def test_addresses(address: str) -> None:
    """What looks unusual and is an address is used."""
    async with RawServer(answer(completion())) as server:
        assert await failure(lambda: AsyncOpenAI(api_key=KEY, base_url=address.format(port=server.port))) is None
    assert server.requests[0].target == "/v1/chat/completions"


@pytest.mark.parametrize(
    "address",
    ["http://h./v1", "http://[::1]:8080", "http://[fe80::1%25eth0]/v1", "https://xn--bcher-kva.example", "http://a_b-c/v1",
     "http://10.0.0.1", "https://gate.example/v1/https://api.openai.com/v1"],
)  # fmt: skip
def test_addresses_elsewhere(address: str) -> None:
    """Names with a dot at the end, IPv6 with a zone, punycode, and addresses inside of paths are no mistake."""
    assert AsyncOpenAI(api_key=KEY, base_url=address).base_url == address


async def test_punycode_that_means_nothing() -> None:
    """A host that only aiohttp finds out about is no foreign exception either, and not tried again."""
    error = await failure(lambda: AsyncOpenAI(api_key=KEY, base_url="http://xn--a/v1?key=hunter2"))
    assert type(error) is OpenAIError
    check_refusal(error, "base_url", secrets=(KEY, "hunter2"))


PROXIES = ["http://h:0", "http://h:99999", "socks5://h", "h:1", "http://pro\nxy:1", "http://pro xy:1", "http://u:p%E2%98%83@h:1",
           "http://u:hunter2@h:port", "", "http://"]  # fmt: skip


@pytest.mark.parametrize("proxy", PROXIES)
def test_proxies_that_are_none(proxy: str) -> None:
    """What no proxy's address can be is refused when the client is made, and not shown."""
    with pytest.raises(OpenAIError) as caught:
        AsyncOpenAI(api_key=KEY, proxy=proxy)
    check_refusal(caught.value, "proxy", secrets=(KEY, "hunter2"))


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "/run/\ude00"])
def test_paths_that_are_none(path: str) -> None:
    """What can't be a path is refused when the client is made."""
    with pytest.raises(ValueError, match="uds must be the path of a Unix socket") as caught:
        AsyncOpenAI(api_key=KEY, uds=path)
    check_refusal(caught.value, "uds")


# Limits.


@pytest.mark.parametrize("retries", [3, 10**400])
async def test_many_retries(retries: int) -> None:
    """However many retries are allowed, the waits between them stay short, and it ends when the server answers."""
    failing = [ScriptedResponse(b"", status=500, headers={"retry-after-ms": "0.01"}) for _ in range(3)]
    transport = ScriptedTransport([*failing, ScriptedResponse(b'{"id": "c", "choices": []}')])
    await ask(AsyncOpenAI(api_key=KEY, transport=transport, max_retries=retries))
    assert len(transport.requests) == 4


async def test_endless_limits() -> None:
    """A limit that never passes is none; one connection is enough."""
    async with RawServer(answer(completion())) as server:
        for timeout in (float("inf"), 1e308, 2**70):
            assert (
                await failure(
                    lambda timeout=timeout: AsyncOpenAI(api_key=KEY, base_url=server.url, timeout=timeout, limit=1)
                )
                is None
            )


# Functions and objects of the caller's.


async def keys() -> AsyncIterator[str]:
    """Keys, one after the other."""
    yield KEY


class OwnError(Exception):
    """Something of the caller's, which holds a secret."""


def fail(*_: object) -> Any:
    """Raise it."""
    raise OwnError(SECRET)


async def fail_later(*_: object) -> Any:
    """Likewise."""
    raise OwnError(SECRET)


async def give_bytes() -> Any:
    """Give a key of the wrong type."""
    return KEY.encode()


def cancelled() -> Any:
    """A future that was given up."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    future.set_exception(OwnError(SECRET))
    return future


KEYS: dict[str, tuple[Callable[..., Any], str]] = {
    "raises": (fail, "failed: OwnError"),
    "raises later": (fail_later, "failed: OwnError"),
    "future that fails": (cancelled, "failed: OwnError"),
    "wants an argument": (lambda _client: KEY, "failed: TypeError"),
    "stops": (lambda: next(iter(())), "failed: StopIteration"),
    "async generator": (keys, "returned a async_generator"),
    "None": (lambda: None, "returned a NoneType"),
    "bytes": (give_bytes, "returned a bytes"),
    "nothing": (lambda: "", "not empty"),
    "a function": (lambda: fail, "returned a function"),
    "line break": (lambda: f"{KEY}\r\nx: y", "the header '"),
    "other letters": (lambda: f"{KEY}\u2603", "the header '"),
    "a class": (dict, "returned a dict"),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("argument", ["api_key", "azure api_key", "azure_ad_token_provider"])
async def test_functions_that_give_no_key(name: str, argument: str) -> None:
    """A function that fails or gives something else is an error of the call, by the argument's name; nothing is sent."""
    function, told = KEYS[name]
    transport = ScriptedTransport([])
    client: AsyncOpenAI
    if argument == "api_key":
        client = AsyncOpenAI(api_key=function, transport=transport)
    else:
        given: Any = {argument.removeprefix("azure "): function}
        client = AsyncAzureOpenAI(**given, azure_endpoint="http://h", api_version="v", transport=transport)
    with pytest.raises(OpenAIError) as caught:
        await ask(client)

    label = "" if told.startswith("the header") else f"{argument.removeprefix('azure ')}() "
    # The error of the caller's own function stands behind ours, as it is.
    check_refusal(caught.value, label, told, secrets=(KEY,))
    assert SECRET not in str(caught.value)
    assert transport.requests == []


class NoCoroutine(WatchingLimiter):
    """A limiter that does not wait."""

    def acquire(self, *, tokens: int) -> Any:  # noqa: ARG002 - the protocol has it
        return object()


class NoPermit(WatchingLimiter):
    """A limiter that gives no permit."""

    async def acquire(self, *, tokens: int) -> Any:  # noqa: ARG002 - likewise
        return None


class NoTokens(WatchingLimiter):
    """A limiter that knows nothing of tokens."""

    async def acquire(self) -> Any:  # type: ignore[override]  # the mistake
        return None


class Refusing(WatchingLimiter):
    """A limiter that has had enough."""

    async def acquire(self, *, tokens: int) -> Any:  # noqa: ARG002 - likewise
        raise OwnError(SECRET)


@pytest.mark.parametrize(
    ("limiter", "told"),
    [(NoCoroutine(), "coroutine function"), (NoPermit(), "observe() and settle()"), (NoTokens(), "acquire() got")],
)
async def test_limiters_that_are_none(limiter: Any, told: str) -> None:
    """A limiter that breaks its protocol ends the call in words that tell of it; nothing is sent."""
    transport = ScriptedTransport([])
    with pytest.raises(TypeError) as caught:
        await ask(AsyncOpenAI(api_key=KEY, transport=transport, limiter=limiter))
    check_refusal(caught.value, "acquire()", told)
    assert transport.requests == []


async def test_limiter_that_refuses() -> None:
    """What a limiter raises ends the call as it is: it is how the limiter says no."""
    transport = ScriptedTransport([])
    with pytest.raises(OwnError):
        await ask(AsyncOpenAI(api_key=KEY, transport=transport, limiter=Refusing()))
    assert transport.requests == []


class Sulking(WatchingLimiter):
    """A limiter whose permits raise."""

    async def acquire(self, *, tokens: int) -> Any:
        permit = await super().acquire(tokens=tokens)

        class Permit:
            def observe(self, status: int, headers: Mapping[str, str]) -> None:
                permit.observe(status, headers)
                raise OwnError(SECRET)

            def settle(self, used_tokens: int | None) -> None:
                permit.settle(used_tokens)
                raise OwnError(SECRET)

        return Permit()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [200, 500])
async def test_permits_that_raise(stream: bool, status: int, caplog: pytest.LogCaptureFixture) -> None:  # noqa: FBT001 - a column
    """An answer is not lost by a permit that fails, nor a refusal: it is logged, and the connection is used again."""
    limiter = Sulking()
    good = sse(hello()) if stream else answer(completion())
    handler = good if status == 200 else answer(b"", 500, {"retry-after-ms": "1"})
    async with (
        RawServer(handler) as server,
        AsyncOpenAI(api_key=KEY, base_url=server.url, limiter=limiter, max_retries=1) as client,
    ):
        try:
            for _ in range(2):
                given = await ask(client, stream=stream)
                if stream:
                    assert (await given.final()).choices[0].message.content == "Hello"
        except errors.InternalServerError as error:
            check_refusal(error)

    assert len(server.requests) == 2
    assert server.connections == 1
    assert [entry[0] for entry in limiter.log] == ["observe", "settle"] * 2
    assert len([record for record in caplog.records if "permit" in record.message]) == 4


@pytest.mark.parametrize(
    "transport",
    [object(), AiohttpTransport, ScriptedTransport, "http://h", type("Half", (), {"send": fail, "closed": False})()],
)
def test_transports_that_are_none(transport: Any) -> None:
    """A transport has what a `Transport` has; a class is none, but what it makes."""
    with pytest.raises(TypeError) as caught:
        AsyncOpenAI(api_key=KEY, transport=transport)
    check_refusal(caught.value, "transport must have send(), aclose() and closed")


async def test_sessions_that_are_none() -> None:
    """A session is aiohttp's, an SSL context the standard library's, and neither a class of them nor a flag."""
    session: Any
    for session in (aiohttp.ClientSession, aiohttp, object()):
        with pytest.raises(TypeError, match="session must be of the type ClientSession"):
            AsyncOpenAI(api_key=KEY, session=session)
    context: Any
    for context in (ssl.SSLContext, ssl, False, "cert.pem"):
        with pytest.raises(TypeError, match="ssl_context must be of the type SSLContext"):
            AsyncOpenAI(api_key=KEY, ssl_context=context)


async def test_text_of_a_class_as_a_setting() -> None:
    """A member of a text enum is the text that it is, in all settings of Azure, too."""
    transport = ScriptedTransport([ScriptedResponse(b'{"id": "c", "choices": []}')])
    client = AsyncAzureOpenAI(
        azure_ad_token=Word.RED, azure_endpoint=Loud("http://h"), api_version=Word.RED, transport=transport
    )
    await client.chat.completions.create(model=Word.RED, messages=MESSAGES)

    (request,) = transport.requests
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.url == "http://h/openai/deployments/hunter2%20prompt/chat/completions?api-version=hunter2%20prompt"
