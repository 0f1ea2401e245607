"""`openai-async completions`: completions that the server keeps, listed, shown, labelled and deleted.

Ids and filters come in; out go rows, answers, or lines of JSON. How a row looks is `stored`'s business, how an answer
looks is `screen`'s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar, Unpack

import click

from openai_async.api.arguments import ListParams, MessagesParams
from openai_async.api.client import AsyncOpenAI
from openai_async.api.pages import CursorPage
from openai_async.types.completion import ChatCompletion
from openai_async.types.model import Model

from .notices import Notices
from .outcome import ExitCode
from .screen import JsonScreen, TextScreen
from .storing.call import with_client
from .storing.deletion import delete
from .storing.options import Address, Listed, address, as_json, labels, listed
from .storing.stored import CompletionRows, JsonRows, MessageRows, Rows, labels_of
from .words import count

__all__ = ["command"]

Item = TypeVar("Item", bound=Model)
T = TypeVar("T")

# The most that the API gives in one page.
_PAGE = 100

_EXAMPLES = """\b
Examples:
  openai-async chat -p store=true -p 'metadata={"topic": "sea"}' Hello
  openai-async completions list --metadata topic=sea
  openai-async completions list --json | jq -r .id
  openai-async completions get chatcmpl-...
  openai-async completions update chatcmpl-... --metadata topic=lakes
  openai-async completions messages chatcmpl-...
  openai-async completions delete chatcmpl-... chatcmpl-...

\b
Without a key, with a server of your own that keeps them in a file:
  openai-async serve --store completions.db
  export OPENAI_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=none
  openai-async completions list
"""

_LIST_EXAMPLES = """\b
Examples:
  openai-async completions list --order desc --limit 20
  openai-async completions list --metadata topic=sea --json | jq -r .id
  openai-async completions list | cut -f1 | head -3
"""

_MESSAGES_EXAMPLES = """\b
Examples:
  openai-async completions messages chatcmpl-...
  openai-async completions messages chatcmpl-... --json | jq -r .content
"""

_GET_EXAMPLES = """\b
Examples:
  openai-async completions get chatcmpl-...
  openai-async completions get chatcmpl-... --json | jq .usage
"""

_UPDATE_EXAMPLES = """\b
Examples:
  openai-async completions update chatcmpl-... --metadata topic=sea
  openai-async completions update chatcmpl-... --no-metadata
"""


class _Group(click.Group):
    """Commands in the order in which they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        del ctx
        return list(self.commands)


