"""Every need of users that concerns a client is answered: by a case of the catalogue, or by tests of another kind."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from promises.catalogue import CASES
from support.shared import SHARED

ROOT = Path(__file__).resolve().parents[2]

# Rows of the list of needs that a client can answer; the others are of relays and bulk jobs.
ROWS = [*range(1, 28), *range(46, 61)]

# Rows that no case is about, as nothing that could be seen in one run would show them, and the tests that are.
ELSEWHERE = {
    19: ["tests/transport/test_limits.py::test_openai", "tests/functional/test_client.py::test_rate_limit_headers"],
    20: ["tests/functional/test_client.py::test_two_hundred_streams_at_once"],  # and benchmarks/, for how fast
    24: ["tests/test_package.py::test_import_is_light", "tests/test_package.py::test_first_client_loads_aiohttp"],
    26: [
        "tests/transport/test_session.py::test_large_body_is_sent_without_a_warning",
        "tests/reliability/test_bad_requests.py::test_giants_are_sent_whole_and_held_once",
    ],
    50: ["tests/functional/test_run_tools.py::test_a_whole_run", "tests/api/test_runner.py::test_a_call_is_answered"],
    51: ["tests/api/test_parse.py::test_partial", "tests/protocol/test_draft.py::test_growing"],
    53: ["tests/typing/api.py::answers", "tests/typing/api.py::parameters"],  # checked, never run
    55: ["tests/cli/test_program.py::test_help_teaches", "tests/cli/test_serve.py::test_it_serves_until_it_is_stopped"],
    56: [
        "tests/server/test_faults.py::test_a_request_can_order_its_fault",
        "tests/server/test_clients.py::test_stream",
    ],
}
# Nothing is built of these: spans and metrics are planned.
PLANNED = {57}


def exists(test: str) -> bool:
    """Whether a test, as `file::name`, is there."""
    file, _, name = test.partition("::")
    nodes = ast.walk(ast.parse((ROOT / file).read_text()))
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name for node in nodes)


@pytest.mark.parametrize("row", ROWS)
def test_answered(row: int) -> None:
    """There is a case, or there are tests; and not both, so that this list stays short."""
    cases = [case.id for case in CASES.values() if row in case.needs]
    tests = ELSEWHERE.get(row, [])

    assert bool(cases) + bool(tests) + (row in PLANNED) == 1
    assert [test for test in tests if not exists(test)] == []


@pytest.mark.skipif(not (SHARED / "NEEDS.md").is_file(), reason="../shared/NEEDS.md is not at hand")
def test_rows() -> None:
    """The rows are those of the list, and no case names another."""
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", (SHARED / "NEEDS.md").read_text(), re.MULTILINE)}

    assert set(ROWS) <= listed
    assert {row for case in CASES.values() for row in case.needs} <= set(ROWS)
