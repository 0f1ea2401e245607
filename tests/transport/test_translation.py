"""What goes wrong on the way, and how it is told: one real failure for each of our sentences."""

from __future__ import annotations

import asyncio
import socket
import ssl
import traceback

import aiohttp
import pytest
from support.rawserver import Handler, Peer, RawServer, answer, certificates, free_port

from openai_async.errors import APIConnectionError, APIResponseValidationError, OpenAIError
from openai_async.transport.message import Request
from openai_async.transport.session import AiohttpTransport
from openai_async.transport.timer import Timer
from openai_async.transport.translation import translate_sending_error
from openai_async.types.options import Timeout

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

SECRET = "sk-secret-0123456789"


async def failure(url: str, **options: object) -> OpenAIError:
    """Send a request that fails, and return the error."""
    transport = AiohttpTransport(**options)  # type: ignore[arg-type]  # what the test gives
    request = Request(method="POST", url=url, headers={"authorization": f"Bearer {SECRET}"}, body=b"{}")

    async def exchange() -> None:
        response = await transport.send(request, Timer(Timeout.of(None)))
        while await response.read():
            pass

    with pytest.raises(OpenAIError) as caught:
        await exchange()
    await transport.aclose()
    return caught.value


def text(error: BaseException) -> str:
    """All that a log or a crash reporter shows of an error and of those behind it."""
    shown = ["".join(traceback.format_exception(error))]
    behind: BaseException | None = error
    while behind is not None:
        shown += [repr(behind), repr(behind.args)]
        behind = behind.__cause__ or behind.__context__
    return "\n".join(shown)


async def test_port_on_which_nobody_listens() -> None:
    """A refused connection names the address and the system's reason."""
    port = free_port()

    error = await failure(f"http://127.0.0.1:{port}/v1")

    assert type(error) is APIConnectionError
    assert str(error) == f"Connection error: http://127.0.0.1:{port} can't be reached (Connection refused)."
    assert isinstance(error.__cause__, OSError)


async def test_host_that_does_not_exist() -> None:
    """A name that does not resolve is named."""
    error = await failure("http://no-such-host.invalid/v1")

    assert type(error) is APIConnectionError
    assert str(error) == "Connection error: the host name 'no-such-host.invalid' does not resolve."


async def test_certificate_of_an_unknown_authority() -> None:
    """An untrusted certificate is said to be that, with OpenSSL's reason."""
    context, _ = certificates()
    async with RawServer(answer(), context=context) as server:
        error = await failure(server.url)

    assert type(error) is APIConnectionError
    assert str(error).startswith(
        f"Connection error: the certificate of https://127.0.0.1:{server.port} is not trusted ("
    )
    assert "unable to get local issuer certificate" in str(error)
    assert isinstance(error.__cause__, ssl.SSLError | ssl.CertificateError | OSError)


async def test_certificate_of_the_users_authority() -> None:
    """A context with the user's own authority is trusted, and carries requests."""
    context, trusting = certificates()
    async with RawServer(answer(b"{}"), context=context) as server:
        transport = AiohttpTransport(ssl=trusting)
        response = await transport.send(Request(method="GET", url=server.url, headers={}), Timer(Timeout.of(None)))
        assert await response.read() == b"{}"
        response.release()
        await transport.aclose()


async def test_tls_towards_a_plain_port() -> None:
    """TLS towards a server that speaks none is no TLS, and no riddle."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        error = await failure(f"https://127.0.0.1:{port}/v1")

    assert type(error) is APIConnectionError
    assert str(error).startswith(f"Connection error: no TLS with https://127.0.0.1:{port} (")


@pytest.mark.parametrize(
    "said",
    [
        b"\x15\x03\x01\x00\x02\x02\x46 plainly no HTTP\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"220 mail.example.com ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        f"echo Bearer {SECRET}\r\n\r\n".encode(),
    ],
    ids=["tls", "ssh", "smtp", "length", "echo"],
)
async def test_something_else_than_http(said: bytes) -> None:
    """Bytes that are no HTTP are a wrong answer in one line; aiohttp's error, which knows the key, is not chained."""

    async def babble(peer: Peer) -> None:
        await peer.send(said)
        peer.fin()

    async with RawServer(babble) as server:
        error = await failure(server.url)

    assert type(error) is APIResponseValidationError
    assert str(error).startswith(f"http://127.0.0.1:{server.port} does not speak HTTP: ")
    assert "\n" not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None


async def no_answer(peer: Peer) -> None:
    """Close without a word."""
    peer.fin()


async def slammed(peer: Peer) -> None:
    """Close with a RST."""
    peer.reset()


