"""`openai-async completions delete`: stored completions deleted, one after the other.

Ids come in; out goes a line for each that is gone. It asks before it sends anything.
"""

from __future__ import annotations

import sys
from typing import Unpack

import click

from openai_async.api.client import AsyncOpenAI
from openai_async.cli.outcome import ExitCode, StoppedError, show_error
from openai_async.cli.words import count
from openai_async.errors import NotFoundError

from .call import with_client
from .options import Address, address, as_json

__all__ = ["delete"]

_EXAMPLES = """\b
Examples:
  openai-async completions delete chatcmpl-...
  openai-async completions list --metadata topic=sea | cut -f1 |
    xargs openai-async completions delete --yes
"""


class _DeleteOptions(Address):
    """The arguments of `delete`."""

    completions: tuple[str, ...]
    yes: bool
    json: bool


@click.command("delete", epilog=_EXAMPLES, short_help="Delete stored completions.")
@click.argument("completions", metavar="ID...", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Don't ask. Needed where nobody can be asked.")
@as_json
@address
def delete(**options: Unpack[_DeleteOptions]) -> int:
    """Delete the stored completions named by ID, for good, in this order.

    On a terminal it asks before. An ID that does not exist is told on stderr, and the next one deleted; the code is
    then 1. Anything else that goes wrong ends it.
    """
    completions = options["completions"]
    if not options["yes"]:
        _ask_leave(len(completions))
    deleted: list[str] = []

    async def work(client: AsyncOpenAI) -> None:
        for completion in completions:
            try:
                gone = await client.chat.completions.delete(completion)
            except NotFoundError as error:
                show_error(error, as_json=options["json"])
                continue
            if not gone.deleted:
                refusal = click.ClickException(f"{completion} is still there: the server did not delete it")
                show_error(refusal, as_json=options["json"])
                continue
            deleted.append(completion)
            click.echo(gone.to_json(indent=None) if options["json"] else f"deleted {completion}")

    try:
        with_client(options, work)
    except StoppedError:
        raise StoppedError(f"stopped after {count(len(deleted), 'deletion')} of {len(completions)}") from None
    return ExitCode.OK if len(deleted) == len(completions) else ExitCode.FAILED


def _ask_leave(number: int) -> None:
    """Have the user say that completions may go.

    Raises:
        click.UsageError: Nobody is there to say so.
        click.exceptions.Exit: They may not.
        StoppedError: They pressed Ctrl-C or Ctrl-D in place of an answer.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("Deleting is for good: give --yes, as there is no terminal to ask on.")
    try:
        agreed = click.confirm(f"Delete {count(number, 'stored completion')} for good?", err=True)
    except click.Abort:  # Ctrl-C, or Ctrl-D
        click.echo(err=True)
        raise StoppedError("stopped: nothing was deleted") from None
    if not agreed:
        raise click.exceptions.Exit(ExitCode.OK)
