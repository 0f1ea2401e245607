"""The framework recipes, each under a real server: both clients read them, errors keep their status, nothing is left."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import anyio
import openai
import pytest
import uvicorn
from support.webservers import Browser, aiohttp_web, eventually

import openai_async
from openai_async.server import Fault, Serving, serve

FOLDER = Path(__file__).parents[2] / "docs/examples/frameworks"
NAMES = sorted(path.stem for path in FOLDER.glob("*_app.py"))
MESSAGES: Any = [{"role": "user", "content": "Tell me about the sea."}]

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]


@pytest.fixture(autouse=True)
def _keeps_logging() -> Iterator[None]:
    """Litestar sets up the process's root logger when an app is made, which would meet all tests that follow."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)


def load(name: str) -> ModuleType:
    """Import a recipe anew."""
    pytest.importorskip(name.removesuffix("_app"))  # the framework of the recipe
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # annotations are looked up there
    spec.loader.exec_module(module)
    return module


once = cache(load)


def app_of(name: str) -> Any:
    """A recipe's app: an aiohttp app runs once, and Django takes its settings once in a process."""
    return (load if name == "aiohttp_app" else once)(name).app


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[openai_async.AsyncOpenAI]:
    """The clients that are made from here on."""
    made: list[openai_async.AsyncOpenAI] = []
    begin = openai_async.AsyncOpenAI.__init__

    def noted(self: openai_async.AsyncOpenAI, **options: Any) -> None:
        made.append(self)
        begin(self, **options)

    monkeypatch.setattr(openai_async.AsyncOpenAI, "__init__", noted)
    return made


@asynccontextmanager
async def uvicorn_with_lifespan(app: Any) -> AsyncGenerator[str]:
    """Run an ASGI app as `uvicorn app:app` does, its lifespan included."""
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="on", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())  # `serve` would take the signals of the test's process
    await eventually(lambda: server.started or task.done())
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def aiohttp_with_version(app: Any) -> AsyncGenerator[str]:
    """Run an aiohttp app as its command does, and give its address with `/v1`."""
    async with aiohttp_web(handler_cancellation=True)(app) as url:
        yield f"{url}/v1"


def server_of(name: str) -> Callable[[Any], AbstractAsyncContextManager[str]]:
    """What runs a recipe."""
    return aiohttp_with_version if name == "aiohttp_app" else uvicorn_with_lifespan


@asynccontextmanager
async def running(
    name: str, monkeypatch: pytest.MonkeyPatch, responder: Any = None, **options: Any
) -> AsyncGenerator[tuple[str, Serving]]:
    """A recipe that asks the embedded server: its address, and that server."""
    async with serve(responder, **options) as upstream:
        monkeypatch.setenv("OPENAI_BASE_URL", upstream)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-recipe")
        async with server_of(name)(app_of(name)) as url:
            yield url, upstream


async def endless(_request: dict[str, Any]) -> AsyncGenerator[str]:
    """Answer for as long as somebody reads."""
    while True:
        yield "sea "
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", NAMES)
async def test_both_clients_read_a_recipe(
    name: str, monkeypatch: pytest.MonkeyPatch, clients: list[openai_async.AsyncOpenAI]
) -> None:
    """Streamed or plain, the official SDK and ours read what the model's server said; one client served all of it."""
    async with running(name, monkeypatch) as (url, upstream):
        mine = len(clients)
        async with openai.AsyncOpenAI(base_url=url, api_key="sk-1", max_retries=0) as official:
            plain = await official.chat.completions.create(model="any", messages=MESSAGES)
            stream = await official.chat.completions.create(model="any", messages=MESSAGES, stream=True)
            said = "".join([part.choices[0].delta.content or "" async for part in stream])
        async with openai_async.AsyncOpenAI(base_url=url, api_key="sk-1", max_retries=0) as ours:
            whole = await ours.chat.completions.create(model="any", messages=MESSAGES)
            async with ours.chat.completions.create(model="any", messages=MESSAGES, stream=True) as read:
                final = await read.final()
        asked = upstream.requests

    assert mine == 1
    assert said == final.choices[0].message.content == whole.choices[0].message.content
    assert plain.choices[0].message.content == said
    assert "sea" in said
    assert [request.headers["authorization"] for request in asked] == ["Bearer sk-of-the-recipe"] * 4
    assert clients[0].is_closed()


