"""The harness tells the truth: passes are passes of this server, and everything else says why."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from support.environments import NotInstalledError
from support.marked import rewritten
from support.outcome import Outcome

from clients.case import CASES, told
from clients.catalogue import CLIENTS
from clients.client import Client
from clients.environment import command
from clients.page import PAGE, cell, table
from clients.run import Run, run
from openai_async.server import Fault

SCRIPTS = Path(__file__).parent / "scripts"
OFFICIAL = [sys.executable, str(SCRIPTS / "official.py")]
NOBODY = Client(name="nobody", packages=["./nowhere"], script="official.py")


def saying(*lines: object) -> list[str]:
    """A command that prints these lines of JSON."""
    return [sys.executable, "-c", f"print({chr(10).join(map(json.dumps, lines))!r})"]


@pytest.mark.sockets
@pytest.mark.anyio
async def test_the_official_client_passes_every_case() -> None:
    """The official client for Python, as it is installed for these tests, passes all cases."""
    seen: list[str] = []
    made = await run(CLIENTS["openai"], OFFICIAL, lambda name, _: seen.append(name))

    assert made.outcomes == {name: Outcome(passed=True) for name in CASES}
    assert seen == list(CASES)
    assert made.versions["openai"]
    assert made.failed == []


@pytest.mark.sockets
@pytest.mark.anyio
async def test_a_server_that_is_wrong_is_no_pass() -> None:
    """Against a server that fails, cases fail, with what the client said; a wrong key is refused before it fails."""
    made = await run(CLIENTS["openai"], OFFICIAL, faults=[Fault(status=500)] * 100)

    assert made.failed == [name for name in CASES if name != "wrong_key"]
    assert made.outcomes["create"].why.startswith("InternalServerError: ")


@pytest.mark.sockets
@pytest.mark.anyio
async def test_silence_is_no_pass() -> None:
    """A case that the script does not tell of has failed; so have all where it breaks, with its last words."""
    silent = await run(NOBODY, saying("hello", {"case": "create", "lacks": "any"}, {"case": "unknown"}))
    broken = await run(NOBODY, [sys.executable, "-c", "import nowhere"])

    assert silent.outcomes.pop("create") == Outcome(passed=None, why="any")
    assert {outcome.why for outcome in silent.outcomes.values()} == {"the script said nothing of it"}
    assert {outcome.why for outcome in broken.outcomes.values()} == {"ModuleNotFoundError: No module named 'nowhere'"}


@pytest.mark.sockets
@pytest.mark.anyio
async def test_a_pass_that_asked_nobody_is_refused() -> None:
    """A script that says it passed, and sent nothing to the server, is found out."""
    with pytest.raises(AssertionError, match="passed 1 cases with 0 requests"):
        await run(NOBODY, saying({"case": "create", "error": ""}))


def test_what_can_not_be_installed_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that fails is an error with pip's reason, and leaves nothing that a later run would take."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(NotInstalledError, match="nowhere"):
        command(NOBODY)

    assert list((tmp_path / "openai-async-clients").iterdir()) == []


def test_lines_are_read() -> None:
    """Lines of JSON are taken for what they say, other output of a library is not."""
    assert told("hello") is None
    assert told("[1]") is None
    assert told('{"case": "unknown"}') is None
    assert told('{"versions": {"a": "1"}}').versions == {"a": "1"}
    assert told('{"case": "create", "error": ""}').outcome == Outcome(passed=True)
    assert told('{"case": "create", "error": "Oh:\\n no"}').outcome == Outcome(passed=False, why="Oh: no")
    assert cell(told('{"case": "create", "lacks": "x"}').outcome) == "no call"


def test_the_table_shows_no_pass_that_was_none() -> None:
    """A client that is not installed has no cell that says pass, and every gap has its reason."""
    broken = Run(NOBODY, {"create": Outcome(passed=False, why="<a|b>"), "stream": Outcome(passed=True)})
    made = table([broken, Run(NOBODY, missing="no such package")], "2026-01-01")

    rows = [line for line in made.splitlines() if line.startswith("| nobody")]
    assert rows[0].count("**fail**") == 1
    assert rows[0].count("pass") == 1
    assert "pass" not in rows[1]
    assert "* create, nobody: &lt;a\\|b>." in made
    assert "* not installed, nobody: no such package." in made


def test_only_the_table_is_rewritten() -> None:
    """What stands around the table stays; a page without one place for it is an error."""
    assert (
        rewritten("a\n<!-- clients -->\nold<!-- /clients -->\nb", "new", "clients")
        == "a\n<!-- clients -->\nnew<!-- /clients -->\nb"
    )
    with pytest.raises(ValueError, match="0 places"):
        rewritten("a", "new", "clients")


def test_the_page_has_every_client() -> None:
    """docs/clients.md has a row for each client of the catalogue, and the reason of each limit."""
    page = PAGE.read_text(encoding="utf-8")

    for client in CLIENTS.values():
        assert f"\n| {client.name}" in page, client.name
        for case, reason in client.limits.items():
            assert case in CASES
            assert reason in page, client.name
