"""docs/reliability.md says what the catalogue and the tests say: no more, and nothing that is not there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from promises.case import HELD, Case
from promises.catalogue import CASES
from promises.page import PAGE, beginning, rewritten, tables
from promises.sdk import OURS, SDKS

ROOT = PAGE.parents[1]
NAMED = sorted(set(re.findall(r"(tests/[\w/]+\.py)::(\w+)", PAGE.read_text())))


@cache
def names_in(file: Path) -> set[str]:
    """The names of a file's tests."""
    tree = ast.parse(file.read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {function.name for function in functions if function.name.startswith("test_")}


def row(case: Case) -> str:
    """The line of the page that tells of a case."""
    (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith(beginning(case))]
    return line


def test_every_test_exists() -> None:
    """Every test that the page names is there."""
    assert NAMED
    assert [f"{file}::{name}" for file, name in NAMED if name not in names_in(ROOT / file)] == []


@pytest.mark.parametrize("id", CASES)
def test_every_case_is_in_the_table(id: str) -> None:
    """Each case has its row, with its promise and its tests as they are now; our client is said to hold it."""
    verdicts = row(CASES[id]).removeprefix(beginning(CASES[id])).removesuffix(" |").split(" | ")

    assert len(verdicts) == len(SDKS)
    assert verdicts[SDKS.index(OURS)] == HELD


def test_nothing_else_is_in_the_table() -> None:
    """There is no row of a case that is gone."""
    rows = re.findall(r"^\|.*?<br>`([\w-]+)` \|", PAGE.read_text(), re.MULTILINE)

    assert sorted(rows) == sorted(CASES)


def test_sums() -> None:
    """The sums above the tables are those of their rows."""
    held = [0] * len(SDKS)
    for case in CASES.values():
        for number, verdict in enumerate(row(case).removeprefix(beginning(case)).removesuffix(" |").split(" | ")):
            held[number] += verdict == HELD

    sums = ", ".join(f"{sdk.name} holds {count}" for sdk, count in zip(SDKS, held, strict=True))
    assert f"Of {len(CASES)} promises, {sums} (" in PAGE.read_text()


def test_writing() -> None:
    """Writing replaces what is between the marks, and nothing else; a page without them is refused."""
    made = tables({id: [HELD, "waits <for> a|b", HELD] for id in CASES})
    text = "before\n<!-- promises -->\nold\n<!-- /promises -->\nafter\n"

    assert rewritten(text, made) == f"before\n<!-- promises -->\n{made}<!-- /promises -->\nafter\n"
    assert f"{beginning(CASES['pings'])}held | **waits &lt;for> a\\|b** | held |" in made
    with pytest.raises(ValueError, match="0 places"):
        rewritten("nothing", made)