@pytest.mark.parametrize("name", NAMES)
async def test_the_head_of_a_stream_is_kept_by_no_proxy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event stream that nginx does not hold back and nobody stores, byte for byte as the server sent it."""
    async with running(name, monkeypatch) as (url, _), posting(url, stream=True) as browser:
        status = await browser.head()
        body = await browser.body()

    assert status == 200
    assert browser.headers["content-type"].startswith("text/event-stream")
    assert browser.headers["cache-control"] == "no-store"
    assert browser.headers["x-accel-buffering"] == "no"
    assert body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
@pytest.mark.parametrize("name", NAMES)
async def test_errors_keep_the_status_of_the_api(name: str, monkeypatch: pytest.MonkeyPatch, *, stream: bool) -> None:
    """A refusal of the API is the recipe's, with the API's error object and the time to wait."""
    fault = Fault(status=429, code="rate_limit_exceeded", retry_after=300, times=0)
    async with running(name, monkeypatch, faults=[fault]) as (url, _), posting(url, stream=stream) as browser:
        status = await browser.head()
        body = json.loads(await browser.body())

    assert status == 429
    assert browser.headers["retry-after"] == "300"
    assert body["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize("name", NAMES)
async def test_a_server_that_is_not_there_is_told_without_its_address(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser gets a 502 which names no host."""
    drop = Fault(drop=True, times=0)
    async with running(name, monkeypatch, faults=[drop]) as (url, _), posting(url, stream=False) as browser:
        status = await browser.head()
        body = await browser.body()

    assert status == 502
    assert json.loads(body)["error"]["code"] == "upstream_connection"
    assert b"127.0.0.1" not in body


