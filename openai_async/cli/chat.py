"""`openai-async chat`: a question on the command line, the answer on stdout.

Words, piped text and options come in; out go requests, by `answer`: one, or a whole dialogue of them. What is printed
beside the answer is `notices`' business, what failed is `outcome`'s.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Unpack

import click

from .answer import Answer
from .dialogue import Dialogue
from .notices import Notices
from .options import Command, Finite, complete_parameter, debug_option, local_option, parameters
from .outcome import ExitCode
from .place import Place, embedded, local, remote
from .question import Options, messages_of, params_of, read_prompt
from .screen import JsonScreen, TextScreen

__all__ = ["command"]

# Seconds between two tokens of the embedded server for people, who want to see them come.
_HUMAN_DELAY = 0.02

_EXAMPLES = """\b
Examples:
  openai-async chat --embedded Hello
  openai-async chat -m gpt-5.4 -s "Answer in French." "Why is the sky blue?"
  git diff | openai-async chat "Write a commit message for this:"
  openai-async chat --base-url http://127.0.0.1:8080/v1 --api-key '' Hello
  openai-async chat --json Hello | jq -rj '.choices[].delta.content // empty'
  openai-async chat -p reasoning_effort=low -p tools=@tools.json Hello
"""


@click.command("chat", cls=Command, epilog=_EXAMPLES)
@click.argument("prompt", nargs=-1)
@click.option("-m", "--model", metavar="NAME", help="The model. Default: $OPENAI_MODEL, or gpt-5.4-mini.")
@click.option("--base-url", metavar="URL", help="Where the API is. Default: $OPENAI_BASE_URL, or OpenAI's own.")
@click.option("--api-key", metavar="KEY", help="Default: $OPENAI_API_KEY, which no process list shows. '' sends none.")
@click.option("--embedded", is_flag=True, help="Ask a server inside this process: no key, no network, no real model.")
@local_option
@click.option("-s", "--system", metavar="TEXT", help="Instructions that go before the conversation.")
@click.option("--temperature", type=float, metavar="NUMBER", help="From 0 (always the likeliest word) to 2.")
@click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help="The longest answer.")
@click.option("--seed", type=int, metavar="N", help="The same answer again, as far as the server can.")
@click.option("--stop", multiple=True, metavar="TEXT", help="Stop before TEXT. May be repeated.")
@click.option(
    "--n", type=click.IntRange(min=1), metavar="N", help="How many answers; the second and later ones follow."
)
@click.option(
    "-p",
    "--param",
    metavar="NAME=VALUE",
    multiple=True,
    callback=parameters,
    shell_complete=complete_parameter,
    help="Any other parameter, as JSON or text; @FILE reads JSON from a file. May be repeated.",
)
@click.option("--timeout", type=Finite(min=0, min_open=True), metavar="SECONDS", help="Limit of a whole call.")
@click.option(
    "--max-retries",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    metavar="N",
    help="Attempts after the first.",
)
@click.option("--delay", type=Finite(min=0), metavar="SECONDS", help="Pause between tokens of --embedded.")
@click.option("--stream/--no-stream", default=True, help="Show the answer as it comes, or when it is whole.")
@click.option("--json", is_flag=True, help="Print each chunk as one line of JSON, and errors as JSON on stderr.")
@click.option("--usage", is_flag=True, help="Have the server count the tokens, and print time and tokens on stderr.")
@click.option("-q", "--quiet", is_flag=True, help="Print no times, notes or retries on stderr; errors still.")
@debug_option
def command(prompt: tuple[str, ...], **options: Unpack[Options]) -> int:
    """Ask a model, and print its answer as it is written.

    Piped text, or with a dash what is typed, is added to PROMPT. Without either, on a terminal, it is a conversation:
    Ctrl-C stops an answer, Ctrl-D ends it.
    """
    prompt_text = read_prompt(prompt)
    if prompt_text is None and options["json"]:
        raise click.UsageError("--json needs a PROMPT.")
    notices = Notices(quiet=options["quiet"])
    with ExitStack() as stack:
        place = stack.enter_context(_place(options))
        runner = stack.enter_context(asyncio.Runner())
        client = place.client(timeout=options["timeout"], max_retries=options["max_retries"])
        stack.callback(lambda: runner.run(client.close()))
        model = options["model"] or place.model
        ask = partial(Answer, client, streamed=options["stream"])
        if prompt_text is None:
            dialogue = Dialogue(lambda messages: ask(params_of(options, model=model, messages=messages)), notices)
            notices.remark(f"{model}; Ctrl-C stops an answer, Ctrl-D ends the conversation")
            dialogue.hold(runner, messages_of(options, None))
        else:
            answer = ask(params_of(options, model=model, messages=messages_of(options, prompt_text)))
            answer.fetch(runner, JsonScreen() if options["json"] else TextScreen(), notices)
            if options["usage"] or not options["json"]:
                answer.sum_up(notices, asked=options["usage"])
    return ExitCode.OK


def _place(options: Options) -> AbstractContextManager[Place]:
    """Where the options send the call."""
    given = [name for name in ("base_url", "embedded", "local") if options[name] not in {None, False}]
    if len(given) > 1:
        named = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"{named} exclude each other.")
    if options["embedded"]:
        delay = options["delay"]
        if delay is None:
            delay = _HUMAN_DELAY if sys.stdout.isatty() else 0.0
        return embedded(delay)
    if options["delay"] is not None:
        raise click.UsageError("--delay goes with --embedded.")
    if options["local"] is not None:
        return local(options["local"])
    return remote(options["base_url"], options["api_key"])
