"""What is asked: the prompt, the messages around it, the parameters.

Words, piped text and options come in; out go the arguments of one call of the client's. Nothing here sends them.
"""

from __future__ import annotations

import sys
from typing import Any, TypedDict

import click

from openai_async.api.completions import CreateParams
from openai_async.types.messages import ChatCompletionMessageParam

__all__ = ["Options", "messages_of", "params_of", "read_prompt"]

# What has an option or an argument of its own, or is the program's business.
_TAKEN = {"messages": "PROMPT and --system", "model": "--model", "stream": "--no-stream", "stream_options": "--usage"}


class Options(TypedDict):
    """The options of `chat` as click hands them over; None: not given."""

    model: str | None
    base_url: str | None
    api_key: str | None
    embedded: bool
    local: str | None
    delay: float | None
    system: str | None
    temperature: float | None
    max_tokens: int | None
    seed: int | None
    stop: tuple[str, ...]
    n: int | None
    param: dict[str, Any]
    timeout: float | None
    max_retries: int
    stream: bool
    json: bool
    usage: bool
    quiet: bool


def read_prompt(words: tuple[str, ...]) -> str | None:
    """Return the prompt: the words, then what is piped in.

    Args:
        words: The PROMPT arguments; a single dash stands for stdin.

    Returns:
        The text; None: there is none, and a person at the terminal who can type it.

    Raises:
        click.UsageError: There is none, or what was piped in is no text.
    """
    said = " ".join(word for word in words if word != "-")
    terminal = sys.stdin is None or sys.stdin.isatty()
    piped = "" if terminal and "-" not in words else _read_stdin()
    text = "\n\n".join(part for part in (said, piped) if part.strip())
    if text:
        return text
    if words or not terminal or not sys.stdout.isatty():
        raise click.UsageError("There is no prompt: give it as PROMPT, or pipe it in.")
    return None


def _read_stdin() -> str:
    if sys.stdin is None:
        return ""
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"What was piped in is no text in UTF-8: byte {error.start} does not fit.") from None


def messages_of(options: Options, prompt: str | None) -> list[ChatCompletionMessageParam]:
    """Return the conversation that begins with the options' instructions.

    Args:
        options: The options.
        prompt: What the user says; None: nothing yet.
    """
    messages: list[ChatCompletionMessageParam] = []
    if options["system"] is not None:
        messages.append({"role": "system", "content": options["system"]})
    if prompt is not None:
        messages.append({"role": "user", "content": prompt})
    return messages


def params_of(options: Options, *, model: str, messages: list[ChatCompletionMessageParam]) -> CreateParams:
    """Return the arguments of a call.

    Args:
        options: The options; one that was not given is not sent.
        model: The model's name.
        messages: The conversation, taken as it is now.

    Raises:
        click.UsageError: `--param` names what has an option of its own.
    """
    params: CreateParams = {"model": model, "messages": list(messages)}
    if options["temperature"] is not None:
        params["temperature"] = options["temperature"]
    if options["max_tokens"] is not None:
        params["max_completion_tokens"] = options["max_tokens"]
    if options["seed"] is not None:
        params["seed"] = options["seed"]
    if options["stop"]:
        params["stop"] = list(options["stop"])
    if options["n"] is not None:
        params["n"] = options["n"]
    if options["usage"] and options["stream"]:
        params["stream_options"] = {"include_usage": True}
    if options["param"]:
        params["extra_body"] = _extra(options["param"])
    return params


def _extra(given: dict[str, Any]) -> dict[str, Any]:
    for name, instead in _TAKEN.items():
        if name in given:
            raise click.UsageError(f"--param can't set {name!r}: use {instead}.")
    return given
