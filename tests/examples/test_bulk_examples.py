"""The examples of bulk runs, as a reader starts them, against the embedded server: each goes on where it was stopped."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest
from support.redisserver import RedisServer, installed

from openai_async import AsyncOpenAI
from openai_async.bulk import Journal
from openai_async.server import serve

FOLDER = Path(__file__).parents[2] / "docs/examples/bulk"
ROOT = Path(__file__).parents[2]
PATIENCE = 45  # seconds after which something has failed; never waited for when all is well

pytestmark = [pytest.mark.anyio, pytest.mark.sockets, pytest.mark.timeout(180)]


class Counting:
    """A responder that counts what it is asked, and answers so many; then it waits until somebody opens it.

    Attributes:
        asked: How often each text was answered.
        limit: How many are answered.
    """

    def __init__(self, limit: float = float("inf")) -> None:
        self.asked: Counter[str] = Counter()
        self.limit = limit

    async def __call__(self, request: dict[str, Any]) -> str:
        """Answer a request."""
        await until(lambda: self.asked.total() < self.limit)
        self.asked[request["messages"][-1]["content"]] += 1
        return "Yes."


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what somebody else does."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.01)


def load(name: str) -> Any:
    """An example, imported from its file."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # annotations are looked up there
    spec.loader.exec_module(module)
    return module


def environment(url: str, **settings: str) -> dict[str, str]:
    """What an example's process is started with."""
    return {**os.environ, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "k", "PYTHONPATH": str(ROOT), **settings}


@pytest.mark.parametrize("limit", [1, 5])
async def test_the_queue_s_consumer_takes_what_it_can_do(limit: int) -> None:
    """Every job is answered once, and while nobody takes results no more than twice `limit` leave the queue."""
    example = load("queue_consumer")
    counting = Counting()
    queue: asyncio.Queue[str | None] = asyncio.Queue(maxsize=3)
    handled: list[str] = []
    held = asyncio.Event()

    async def handle(result: Any) -> None:
        await held.wait()
        handled.append(result.item)

    async with serve(counting) as url, AsyncOpenAI(base_url=url, api_key="k") as client:
        producer = asyncio.create_task(example.produce(queue, 40))
        consumer = asyncio.create_task(example.consume(client, queue, handle, limit=limit))
        await until(lambda: counting.asked.total() >= limit)
        await asyncio.sleep(0.05)
        assert counting.asked.total() <= 2 * limit + 1
        held.set()
        await producer
        stats = await consumer
    assert sorted(handled) == sorted(f"Job {number}" for number in range(40))
    assert (stats.done, max(counting.asked.values())) == (40, 1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def running(command: list[str], settings: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process, which is killed at the end."""
    with subprocess.Popen(command, env=settings) as process:
        try:
            yield process
        finally:
            process.kill()


@asynccontextmanager
async def site(url: str, folder: Path) -> AsyncGenerator[aiohttp.ClientSession]:
    """The FastAPI example in a process of its own; a session at its address, once it answers."""
    port = _free_port()
    command = [sys.executable, str(FOLDER / "fastapi_job.py")]
    with running(command, environment(url, JOBS=str(folder), PORT=str(port))):
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            with anyio.fail_after(PATIENCE):
                while True:
                    try:
                        async with session.get("/jobs/none") as answer:
                            assert answer.status == 404
                            break
                    except aiohttp.ClientConnectionError:
                        await asyncio.sleep(0.05)
            yield session


async def reached(session: aiohttp.ClientSession, field: str, value: Any) -> Any:
    """Ask how far the job is until a field has a value, and return what it says then."""
    while True:
        async with session.get("/jobs/first") as answer:
            found = await answer.json()
        if found[field] == value:
            return found
        await asyncio.sleep(0.02)


async def test_fastapi_s_job_outlives_its_process(tmp_path: Path) -> None:
    """A job whose process is killed in the middle goes on when it is asked for again; people are answered meanwhile."""
    pytest.importorskip("fastapi")  # the example is an application of it
    counting = Counting(limit=20)
    texts = [f"text {number}" for number in range(50)]
    async with serve(counting) as url:
        async with site(url, tmp_path) as session:
            async with session.put("/jobs/first", json=texts) as answer:
                assert answer.status == 202
            with anyio.fail_after(PATIENCE):
                await reached(session, "done", 20)
            answered = list(counting.asked)
        counting.limit = float("inf")
        async with site(url, tmp_path) as session:
            async with session.put("/jobs/first", json=texts), session.post("/ask?text=now") as answer:
                assert await answer.json() == "Yes."
            with anyio.fail_after(PATIENCE):
                found = await reached(session, "over", True)
            assert found == {"done": 50, "failed": 0, "of": 50, "over": True, "stopped": None}
            async with session.put("/jobs/no-name", json=texts) as answer:
                assert answer.status == 422
    assert [counting.asked[text] for text in answered] == [1] * 20
    with Journal(tmp_path / "first") as journal:
        assert len(journal) == 50


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


async def test_streaq_s_task_survives_its_worker(
    tmp_path: Path, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is killed in the middle of a task: another one goes on with it, and what was answered is not asked again."""
    pytest.importorskip("streaq")  # the example is a worker of it
    counting = Counting(limit=20)
    texts = [f"text {number}" for number in range(50)]
    command = [sys.executable, str(FOLDER / "streaq_worker.py")]
    journal = tmp_path / "jobs" / "first"
    monkeypatch.setenv("REDIS_URL", redis.url)
    example = load("streaq_worker")
    async with serve(counting) as url, example.worker:
        settings = environment(url, REDIS_URL=redis.url, JOBS=str(tmp_path / "jobs"), IDLE="2")
        task = example.answer_all.enqueue("first", texts)
        await task
        with running(command, settings), anyio.fail_after(PATIENCE):
            await until(lambda: sum(path.read_bytes().count(b"\n") for path in journal.glob("*")) == 20)
        answered = list(counting.asked)
        counting.limit = float("inf")
        with running(command, settings):
            done = await task.result(PATIENCE)
    assert done.result == {"done": 50, "failed": 0}
    assert [counting.asked[text] for text in answered] == [1] * 20
    assert len(counting.asked) == 50


@pytest.mark.ray
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
async def test_ray_reads_and_writes_parquet(tmp_path: Path) -> None:
    """Rows of Parquet files come out with their answers; a second run asks nothing."""
    import pyarrow as pa
    from pyarrow import parquet

    counting = Counting()
    questions = tmp_path / "questions"
    questions.mkdir()
    table = pa.table({"id": list(range(200)), "question": [f"text {number}" for number in range(200)]})
    parquet.write_table(table, questions / "one.parquet")
    async with serve(counting) as url:
        for number in range(2):
            words = [str(questions), str(tmp_path / f"answers{number}"), str(tmp_path / "journal")]
            command = [sys.executable, str(FOLDER / "ray_parquet.py"), *words]
            with running(command, environment(url)) as process, anyio.fail_after(PATIENCE):
                assert await asyncio.to_thread(process.wait, PATIENCE) == 0
    rows = parquet.read_table(tmp_path / "answers1").to_pylist()
    assert sorted(row["id"] for row in rows) == list(range(200))
    assert all(row["error"] is None and "Yes." in row["result"] for row in rows)
    assert set(counting.asked.values()) == {1}
