"""`AsyncAzureOpenAI`: addresses, credentials and versions, beside those of the official client."""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import Any

import pytest
from support.rawserver import RawRequest, RawServer, answer, completion, hello, sse
from support.scripted import ScriptedResponse, ScriptedTransport

from openai_async import AsyncAzureOpenAI, errors, omit
from openai_async.server import serve

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

KEY = "azure-secret-0123456789"
VERSION = "2024-10-21"
ENDPOINT = "https://mine.openai.azure.com"
MESSAGES: Any = [{"role": "user", "content": "hi"}]
DENIED = ScriptedResponse(b'{"error": {"message": "expired"}}', status=401)


@pytest.fixture(autouse=True)
def _no_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "AD_TOKEN", "ENDPOINT"):
        monkeypatch.delenv(f"AZURE_OPENAI_{name}", raising=False)


def good() -> ScriptedResponse:
    """A plain answer."""
    return ScriptedResponse(b'{"id": "c", "choices": [{"index": 0, "message": {"content": "x"}}]}')


def scripted(*script: Any, **options: Any) -> tuple[AsyncAzureOpenAI, ScriptedTransport]:
    """A client on a scripted transport; without a credential among the options it has a key."""
    transport = ScriptedTransport(script or [good()])
    if not {"api_key", "azure_ad_token", "azure_ad_token_provider"} & set(options):
        options["api_key"] = KEY
    if "base_url" not in options:
        options.setdefault("azure_endpoint", ENDPOINT)
    return AsyncAzureOpenAI(**{"api_version": VERSION, "transport": transport, **options}), transport


async def ask(client: AsyncAzureOpenAI, **options: Any) -> Any:
    """One plain call."""
    return await client.chat.completions.create(**{"model": "m", "messages": MESSAGES, **options})


# Addresses.


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ({}, f"{ENDPOINT}/openai/deployments/m/chat/completions"),
        ({"azure_endpoint": f"{ENDPOINT}/"}, f"{ENDPOINT}/openai/deployments/m/chat/completions"),
        ({"azure_deployment": "d"}, f"{ENDPOINT}/openai/deployments/d/chat/completions"),
        ({"base_url": "http://gate/deployments/d"}, "http://gate/deployments/d/chat/completions"),
        ({"base_url": "http://gate/openai"}, "http://gate/openai/deployments/m/chat/completions"),
    ],
)
async def test_deployment_in_the_address(options: Any, address: str) -> None:
    """The model is the deployment, unless one is named already."""
    client, transport = scripted(**options)
    await ask(client)

    assert transport.requests[0].url == f"{address}?api-version={VERSION}"


@pytest.mark.parametrize(
    ("model", "segment"),
    [("gpt-4.1", "gpt-4.1"), ("a/b c", "a%2Fb%20c"), ("a?b#c%", "a%3Fb%23c%25"), ("gr\xfc\xdfe", "gr%C3%BC%C3%9Fe")],
)
async def test_model_as_a_segment(model: str, segment: str) -> None:
    """A model's name stays one segment of the path, whatever it holds."""
    client, transport = scripted()
    await ask(client, model=model)

    assert f"/deployments/{segment}/chat/completions?" in transport.requests[0].url


@pytest.mark.parametrize("model", [".", "..", "%2e%2E", ""])
def test_models_that_can_not_be(model: str) -> None:
    """A model's name that would lead elsewhere is refused, as a deployment's is."""
    client, _ = scripted()
    with pytest.raises(errors.OpenAIError, match="name of a deployment"):
        client.chat.completions.create(model=model, messages=MESSAGES)
    with pytest.raises(errors.OpenAIError, match="name of a deployment"):
        scripted(azure_deployment=model)


