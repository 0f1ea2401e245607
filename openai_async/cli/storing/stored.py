"""How stored completions and their messages look: rows of a table on a terminal, lines elsewhere.

Completions and messages come in, page by page; out go rows, each page's as soon as it is here. Nothing here asks for
another.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from openai_async.cli.screen import _calls
from openai_async.cli.words import clean, one_line
from openai_async.types.completion import ChatCompletion
from openai_async.types.model import Model
from openai_async.types.stored import ChatCompletionContentPartText, ChatCompletionStoreMessage

__all__ = ["CompletionRows", "JsonRows", "MessageRows", "Rows", "labels_of"]

Item_contra = TypeVar("Item_contra", bound=Model, contravariant=True)

_HEADS = ("ID", "CREATED", "MODEL", "LABELS", "ANSWER")
# Columns of the terminal: between two columns of a table, and where there is room for a year.
_GAP, _WIDE = 2, 100
# The longest a model's name and the labels get; and what the answer needs, so that labels are shown beside it.
_LONGEST_MODEL, _LONGEST_LABELS, _LEAST_ANSWER = 20, 24, 16


class Rows(Protocol[Item_contra]):
    """Shows items page by page; `add` raises `OSError` when stdout can't be written to."""

    def add(self, items: Sequence[Item_contra], /) -> None:
        """Show the items of a page."""
        ...


class JsonRows:
    """One line of JSON each, with everything that the server sent."""

    def add(self, items: Sequence[Model]) -> None:
        """Write the items of a page. Raises `OSError` when stdout can't be written to."""
        for item in items:
            # JSON is UTF-8, whatever the terminal's encoding.
            sys.stdout.buffer.write(item.to_json(indent=None).encode() + b"\n")
        sys.stdout.buffer.flush()


class CompletionRows:
    """One row each: id, time, model, labels and the beginning of the answer.

    On a terminal it is a table as wide as that, its columns measured by the first page; elsewhere each row is a line of
    five fields with tabs between them, nothing cut.
    """

    def __init__(self) -> None:
        self._console = Console()
        self._widths: list[int] = []

    def add(self, completions: Sequence[ChatCompletion]) -> None:
        """Write the completions of a page. Raises `OSError` when stdout can't be written to."""
        if not self._console.is_terminal:
            for completion in completions:
                click.echo("\t".join(_row(completion, _utc(completion.created))))
            return
        form = "%Y-%m-%d %H:%M" if self._console.width >= _WIDE else "%d %b %H:%M"
        rows = [_row(completion, _here(completion.created, form)) for completion in completions]
        first = not self._widths
        if first:
            self._widths = _widths(rows, self._console.width)
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=first, header_style="bold")
        shown = [place for place, width in enumerate(self._widths) if width]
        for place in shown:
            if place == 0:  # the id, which other commands take: it may break over two lines, but is never cut
                table.add_column(_HEADS[place], width=self._widths[place], overflow="fold")
            else:
                table.add_column(_HEADS[place], width=self._widths[place], no_wrap=True)
        for row in rows:
            table.add_row(*(Text(row[place]) for place in shown))
        self._console.print(table)


class MessageRows:
    """Each message below a line with its role."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False)

    def add(self, messages: Sequence[ChatCompletionStoreMessage]) -> None:
        """Write the messages of a page. Raises `OSError` when stdout can't be written to."""
        for message in messages:
            said = _said(message)
            self._console.print(Text(f"{one_line(message.role)}:", style="bold"))
            self._console.print(Text(clean(said) if self._console.is_terminal else said))


def labels_of(completion: ChatCompletion) -> str:
    """Return a stored completion's labels as "name=value" with spaces between, on one line; "": it has none."""
    return one_line(" ".join(f"{name}={value}" for name, value in (completion.metadata or {}).items()))


def _row(completion: ChatCompletion, created: str) -> list[str]:
    """The five fields, each one line."""
    choices = completion.choices
    answer = choices[0].message.content or choices[0].message.refusal or "" if choices else ""
    return [one_line(completion.id), created, one_line(completion.model), labels_of(completion), one_line(answer)]


def _utc(created: int) -> str:
    """For programs."""
    moment = _moment(created)
    return "" if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _here(created: int, form: str) -> str:
    """For people: by their clock."""
    moment = _moment(created)
    return "" if moment is None else moment.astimezone().strftime(form)


def _moment(created: int) -> datetime | None:
    """When it was; None: the server did not say, or no such time exists."""
    try:
        return datetime.fromtimestamp(created, UTC) if created else None
    except (OverflowError, OSError, ValueError):
        return None


def _widths(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """How wide each column is in a terminal of `width`; 0: there is no room for it, or nothing in it."""
    longest = [max(len(row[place]) for row in rows) for place in range(len(_HEADS))]
    ids, created = max(longest[0], len(_HEADS[0])), max(longest[1], len(_HEADS[1]))
    models = min(max(longest[2], len(_HEADS[2])), _LONGEST_MODEL)
    labels = min(max(longest[3], len(_HEADS[3])), _LONGEST_LABELS) if longest[3] else 0
    left = width - ids - created - 2 * _GAP
    if left < models:
        return [min(ids, width - created - _GAP), created, 0, 0, 0]
    left -= models + _GAP
    if left - labels - _GAP < _LEAST_ANSWER:
        labels = 0
    if labels:
        left -= labels + _GAP
    return [ids, created, models, labels, max(left, 0)]


def _said(message: ChatCompletionStoreMessage) -> str:
    """A message's text, or what stands in its place."""
    if message.content_parts:
        parts = message.content_parts
        return "\n".join(part.text if isinstance(part, ChatCompletionContentPartText) else "(image)" for part in parts)
    return "\n".join([*filter(None, [message.content or message.refusal]), *_calls(message)])