@click.group(
    "completions",
    cls=_Group,
    invoke_without_command=True,
    epilog=_EXAMPLES,
)
@click.pass_context
def command(context: click.Context) -> None:
    """List, show, label and delete completions that the server keeps.

    It keeps those that were asked for with "store": true; a few seconds may pass until they are there.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


class _ListOptions(Listed):
    """The options of `list`."""

    model: str | None
    metadata: dict[str, str]


@command.command("list", epilog=_LIST_EXAMPLES, short_help="List stored completions.")
@click.option("-m", "--model", metavar="NAME", help="Only those of this model.")
@click.option(
    "--metadata", metavar="NAME=VALUE", multiple=True, callback=labels, help="Only those labelled so. May be repeated."
)
@listed
def _list(**options: Unpack[_ListOptions]) -> int:
    """List stored completions, page by page until the last.

    On a terminal they are a table; elsewhere each is a line: id, time (UTC), model, labels and answer, with tabs between
    them, nothing cut. With --json each is a line of JSON, with everything that the server sent.
    """
    params: ListParams = {}
    if options["model"] is not None:
        params["model"] = options["model"]
    if options["metadata"]:
        params["metadata"] = options["metadata"]
    _paging(params, options)

    async def show(client: AsyncOpenAI) -> int:
        pages = (await client.chat.completions.list(**params)).iter_pages()
        return await _show(pages, JsonRows() if options["json"] else CompletionRows(), options["limit"])

    shown = with_client(options, show)
    if not options["json"]:
        Notices(quiet=False).remark(count(shown, "stored completion"))
    return ExitCode.OK


class _OneOptions(Address):
    """The arguments of `get`."""

    completion: str
    json: bool


@command.command("get", epilog=_GET_EXAMPLES, short_help="Show a stored completion.")
@click.argument("completion", metavar="ID")
@as_json
@address
def _get(**options: Unpack[_OneOptions]) -> int:
    """Show the answer of the stored completion ID; on a terminal, what else is known of it as well.

    With --json it is a line of JSON, with everything that the server sent.
    """

    async def ask(client: AsyncOpenAI) -> ChatCompletion:
        return await client.chat.completions.retrieve(options["completion"])

    completion = with_client(options, ask)
    screen = JsonScreen() if options["json"] else TextScreen()
    if not options["json"]:
        Notices(quiet=False).remark(_told(completion))
    screen.finish(completion)
    screen.close()
    return ExitCode.OK


class _UpdateOptions(_OneOptions):
    """The arguments of `update`."""

    metadata: dict[str, str]
    no_metadata: bool


@command.command("update", epilog=_UPDATE_EXAMPLES, short_help="Give a stored completion other labels.")
@click.argument("completion", metavar="ID")
@click.option(
    "--metadata", metavar="NAME=VALUE", multiple=True, callback=labels, help="A label, of 16 at most. May be repeated."
)
@click.option("--no-metadata", is_flag=True, help="Take all labels away.")
@as_json
@address
def _update(**options: Unpack[_UpdateOptions]) -> int:
    """Give the stored completion ID other labels, in place of all that it has."""
    if bool(options["metadata"]) == options["no_metadata"]:
        raise click.UsageError("Give --metadata NAME=VALUE, or --no-metadata to take all labels away.")

    async def ask(client: AsyncOpenAI) -> ChatCompletion:
        return await client.chat.completions.update(options["completion"], metadata=options["metadata"] or None)

    completion = with_client(options, ask)
    if options["json"]:
        JsonRows().add([completion])
    else:
        click.echo(f"{completion.id}\t{labels_of(completion)}")
    return ExitCode.OK


command.add_command(delete)


class _MessagesOptions(Listed):
    """The arguments of `messages`."""

    completion: str


@command.command("messages", epilog=_MESSAGES_EXAMPLES, short_help="Show the messages behind a stored completion.")
@click.argument("completion", metavar="ID")
@listed
def _messages(**options: Unpack[_MessagesOptions]) -> int:
    """Show the messages that the stored completion ID answers.

    Each stands below a line with its role. With --json each is a line of JSON.
    """
    params: MessagesParams = {}
    _paging(params, options)

    async def show(client: AsyncOpenAI) -> int:
        pages = (await client.chat.completions.messages.list(options["completion"], **params)).iter_pages()
        return await _show(pages, JsonRows() if options["json"] else MessageRows(), options["limit"])

    with_client(options, show)
    return ExitCode.OK


def _paging(params: ListParams | MessagesParams, options: Listed) -> None:
    """Set what a list says of its pages."""
    if options["order"] is not None:
        params["order"] = options["order"]
    params["limit"] = min(options["limit"] or _PAGE, _PAGE)


async def _show(pages: AsyncIterator[CursorPage[Item]], rows: Rows[Item], limit: int | None) -> int:
    """Show the items of all pages, or the first `limit` of them; return how many."""
    shown = 0
    async for page in pages:
        items = page.data if limit is None else page.data[: limit - shown]
        if items:
            rows.add(items)
        shown += len(items)
        if shown == limit:
            break
    return shown


def _told(completion: ChatCompletion) -> str:
    """What is known of a completion beside its answer."""
    parts = [completion.id, completion.model, labels_of(completion)]
    if (usage := completion.usage) is not None:
        parts.append(f"{usage.prompt_tokens} + {count(usage.completion_tokens, 'token')}")
    parts += [f"ended by {choice.finish_reason!r}" for choice in completion.choices if choice.finish_reason != "stop"]
    return "  ".join(filter(None, parts))
