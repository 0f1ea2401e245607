"""Guards of the speed that do not flake: instructions, counted by valgrind, against budgets that were recorded.

    python -m benchmarks.guards             # compare; exits with 1 where more than 25 % are over the budget
    python -m benchmarks.guards --record    # write benchmarks/budgets.json anew

Instructions are the same however busy the machine is. Each piece of work is counted in two lengths, and the difference
taken, so that starting Python and importing cancel out. Needs valgrind (`apt install valgrind`), and about a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from .bodies import body
from .replay import CHUNKS, Replay, in_reads, recorded
from .source import ROOT

__all__ = ["work"]

_BUDGETS = Path(__file__).with_name("budgets.json")
_MARGIN = 1.25  # times the budget
_COUNTED = re.compile(r"Collected : (\d+)")


def _parse(rounds: int) -> None:
    """Bytes to a completion without an event loop, as one reads a recording."""
    from openai_async import ChatCompletionAccumulator, ChatCompletionChunk, ChunkDecoder, EventParser

    reads = in_reads(recorded())
    for _ in range(rounds):
        parser, decoder, accumulator = EventParser(), ChunkDecoder(), ChatCompletionAccumulator()
        for data in reads:
            for event in parser.feed(data):
                chunk = decoder.decode(event)
                if isinstance(chunk, ChatCompletionChunk):
                    accumulator.add(chunk)
        assert accumulator.completion().usage


@asynccontextmanager
async def _client(transport: Replay) -> AsyncIterator[Any]:
    from openai_async import AsyncOpenAI

    async with AsyncOpenAI(api_key="k", transport=transport) as client:
        yield client


_MESSAGES: Any = [
    {"role": "system", "content": "You are a helpful assistant. Answer in one paragraph."},
    {"role": "user", "content": "Why do large language models stream their answers token by token?"},
]


async def _stream(rounds: int) -> None:
    """A chunk's whole way through the client."""
    async with _client(Replay(in_reads(recorded()), "text/event-stream")) as client:
        for _ in range(rounds):
            async with client.chat.completions.create(model="m", messages=_MESSAGES, stream=True) as stream:
                async for chunk in stream:
                    assert chunk.id


async def _events(rounds: int) -> None:
    """The same with its events, and the completion at the end."""
    async with _client(Replay(in_reads(recorded()), "text/event-stream")) as client:
        for _ in range(rounds):
            async with client.chat.completions.stream(model="m", messages=_MESSAGES) as stream:
                async for event in stream:
                    assert event.type
                assert await stream.get_final_completion()


async def _plain(rounds: int) -> None:
    """A plain call: the request encoded, the answer decoded, the client between them."""
    async with _client(Replay([body("plain-150").data], "application/json")) as client:
        for _ in range(rounds * 100):
            completion = await client.chat.completions.create(model="m", messages=_MESSAGES, temperature=0.5)
            assert completion.choices[0].message.content


# What is counted, with the units of a round.
_WORKS: dict[str, tuple[Callable[[int], Coroutine[Any, Any, None] | None], int]] = {
    "a chunk, parsed and added up": (_parse, CHUNKS),
    "a chunk, through the client": (_stream, CHUNKS),
    "a chunk, with all events": (_events, CHUNKS),
    "a plain call, but for HTTP": (_plain, 100),
}
_IMPORTS = ("import openai_async", "from openai_async import AsyncOpenAI")


def work(name: str, rounds: int) -> None:
    """Do a piece of work so many times; what the counted process runs."""
    running = _WORKS[name][0](rounds)
    if running is not None:
        asyncio.run(running)


def _instructions(code: str) -> int:
    """Count the instructions of a process that runs `code`.

    Raises:
        subprocess.CalledProcessError: It failed; its output is on stderr.
    """
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-S", "-c", code]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else imports would compile all that they load, each time
    # Without `site`, for which other packages leave code that runs at every start, and imports what it likes.
    found = dict.fromkeys((str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    environment |= {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(found)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, check=False, timeout=600
    )
    counted = _COUNTED.search(done.stderr)
    if done.returncode or counted is None:
        sys.stderr.write(done.stderr)
        raise subprocess.CalledProcessError(done.returncode, command)
    return int(counted[1])


def _counted(name: str) -> int:
    """Instructions of one unit of the work."""
    if name in _IMPORTS:
        _instructions(name)  # for the bytecode
        return _instructions(name) - _instructions("pass")
    # The first of the three is for the bytecode.
    _, short, long = (
        _instructions(f"from benchmarks.guards import work; work({name!r}, {rounds})") for rounds in (1, 1, 4)
    )
    return (long - short) // (3 * _WORKS[name][1])


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guards", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--record", action="store_true", help=f"write benchmarks/{_BUDGETS.name} anew")
    record: bool = parser.parse_args().record
    if shutil.which("valgrind") is None:
        parser.error("valgrind is not installed: apt install valgrind")
    version = ".".join(map(str, sys.version_info[:2]))
    every: dict[str, dict[str, int]] = json.loads(_BUDGETS.read_text()) if _BUDGETS.exists() else {}
    budgets = every.get(version, {})
    if not record and set(budgets) != {*_WORKS, *_IMPORTS}:
        parser.error(f"there are no budgets of all this for Python {version}; --record writes them")
    found: dict[str, int] = {}
    over: list[str] = []
    for name in (*_WORKS, *_IMPORTS):
        found[name] = _counted(name)
        line = f"{name:<38} {found[name]:>12,} instructions"
        if not record:
            ratio = found[name] / budgets[name]
            line += f"   {ratio:.3f} of {budgets[name]:,}"
            if ratio > _MARGIN:
                over.append(name)
                line += f"   more than {_MARGIN:g}"
        print(line, flush=True)
    if record:
        _BUDGETS.write_text(json.dumps({**every, version: found}, indent=2, sort_keys=True) + "\n")
        print(f"written: {_BUDGETS.relative_to(ROOT)}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(_main())
