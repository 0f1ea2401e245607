"""The client against fault injectors that others made: llmock, which grades its clients, mitmproxy and nginx.

    pytest -m injectors

llmock and mitmproxy come from the Python registry, nginx from the system's packages (`apt install nginx-light`). What
can't be installed is skipped.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.injectors import LLMOCK, MITMPROXY, Llmock, llmock, mitmproxy, nginx
from support.programs import ProgramError, install_from_pypi

from openai_async import AsyncOpenAI, Timeout, errors
from openai_async.server import Fault, serve

pytestmark = [pytest.mark.injectors, pytest.mark.anyio, pytest.mark.timeout(300)]

KEY = "sk-of-this-test"
HELLO: Any = [{"role": "user", "content": "Say hello in one short sentence."}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of llmock's and mitmproxy's commands."""
    try:
        return install_from_pypi(tmp_path_factory.mktemp("injectors") / "venv", LLMOCK, MITMPROXY)
    except ProgramError as error:
        pytest.skip(str(error))  # says what could not be installed


@pytest.fixture(scope="session")
def mock(commands: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Llmock]:
    """A llmock that does what it is told to."""
    with llmock(commands, tmp_path_factory.mktemp("llmock"), "--stream-stall-seconds", "5") as running:
        yield running


def client(url: str, **options: Any) -> AsyncOpenAI:
    """A client of the server."""
    return AsyncOpenAI(**{"api_key": KEY, "base_url": url, **options})


def codes(verdict: dict[str, Any]) -> list[str]:
    """What llmock finds fault with."""
    return [finding["code"] for finding in verdict["findings"]]


# llmock.


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
async def test_what_passes_is_tried_again(mock: Llmock, status: int, stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """Two refusals that pass cost two retries, after the time that the server asks for; llmock has no complaint."""
    await mock.script({"type": "fail", "status": status, "times": 2, "retry_after": 1.0 if status == 429 else None})
    async with client(mock.url) as api:
        answer: Any = await api.chat.completions.create(model="gpt-4o", messages=HELLO, stream=stream)
        completion = await answer.final() if stream else answer
    assert completion.choices[0].finish_reason == "stop"
    verdict = await mock.verdict()
    assert (verdict["attempts"], codes(verdict)) == (3, [])


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (422, errors.UnprocessableEntityError),
    ],
)
async def test_what_does_not_pass_is_not(mock: Llmock, status: int, cls: type[errors.APIStatusError]) -> None:
    """A refusal for good is raised at once, as its class."""
    await mock.script({"type": "fail", "status": status})
    async with client(mock.url) as api:
        with pytest.raises(cls):
            await api.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
    verdict = await mock.verdict()
    assert (verdict["attempts"], codes(verdict)) == (1, [])


@pytest.mark.parametrize(
    ("kind", "cls"),
    [
        ("disconnect", errors.IncompleteStreamError),
        ("truncate", errors.IncompleteStreamError),
        ("malformed", errors.StreamProtocolError),
        ("stall", errors.APITimeoutError),
    ],
)
async def test_broken_streams(mock: Llmock, kind: str, cls: type[errors.APIError]) -> None:
    """A stream that breaks after three chunks is an error that has their text, and the next request is served."""
    reply = {"type": "reply", "text": "one two three four five"}
    await mock.script({"type": "stream_fault", "kind": kind, "after_chunks": 3}, reply)
    async with client(mock.url, max_retries=0, timeout=Timeout(idle=0.5)) as api:
        stream = await api.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
        with pytest.raises(cls) as raised:
            await stream.final()
        said = raised.value.partial.choices[0].message.content
        assert said
        assert "one two three four five".startswith(said)
        await api.chat.completions.create(model="gpt-4o", messages=HELLO)


async def test_a_stream_that_breaks_is_sent_again_by_its_caller(mock: Llmock) -> None:
    """Whoever sends a cut stream again has llmock's approval: the error says that it was cut."""
    await mock.script({"type": "stream_fault", "kind": "truncate", "after_chunks": 2})
    async with client(mock.url) as api:
        for attempt in range(2):
            try:
                stream = await api.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
                await stream.final()
            except errors.IncompleteStreamError:
                assert attempt == 0
    assert codes(await mock.verdict()) == []


async def test_slow_first_token(mock: Llmock) -> None:
    """A first token that comes late costs a retry, not the call."""
    await mock.script({"type": "slow_first_token", "seconds": 3.0})
    async with client(mock.url, timeout=Timeout(first_token=0.5)) as api:
        stream = await api.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
        assert (await stream.final()).choices[0].finish_reason == "stop"
        assert stream.response.retries_taken == 1


async def test_malformed_arguments(mock: Llmock) -> None:
    """Arguments that are no JSON are an error of the parser's, with the completion."""
    await mock.script({"type": "tool_fault", "kind": "malformed_arguments"})
    strict = {"type": "function", "function": {**WEATHER["function"], "strict": True}}
    strict["function"]["parameters"] = {**strict["function"]["parameters"], "additionalProperties": False}
    async with client(mock.url) as api:
        with pytest.raises(errors.OutputParseError) as raised:
            await api.chat.completions.parse(model="gpt-4o", messages=HELLO, tools=[strict])
    assert raised.value.completion.choices[0].message.tool_calls[0].function.name == "get_weather"