# Credentials.


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"api_key": KEY}, {"api-key": KEY}),
        ({"api_key": lambda: KEY}, {"api-key": KEY}),
        ({"azure_ad_token": KEY}, {"authorization": f"Bearer {KEY}"}),
        ({"azure_ad_token_provider": lambda: KEY}, {"authorization": f"Bearer {KEY}"}),
        ({"api_key": ""}, {}),
        ({"api_key": KEY, "default_headers": {"Authorization": "Mine"}}, {"api-key": KEY, "authorization": "Mine"}),
        ({"api_key": KEY, "default_headers": {"API-Key": omit}}, {}),
    ],
    ids=["key", "key function", "token", "provider", "none", "one more", "omitted"],
)
async def test_credentials(options: Any, sent: dict[str, str]) -> None:
    """A key has a header of its own, a token is a bearer's."""
    client, transport = scripted(**options)
    await ask(client)

    headers = transport.requests[0].headers
    assert {name: headers[name] for name in ("api-key", "authorization") if name in headers} == sent


async def test_provider_is_asked_for_each_attempt() -> None:
    """A provider, sync or async, gives a token for each attempt, and a new one after a refusal, at no cost."""
    tokens = iter(f"token-{number}-0123456789" for number in range(9))

    async def later() -> str:
        await asyncio.sleep(0)
        return next(tokens)

    failing = ScriptedResponse(b"", status=500, headers={"retry-after-ms": "1"})
    for provider in (later, lambda: next(tokens)):
        client, transport = scripted(failing, DENIED, good(), azure_ad_token_provider=provider, max_retries=1)
        await ask(client)
        sent = [request.headers["authorization"] for request in transport.requests]
        assert len(set(sent)) == 3


async def test_token_is_not_tried_again() -> None:
    """A token that nobody renews is refused once."""
    client, transport = scripted(DENIED, azure_ad_token=KEY)
    with pytest.raises(errors.AuthenticationError):
        await ask(client)
    assert len(transport.requests) == 1


async def test_provider_that_fails() -> None:
    """An error of the provider is told by its name, and without its text."""

    def fail() -> str:
        raise ValueError("hunter2")

    client, transport = scripted(azure_ad_token_provider=fail)
    with pytest.raises(errors.OpenAIError, match=r"^azure_ad_token_provider\(\) failed: ValueError$"):
        await ask(client)
    assert transport.requests == []


@pytest.mark.parametrize(
    "given",
    [
        {"api_key": "a", "azure_ad_token": "b"},
        {"api_key": "a", "azure_ad_token_provider": lambda: "b"},
        {"azure_ad_token": "a", "azure_ad_token_provider": lambda: "b"},
    ],
)
def test_credentials_exclude_each_other(given: Any) -> None:
    """One credential is enough, when a client is made and when it is changed."""
    with pytest.raises(errors.OpenAIError, match="exclude each other"):
        scripted(**given)
    with pytest.raises(errors.OpenAIError, match="exclude each other"):
        scripted()[0].with_options(**given)


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        ({"AZURE_OPENAI_API_KEY": KEY}, {"api-key": KEY}),
        ({"AZURE_OPENAI_AD_TOKEN": KEY}, {"authorization": f"Bearer {KEY}"}),
        ({"AZURE_OPENAI_API_KEY": "other", "AZURE_OPENAI_AD_TOKEN": KEY}, {"authorization": f"Bearer {KEY}"}),
    ],
)
async def test_environment(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sent: dict[str, str]) -> None:
    """Credentials, endpoint and version come from the environment; OpenAI's own key and address do not count."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://environment.openai.azure.com")
    monkeypatch.setenv("OPENAI_API_VERSION", "2020-01-01")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-azure")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://not-azure/v1")
    transport = ScriptedTransport([good()])
    await ask(AsyncAzureOpenAI(transport=transport))

    (request,) = transport.requests
    assert request.url == (
        "https://environment.openai.azure.com/openai/deployments/m/chat/completions?api-version=2020-01-01"
    )
    assert {name: request.headers[name] for name in ("api-key", "authorization") if name in request.headers} == sent


async def test_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential that is given is the one that is used."""
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "from-environment")
    client, transport = scripted(api_key=KEY)
    await ask(client)

    assert transport.requests[0].headers["api-key"] == KEY
    assert "authorization" not in transport.requests[0].headers


