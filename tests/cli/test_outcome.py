"""Exit codes, and the line that says why."""

from __future__ import annotations

import json

import click
import pytest

from openai_async import errors
from openai_async.cli.outcome import ExitCode, StoppedError, conclude, show_error

PARTIAL = object()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.APIConnectionError("x"), 1),
        (errors.RateLimitError("x", status_code=429), 1),
        (errors.APIResponseValidationError("x"), 1),
        (errors.InternalServerError("x", partial=PARTIAL), 3),
        (errors.StreamProtocolError("x", partial=PARTIAL), 3),
        (errors.IncompleteStreamError("x"), 3),
        (errors.APITimeoutError("x", partial=PARTIAL), 4),
        (errors.APITimeoutError("x"), 4),
        (errors.OpenAIError("x"), 2),
        (click.UsageError("x"), 2),
        (ImportError("x"), 2),
        (StoppedError("x"), 130),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
        (OSError(28, "x"), 1),
        (RuntimeError("x"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("as_json", [False, True])
def test_every_end_has_its_code(capsys, error, code, as_json):
    """Each kind of error has one exit code, and except for a broken pipe one line on stderr, which tells it as JSON."""
    assert conclude(error, as_json=as_json, debug=False) == code
    out, err = capsys.readouterr()
    assert out == ""
    if code == ExitCode.BROKEN_PIPE:
        assert err == ""
    elif as_json:
        assert json.loads(err)["error"]["exit_code"] == code
    else:
        assert err.startswith("openai-async: ")
        assert err.count("\n") == 1


def test_a_reader_that_left_rich(capsys):
    """Rich makes an exit of a broken pipe, which is one all the same."""
    end = SystemExit(1)
    end.__context__ = BrokenPipeError()

    assert conclude(end, as_json=False, debug=False) == ExitCode.BROKEN_PIPE
    assert capsys.readouterr().err == ""


def test_the_line_has_what_support_asks_for(capsys):
    """Status, message, request id and attempts stand in one line, whatever the server put into them."""
    error = errors.NotFoundError("no\r\n such  \x1bmodel", status_code=404, request_id="req_\x1b1")
    error.attempts = (errors.Attempt("x", 503, 0.1, 0.2), errors.Attempt("x", 404, 0.1, None))

    show_error(error)

    assert capsys.readouterr().err == (
        "openai-async: error: 404 no such \u241bmodel (request id: req_\u241b1) (after 2 attempts)\n"
    )


def test_what_is_missing_is_named(capsys):
    """An error about a file or a library names it."""
    show_error(FileNotFoundError(2, "No such file or directory", "/x"))
    show_error(OSError("odd"))
    show_error(ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn"))

    assert capsys.readouterr().err.splitlines() == [
        "openai-async: error: No such file or directory: /x",
        "openai-async: error: OSError: odd (--debug shows where; please report it)",
        "openai-async: error: uvicorn is not installed: run pip install '.[cli]' in the project's folder",
    ]


def test_markup_is_text(capsys):
    """Square brackets and long words in a message reach the terminal as they are."""
    message = "[red]" + "x" * 200 + "[/]"
    show_error(errors.APIConnectionError(message))

    assert capsys.readouterr().err == f"openai-async: error: {message}\n"
