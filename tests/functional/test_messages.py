"""What a user sees when something is wrong: one error each, in these words. The documentation shows them as they stand."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from support.rawserver import Peer, RawServer, answer, free_port, hello, sse

from openai_async import AsyncOpenAI, Timeout, errors
from openai_async.server import serve

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

KEY = "sk-test-0123456789"
MESSAGES: Any = [{"role": "user", "content": "Tell me about the sea."}]


async def seen(url: str, *, stream: bool = False, model: str = "m", **options: Any) -> errors.OpenAIError:
    """The error of a call with the default settings, but for waits between attempts."""

    async def ask() -> None:
        async with AsyncOpenAI(**{"api_key": KEY, "base_url": url, "max_retries": 0, **options}) as client:
            made: Any = await client.chat.completions.create(model=model, messages=MESSAGES, stream=stream)
            await made.final()

    with pytest.raises(errors.OpenAIError) as caught:
        await ask()
    return caught.value


def plain(error: errors.OpenAIError) -> str:
    """The error's text, without the request's id, which is another each time."""
    return re.sub(r" \(request id: req_[^)]+\)", " (request id: ...)", str(error))


async def test_no_key() -> None:
    """Without a key the client is not made."""
    with pytest.raises(errors.OpenAIError) as caught:
        AsyncOpenAI()

    assert str(caught.value) == (
        "There is no API key. Pass api_key=..., or set the environment variable OPENAI_API_KEY; "
        'for a server that wants none, pass api_key="".'
    )


async def test_base_url_that_is_no_address() -> None:
    """An address without its scheme is shown beside one that is right."""
    with pytest.raises(errors.OpenAIError) as caught:
        AsyncOpenAI(api_key=KEY, base_url="api.openai.com/v1")

    assert str(caught.value) == (
        "base_url must be an http:// or https:// address such as https://api.openai.com/v1, not 'api.openai.com/v1'"
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_base_url_without_v1(stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """The server's answer to a wrong path."""
    async with serve() as url:
        error = await seen(url.removesuffix("/v1"), stream=stream)

    assert type(error) is errors.NotFoundError
    assert plain(error) == "Error code: 404 - Invalid URL (POST /chat/completions) (request id: ...)"


