"""What is asked of the server about stored completions: with a client, and within one event loop.

Options and a coroutine function come in; what that returns goes out, or an error that ends the command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from openai_async.api.client import AsyncOpenAI
from openai_async.cli.destination import open_place
from openai_async.cli.outcome import StoppedError

from .options import Address

__all__ = ["with_client"]

T = TypeVar("T")


def with_client(options: Address, ask: Callable[[AsyncOpenAI], Awaitable[T]]) -> T:
    """Do something with a client.

    Raises:
        StoppedError: The user pressed Ctrl-C.
        OpenAIError: It failed.
        click.ClickException: An argument can't be sent.
    """
    with open_place({"base_url": options["base_url"], "api_key": options["api_key"]}) as place:

        async def main() -> T:
            async with place.client(timeout=options["timeout"], max_retries=options["max_retries"]) as client:
                return await ask(client)

        try:
            return asyncio.run(main())
        except KeyboardInterrupt:
            raise StoppedError("stopped") from None
        except (TypeError, ValueError) as error:
            raise click.ClickException(f"The request can't be sent: {error}") from error
