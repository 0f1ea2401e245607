"""The options that the commands for stored completions share.

Words of the command line come in; out go values, or an error that names the option. Nothing here sends anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypedDict, TypeVar

import click

from openai_async.cli.destination import address_options
from openai_async.cli.options import Finite, debug_option

__all__ = ["Address", "Listed", "address", "as_json", "labels", "listed"]

_F = TypeVar("_F", bound=Callable[..., Any])


class Address(TypedDict):
    """Where requests go, and how long they may take; None: not given."""

    base_url: str | None
    api_key: str | None
    timeout: float | None
    max_retries: int


class Listed(Address):
    """What both lists take."""

    order: Literal["asc", "desc"] | None
    limit: int | None
    json: bool


def labels(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> dict[str, str]:
    """Return what `--metadata NAME=VALUE` says, always text: "1" is a label, the number 1 is none."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{word!r} is not of the form NAME=VALUE.", ctx, param)
        found[name] = value
    return found


def address(function: _F) -> _F:
    """Add the options of `Address`."""
    timeout = click.option(
        "--timeout", type=Finite(min=0, min_open=True), metavar="SECONDS", help="Limit of each request."
    )
    retries = click.option(
        "--max-retries",
        type=click.IntRange(min=0),
        default=2,
        show_default=True,
        metavar="N",
        help="Attempts after the first.",
    )
    return address_options(timeout(retries(debug_option(function))))


def listed(function: _F) -> _F:
    """Add the options of `Listed`."""
    order = click.option(
        "--order", type=click.Choice(["asc", "desc"]), help="Oldest or newest first. Default: as the server likes."
    )
    limit = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="N at most. Default: all.")
    return order(limit(as_json(address(function))))


def as_json(function: _F) -> _F:
    """Add `--json`."""
    return click.option("--json", is_flag=True, help="Print lines of JSON, and errors as JSON on stderr.")(function)
