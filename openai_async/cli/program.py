"""`openai-async` as a whole: its commands, its help, its end.

The arguments come in, an exit code goes out. A command's module is imported when the command is called, so that
`--version` needs neither the client's nor the server's libraries.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from shutil import get_terminal_size

import click
from click.shell_completion import CompletionItem

from openai_async.version import __version__

from .completer import ASKED, LINE, answer
from .outcome import PROGRAM, ExitCode, conclude

__all__ = ["run"]

# What each command does, in a line: none is imported only to be listed.
_COMMANDS = {
    "chat": "Ask a model, and print its answer as it is written.",
    "bulk": "Send a file of requests, and keep what comes.",
    "serve": "Serve the API on this machine.",
    "relay": "Serve an API with streams that can be resumed.",
    "completions": "List, show, label and delete stored completions.",
    "bench": "Measure how fast an endpoint streams.",
    "doctor": "Find out what is wrong, and what to do.",
    "completion": "Print the script for completion in a shell.",
}

# Columns of the help.
_NARROWEST, _WIDEST = 40, 80

_EPILOG = """\b
Try it now, with no key and no network:
  openai-async chat --embedded "Tell me about streams"

\b
With a key:
  export OPENAI_API_KEY=...
  openai-async chat "Why is the sky blue?"
  git diff | openai-async chat "Write a commit message for this:"

\b
Exit codes:
  0    done
  1    the server refused, could not be reached, or sent no answer
  2    the command line or the settings are wrong; nothing was sent
  3    the answer broke off; what was received is on stdout
  4    a time limit passed
  130  stopped by Ctrl-C
"""


class _Program(click.Group):
    """A group whose commands are modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported now; None: there is none of that name."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"openai_async.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the words name; an error names one that is near."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0], _COMMANDS, 1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands into the help."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the options and commands that begin so."""
        found = [CompletionItem(name, help=told) for name, told in _COMMANDS.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(
    cls=_Program,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def _program(context: click.Context) -> None:
    """Talk to the Chat Completions API of OpenAI, or of any server that speaks it."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run the command line.

    Args:
        arguments: What stands behind the program's name.

    Returns:
        The exit code. Whatever went wrong has been said on stderr.
    """
    if os.environ.get(ASKED):
        return answer(_program, os.environ.get(LINE, ""))
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    debug = "--debug" in options
    if debug:
        logging.basicConfig(level=logging.DEBUG)
    else:
        # Without a handler, Python prints warnings and errors of libraries on stderr, tracebacks included.
        logging.getLogger().addHandler(logging.NullHandler())
    _prepare_output()
    try:
        # click wraps its help at 50 columns or more, which on a narrower terminal breaks each line once again.
        width = min(max(get_terminal_size().columns, _NARROWEST), _WIDEST) - 2
        with _program.make_context(PROGRAM, list(arguments), terminal_width=width) as context:
            code: int | None = _program.invoke(context)
            return code or ExitCode.OK
    except click.exceptions.Exit as end:
        return end.exit_code
    except BaseException as error:  # noqa: BLE001 - this is where everything ends
        return conclude(error, as_json="--json" in options, debug=debug)


def _prepare_output() -> None:
    """Make sure that there is a stdout and a stderr, and that every character can be written to them."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the shell closed it: `>&-`
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8", closefd=False))
        elif isinstance(stream, TextIOWrapper):
            # What the terminal's encoding has no letter for is no reason to stop in the middle of an answer.
            stream.reconfigure(errors="replace")