def test_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credential, no version and no address are refused, each with what to do; OpenAI's key is no credential."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-azure")
    with pytest.raises(errors.OpenAIError, match="AZURE_OPENAI_API_KEY"):
        AsyncAzureOpenAI(azure_endpoint=ENDPOINT, api_version=VERSION)
    with pytest.raises(ValueError, match="OPENAI_API_VERSION"):
        AsyncAzureOpenAI(azure_endpoint=ENDPOINT, api_key=KEY)
    with pytest.raises(ValueError, match="AZURE_OPENAI_ENDPOINT"):
        AsyncAzureOpenAI(api_version=VERSION, api_key=KEY)
    with pytest.raises(ValueError, match="give one of them"):
        AsyncAzureOpenAI(api_version=VERSION, api_key=KEY, azure_endpoint=ENDPOINT, base_url=ENDPOINT)


def test_settings_that_can_not_be() -> None:
    """Settings of the wrong kind are refused, those of OpenAI's own service too."""
    wrong: Any = {"data_residency": "eu"}
    with pytest.raises(TypeError, match="azure_endpoint says"):
        scripted(**wrong)
    with pytest.raises(TypeError, match="azure_endpoint says"):
        scripted()[0].with_options(**wrong)
    with pytest.raises(TypeError, match="must be a function"):
        scripted(azure_ad_token_provider=KEY)
    with pytest.raises(TypeError, match=r"^AsyncAzureOpenAI\(http_client=...\)"):
        scripted(http_client=object())
    with pytest.raises(errors.OpenAIError, match="azure_ad_token holds"):
        scripted(azure_ad_token="a\nb")


async def test_no_credentials_enforced() -> None:
    """A client without credentials can be made; a call needs a header of the caller's own."""
    transport = ScriptedTransport([good()])
    client = AsyncAzureOpenAI(
        azure_endpoint=ENDPOINT, api_version=VERSION, transport=transport, _enforce_credentials=False
    )
    with pytest.raises(errors.OpenAIError, match="no credentials"):
        await ask(client)
    await ask(client, extra_headers={"Authorization": "Mine"})

    assert [request.headers["authorization"] for request in transport.requests] == ["Mine"]


async def test_twins() -> None:
    """`with_options` changes credential, version and address, and leaves the first client as it was."""
    client, transport = scripted(*[good() for _ in range(5)], azure_deployment="d")
    token = client.with_options(azure_ad_token="token-0123456789", api_version="2030-01-01")
    renewed = token.with_options(azure_ad_token_provider=lambda: "renewed-0123456789", default_query={"a": 1})
    moved = client.copy(base_url="http://gate/openai", set_default_query={"b": 2})
    for one in (client, token, renewed, moved, client):
        await ask(one)

    first, second, third, fourth, last = transport.requests
    assert (first.headers["api-key"], first.url[-10:]) == (KEY, VERSION)
    assert second.headers["authorization"] == "Bearer token-0123456789"
    assert "api-key" not in second.headers
    assert second.url.endswith("/deployments/d/chat/completions?api-version=2030-01-01")
    assert third.headers["authorization"] == "Bearer renewed-0123456789"
    assert third.url.endswith("?api-version=2030-01-01&a=1")
    assert fourth.url == f"http://gate/openai/deployments/m/chat/completions?b=2&api-version={VERSION}"
    assert last == first


async def test_keys_are_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    """A key that the server repeats is in no message, traceback or log, and in nobody's repr."""
    caplog.set_level(logging.DEBUG)
    echo = ScriptedResponse(f'{{"error": {{"message": "Wrong key {KEY}"}}}}'.encode(), status=401)
    client, _ = scripted(echo)
    with pytest.raises(errors.AuthenticationError) as caught:
        await ask(client)

    assert KEY not in "".join(traceback.format_exception(caught.value)) + caplog.text + repr(client)
    assert repr(client) == f"<AsyncAzureOpenAI base_url='{ENDPOINT}/openai'>"


