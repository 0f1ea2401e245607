"""Bulk runs of whole programs, an answer taking 50 ms: `amap` with its journal beside what one would take otherwise.

litellm and Ray are heavy, and few have them: they run in an interpreter of their own, which `BULK_RIVALS` names, and are
left out where there is none. As a program this is the upstream: `python -m benchmarks.rows.bulkrivals`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import cache, partial
from typing import Any, cast

from benchmarks.bodies import body
from benchmarks.clients import MESSAGES, aiohttp_session, official_client, official_client_on_aiohttp, our_client
from benchmarks.series import OURS, Case, Column, Measured, Series, Target
from benchmarks.source import ROOT

__all__ = ["ROW"]

_MODEL = "plain-150"
_DELAY = 0.05  # seconds that an answer takes
_AT_A_TIME = 256
_RIVALS = "BULK_RIVALS"
_MAKING = "python3.12 -m venv ENV && ENV/bin/pip install litellm 'ray[data]' pydantic, then BULK_RIVALS=ENV/bin/python"

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\nx-request-id: req_benchmark\r\n\r\n"
)


class _Upstream(asyncio.Protocol):
    """Answers each request after the delay; `GET /span` tells how many there were, and the seconds from first to last."""

    span: tuple[float, float, int] = (0.0, 0.0, 0)

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(rest) < (int(length[1]) if length else 0):
            return
        self._received = b""
        if head.startswith(b"GET /span "):
            first, last, count = _Upstream.span
            _Upstream.span = (0.0, 0.0, 0)
            told = json.dumps({"count": count, "seconds": last - first}).encode()
            self._transport.write(_HEAD % len(told) + told)
            return
        first, _, count = _Upstream.span
        _Upstream.span = (first or time.perf_counter(), 0.0, count + 1)
        asyncio.get_running_loop().call_later(_DELAY, self._answer)

    def _answer(self) -> None:
        first, _, count = _Upstream.span
        _Upstream.span = (first, time.perf_counter(), count)
        if not self._transport.is_closing():
            answer = body(_MODEL).data
            self._transport.write(_HEAD % len(answer) + answer)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Upstream, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    # The parent holds the other end of stdin: when it goes, however it goes, so does this.
    await asyncio.to_thread(sys.stdin.read)


@contextlib.contextmanager
def _upstream() -> Iterator[str]:
    """Run the upstream in a process of its own; its origin."""
    command = [sys.executable, "-m", "benchmarks.rows.bulkrivals"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # it is a pipe
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.communicate()  # closes its stdin, and waits


async def _timed(work: Callable[[int], Awaitable[None]], count: int) -> Measured:
    """Do the work once to open the connections, then with so many requests: seconds, and those of the CPU."""
    await work(_AT_A_TIME)
    wall, cpu = time.perf_counter(), time.process_time()
    await work(count)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


async def _amap(origin: str, count: int) -> Measured:
    from openai_async.bulk import amap

    async with our_client(origin) as client:

        async def ask(number: int) -> Any:
            del number  # each asks the same
            return await client.chat.completions.create(model=_MODEL, messages=MESSAGES)

        async def work(count: int) -> None:
            with tempfile.TemporaryDirectory() as folder:
                async with amap(range(count), ask, limit=_AT_A_TIME, journal=folder, key=str, errors="raise") as run:
                    async for result in run:
                        assert result.ok

        return await _timed(work, count)


async def _semaphore(ask: Callable[[], Awaitable[None]], count: int) -> Measured:
    semaphore = asyncio.Semaphore(_AT_A_TIME)

    async def one() -> None:
        async with semaphore:
            await ask()

    async def work(count: int) -> None:
        await asyncio.gather(*(one() for _ in range(count)))

    return await _timed(work, count)


async def _ask(client: Any) -> None:
    completion = await client.chat.completions.create(model=_MODEL, messages=MESSAGES)
    assert len(completion.choices[0].message.content) == body(_MODEL).characters


async def _official(origin: str, count: int) -> Measured:
    async with official_client(origin) as client:
        return await _semaphore(partial(_ask, client), count)


async def _official_on_aiohttp(origin: str, count: int) -> Measured:
    async with official_client_on_aiohttp(origin) as client:
        return await _semaphore(partial(_ask, client), count)


async def _bare(origin: str, count: int) -> Measured:
    """The least that a client on aiohttp can cost: the same body each time, and the answer thrown away."""
    data = json.dumps({"model": _MODEL, "messages": MESSAGES}).encode()
    async with aiohttp_session(origin, limit=0) as session:

        async def post() -> None:
            async with session.post(
                "/v1/chat/completions", data=data, headers={"content-type": "application/json"}
            ) as answer:
                await answer.read()

        return await _semaphore(post, count)


_LITELLM = """
import asyncio, json, time
import litellm

async def main():
    semaphore = asyncio.Semaphore(AT_A_TIME)

    async def one():
        async with semaphore:
            answer = await litellm.acompletion(
                model="openai/" + MODEL, messages=MESSAGES, api_key="k", api_base=ORIGIN + "/v1"
            )
            assert answer.choices[0].message.content

    await asyncio.gather(*(one() for _ in range(AT_A_TIME)))
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(COUNT)))
    print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))

