"""The command tells the truth: passes are passes of our client, and everything else says why. Nothing is installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from support.environments import NotInstalledError
from support.outcome import Outcome
from support.programs import ProgramError

from openai_async import NotFoundError
from openai_async.server import Fault, serve
from providers import run as running
from providers.cases import CASES
from providers.catalogue import SERVERS
from providers.corpus import FAMILIES, GROUPS, Tally, tried
from providers.installation import chat_template, interpreter, version
from providers.page import PAGE, cell, corpus_table, servers_table, tally
from providers.processes import kill, processor_time
from providers.server import KEY, Place, Running, Server

NOBODY = Server(name="nobody", packages=["./nowhere"])
# What the embedded server does not do: it is done before anybody could leave, and takes any model's name.
EMBEDDED = replace(
    NOBODY, limits={"killed": "it is here", "left": "too fast", "reasoning": "no thoughts", "model": "any name"}
)

pytestmark = pytest.mark.anyio


@pytest.mark.sockets
async def test_a_server_is_tried() -> None:
    """The embedded server passes all that it can, each case is told with a remark, and its limits are no failures."""
    seen: list[tuple[str, str]] = []
    async with serve(api_key=KEY) as url:
        made = await running.tried(
            EMBEDDED, Running(url, [], "stand-in"), lambda name, _, remark: seen.append((name, remark))
        )

    assert {name: outcome for name, outcome in made.items() if not outcome.passed} == {
        "left": Outcome(None, "too fast"),
        "reasoning": Outcome(None, "no thoughts"),
        "model": Outcome(None, "any name"),
        "killed": Outcome(None, "it is here"),
    }
    assert [name for name, _ in seen] == list(CASES)
    assert all(remark for _, remark in seen)


@pytest.mark.sockets
async def test_a_server_that_is_wrong_is_no_pass() -> None:
    """Against a server that fails, cases fail with our client's error; the wrong key is refused before it fails."""
    async with serve(api_key=KEY, faults=[Fault(status=500)] * 100) as url:
        made = await running.tried(NOBODY, Running(url, [], "stand-in"))

    assert [name for name, outcome in made.items() if outcome.passed] == ["key"]
    assert made["plain"].why.startswith("InternalServerError: ")


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError("ours"), Outcome(passed=False, why="ValueError: ours")),
        (NotFoundError("theirs"), Outcome(None, "it can't")),
        (AssertionError("theirs"), Outcome(None, "it can't")),
    ],
    ids=["foreign", "ours", "answer"],
)
async def test_a_limit_excuses_no_foreign_error(
    error: Exception, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a server can't do ends in an error of ours, or in an answer that is not it: any other error is a failure."""

    async def failing(_: object) -> str:
        raise error

    monkeypatch.setattr(running, "CASES", {"plain": ("", failing)})
    async with serve(api_key=KEY) as url:
        made = await running.tried(replace(NOBODY, limits={"plain": "it can't"}), Running(url, [], "stand-in"))

    assert made == {"plain": outcome}


def test_what_does_not_run_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is in no registry, can't be installed, or does not start, is no failure and says why."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def failing(_: Place) -> AbstractContextManager[Running]:
        raise ProgramError("it does not listen")

    def made(server: Server) -> running.Run:
        return running.run(server, lambda *_: None)

    assert made(replace(NOBODY, nowhere="no registry has it")).missing == "no registry has it"
    assert "nowhere" in made(replace(NOBODY, start=failing)).missing
    assert list((tmp_path / "openai-async-providers").iterdir()) == []
    monkeypatch.setattr(running, "interpreter", lambda _: Path(sys.executable))
    assert made(replace(NOBODY, packages=["pytest"], start=failing)).missing == "it does not listen"


def test_a_newer_python_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server that needs a Python newer than any on the path is not installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("providers.installation.sys.version_info", (3, 11))
    with pytest.raises(NotInstalledError, match=r"it needs Python 3\.12 or newer"):
        interpreter(replace(NOBODY, python=(3, 12)))


def test_the_version_is_that_of_the_environment() -> None:
    """The version of a server is read from where it is installed; unknown where it is not."""
    python = Path(sys.prefix) / "bin" / "python"

    assert version(replace(NOBODY, packages=["pytest[x]>=1"]), python) == f"pytest {pytest.__version__}"
    assert version(replace(NOBODY, told="nobody"), python) == "nobody unknown"


def test_the_template_thinks() -> None:
    """The chat template is ours, with a place for thoughts."""
    assert chat_template().count("<think>") == 2


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell of processor time")
def test_processor_time_is_measured() -> None:
    """The processor time of a process grows while it computes; one that has ended has none."""
    before = processor_time([os.getpid()])
    while processor_time([os.getpid()]) == before:
        sum(range(10_000))

    assert processor_time([2**22 + 1]) == 0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell of children")
def test_a_program_is_killed_with_its_children() -> None:
    """Killing a process kills what it has started."""
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(1, flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline()
        kill(parent.pid)
        assert parent.stdout.read() == ""  # the pipe is the child's as well: its end is the end of both
    assert parent.returncode == -signal.SIGKILL


@pytest.mark.sockets
async def test_the_corpus_is_tried() -> None:
    """A family's answers are counted by group; one that comes out otherwise is a failure that says how."""
    family = FAMILIES["llama_cpp"]
    made = await tried(family)
    first = replace(family.answers[0], reasoning="other")
    wrong = await tried(replace(family, answers=[first], refusals=[replace(family.refusals[0], code="418")]))

    assert made.keys() <= GROUPS.keys()
    assert sum(len(group.failed) for group in made.values()) == 0
    assert made["refusals"] == Tally(passed=len(family.refusals))
    assert wrong["reasoning"].failed == wrong["stream"].failed
    assert wrong["stream"].failed[first.name].startswith("AssertionError: reasoning: 'Two and")
    assert "code: '503', not '418'" in wrong["refusals"].failed[family.refusals[0].name]


def test_the_tables_show_no_pass_that_was_none() -> None:
    """A server that did not run has no cell that says pass, a failure has its reason, and so has what can't be done."""
    outcomes = {
        "plain": Outcome(passed=False, why="<a|b>"),
        "stream": Outcome(passed=True),
        "usage": Outcome(None, "c"),
    }
    table = servers_table([running.Run(NOBODY, outcomes), running.Run(NOBODY, missing="no such package")], "2026-01-01")
    rows = [line for line in table.splitlines() if line.startswith("| nobody")]

    assert [rows[0].count(word) for word in ("**fail**", "pass", "cannot", "not run")] == [1, 1, 1, len(CASES) - 3]
    assert "pass" not in rows[1]
    assert "* plain, nobody: &lt;a\\|b>." in table
    assert "* not installed, nobody: no such package." in table
    assert "1 of 2 servers ran: 1 cases passed, 1 failed, and 1 can't" in table
    assert cell(None) == "not run"

    corpus = corpus_table({"some": {"stream": Tally(2, {"odd": "why"})}})
    assert "| some | 2 pass, **1 fail** | - |" in corpus
    assert "* stream, odd, some: why." in corpus
    assert (tally(None), tally(Tally(0, {"odd": "why"}))) == ("-", "**1 fail**")


def test_the_catalogue_is_whole() -> None:
    """Each server can be started or says why not, and its limits are of cases that there are."""
    for server in SERVERS.values():
        assert (server.start is None) == bool(server.nowhere), server.name
        assert server.limits.keys() <= CASES.keys(), server.name
        assert server.packages or server.nowhere, server.name


def test_the_page_has_every_server_and_family() -> None:
    """docs/providers-tried.md has a row for each server and family, every case, and the reason of each limit."""
    page = PAGE.read_text(encoding="utf-8")

    for server in SERVERS.values():
        assert f"\n| {server.name}" in page, server.name
    for name in FAMILIES:
        assert f"\n| {name} |" in page, name
    for name in (*CASES, *GROUPS):
        assert f"| {name} |" in page, name
