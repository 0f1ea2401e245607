"""What `doctor` says of the way to the API, over real sockets."""

from __future__ import annotations

import asyncio

import pytest
from support.rawserver import RawServer, answer, deaf, free_port

from openai_async.cli.doctoring.route import Route, TunnelError

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """No proxy but those that a test names."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def refusing(line):
    """A proxy that answers CONNECT with this status line."""

    async def handle(peer):
        await peer.send(f"HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n".encode())
        await peer.gone()
        peer.fin()

    return handle


async def settle():
    """Let connections that were given up be closed."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_port_that_takes_connections():
    """Where somebody listens, the connection is there, and its time is told."""
    async with RawServer(answer({})) as server:
        finding = await Route(server.url, 5).check_connection()

    assert finding.verdict == "ok"
    assert finding.seconds > 0


async def test_a_closed_port():
    """Where nobody listens, the port and the reason are told."""
    port = free_port()

    finding = await Route(f"http://127.0.0.1:{port}/v1", 5).check_connection()

    assert finding.verdict == "fail"
    assert finding.said == f"Port {port} of 127.0.0.1 takes no connection: 127.0.0.1: Connection refused."


async def test_a_port_that_says_nothing():
    """A port that answers nothing at all ends with the time limit."""
    with deaf() as url:
        finding = await Route(url, 0.05).check_connection()

    assert finding.verdict == "fail"
    assert "no answer in time" in finding.said


async def test_one_address_of_two(monkeypatch):
    """When only some of a name's addresses take connections, that is told: each connection may try the others first."""

    async def both():
        return ["127.0.0.2", "127.0.0.1"]

    async with RawServer(answer({})) as server:
        route = Route(server.url.replace("127.0.0.1", "both.example"), 5)
        monkeypatch.setattr(route, "_addresses", both)
        name, finding = await route.check_name(), await route.check_connection()
        await settle()

    assert name.said == "both.example is 127.0.0.2, 127.0.0.1."
    assert finding.verdict == "warn"
    assert "127.0.0.2: Connection refused" in finding.said


async def test_a_name_without_an_address():
    """A name that does not resolve fails, and is shown."""
    finding = await Route("https://no-such-host.invalid/v1", 20).check_name()

    assert finding.verdict == "fail"
    assert "no-such-host.invalid" in finding.said
    assert finding.advice


async def test_an_address_needs_no_name():
    """An IP address is not looked up."""
    assert (await Route("http://[::1]:8080/v1", 5).check_name()).verdict == "skip"


async def test_no_proxy():
    """Without a proxy in the environment the way is direct."""
    assert (await Route("https://llm.example/v1", 5).check_proxy()).verdict == "skip"


async def test_a_proxy_that_is_not_for_this_host(monkeypatch):
    """`NO_PROXY` is heeded, and said to be the reason."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "llm.example")

    finding = await Route("https://llm.example/v1", 5).check_proxy()

    assert finding.verdict == "skip"
    assert "$NO_PROXY" in finding.said


async def test_a_dead_proxy(monkeypatch):
    """A proxy that takes no connection fails; its password is not shown."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:hush-hush@127.0.0.1:{free_port()}")

    finding = await Route("https://llm.example/v1", 5).check_proxy()

    assert finding.verdict == "fail"
    assert "($HTTPS_PROXY) can't be reached: Connection refused." in finding.said
    assert "hush" not in repr(finding)


async def test_no_address_of_a_proxy(monkeypatch):
    """What can't be a proxy's address is told as the client tells it."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")

    finding = await Route("https://llm.example/v1", 5).check_proxy()

    assert finding.verdict == "fail"
    assert "SOCKS" in finding.said


@pytest.mark.parametrize(("line", "said"), [
    ("407 Proxy Authentication Required", "wants a name and a password, and there are none"),
    ("403 Forbidden", "lets nothing through to llm.example:443: 403 Forbidden"),
])  # fmt: skip
async def test_a_proxy_that_refuses(monkeypatch, line, said):
    """A proxy that lets nothing through fails, with what it said."""
    async with RawServer(refusing(line)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        finding = await Route("https://llm.example/v1", 5).check_proxy()
        await settle()

    assert finding.verdict == "fail"
    assert said in finding.said
    assert finding.advice


async def test_credentials_that_are_refused(monkeypatch):
    """Name and password go to the proxy; that they are refused is told, and they are not shown."""
    async with RawServer(refusing("407 No")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hush-hush@127.0.0.1:{proxy.port}")
        finding = await Route("https://llm.example/v1", 5).check_proxy()
        await settle()

    assert proxy.requests[0].headers["proxy-authorization"] == "Basic bWU6aHVzaC1odXNo"
    assert "those given are refused" in finding.said
    assert "hush" not in repr(finding)


@pytest.mark.parametrize("said", [b"220 mail.example ESMTP\r\n\r\n", b""])
async def test_what_is_no_proxy(monkeypatch, said):
    """What answers CONNECT with anything but HTTP is said to be no proxy."""

    async def handle(peer):
        await peer.send(said)
        peer.fin()

    async with RawServer(handle) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        finding = await Route("https://llm.example/v1", 5).check_proxy()
        await settle()

    assert "does not answer as a proxy does" in finding.said


async def test_a_proxy_that_works(monkeypatch):
    """A proxy that lets CONNECT through is well, and makes the checks of name and connection needless."""
    async with RawServer(refusing("200 Connected")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        route = Route("https://llm.example/v1", 5)
        finding = await route.check_proxy()
        others = [await route.check_name(), await route.check_connection()]
        await settle()

    assert finding.verdict == "ok"
    assert [other.verdict for other in others] == ["skip", "skip"]
    assert (proxy.requests[0].method, proxy.requests[0].target) == ("CONNECT", "llm.example:443")


async def test_a_tunnel_to_an_ipv6_address(monkeypatch):
    """An IPv6 address is named in brackets."""
    async with RawServer(refusing("503 No")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        route = Route("https://[2001:db8::1]/v1", 5)
        await route.check_proxy()
        with pytest.raises(TunnelError):
            await route.connect()
        await settle()

    assert {request.target for request in proxy.requests} == {"[2001:db8::1]:443"}
