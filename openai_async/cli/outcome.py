"""How a command ends: an exit code, and the one line on stderr that says why.

Whatever ended a command comes in as an exception; out go the code and the line, or with `--json` an object. No traceback
is ever shown, except with `--debug`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from enum import IntEnum
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.text import Text

from openai_async.errors import APIError, APITimeoutError, IncompleteStreamError, OpenAIError

from .words import one_line

__all__ = ["PROGRAM", "ExitCode", "StoppedError", "conclude", "show_error"]

PROGRAM = "openai-async"


class ExitCode(IntEnum):
    """What the exit codes mean; scripts rely on them."""

    OK = 0
    FAILED = 1  # the server refused, could not be reached, or sent no answer
    USAGE = 2  # the command line, the settings or the installation are wrong; nothing was sent
    INCOMPLETE = 3  # the answer broke off; what was received is on stdout
    TIMED_OUT = 4  # a time limit passed
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it
    BROKEN_PIPE = 141  # 128 + SIGPIPE: whoever read stdout left


class StoppedError(Exception):
    """The user pressed Ctrl-C; the message says what that cut off."""


def conclude(error: BaseException, *, as_json: bool, debug: bool) -> ExitCode:
    """Say on stderr what ended the command, and return the exit code for it.

    Args:
        error: What ended it.
        as_json: Say it as one JSON object.
        debug: Show the traceback first.
    """
    if debug:
        traceback.print_exception(error)
    if isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError):
        error = error.__context__  # rich makes an end of its own of it
    if isinstance(error, OSError):
        _let_go_of_stdout()
    if not isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):  # stderr is gone, too: nobody is left to be told
            show_error(error, as_json=as_json)
    return _code(error)


def show_error(error: BaseException, *, as_json: bool = False) -> None:
    """Write one line about `error` on stderr.

    Args:
        error: What happened.
        as_json: Write an object instead of a sentence.

    Raises:
        OSError: stderr can't be written to.
    """
    if as_json:
        fields = {**_fields(error), "exit_code": int(_code(error))}
        click.echo(msgspec.json.encode({"error": fields}), err=True)
        return
    stopped = isinstance(error, StoppedError | KeyboardInterrupt)
    line = Text(f"{PROGRAM}: ").append("" if stopped else "error: ", style="bold red").append(_sentence(error))
    Console(stderr=True).print(line, soft_wrap=True, highlight=False)


def _code(error: BaseException) -> ExitCode:
    match error:
        case APITimeoutError():
            return ExitCode.TIMED_OUT
        case APIError():
            broken_off = isinstance(error, IncompleteStreamError) or error.partial is not None
            return ExitCode.INCOMPLETE if broken_off else ExitCode.FAILED
        case click.ClickException() | OpenAIError() | ImportError():
            return ExitCode.USAGE
        case StoppedError() | KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case BrokenPipeError():
            return ExitCode.BROKEN_PIPE
        case _:
            return ExitCode.FAILED


def _sentence(error: BaseException) -> str:
    text = _message(error)
    if isinstance(error, APIError):
        if error.status_code is not None:
            text = f"{error.status_code} {text}"
        if error.request_id:
            text += f" (request id: {one_line(error.request_id)})"
        if len(error.attempts) > 1:
            text += f" (after {len(error.attempts)} attempts)"
    return text


def _message(error: BaseException) -> str:
    match error:
        case APIError():
            text = error.message
        case click.UsageError():
            command = error.ctx.command_path if error.ctx is not None else PROGRAM
            text = f"{error.format_message()} ({command} --help shows more)"
        case click.ClickException():
            text = error.format_message()
        case KeyboardInterrupt():
            text = "stopped"
        case ModuleNotFoundError(name=str() as module):
            text = f"{module} is not installed: run pip install '.[cli]' in the project's folder"
        case OSError(strerror=str() as reason):
            text = f"{reason}: {error.filename}" if error.filename else reason
        case OpenAIError() | ImportError() | StoppedError():
            text = str(error)
        case _:
            text = f"{type(error).__name__}: {error} (--debug shows where; please report it)"
    return one_line(text)


def _fields(error: BaseException) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": type(error).__name__, "message": _message(error)}
    for name in ("status_code", "code", "type", "param", "request_id"):
        fields[name] = getattr(error, name, None) if isinstance(error, APIError) else None
    return fields


def _let_go_of_stdout() -> None:
    """Point stdout nowhere if it can't be written to: the interpreter would complain about that at its exit."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
