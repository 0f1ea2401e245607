"""The chat example, run as its README says: its routes stream, stop and resume, and its page in Chromium."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest
from support.redisserver import RedisServer, installed

from openai_async.relay import RelayHub

pytest.importorskip("fastapi")  # the page is an application of it
pytest.importorskip("uvicorn")  # likewise, of the extra `server`

_APP = Path(__file__).parents[2] / "docs/examples/chat/app.py"
_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


# Runs a program that is killed as it is about to save an answer: all of that is written and read by then.
_KILLED = """
import os, runpy, signal, sys
from redis.asyncio import Redis
keep = Redis.set
def set(self, key, *args, **options):
    if key.startswith("answer:"):
        os.kill(os.getpid(), signal.SIGKILL)
    return keep(self, key, *args, **options)
Redis.set = set
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@contextmanager
def _running(port: int, *options: str, killed: bool = False, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """The example in a process of its own, offline; one that is `killed` does not outlive its first answer's end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    words = [*(("-c", _KILLED) if killed else ()), str(_APP), "--port", str(port), *options]
    with subprocess.Popen([sys.executable, *words], env={**kept, **environment}) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(40)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The example as it starts without options."""
    port = _free_port()
    with _running(port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A redis-server of this test's."""
    if not installed():
        pytest.skip("redis-server is not installed")
    server = RedisServer(tmp_path / "redis").start()
    try:
        yield server
    finally:
        server.kill()


async def _ask(session: aiohttp.ClientSession, site: str, chat: str) -> str:
    """Ask, once the server is up, and return the stream's id."""
    with anyio.fail_after(30):
        while True:
            try:
                async with session.post(f"{site}/chats/{chat}", json={"text": "Hello"}) as answer:
                    assert answer.status == 200, await answer.text()
                    return str((await answer.json())["stream"])
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


async def _events(session: aiohttp.ClientSession, address: str, *, most: int | None = None) -> list[tuple[str, Any]]:
    """Return id and chunk of each frame, until the end or `most` of them; the end is `("end", status)`."""
    frames: list[tuple[str, Any]] = []
    mark = event = ""
    async with session.get(address) as answer:
        assert answer.status == 200, await answer.text()
        async for line in answer.content:
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            if name == "id":
                mark = value
            elif name == "event":
                event = value
            elif name == "data" and event == "end":
                frames.append(("end", json.loads(value)["status"]))
            elif name == "data" and value != "[DONE]":
                frames.append((mark, json.loads(value)))
            elif not name:
                event = ""
            if most is not None and len(frames) >= most:
                break
    return frames


async def test_a_reader_that_left_gets_the_rest_once_over_either_transport(site: str) -> None:
    """Who leaves in mid-answer resumes by cursor, over SSE and WebSocket; together that is the whole answer."""
    async with aiohttp.ClientSession() as session:
        stream = f"{site}/streams/{await _ask(session, site, 'resume')}"
        with anyio.fail_after(50):
            first = await _events(session, stream, most=5)
            cursor = first[-1][0]
            sse, frames = await asyncio.gather(
                _events(session, f"{stream}?after={cursor}"), _frames(session, f"{stream}/ws?after={cursor}")
            )
            whole = await _events(session, stream)
        assert first + sse == whole
        assert whole[-1] == ("end", "done")
        assert _text(first) + "".join(_text([(f["id"], f["chunk"])]) for f in frames if "chunk" in f) == _text(whole)
        assert frames[-1] == {"end": {"status": "done"}}
        assert "You said: “Hello”" in _text(whole)


async def test_a_stop_ends_the_answer_for_every_reader_and_what_came_is_kept(site: str) -> None:
    """DELETE ends all readers as cancelled, and the conversation keeps what they saw."""
    async with aiohttp.ClientSession() as session:
        name = await _ask(session, site, "stop")
        stream = f"{site}/streams/{name}"
        with anyio.fail_after(50):
            await _events(session, stream, most=5)
            async with session.post(f"{site}/chats/stop", json={"text": "Again"}) as second:
                assert second.status == 409
            async with session.delete(stream) as answer:
                assert await answer.json() == {"stopped": True}
            async with session.delete(f"{site}/streams/unknown") as answer:
                assert (answer.status, await answer.json()) == (404, {"detail": "There is no such stream."})
            one, two = await asyncio.gather(_events(session, stream), _events(session, stream))
            while True:
                async with session.get(f"{site}/chats/stop") as answer:
                    messages = await answer.json()
                if not messages[-1]["live"]:
                    break
        assert one == two
        assert one[-1] == ("end", "cancelled")
        assert messages[-1]["content"] == _text(one)


async def test_of_questions_asked_at_once_one_is_answered(redis: RedisServer) -> None:
    """Whichever process they go to; the conversation has that one, and the others are told to wait."""
    ports = _free_port(), _free_port()
    sites = [f"http://127.0.0.1:{port}" for port in ports]
    async with aiohttp.ClientSession() as session:

        async def asks(site: str, text: str) -> str | None:
            async with session.post(f"{site}/chats/both", json={"text": text}) as answer:
                assert answer.status in (200, 409), await answer.text()
                return text if answer.status == 200 else None

        with _running(ports[0], "--redis", redis.url), _running(ports[1], "--redis", redis.url), anyio.fail_after(50):
            for site in sites:
                await _ask(session, site, f"until {site[-5:]} is up")
            asked = await asyncio.gather(*[asks(site, f"Question {n}") for n, site in enumerate(sites * 3)])
            async with session.get(f"{sites[0]}/chats/both") as answer:
                messages = await answer.json()

    assert [text for text in asked if text] == [messages[0]["content"]]
    assert len(messages) == 2


async def test_a_restart_loses_nothing_where_redis_keeps_it(redis: RedisServer) -> None:
    """An answer that is under way goes on: its old process writes it to its end, the new one hands it on."""
    port = _free_port()
    site = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        with _running(port, "--redis", redis.url) as old, anyio.fail_after(55):
            stream = f"{site}/streams/{await _ask(session, site, 'restart')}"
            first = await _events(session, stream, most=5)
            old.send_signal(signal.SIGTERM)
            with _running(port, "--redis", redis.url):
                while not (rest := await _again(session, f"{stream}?after={first[-1][0]}")):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
                messages = await _chat(session, f"{site}/chats/restart")
                whole = await _events(session, stream)
            assert await asyncio.to_thread(old.wait, 20) in (0, -signal.SIGTERM)
        assert first + rest == whole
        assert whole[-1] == ("end", "done")
        assert messages[-1]["content"] == _text(whole)


async def test_an_answer_whose_process_was_killed_before_it_was_saved_is_kept(redis: RedisServer) -> None:
    """Readers had all of it: whoever asks next finds it in the conversation, whole, and can go on."""
    port = _free_port()
    site = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        with _running(port, "--redis", redis.url, killed=True) as old, anyio.fail_after(55):
            stream = f"{site}/streams/{await _ask(session, site, 'killed')}"
            whole = await _events(session, stream)
            assert await asyncio.to_thread(old.wait, 20) == -signal.SIGKILL
            with _running(port, OPENAI_ASYNC_REDIS_URL=redis.url):
                messages = await _chat(session, f"{site}/chats/killed")
                assert await _ask(session, site, "killed") == "killed.2"
                async with session.delete(f"{site}/streams/killed.2") as answer:
                    assert await answer.json() == {"stopped": True}
        assert whole[-1] == ("end", "done")
        assert messages[-1]["content"] == _text(whole)
        assert [message["role"] for message in messages] == ["user", "assistant"]


async def test_an_answer_whose_process_was_killed_is_kept_as_far_as_it_came(redis: RedisServer) -> None:
    """Once nobody can be writing it any longer, and the conversation goes on."""
    port = _free_port()
    site = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        with _running(port, "--redis", redis.url) as old, anyio.fail_after(55):
            stream = f"{site}/streams/{await _ask(session, site, 'half')}"
            first = await _events(session, stream, most=5)
            old.kill()
            with _running(port, "--redis", redis.url):
                messages = await _chat(session, f"{site}/chats/half")
                kept = await _events(session, stream)
                assert await _ask(session, site, "half") == "half.2"
                async with session.delete(f"{site}/streams/half.2") as answer:
                    assert await answer.json() == {"stopped": True}
        assert kept[-1] == ("end", "lost")
        assert messages[-1]["content"] == _text(kept)
        assert _text(kept).startswith(_text(first[:4]))  # the last one may not have got as far as Redis


async def test_an_answer_is_read_again_whatever_its_server_sent() -> None:
    """Pieces without a text, as `OPENAI_BASE_URL` may send them, are passed over as the page does."""
    example = runpy.run_path(str(_APP))
    store = example["Memory"]()
    await store.set("chat:odd", json.dumps([{"role": "assistant", "stream": "odd.0"}]))
    odd: list[Any] = [{"choices": None}, {"choices": [{"delta": None}]}, {"choices": [{}]}, {"usage": {}}]
    pieces = [{"choices": [{"delta": {"content": text}}]} for text in ("Hel", "lo")]
    async with RelayHub() as hub:
        async with hub.producer("odd.0") as producer:
            producer.extend(json.dumps(frame).encode() for frame in [pieces[0], *odd, pieces[1]])
        [message] = await example["Chats"](hub, None, "m", store).messages("odd")
    assert (message["content"], message["live"]) == ("Hello", False)


async def _again(session: aiohttp.ClientSession, address: str) -> list[tuple[str, Any]]:
    """As `_events`, of a server that may not be there yet: then nothing; one that says farewell is none either."""
    try:
        frames = await _events(session, address)
    except aiohttp.ClientError:
        return []
    return frames if frames[-1:] and frames[-1][0] == "end" else []


async def _chat(session: aiohttp.ClientSession, address: str) -> list[dict[str, Any]]:
    """The conversation, once its last answer is whole."""
    while True:
        with suppress(aiohttp.ClientConnectionError):  # it may not be up yet
            async with session.get(address) as answer:
                messages: list[dict[str, Any]] = await answer.json()
            if not messages[-1]["live"] and messages[-1]["content"]:
                return messages
        await asyncio.sleep(0.05)


class _Tab:
    """A page in Chromium, over the DevTools protocol."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self._count = 0

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        await self._ws.send_json({"id": self._count, "method": method, "params": params})
        while (reply := await self._ws.receive_json()).get("id") != self._count:
            pass
        assert "error" not in reply, reply
        return dict(reply["result"])

    async def js(self, expression: str) -> Any:
        return (await self.command("Runtime.evaluate", expression=expression))["result"].get("value")

    async def until(self, expression: str) -> None:
        with anyio.fail_after(20):
            while await self.js(f"!!({expression})") is not True:  # noqa: ASYNC110 - the page has no event of it
                await asyncio.sleep(0.05)

    async def text(self) -> str:
        return str(await self.js("document.querySelector('main').textContent"))


@asynccontextmanager
async def _chromium(home: Path) -> AsyncGenerator[str, None]:
    """Run a browser, and give the address of its DevTools."""
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command = [str(_CHROMIUM), *flags, "--remote-debugging-port=0", f"--user-data-dir={home}", "about:blank"]
    null = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=null, stderr=null) as browser:  # noqa: ASYNC220 - it returns at once
        try:
            port = home / "DevToolsActivePort"
            with anyio.fail_after(30):
                while not (port.exists() and port.read_text().strip()):  # noqa: ASYNC110 - a file of Chromium's
                    await asyncio.sleep(0.05)
            yield f"http://127.0.0.1:{port.read_text().split()[0]}"
        finally:
            browser.terminate()
            browser.wait(10)


@asynccontextmanager
async def _tab(session: aiohttp.ClientSession, browser: str, address: str) -> AsyncGenerator[_Tab, None]:
    async with session.put(f"{browser}/json/new?{address}") as answer:
        target = await answer.json(content_type=None)
    async with session.ws_connect(target["webSocketDebuggerUrl"]) as ws:
        yield _Tab(ws)


@pytest.mark.skipif(_CHROMIUM is None, reason="Chromium is not installed")
async def test_the_page_streams_resumes_after_a_reload_agrees_with_a_second_tab_and_stops(
    site: str, tmp_path: Path
) -> None:
    """A reload in mid-answer goes on over SSE, the switch over a WebSocket, and Stop ends both tabs alike."""
    async with aiohttp.ClientSession() as session, _chromium(tmp_path) as browser:
        await _ask(session, site, "warm")
        async with _tab(session, browser, "about:blank") as first:
            await first.command("Page.navigate", url=f"{site}/#page")
            await first.until("location.hash === '#page' && document.readyState === 'complete' && window.form")
            # It is said back: an answer of half a minute, so that it goes on however slow the browser is.
            await first.js("text.value = 'Hello '.repeat(300); form.requestSubmit()")
            await first.until("document.querySelector('.live')?.textContent.length > 30")
            before = await first.text()
            await first.command("Page.reload")
            await first.until("document.getElementById('state')?.textContent.startsWith('Resumed after')")
            assert (await first.text()).startswith(before)
            async with _tab(session, browser, "about:blank") as second:
                await second.command("Page.navigate", url=f"{site}/#page")
                await second.until("document.querySelector('.live')?.textContent.length > 30")
                await second.js("document.querySelector('[value=ws]').click()")
                size = len(await second.text())
                await second.until(f"document.querySelector('main').textContent.length > {size + 20}")
                await first.js("document.getElementById('stop').click()")
                stopped = "document.getElementById('state').textContent === 'Stopped.'"
                await first.until(stopped)
                await second.until(stopped)
                whole = await first.text()
                assert whole == await second.text()
                assert whole.startswith(before)
                assert len(whole) > len(before) + 20


@pytest.mark.skipif(_CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("way", ["sse", "ws"])
async def test_the_page_goes_on_by_itself_after_a_restart(redis: RedisServer, tmp_path: Path, way: str) -> None:
    """Nobody reloads it: it connects again to the new process, and the answer is whole."""
    port = _free_port()
    site = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session, _chromium(tmp_path / "browser") as browser:
        with _running(port, "--redis", redis.url) as old:
            await _ask(session, site, "warm")
            async with _tab(session, browser, "about:blank") as tab:
                await tab.command("Page.navigate", url=f"{site}/#{way}")
                await tab.until("location.hash.length > 1 && document.readyState === 'complete' && window.form")
                await tab.js(f"document.querySelector('[value={way}]').click()")
                await tab.js("text.value = 'Hello '.repeat(40); form.requestSubmit()")
                await tab.until("document.querySelector('.live')?.textContent.length > 30")
                old.send_signal(signal.SIGTERM)
                with _running(port, "--redis", redis.url):
                    await tab.until("!document.querySelector('.live') && document.getElementById('stop').disabled")
                    seen = str(await tab.js("document.querySelector('main').lastChild.textContent"))
                    messages = await _chat(session, f"{site}/chats/{way}")
                    assert await tab.js("document.getElementById('state').textContent") == ""
        assert messages[-1]["content"] == seen


async def _frames(session: aiohttp.ClientSession, address: str) -> list[dict[str, Any]]:
    async with session.ws_connect(address) as ws:
        return [json.loads(message.data) async for message in ws]


def _text(frames: list[tuple[str, Any]]) -> str:
    chunks = [chunk for mark, chunk in frames if mark != "end"]
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c.get("choices"))
