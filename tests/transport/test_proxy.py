"""Which proxy a request goes through: by argument, by environment, and over real sockets."""

from __future__ import annotations

import base64

import pytest
from support.rawserver import RawServer, answer

from openai_async.errors import OpenAIError
from openai_async.transport.message import Request
from openai_async.transport.proxy import Proxies
from openai_async.transport.session import AiohttpTransport
from openai_async.transport.timer import Timer
from openai_async.types.options import Timeout


def chosen(scheme: str = "https", host: str = "api.example.com", port: int | None = 443) -> str | None:
    """What the environment says of an address."""
    return Proxies().choose(scheme, host, port)


def test_environment_without_proxies() -> None:
    """Where the environment names none, the way is direct."""
    assert chosen() is None


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The proxy is chosen by the address's scheme, and its variable may be spelled in either case."""
    monkeypatch.setenv(name, "http://proxy.example:3128")

    assert chosen("https") == "http://proxy.example:3128"
    assert chosen("http") is None


def test_proxy_without_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare host and port means an HTTP proxy, as it does to curl."""
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")

    assert chosen() == "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("exceptions", "direct"),
    [
        ("api.example.com", True),
        ("example.com", True),
        (".example.com", True),
        ("other.com, example.com", True),
        ("*", True),
        ("api.example.com:443", True),
        ("api.example.com:8443", False),
        ("ample.com", False),
        ("other.com", False),
        ("", False),
    ],
)
def test_exceptions(monkeypatch: pytest.MonkeyPatch, exceptions: str, direct: bool) -> None:  # noqa: FBT001 - a column
    """`NO_PROXY` lists hosts and domains, also with a port, to which the way is direct."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", exceptions)

    assert (chosen() is None) is direct


def test_environment_is_asked_once_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host keeps the proxy that was found for it first; another host is looked up anew."""
    proxies = Proxies()
    monkeypatch.setenv("HTTPS_PROXY", "http://one.example:1")
    assert proxies.choose("https", "a", 443) == "http://one.example:1"

    monkeypatch.setenv("HTTPS_PROXY", "http://two.example:2")

    assert proxies.choose("https", "a", 443) == "http://one.example:1"
    assert proxies.choose("https", "b", 443) == "http://two.example:2"


def test_argument_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that was given is used for every address, whatever the environment says."""
    monkeypatch.setenv("HTTPS_PROXY", "http://one.example:1")
    monkeypatch.setenv("NO_PROXY", "*")

    assert Proxies("http://mine.example:3").choose("https", "a", 443) == "http://mine.example:3"


@pytest.mark.parametrize(
    "address",
    ["", "proxy.example:3128", "socks5://:hunter2@proxy.example:1080", "http://", "http://[::1", "http://p:port", 5],
)
def test_what_is_no_http_proxy_is_refused(address: str) -> None:
    """Other kinds and nonsense are refused when the client is made, and no password is repeated."""
    with pytest.raises((OpenAIError, TypeError)) as caught:
        Proxies(address)

    assert "hunter2" not in str(caught.value)


def test_socks_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy in the environment is an error that names the variable, not a connection that fails oddly."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:hunter2@proxy.example:1080")

    with pytest.raises(OpenAIError, match="HTTPS_PROXY names no HTTP proxy") as caught:
        chosen()

    assert "hunter2" not in str(caught.value)


@pytest.mark.anyio
@pytest.mark.sockets
async def test_request_goes_through_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy gets the absolute address, the request's headers, and the password of its own address."""
    async with RawServer(answer(b"{}")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:pass@127.0.0.1:{proxy.port}")
        transport = AiohttpTransport()
        request = Request(method="GET", url="http://api.example.com/v1", headers={"authorization": "Bearer k"})
        response = await transport.send(request, Timer(Timeout.of(None)))
        assert await response.read() == b"{}"
        response.release()
        await transport.aclose()

    (seen,) = proxy.requests
    assert seen.target == "http://api.example.com/v1"
    assert seen.headers["host"] == "api.example.com"
    assert seen.headers["authorization"] == "Bearer k"
    assert seen.headers["proxy-authorization"] == "Basic " + base64.b64encode(b"user:pass").decode()


@pytest.mark.anyio
@pytest.mark.sockets
async def test_request_goes_past_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host of `NO_PROXY` is reached directly."""
    async with RawServer(answer(b"{}")) as server:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
        transport = AiohttpTransport()
        response = await transport.send(Request(method="GET", url=server.url, headers={}), Timer(Timeout.of(None)))
        assert await response.read() == b"{}"
        response.release()
        await transport.aclose()
