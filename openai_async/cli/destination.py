"""The options that say where requests go, for the commands that need no more than an address, a key and a model.

Options come in; out goes the place they name. Nothing here sends a request.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypedDict, TypeVar

import click

from .place import Place, embedded, remote

__all__ = ["Destination", "address_options", "embedded_option", "open_place"]

_F = TypeVar("_F", bound=Callable[..., Any])


class Destination(TypedDict):
    """The options as click hands them over; None: not given."""

    base_url: str | None
    api_key: str | None


def address_options(function: _F) -> _F:
    """Add `--base-url` and `--api-key`."""
    key = click.option(
        "--api-key", metavar="KEY", help="Default: $OPENAI_API_KEY, which no process list shows. '' sends none."
    )
    url = click.option(
        "--base-url", metavar="URL", help="Where the API is. Default: $OPENAI_BASE_URL, or OpenAI's own."
    )
    return url(key(function))


def embedded_option(function: _F) -> _F:
    """Add `--embedded`."""
    return click.option(
        "--embedded", is_flag=True, help="Ask a server inside this process: no key, no network, no real model."
    )(function)


def open_place(options: Destination, *, delay: float | None = None) -> AbstractContextManager[Place]:
    """Return the place that the options name.

    Args:
        options: The options.
        delay: Seconds between two tokens of the embedded server, which is wanted; None: it is not.

    Raises:
        click.UsageError: They name two places.
        OpenAIError: There is no key.
    """
    if delay is None:
        return remote(options["base_url"], options["api_key"])
    if options["base_url"] is not None:
        raise click.UsageError("--base-url and --embedded exclude each other.")
    return embedded(delay)