@pytest.mark.parametrize("handler", [no_answer, slammed])
async def test_connection_closed_without_an_answer(handler: Handler) -> None:
    """A server that reads the request and leaves is said to have done so."""
    async with RawServer(handler) as server:
        error = await failure(server.url)

    assert type(error) is APIConnectionError
    assert str(error) == f"Connection error: http://127.0.0.1:{server.port} closed the connection without an answer."


async def test_body_cut_off() -> None:
    """A body that breaks off is told from one that never began."""

    async def short(peer: Peer) -> None:
        await peer.head(content_length="100")
        await peer.send(b"some")
        peer.fin()

    async with RawServer(short) as server:
        error = await failure(server.url)

    assert type(error) is APIConnectionError
    assert str(error) == "Connection error: the server closed the connection in the middle of the body."


async def test_body_that_is_not_packed_as_it_says() -> None:
    """A body that can't be unpacked is a broken one."""
    async with RawServer(answer(b"plain text", headers={"content-encoding": "gzip"})) as server:
        error = await failure(server.url)

    assert type(error) is APIConnectionError
    assert str(error) == "Connection error: the body is not compressed as its content-encoding says."


async def test_chunks_that_are_none() -> None:
    """A chunked body whose framing is broken is a broken one."""

    async def garble(peer: Peer) -> None:
        await peer.head(transfer_encoding="chunked")
        await peer.send(b"zz\r\nhello\r\n")

    async with RawServer(garble) as server:
        error = await failure(server.url)

    assert isinstance(error, APIConnectionError | APIResponseValidationError)


async def test_proxy_that_can_not_be_reached() -> None:
    """A proxy that refuses is told from a server that does."""
    error = await failure("http://127.0.0.1:1/v1", proxy=f"http://127.0.0.1:{free_port()}")

    assert type(error) is APIConnectionError
    assert str(error) == "Connection error: the proxy can't be reached (Connection refused)."


async def test_proxy_that_opens_no_tunnel() -> None:
    """A proxy that refuses a tunnel is named with its status, and the proxy's password is nowhere."""
    async with RawServer(answer(b"", 407, {"proxy-authenticate": "Basic"})) as server:
        error = await failure("https://127.0.0.1:1/v1", proxy=f"http://user:hunter2@127.0.0.1:{server.port}")

    assert type(error) is APIConnectionError
    assert str(error) == "Connection error: the proxy refused with status 407."
    assert "hunter2" not in text(error)


async def test_nothing_that_is_raised_knows_the_key() -> None:
    """Neither message nor traceback nor any exception behind the error shows the key, whatever failed."""
    context, _ = certificates()

    async def echo(peer: Peer) -> None:
        await peer.send(peer.request.headers["authorization"].encode() + b"\r\n\r\n")
        peer.fin()

    found = [await failure(f"http://127.0.0.1:{free_port()}/v1"), await failure("http://no-such-host.invalid/v1")]
    for handler in (no_answer, slammed):
        async with RawServer(handler) as server:
            found.append(await failure(server.url))
    async with RawServer(answer(), context=context) as server:
        found.append(await failure(server.url))
    async with RawServer(answer(b"", 407)) as server:
        found.append(await failure("https://127.0.0.1:1/v1", proxy=f"http://127.0.0.1:{server.port}"))

    for error in found:
        assert SECRET not in text(error), error
    async with RawServer(echo) as server:
        error = await failure(server.url)
    # The message itself repeats what the server said; `exchange`, which knows the request, takes the key out of it.
    assert SECRET not in repr(error.__cause__) + repr(error.__context__)


@pytest.mark.parametrize(
    ("error", "cls", "told"),
    [
        (aiohttp.InvalidURL("x"), OpenAIError, "base_url is no address that a request can go to: 'http://host/v1'"),
        (aiohttp.NonHttpUrlClientError("x"), OpenAIError, "base_url is no address that a request can go to"),
        (RuntimeError("odd"), APIConnectionError, "Connection error: RuntimeError: odd"),
        (TimeoutError(), APIConnectionError, "Connection error: TimeoutError: "),
        (ConnectionResetError(), APIConnectionError, "http://host:80 closed the connection without an answer."),
    ],
)
def test_rarities(error: Exception, cls: type[OpenAIError], told: str) -> None:
    """What hardly ever happens is one of our errors too, with the original behind it."""
    translated = translate_sending_error(error, "http://host/v1", reused=False)

    assert type(translated) is cls
    assert told in str(translated)
    assert translated.__cause__ is error


def test_free_port_is_free() -> None:
    """The tests above rely on a port on which nobody listens."""
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", free_port())) != 0