asyncio.run(main())
"""

# Of its own processes it tells no CPU time, and starting them is no bulk run: the seconds are the upstream's.
_RAY = """
import json, logging, urllib.request
import ray
from ray.data.llm import HttpRequestProcessorConfig, build_processor

ray.init(include_dashboard=False, log_to_driver=False, num_cpus=2)
logging.getLogger("ray.data").setLevel(logging.ERROR)
config = HttpRequestProcessorConfig(
    url=ORIGIN + "/v1/chat/completions", headers={"authorization": "Bearer k"}, concurrency=1, batch_size=64
)
ask = build_processor(
    config,
    preprocess=lambda row: {"payload": {"model": MODEL, "messages": MESSAGES}},
    postprocess=lambda row: {"text": row["http_response"]["choices"][0]["message"]["content"]},
)
assert ask(ray.data.range(COUNT)).count() == COUNT
with urllib.request.urlopen(ORIGIN + "/span") as response:
    span = json.loads(response.read())
assert span["count"] == COUNT
print(json.dumps({"wall": span["seconds"]}))
"""


async def _elsewhere(script: str, origin: str, count: int) -> Measured:
    """Run a script in the rivals' interpreter; what it measured is the last line that it writes.

    Raises:
        RuntimeError: It failed.
    """
    names = {"ORIGIN": origin, "COUNT": count, "AT_A_TIME": _AT_A_TIME, "MODEL": _MODEL, "MESSAGES": MESSAGES}
    head = "\n".join(f"{name} = {value!r}" for name, value in names.items())
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "RAY_USAGE_STATS_ENABLED": "0"}
    process = await asyncio.create_subprocess_exec(
        os.environ[_RIVALS], "-c", f"{head}\n{script}", env=environment, stdout=subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the rival's program failed with {process.returncode}; its traceback is above")
    measured: Measured = json.loads(said.splitlines()[-1])
    return measured


async def _measure(work: Callable[[str, int], Awaitable[Measured]], count: int, quick: bool) -> Measured:  # noqa: FBT001 - the case's
    count = count // 4 if quick else count
    with _upstream() as origin:
        measured = await work(origin, count)
    return {"rate": count / measured["wall"], **{key: value / count for key, value in measured.items()}}


@cache
def _installed(package: str) -> bool:
    """Whether the rivals' interpreter has it."""
    python = os.environ.get(_RIVALS)
    if not python:
        return False
    code = f"from importlib.util import find_spec; raise SystemExit(find_spec({package!r}) is None)"
    try:
        return subprocess.run([python, "-c", code], check=False, timeout=60).returncode == 0
    except OSError:
        return False


_RIVAL_CASES = (
    ("litellm", "litellm and a semaphore", partial(_elsewhere, _LITELLM), 2_000),
    ("ray", "ray.data.llm", partial(_elsewhere, _RAY), 1_200),
)

ROW = Series(
    name="bulkrivals",
    title=f"A bulk run, an answer taking {_DELAY * 1e3:.0f} ms, {_AT_A_TIME} at a time",
    cases=(
        Case(contestant=OURS, measure=partial(_measure, _amap, 8_000)),
        Case(contestant="openai and a semaphore", measure=partial(_measure, _official, 2_000)),
        Case(contestant="openai on aiohttp", measure=partial(_measure, _official_on_aiohttp, 2_000)),
        Case(contestant="bare POSTs of aiohttp's", measure=partial(_measure, _bare, 8_000)),
        *(
            Case(contestant=name, measure=partial(_measure, work, count))
            for package, name, work, count in _RIVAL_CASES
            if _installed(package)
        ),
    ),
    columns=(
        Column(key="wall", title="seconds a request"),
        Column(key="rate", title="requests a second", unit="number"),
        Column(key="cpu", title="CPU a request"),
    ),
    targets=(
        Target(column="wall", rival="openai and a semaphore", limit=1 / 8),
        Target(column="wall", rival="litellm and a semaphore", limit=1 / 8),
        Target(column="wall", rival="ray.data.llm", limit=1 / 20),
    ),
    repeat=3,
    notes=(
        f"{OURS}: `amap` with a journal, so that it can be killed and go on; the others keep nothing.",
        "The connections are open before; of Ray: from the upstream's first request to its last answer.",
        (
            "The core is what all wait for, so that another program beside them shows in the seconds, and in the CPU time "
            "less; Ray waits for one answer after the other, and tells no CPU time of its processes."
        ),
        "openai and litellm: `gather` and a semaphore. ray.data.llm: Ray's own `HttpRequestProcessor`, one actor.",
        (
            "The floor: on aiohttp the official SDK spends an eighth of its time in aiohttp, an eighth in the HTTP client above "
            "it, and the rest on its own checks, requests and models. Bare POSTs, their answers thrown away, cost a seventh or "
            "an eighth of it: a client on aiohttp that decodes and records as well can't be 8 times as fast."
        ),
        *(
            f"{name} is left out: {package} is not installed ({_MAKING})."
            for package, name, _, _ in _RIVAL_CASES
            if not _installed(package)
        ),
    ),
)


if __name__ == "__main__":
    asyncio.run(_serve())