async def test_chance(commands: Path, tmp_path: Path) -> None:
    """Of 300 calls to a server that fails at random each is complete or an error.

    llmock has no complaint but of streams that broke: it takes them for accepted where nobody sends them again.
    """
    rates = ["--error-rate", "429=0.1", "--error-rate", "503=0.1", "--stream-fault", "truncate=0.05"]
    more = ["--stream-fault", "disconnect=0.05", "--stream-fault", "malformed=0.05"]
    outcomes: Counter[str] = Counter()
    failures: list[errors.APIError] = []
    with llmock(commands, tmp_path, *rates, *more, "--response-style", "varied") as mock:
        async with client(mock.url, max_retries=4) as api:

            async def call(number: int) -> None:
                messages: Any = [{"role": "user", "content": f"Number {number}"}]
                try:
                    stream = await api.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
                    completion = await stream.final()
                    outcomes[str(completion.choices[0].finish_reason)] += 1
                except errors.APIError as error:
                    failures.append(error)

            await asyncio.gather(*(call(number) for number in range(300)))
        verdict = await mock.verdict()
    assert outcomes.total() + len(failures) == 300
    before_content = (errors.APIStatusError, errors.StreamProtocolError)  # a first chunk that is broken is no content
    assert all(error.partial is not None or isinstance(error, before_content) for error in failures)
    assert set(codes(verdict)) <= {"truncated_stream_accepted", "malformed_chunk_ignored", "gave_up"}
    found = Counter(codes(verdict))
    assert outcomes["stop"] <= 300 - found["truncated_stream_accepted"] - found["malformed_chunk_ignored"]


# mitmproxy.


@pytest.mark.parametrize("how", ["bytes", "crlf", "comments"])
async def test_recut_streams(commands: Path, tmp_path: Path, how: str) -> None:
    """A stream that a proxy cuts into bytes, gives other line ends or comments, says the same."""
    async with serve() as server:
        with mitmproxy(commands, tmp_path, server.removesuffix("/v1"), how) as url:
            async with client(url) as api, client(server) as direct:
                asked: Any = {"model": "m", "messages": HELLO, "tools": [WEATHER], "n": 2, "seed": 1, "stream": True}
                through = await (await api.chat.completions.create(**asked)).final()
                plain = await (await direct.chat.completions.create(**asked)).final()
                assert through.choices == plain.choices


async def test_dropped_by_a_proxy(commands: Path, tmp_path: Path) -> None:
    """A stream that a proxy drops is incomplete, and has what came."""
    async with serve() as server:
        with mitmproxy(commands, tmp_path, server.removesuffix("/v1"), "drop") as url:
            async with client(url, max_retries=0) as api:
                with pytest.raises(errors.APIConnectionError):
                    await (await api.chat.completions.create(model="m", messages=HELLO, stream=True)).final()


# nginx.


@pytest.fixture
def proxied(tmp_path: Path) -> Any:
    """What puts nginx, with these directives, before an address."""

    def start(upstream: str, directives: str) -> Any:
        return nginx(tmp_path, upstream, directives)

    try:
        with start("http://127.0.0.1:9", ""):
            pass
    except ProgramError as error:
        pytest.skip(str(error))  # says what could not be installed
    return start


@pytest.mark.parametrize(
    "directives",
    [
        "proxy_buffering off;",
        "proxy_http_version 1.1; proxy_buffering on;",
        "gzip on; gzip_types text/event-stream application/json; gzip_min_length 1;",
        "chunked_transfer_encoding off; proxy_http_version 1.1;",
    ],
    ids=["HTTP 1.0 upstream", "buffering", "gzip", "until the end of the connection"],
)
async def test_proxied_streams(proxied: Any, directives: str) -> None:
    """Streams and plain answers come through nginx as they are, however it is set."""
    async with serve() as server:
        with proxied(server.removesuffix("/v1"), directives) as url:
            headers = {"accept-encoding": "gzip"} if "gzip" in directives else {}
            async with client(url, default_headers=headers) as api, client(server) as direct:
                asked: Any = {"model": "m", "messages": HELLO, "seed": 1}
                plain = await direct.chat.completions.create(**asked)
                assert (await api.chat.completions.create(**asked)).choices == plain.choices
                stream = await api.chat.completions.create(**asked, stream=True)
                assert stream.response.headers.get("content-encoding") == ("gzip" if headers else None)
                streamed = await (await direct.chat.completions.create(**asked, stream=True)).final()
                assert (await stream.final()).choices == streamed.choices


async def test_dead_upstream(proxied: Any) -> None:
    """The page of nginx for a server that is gone is a 502, named as a web page, and tried again."""
    with proxied("http://127.0.0.1:9", "") as url:
        async with client(url, max_retries=1) as api:
            with pytest.raises(errors.InternalServerError, match="502 Bad Gateway") as raised:
                await api.chat.completions.create(model="m", messages=HELLO, stream=True)
    assert len(raised.value.attempts) == 2


async def test_upstream_that_falls_silent(proxied: Any) -> None:
    """A silent server that nginx gives up after its own time is an incomplete stream, with what came."""
    async with serve(faults=[Fault(stall_after=2)]) as server:
        with proxied(server.removesuffix("/v1"), "proxy_buffering off; proxy_read_timeout 1s;") as url:
            async with client(url) as api:
                stream = await api.chat.completions.create(model="m", messages=HELLO, stream=True)
                with pytest.raises(errors.IncompleteStreamError) as raised:
                    await stream.final()
    assert raised.value.partial.choices[0].message.content


async def test_connections_closed_early(proxied: Any) -> None:
    """A proxy that closes kept-alive connections after a few requests, or as soon as they idle, costs no call."""
    async with serve() as server:
        limits = "keepalive_requests 3; keepalive_timeout 10ms;"
        with proxied(server.removesuffix("/v1"), limits) as url:
            async with client(url, max_retries=0) as api:

                async def worker() -> None:
                    for _ in range(40):
                        await api.chat.completions.create(model="m", messages=HELLO)

                await asyncio.gather(*(worker() for _ in range(5)))
