"""`openai-async serve`: the embedded server, or a real model, as a program.

Options come in; out go a running server's address, an example to copy, and a line for each request, until Ctrl-C. It
answers nothing itself: `openai_async.server` does, or llama.cpp.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypedDict, Unpack

import click
import uvicorn
from rich.console import Console
from rich.text import Text

from openai_async.server.app import create_app
from openai_async.server.front import READ_TIMEOUT, configure
from openai_async.server.local import LocalModelError, find_model, local_model
from openai_async.transport.session import AiohttpTransport

from .access import Access, AccessLog
from .forward import Forward
from .options import Command, Finite, debug_option, local_option
from .outcome import ExitCode
from .place import DEMO_MODEL, no_model, shun_proxies, thread_count

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp

__all__ = ["command"]

# Seconds that answers have to end by themselves after Ctrl-C.
_GRACE = 1

_EXAMPLES = """\b
Examples:
  openai-async serve
  openai-async serve --port 0 --delay 0.02 --models demo,other
  openai-async serve --local
  openai-async serve --local ~/models/qwen3-8b.gguf --api-key "$KEY"
"""


class _Options(TypedDict):
    """The options as click hands them over; None: not given."""

    host: str
    port: int
    api_key: str | None
    local: str | None
    models: str | None
    delay: float | None
    store: str | None
    quiet: bool


@click.command("serve", cls=Command, epilog=_EXAMPLES)
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, metavar="N", help="0: any free one."
)
@click.option("--api-key", metavar="KEY", help="The key that clients must send. Default: none is asked for.")
@local_option
@click.option("--models", metavar="NAME,...", help="The models that exist. Default: every name is a model.")
@click.option("--delay", type=Finite(min=0), metavar="SECONDS", help="Pause between tokens. Default: 0.")
@click.option(
    "--store", type=click.Path(dir_okay=False), metavar="FILE", help="Where completions are stored. Default: in memory."
)
@click.option("-q", "--quiet", is_flag=True, help="No line for each request.")
@debug_option
def command(**options: Unpack[_Options]) -> int:
    """Serve the Chat Completions API on this machine, for tests and for working offline.

    Without --local no model is needed: answers are made up, the same for the same request, and fit tools and JSON
    schemas. The header "x-fault" of a request makes its answer fail, as in "x-fault: status=429; retry-after=1".
    """
    if options["local"] is not None and {options["models"], options["delay"], options["store"]} != {None}:
        raise click.UsageError("--models, --delay and --store do not go with --local.")
    with _listen(options["host"], options["port"]) as listener:
        try:
            asyncio.run(_serve(listener, options))
        except KeyboardInterrupt:
            # How a server is stopped; it has closed everything by now.
            click.echo("stopped", err=True)
        except LocalModelError as error:
            raise no_model(error) from error
    return ExitCode.OK


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror
        if error.errno == errno.EADDRINUSE:
            reason = "the port is taken; --port 0 takes any free one"
        raise OSError(error.errno, f"Can't listen on port {port} of {host}: {reason}") from error


async def _serve(listener: socket.socket, options: _Options) -> None:
    async with AsyncExitStack() as stack:
        app: ASGIApp
        closing: Callable[[], None] | None = None
        if options["local"] is None:
            served = _embedded(options)
            stack.callback(served.state.store.close)
            app, closing = served, served.state.desk.close
            model = (_models(options) or [DEMO_MODEL])[0]
        else:
            app, model = await _local(options["local"], options["api_key"], stack)
        if not options["quiet"]:
            app = AccessLog(app, _line)
        _announce(listener, model, options)
        config = configure(app, read_timeout=READ_TIMEOUT, access_log=False, timeout_graceful_shutdown=_GRACE)
        await _Server(config, closing).serve(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn, which breaks off streams when it stops instead of waiting for them."""

    def __init__(self, config: uvicorn.Config, closing: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving."""
        if self._closing is not None:
            self._closing()
        await super().shutdown(sockets)


def _embedded(options: _Options) -> Starlette:
    models = _models(options)
    try:
        return create_app(
            api_key=options["api_key"],
            models=models,
            delay=options["delay"] or 0.0,
            clock=time.time,
            keep=0,  # requests to look at: nobody does here
            store=options["store"],
        )
    except OSError as error:
        raise click.UsageError(f"--store: {error}") from error


def _models(options: _Options) -> list[str] | None:
    """The names of the models; None: every name is one."""
    if options["models"] is None:
        return None
    names = [name for word in options["models"].split(",") if (name := word.strip())]
    if not names:
        raise click.UsageError("--models takes one name or more, with commas between them.")
    return names


async def _local(path: str, api_key: str | None, stack: AsyncExitStack) -> tuple[ASGIApp, str]:
    """Start a real model; llama.cpp listens on a port of its own choice, and gets what comes to ours."""
    shun_proxies()
    file = find_model(path or None)
    url = await stack.enter_async_context(local_model(file, threads=thread_count(), api_key=api_key))
    transport = AiohttpTransport()
    stack.push_async_callback(transport.aclose)
    return Forward(url.removesuffix("/v1"), transport, keyed=api_key is not None), file.stem


def _announce(listener: socket.socket, model: str, options: _Options) -> None:
    """Print the address, and examples to copy."""
    host = options["host"]
    # A wildcard address is no address to connect to.
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared, not bound
    url = f"http://{name}:{listener.getsockname()[1]}/v1"
    ask, header = "--api-key ''", ""
    if options["api_key"]:
        # The key itself is not for the screen.
        ask, header = '--api-key "$KEY"', ' -H "Authorization: Bearer $KEY"'
    body = f'{{"model": "{model}", "stream": true, "messages": [{{"role": "user", "content": "Hello"}}]}}'
    click.echo(f"Serving at {url} (Ctrl-C stops it). In another terminal:")
    click.echo(f"  openai-async chat --base-url {url} {ask} -m {model} Hello")
    click.echo(f"  curl -N {url}/chat/completions -H 'Content-Type: application/json'{header} -d '{body}'")
    sys.stdout.flush()
    if not ip_address(listener.getsockname()[0]).is_loopback:
        how = "" if options["api_key"] else ", and no key is asked for: give --api-key, or leave out --host"
        click.echo(f"This is no address of this machine alone: other machines can reach it{how}.", err=True)


def _line(access: Access) -> None:
    """Print a request's line."""
    style = "green" if access.whole and access.status < 400 else "red" if access.status >= 500 else "yellow"
    Console(stderr=True).print(Text(str(access), style=style), soft_wrap=True, highlight=False)
