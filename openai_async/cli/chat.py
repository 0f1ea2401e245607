"""`openai-async chat`: a question on the command line, the answer on stdout.

Words, piped text and options come in; out go requests, by `answer`, one or a whole dialogue of them. What is printed
beside the answer is `notices`' business, what failed is `outcome`'s.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypedDict, Unpack

import click

from openai_async.api.client import AsyncOpenAI
from openai_async.api.completions import CreateParams
from openai_async.types.completion import ChatCompletion
from openai_async.types.messages import ChatCompletionMessageParam

from . import place as places
from .answer import Answer
from .dialogue import Dialogue
from .notices import Notices
from .options import Command, Parameter, debug_option, local_option
from .outcome import ExitCode
from .place import Place
from .screen import JsonScreen, TextScreen

__all__ = ["command"]

# Seconds between tokens of the embedded server for people, who want to see them come.
_HUMAN_DELAY = 0.02


class _Options(TypedDict):
    """The options as click hands them over; None: not given."""

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
    param: tuple[tuple[str, Any], ...]
    timeout: float | None
    max_retries: int
    stream: bool
    json: bool
    usage: bool
    quiet: bool


@click.command("chat", cls=Command)
@click.argument("prompt", nargs=-1)
@click.option("-m", "--model", help="The model. Default: $OPENAI_MODEL, or gpt-5.4-mini.")
@click.option("--base-url", metavar="URL", help="Where the API is. Default: $OPENAI_BASE_URL, or OpenAI's own.")
@click.option("--api-key", metavar="KEY", help="Default: $OPENAI_API_KEY, which no process list shows. '' sends none.")
@click.option("--embedded", is_flag=True, help="Ask a server inside this process: no key, no network, no real model.")
@local_option
@click.option("-s", "--system", metavar="TEXT", help="Instructions that go before the conversation.")
@click.option("--temperature", type=float, metavar="NUMBER", help="From 0 (always the likeliest word) to 2.")
@click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help="The longest answer.")
@click.option("--seed", type=int, metavar="N", help="The same seed, the same answer, as far as the server can.")
@click.option("--stop", multiple=True, metavar="TEXT", help="Stop before TEXT. May be repeated.")
@click.option("--n", type=click.IntRange(min=1), metavar="N", help="How many answers; the second and later ones follow.")
@click.option(
    "-p",
    "--param",
    type=Parameter(),
    multiple=True,
    help="Any other parameter, as JSON or text; @FILE reads JSON from a file. May be repeated.",
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Limit of a whole call.")
@click.option(
    "--max-retries", type=click.IntRange(min=0), default=2, show_default=True, metavar="N", help="After failures."
)
@click.option("--delay", type=click.FloatRange(min=0), metavar="SECONDS", help="Pause between tokens of --embedded.")
@click.option("--stream/--no-stream", default=True, help="Show the answer as it comes, or when it is whole.")
@click.option("--json", is_flag=True, help="Print each chunk as one line of JSON, and errors as JSON on stderr.")
@click.option("--usage", is_flag=True, help="Have the server count the tokens, and print time and tokens on stderr.")
@click.option("-q", "--quiet", is_flag=True, help="Print no times, notes or retries on stderr; errors still.")
@debug_option
def command(prompt: tuple[str, ...], **options: Unpack[_Options]) -> int:
    """Ask a model, and print its answer as it is written.

    Piped text, or - for stdin, is added to PROMPT. Without either, on a terminal, it is a conversation: an empty
    Ctrl-D ends it, Ctrl-C stops an answer.

    \b
    Examples:
      openai-async chat --embedded Hello
      openai-async chat -m gpt-5.4 -s "Answer in French." "Why is the sky blue?"
      git diff | openai-async chat "Write a commit message for this:"
      openai-async chat --base-url http://127.0.0.1:8080/v1 --api-key '' Hello
      openai-async chat --json --usage Hello | jq -r '.choices[].delta.content'
      openai-async chat -p reasoning_effort=low -p tools=@tools.json "..."
    """
    text = _prompt(prompt)
    if text is None and options["json"]:
        raise click.UsageError("--json needs a PROMPT.")
    notices = Notices(quiet=options["quiet"])
    with ExitStack() as stack:
        place = stack.enter_context(_place(options))
        runner = stack.enter_context(asyncio.Runner())
        client = place.client(timeout=options["timeout"], max_retries=options["max_retries"])
        stack.callback(_close, runner, client)
        if text is None:
            messages = _messages(options, None)
            dialogue = Dialogue(lambda: Answer(client, _params(options, place, messages), streamed=options["stream"]))
            dialogue.hold(messages, runner, TextScreen(), notices)
        else:
            params = _params(options, place, _messages(options, text))
            answer = _checked(client, params, streamed=options["stream"])
            completion = answer.fetch(runner, JsonScreen() if options["json"] else TextScreen(), notices)
            _sum_up(completion, answer, notices, usage=options["usage"])
    return ExitCode.OK