@pytest.mark.parametrize("stream", [False, True])
async def test_wrong_key(stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """The server's answer to a wrong key, which does not show it."""
    async with serve(api_key="sk-another-0123456789") as url:
        error = await seen(url, stream=stream)

    assert type(error) is errors.AuthenticationError
    assert plain(error).startswith("Error code: 401 - Incorrect API key provided: ")
    assert KEY not in str(error)


@pytest.mark.parametrize("stream", [False, True])
async def test_model_that_does_not_exist(stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """The server's answer to an unknown model."""
    async with serve(models=["gpt-1"]) as url:
        error = await seen(url, stream=stream, model="gpt-17")

    assert type(error) is errors.NotFoundError
    assert plain(error) == (
        "Error code: 404 - The model `gpt-17` does not exist or you do not have access to it. (request id: ...)"
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_nobody_listens(stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """A port on which nobody listens, after the retries."""
    port = free_port()

    error = await seen(f"http://127.0.0.1:{port}/v1", stream=stream, max_retries=1)

    assert type(error) is errors.APIConnectionError
    assert str(error) == (
        f"Connection error: http://127.0.0.1:{port} can't be reached (Connection refused). (after 2 attempts)"
    )


async def test_no_such_host() -> None:
    """A host name that does not resolve."""
    error = await seen("http://no-such-host.invalid/v1")

    assert type(error) is errors.APIConnectionError
    assert str(error) == "Connection error: the host name 'no-such-host.invalid' does not resolve."


@pytest.mark.parametrize(
    ("stream", "expected"),
    [(False, "a completion in JSON"), (True, "an event stream")],
)
async def test_web_page_of_a_proxy(stream: bool, expected: str) -> None:  # noqa: FBT001 - a column of the table
    """A captive portal answers 200 with a web page."""
    page = b"<!DOCTYPE html><html><head><title>Corporate proxy</title></head><body>Sign in</body></html>"
    async with RawServer(answer(page, kind="text/html")) as server:
        error = await seen(server.url, stream=stream)

    assert type(error) is errors.APIResponseValidationError
    assert str(error) == (
        "The server answered 200 (text/html) with a web page titled 'Corporate proxy', where "
        f"{expected} was expected. Is base_url right, and is there a proxy in between?"
    )


async def test_gateway_page() -> None:
    """A gateway answers 502 with a web page."""
    page = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n</html>"
    async with RawServer(answer(page, 502, kind="text/html")) as server:
        error = await seen(server.url)

    assert type(error) is errors.InternalServerError
    assert str(error).startswith("Error code: 502 - ")
    assert "502 Bad Gateway" in str(error)
    assert "proxy" in str(error)


async def test_redirect() -> None:
    """A redirect is not followed."""
    async with RawServer(answer(b"", 308, {"location": "https://elsewhere.example/v1"})) as server:
        error = await seen(server.url)

    assert type(error) is errors.APIStatusError
    assert str(error) == (
        "Error code: 308 - The server redirects to https://elsewhere.example/v1; redirects are not followed, because "
        "the API key would go along. Set base_url to the final address."
    )


async def test_server_that_hangs_up() -> None:
    """A server that closes without a word."""

    async def hang_up(peer: Peer) -> None:
        peer.fin()

    async with RawServer(hang_up) as server:
        error = await seen(server.url)

    assert str(error) == f"Connection error: http://127.0.0.1:{server.port} closed the connection without an answer."


async def test_stream_that_ends_early() -> None:
    """A stream that closes politely in the middle."""
    async with RawServer(sse(hello()[:2], done=False)) as server:
        error = await seen(server.url, stream=True)

    assert type(error) is errors.IncompleteStreamError
    assert str(error) == "The stream ended before the answer did: the server closed it without an error."


async def test_silent_server() -> None:
    """A server that stops in the middle."""
    async with RawServer(sse(hello()[:2], done=False, ending="nothing")) as server:
        error = await seen(server.url, stream=True, timeout=Timeout(idle=0.05))

    assert type(error) is errors.APITimeoutError
    assert str(error) == "Request timed out: no further token arrived within 0.05 s (timeout.idle)."


async def test_misspelt_parameter() -> None:
    """A parameter that does not exist."""
    client = AsyncOpenAI(api_key=KEY)
    with pytest.raises(TypeError) as caught:
        client.chat.completions.create(model="m", messages=MESSAGES, temprature=0)  # type: ignore[call-overload]  # misspelt

    assert str(caught.value) == (
        "create() got an unexpected keyword argument 'temprature'; did you mean 'temperature'?"
    )


async def test_closed_client() -> None:
    """A client that is used after it was closed."""
    client = AsyncOpenAI(api_key=KEY)
    await client.close()
    with pytest.raises(errors.OpenAIError) as caught:
        await client.chat.completions.create(model="m", messages=MESSAGES)

    assert str(caught.value) == "The client is closed; make a new one, or close it later."


async def test_two_readers() -> None:
    """Two tasks that read one stream."""
    server = RawServer(sse(hello()[:2], done=False, ending="nothing"))
    async with server, AsyncOpenAI(api_key=KEY, base_url=server.url) as client:
        async with client.chat.completions.create(model="m", messages=MESSAGES, stream=True) as stream:
            reading = asyncio.create_task(stream.final())
            await asyncio.sleep(0)
            with pytest.raises(errors.StreamStateError) as caught:
                await stream.final()
        await asyncio.gather(reading, return_exceptions=True)

    assert str(caught.value) == "Another task is reading this stream; a stream has one reader."