@pytest.mark.parametrize("name", NAMES)
async def test_an_error_in_mid_stream_is_an_event(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said goes out, then the error, which the official SDK raises."""
    fault = Fault(error_after=3)
    async with (
        running(name, monkeypatch, faults=[fault]) as (url, _),
        openai.AsyncOpenAI(base_url=url, api_key="sk-1", max_retries=0) as official,
    ):
        stream = await official.chat.completions.create(model="any", messages=MESSAGES, stream=True)
        said: list[str] = []
        with pytest.raises(openai.APIError):
            await note(stream, said)

    assert "".join(said)


async def note(stream: Any, said: list[str]) -> None:
    """Read a stream, and note what it says."""
    async for part in stream:
        said.append(part.choices[0].delta.content or "")  # noqa: PERF401 - it fails, and what came before counts


@pytest.mark.parametrize("name", NAMES)
async def test_a_body_that_is_no_question_is_a_400(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent to the model's server for it."""
    async with running(name, monkeypatch) as (url, upstream), posting(url, messages="none") as browser:
        status = await browser.head()
        await browser.body()
        asked = upstream.requests

    assert status in {400, 422}
    assert asked == []


@pytest.mark.parametrize("name", NAMES)
async def test_a_reader_that_leaves_aborts_the_upstream(
    name: str, monkeypatch: pytest.MonkeyPatch, clients: list[openai_async.AsyncOpenAI]
) -> None:
    """The model stops with its reader, whichever client that was; the recipe's client goes on and is closed at the end."""
    async with running(name, monkeypatch, endless) as (url, upstream):
        async with openai_async.AsyncOpenAI(base_url=url, api_key="sk-1", max_retries=0) as ours:
            async with ours.chat.completions.create(model="any", messages=MESSAGES, stream=True) as stream:
                await anext(stream)
            with anyio.fail_after(20):
                await upstream.wait_aborts(1)
        async with openai.AsyncOpenAI(base_url=url, api_key="sk-1", max_retries=0) as official:
            async with await official.chat.completions.create(model="any", messages=MESSAGES, stream=True) as other:
                await anext(other)
            with anyio.fail_after(20):
                await upstream.wait_aborts(2)
        assert not clients[0].is_closed()

    assert clients[0].is_closed()


STREAMED = [(name, True) for name in NAMES]
PLAIN = [("aiohttp_app", False), ("django_app", False)]  # the others tell a handler nothing of a reader that left


@pytest.mark.parametrize(("name", "stream"), STREAMED + PLAIN)
async def test_a_reader_that_leaves_before_the_first_token_aborts_the_upstream(
    name: str, monkeypatch: pytest.MonkeyPatch, *, stream: bool
) -> None:
    """So it is while the model thinks."""
    thinking = asyncio.Event()

    async def think(_request: dict[str, Any]) -> str:
        thinking.set()
        await asyncio.sleep(3600)
        return "never"

    async with running(name, monkeypatch, think) as (url, upstream):
        async with posting(url, stream=stream):
            with anyio.fail_after(20):
                await thinking.wait()
        with anyio.fail_after(20):
            await upstream.wait_aborts(1)
        aborts = upstream.aborts

    assert aborts == 1


def command_of(name: str, port: int) -> list[str]:
    """The recipe's own command, on a port of ours, warnings shown."""
    python = [sys.executable, "-W", "always::ResourceWarning"]
    if name == "aiohttp_app":
        return [*python, f"{FOLDER}/{name}.py"]
    return [*python, "-m", "uvicorn", f"{name}:app", "--app-dir", str(FOLDER), "--port", str(port)]


@pytest.mark.parametrize("name", NAMES)
async def test_a_recipe_runs_as_it_says_and_stops_when_told(name: str) -> None:
    """By its command, in a process of its own; SIGTERM ends it in order, and it has left nothing open."""
    pytest.importorskip(name.removesuffix("_app"))  # the framework of the recipe
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with serve() as upstream:
        settings = {"OPENAI_BASE_URL": upstream, "OPENAI_API_KEY": "any", "PORT": str(port)}
        process = await asyncio.create_subprocess_exec(
            *command_of(name, port), env={**os.environ, **settings}, stdout=DEVNULL, stderr=PIPE
        )
        try:
            url = f"http://127.0.0.1:{port}/v1"
            async with openai_async.AsyncOpenAI(base_url=url, api_key="", max_retries=20) as reader:
                call = reader.chat.completions.create(model="any", messages=MESSAGES, stream=True, timeout=40)
                async with call as stream:
                    completion = await stream.final()
        finally:
            process.terminate()
            _, told = await asyncio.wait_for(process.communicate(), 15)

    assert completion.choices[0].finish_reason == "stop"
    assert process.returncode in {0, -signal.SIGTERM}
    assert not re.search(rb"Warning|Traceback|Unclosed|ERROR", told), told.decode()


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_what_the_recipe_says(name: str) -> None:
    """Every definition of the page's excerpt stands in the file, letter for letter."""
    page = (FOLDER.parents[1] / "frameworks.md").read_text()
    shown = re.search(rf"^```py\n# {name}\.py\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert shown is not None
    text = (FOLDER / f"{name}.py").read_text()

    assert [part for part in shown[1].split("\n\n\n") if part.rstrip("\n") not in text] == []


@pytest.mark.parametrize("name", NAMES)
def test_recipes_are_short(name: str) -> None:
    """A recipe is one file of at most sixty lines."""
    assert len((FOLDER / f"{name}.py").read_text().splitlines()) <= 60


class _Post(Browser):
    """A browser that posts a question."""

    def __init__(self, url: str, body: bytes) -> None:
        super().__init__(url, "POST", {"content-type": "application/json", "content-length": str(len(body))})
        self._body = body

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.writer.write(self._body)
        return self


def posting(url: str, **question: Any) -> _Post:
    """Ask a recipe over a bare socket."""
    return _Post(f"{url}/chat/completions", json.dumps({"messages": MESSAGES, **question}).encode())