async def test_no_key_for_another_origin() -> None:
    """A verb sends nothing to another origin."""
    client, transport = scripted()
    with pytest.raises(errors.OpenAIError, match="another origin"):
        client.get("https://evil.example/openai/models")
    assert transport.requests == []


# Against servers.


async def test_embedded_server() -> None:
    """The embedded server stands in for Azure: plain answers and streams, by key and by token."""
    async with serve(api_key=KEY) as url:
        endpoint = url.removesuffix("/v1")
        for credential in ({"api_key": KEY}, {"azure_ad_token": KEY}, {"azure_ad_token_provider": lambda: KEY}):
            settings: Any = {"azure_endpoint": endpoint, "api_version": VERSION, **credential}
            async with AsyncAzureOpenAI(**settings) as client:
                whole = await ask(client)
                stream = await ask(client, stream=True)
                assert (await stream.final()).choices[0].message.content == whole.choices[0].message.content
        wrong = AsyncAzureOpenAI(azure_endpoint=endpoint, api_version=VERSION, api_key="wrong")
        async with wrong:
            with pytest.raises(errors.AuthenticationError):
                await ask(wrong)


CALLS: dict[str, Any] = {
    "create": lambda client: client.chat.completions.create(model="my model", messages=MESSAGES),
    "stream": lambda client: client.chat.completions.create(model="m", messages=MESSAGES, stream=True),
    "retrieve": lambda client: client.chat.completions.retrieve("chatcmpl-1"),
    "update": lambda client: client.chat.completions.update("chatcmpl-1", metadata={"a": "b"}),
    "delete": lambda client: client.chat.completions.delete("chatcmpl-1"),
    "list": lambda client: client.chat.completions.list(limit=3),
    "messages": lambda client: client.chat.completions.messages.list("chatcmpl-1"),
    "get": lambda client: client.get("/models", cast_to=object),
    "post": lambda client: client.post("/embeddings", cast_to=object, body={"model": "e", "input": "x"}),
}


def seen(request: RawRequest) -> dict[str, Any]:
    """What must be the same of two requests."""
    target, _, query = request.target.partition("?")
    return {
        "method": request.method,
        "path": target,
        "query": sorted(query.split("&")),
        "key": request.headers.get("api-key"),
        "authorization": request.headers.get("authorization"),
        "body": request.json if request.body else None,
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": KEY},
        {"azure_ad_token": KEY},
        {"azure_ad_token_provider": lambda: KEY},
        {"api_key": KEY, "azure_deployment": "d"},
        {"api_key": KEY, "default_query": {"a": "1"}},
        {"api_key": KEY, "base": "/openai"},
        {"api_key": KEY, "base": "/openai/deployments/d"},
    ],
    ids=["key", "token", "provider", "deployment", "query", "base", "base with deployment"],
)
async def test_requests_are_the_official_clients(settings: dict[str, Any]) -> None:
    """The official client and ours send the same, whatever is asked and however they are set up."""
    official = pytest.importorskip("openai")  # the oracle, of the extra `dev`
    whole = answer({**completion(), "data": [], "has_more": False})
    async with RawServer(*[sse(hello()) if name == "stream" else whole for name in CALLS] * 2) as server:
        origin = server.url.removesuffix("/v1")
        options = {"api_version": VERSION, "max_retries": 0, **settings}
        base = options.pop("base", None)
        options |= {"azure_endpoint": origin} if base is None else {"base_url": f"{origin}{base}"}
        for client in (official.AsyncAzureOpenAI(**options), AsyncAzureOpenAI(**options)):
            async with client:
                for name, call in CALLS.items():
                    given = await call(client)
                    if name == "stream":
                        assert len([chunk async for chunk in given]) == len(hello())

    sent = [seen(request) for request in server.requests]
    assert dict(zip(CALLS, sent[len(CALLS) :], strict=True)) == dict(zip(CALLS, sent[: len(CALLS)], strict=True))
