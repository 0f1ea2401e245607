"""Ray Data: rows go out with their answers, and a killed driver buys nothing twice.

`ChatBatch` itself is tested everywhere; the pipeline, where Ray is installed (`pip install 'ray[data]'`), by command:

    pytest -m ray tests/bulk/test_ray.py
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from openai_async.bulk.journal import Journal
from openai_async.bulk.ray import ChatBatch
from openai_async.server import serve

ROOT = Path(__file__).resolve().parents[2]
ROWS = int(os.environ.get("OPENAI_ASYNC_ROWS") or 2_000)


class Column(list):
    """Looks like a NumPy array."""

    def tolist(self):
        """Return plain values."""
        return list(self)


def asking(seen, wrong=()):
    """What makes a function that answers rows, and notes them."""

    def connect():
        async def ask(row):
            seen.append(row)
            await asyncio.sleep(0)
            if row["question"] in wrong:
                raise ValueError("no answer")
            return {"answer": row["question"].upper()}

        return ask

    return connect


BATCH = {"question": Column(["a", "b", "a"]), "number": Column([1, 2, 1]), "tags": [["x"], [], ["x"]]}


@pytest.mark.anyio
async def test_rows_go_out_with_their_outcomes(tmp_path):
    """The batch comes back with two columns more, in order; equal rows are called once, failures are errors."""
    seen = []
    with closing(ChatBatch(asking(seen, wrong=["b"]), journal=tmp_path)) as stage:
        out = await stage(BATCH)

    assert {name: out[name] for name in BATCH} == BATCH
    assert out["result"] == ['{"answer":"A"}', None, '{"answer":"A"}']
    assert [error and json.loads(error) for error in out["error"]] == [
        None,
        {"kind": "ValueError", "message": "no answer"},
        None,
    ]
    assert seen == [{"question": "a", "number": 1, "tags": ["x"]}, {"question": "b", "number": 2, "tags": []}]


@pytest.mark.anyio
async def test_what_another_actor_did_is_not_done_again(tmp_path):
    """Two actors share the folder: a row that one has called, the other hands out without a call."""
    seen = []
    one, two = (ChatBatch(asking(seen), journal=tmp_path, key="question") for _ in range(2))
    with closing(one), closing(two):
        assert await one(BATCH) == await two(BATCH)
        assert len(seen) == 2
        await asyncio.gather(one({"question": ["c"]}), two({"question": ["d"]}))
    assert len(seen) == 4
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.anyio
async def test_the_limit_is_the_actor_s(tmp_path):
    """However many batches are under way, one actor makes `limit` calls at once."""
    running = most = 0

    def connect():
        async def ask(row):
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            return row["n"]

        return ask

    with closing(ChatBatch(connect, journal=tmp_path, limit=3, key=lambda row: f"n{row['n']}")) as stage:
        outs = await asyncio.gather(*(stage({"n": [base, base + 1, base + 2]}) for base in range(0, 30, 3)))
    assert most == 3
    assert [result for out in outs for result in out["result"]] == list(map(str, range(30)))


@pytest.mark.anyio
async def test_mistakes_are_named(tmp_path):
    """Arguments and rows that can't be used are told of."""
    with pytest.raises(TypeError, match="connect must be a function"):
        ChatBatch(None, journal=tmp_path)
    with pytest.raises(ValueError, match="limit must be at least 1"):
        ChatBatch(asking([]), journal=tmp_path, limit=0)
    stage = ChatBatch(asking([]), journal=tmp_path, key=lambda row: row["tags"])
    with pytest.raises(TypeError, match="key must be text or a whole number, not a list"):
        await stage(BATCH)
    with pytest.raises(ValueError, match="a column 'result' already"):
        await stage({"result": ["x"]})
    with pytest.raises(KeyError):
        await ChatBatch(asking([]), journal=tmp_path, key="nothing")(BATCH)


_DRIVER = """
import sys
import ray
from openai_async.bulk.ray import ChatBatch

url, journal, rows, out = sys.argv[1:]

def connect():
    from openai_async import AsyncOpenAI
    client = AsyncOpenAI(base_url=url, api_key="", max_retries=0)

    async def ask(row):
        messages = [{"role": "user", "content": f"row {row['id']}"}]
        return await client.chat.completions.create(model="m", messages=messages)

    return ask

ray.init(include_dashboard=False, log_to_driver=False, num_cpus=4)
done = ray.data.range(int(rows), override_num_blocks=8).map_batches(
    ChatBatch,
    fn_constructor_kwargs={"connect": connect, "journal": journal, "key": "id", "limit": 32},
    compute=ray.data.ActorPoolStrategy(size=2),
    batch_size=100,
)
done.write_json(out)
"""


class Counting:
    """A responder that counts its answers."""

    def __init__(self):
        self.answered = Counter()

    async def __call__(self, request):
        """Answer any request."""
        await asyncio.sleep(0.005)
        self.answered[request["messages"][-1]["content"]] += 1
        return "Yes."


@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_a_killed_driver_buys_nothing_twice(tmp_path):
    """A pipeline on a local Ray whose driver is killed in the middle, and run again, calls each row once.

    What was under way at the kill may have been answered without being recorded: at most two actors' limit.
    """
    counting = Counting()
    journal, out = tmp_path / "journal", tmp_path / "out"
    words = [sys.executable, "-c", _DRIVER]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve(counting)) as url:
        command = [*words, url, journal, str(ROWS)]
        with subprocess.Popen([*command, tmp_path / "lost"], env=environment) as driver:
            while counting.answered.total() < ROWS // 3:
                assert driver.poll() is None
                time.sleep(0.05)
            driver.kill()
        settled = -1
        while settled != counting.answered.total():  # Ray ends the actors of a dead driver, in its own time
            settled = counting.answered.total()
            time.sleep(5)
        with Journal(journal) as kept:
            recorded = len(kept)
        lost = counting.answered.total() - recorded
        assert 0 <= lost <= 64
        assert ROWS // 3 - 64 <= recorded < ROWS

        subprocess.run([*command, out], env=environment, check=True, timeout=300)

    assert len(counting.answered) == ROWS
    assert counting.answered.total() == ROWS + lost
    rows = [json.loads(line) for path in out.glob("*.json") for line in path.read_text().splitlines()]
    assert sorted(row["id"] for row in rows) == list(range(ROWS))
    assert all(json.loads(row["result"])["choices"] and row["error"] is None for row in rows)
