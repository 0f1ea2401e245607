"""A run that is killed, again and again, at random points: nothing that was recorded is lost, nothing is bought twice.

The processes are real, and so is SIGKILL. The server in the test counts what it answered. Set `OPENAI_ASYNC_KILLS` to a
number for as many kills of each program; the suite makes six.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from openai_async.server import serve

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("OPENAI_ASYNC_KILLS") or 6)
PATIENCE = 45  # seconds after which a program that does nothing has failed; never waited for when all is well
LIMIT = 16
ITEMS = 40 * KILLS

_AMAP = """
import asyncio, sys
from openai_async import AsyncOpenAI
from openai_async.bulk.map import amap

async def main(url, folder, count):
    async with AsyncOpenAI(base_url=url, api_key="", max_retries=0) as client:
        async def ask(number):
            messages = [{"role": "user", "content": f"line-{number}"}]
            return await client.chat.completions.create(model="m", messages=messages)

        items = range(1, int(count) + 1)
        async for _ in amap(items, ask, limit=int(sys.argv[4]), journal=folder, key="line-{}".format, errors="raise"):
            pass

asyncio.run(main(*sys.argv[1:4]))
"""


class Gate:
    """A responder that answers as many requests as it was told to, and lets the others wait.

    Attributes:
        answered: What was answered, in order.
    """

    def __init__(self):
        self.answered = []
        self._left = 0
        self._closed = anyio.Event()

    async def open(self, count):
        """Let so many more through, whoever waits now."""
        self._left = count
        self._closed = anyio.Event()

    async def __call__(self, request):
        """Answer, or wait until the client is gone."""
        if not self._left:
            await anyio.sleep_forever()
        self._left -= 1
        self.answered.append(request["messages"][-1]["content"])
        if not self._left:
            self._closed.set()
        return "Yes."

    async def wait_closed(self):
        """Wait until all that were let through have been."""
        with anyio.fail_after(PATIENCE):
            await self._closed.wait()


class Amap:
    """A program that uses `amap`."""

    def __init__(self, folder):
        self.folder = folder / "journal"

    def command(self, url):
        """The words that start it."""
        return [sys.executable, "-c", _AMAP, url, self.folder, str(ITEMS), str(LIMIT)]

    def files(self):
        """Where its outcomes are."""
        return list(self.folder.glob("*.jsonl"))

    @staticmethod
    def key(row):
        """What a line is about."""
        return row["key"]


class Bulk:
    """The command `bulk`."""

    def __init__(self, folder):
        self.prompts = folder / "prompts.txt"
        self.results = folder / "results.jsonl"
        self.prompts.write_text("".join(f"line-{number}\n" for number in range(1, ITEMS + 1)))

    def command(self, url):
        """The words that start it."""
        words = ["--base-url", url, "--api-key", "", "-m", "m", "-q", "--limit", str(LIMIT), "--max-retries", "0"]
        return [sys.executable, "-m", "openai_async", "bulk", *words, self.prompts, self.results]

    def files(self):
        """Where its outcomes are."""
        return [self.results] if self.results.exists() else []

    @staticmethod
    def key(row):
        """What a line is about."""
        assert row["response"]["status_code"] == 200
        return row["custom_id"]


def recorded(program):
    """The keys of all whole lines."""
    keys = Counter()
    for path in program.files():
        *lines, _ = path.read_bytes().split(b"\n")
        keys.update(program.key(json.loads(line)) for line in lines)
    return keys


def tear(program, dice):
    """Leave the beginning of a line at the end of a file, as a kill in the middle of a write may."""
    path = dice.choice(program.files())
    lines = path.read_bytes().splitlines()
    if lines:
        with path.open("ab") as file:
            file.write(lines[-1][: dice.randrange(len(lines[-1]))])


@contextlib.contextmanager
def running(program, url):
    """The program, which is killed in the end."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "no_proxy": "*"}
    with subprocess.Popen(program.command(url), env=environment, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def serving(portal, gate):
    """A server of its own for each run: what a killed one has sent must not wait in it."""
    return portal.wrap_async_context_manager(serve(gate))


@pytest.mark.parametrize("kind", [Amap, Bulk])
def test_a_killed_run_goes_on_where_it_was(kind, tmp_path):
    """Killed at random points and started again, each item has one outcome, and only calls under way were lost.

    At every second kill all that the server answered is known to have arrived: then it is all recorded.
    """
    dice = random.Random(5)
    program = kind(tmp_path)
    lost = 0
    gate = Gate()
    with start_blocking_portal() as portal:
        for number in range(KILLS):
            before, quiet = recorded(program), number % 2
            count = dice.randrange(1, 30)
            portal.call(gate.open, count)
            with serving(portal, gate) as url, running(program, url):
                portal.call(gate.wait_closed)
                deadline = time.monotonic() + PATIENCE
                while quiet and recorded(program).total() < before.total() + count:
                    assert time.monotonic() < deadline
                    time.sleep(0.005)
            kept = recorded(program)
            bought = len(gate.answered) - lost - kept.total()
            assert 0 <= bought <= (0 if quiet else LIMIT)
            lost += bought
            assert max(kept.values(), default=1) == 1
            assert before <= kept
            if program.files():
                tear(program, dice)

        portal.call(gate.open, 2 * ITEMS)
        with serving(portal, gate) as url, running(program, url) as process:
            _, err = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, err

    assert recorded(program) == Counter(f"line-{number}" for number in range(1, ITEMS + 1))
    assert len(gate.answered) == ITEMS + lost
