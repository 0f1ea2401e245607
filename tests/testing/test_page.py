"""The tests that docs/testing.md shows: they run as they stand, in one file."""

from __future__ import annotations

import re
from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs" / "testing.md"

pytest_plugins = ["pytester"]


def test_the_pages_tests_pass(run_pytest, server, monkeypatch):
    """All of them pass, the recorded one first against a server and then without it."""
    blocks = re.findall(r"^```py\n(.*?)^```", _PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    page = "\n\n".join(blocks)
    count = page.count("def test_")
    server.reply("Hello there")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-page")

    # The clients of the examples are closed by nobody, as in many a test, and a socket that is left warns.
    lenient = ("-W", "ignore::ResourceWarning", "-W", "ignore::pytest.PytestUnraisableExceptionWarning")
    run_pytest(*lenient, "--openai-async-record", test_page=page).assert_outcomes(passed=count)
    server.assert_called_once(contains="Say hello")
    server.close()
    run_pytest(*lenient, test_page=page).assert_outcomes(passed=count)

    assert count >= 7
