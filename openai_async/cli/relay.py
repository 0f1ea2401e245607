"""`openai-async relay`: a gateway whose streams can be read again, as a program.

Options come in; out go a running gateway's address, examples to copy, and a line for each request, until it is told to
stop. It passes nothing on itself: `Gateway` does.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypedDict, Unpack

import click
from click.core import ParameterSource

from openai_async.errors import OpenAIError
from openai_async.relay.errors import UnknownStream

from .access import AccessLog
from .gateway.gateway import Gateway
from .gateway.server import GatewayServer
from .options import debug_option
from .outcome import ExitCode
from .serve import _line, _listen
from .words import count

if TYPE_CHECKING:
    from openai_async.relay.backend import RelayBackend

__all__ = ["command"]

_EXAMPLES = """\b
Examples:
  openai-async relay --upstream https://api.openai.com/v1
  openai-async relay --upstream http://127.0.0.1:8000/v1 --port 0
  openai-async relay --upstream URL --redis redis://localhost:6379/0

\b
What it serves:
  POST   /v1/chat/completions      as the upstream does; streams have an id,
                                   told by the header X-Stream-Id
  GET    /v1/streams/ID            the stream again, as events: all of it, or
                                   what came after Last-Event-ID (or ?after=)
  GET    /v1/streams/ID/ws         likewise over WebSocket; ?after=CURSOR
  GET    /v1/streams/ID/status     {"status": "live", "cursor": "1-25"}
  DELETE /v1/streams/ID            stops it, for all its readers
  GET    /healthz                  200, or 503 once it is told to stop

\b
Exit codes:
  0    it was told to stop, by Ctrl-C or SIGTERM
  1    it can't listen, or Redis can't be reached
  2    the command line or the installation is wrong
"""


# What `--redis` is where it is not given.
_REDIS_URL = "OPENAI_ASYNC_REDIS_URL"
# Seconds, 30 years: more would be too much for Redis, and infinity for everything.
_LONGEST = 1e9


class _Options(TypedDict):
    """The options as click hands them over; None: not given."""

    upstream: str
    redis: str | None
    host: str
    port: int
    retention: float
    max_streams: int
    max_retries: int
    grace: float
    quiet: bool


def _seconds(ctx: click.Context, param: click.Parameter, value: float) -> float:
    if not 0 <= value <= _LONGEST:  # NaN is neither
        raise click.BadParameter(f"{value:g} is not between 0 and {_LONGEST:g} seconds.", ctx, param)
    return value


@click.command("relay", epilog=_EXAMPLES)
@click.option("--upstream", required=True, metavar="URL", help="Where the API is, usually up to and with /v1.")
@click.option(
    "--redis",
    metavar="URL",
    envvar=_REDIS_URL,
    show_envvar=True,
    help="Keep the streams there, for all gateways that do. Default: in this process. A URL with a password belongs into "
    "the variable: all users of this machine can read a command line.",
)
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8081, show_default=True, metavar="N", help="0: any free one."
)
@click.option(
    "--retention",
    type=float,
    callback=_seconds,
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="How long a stream can be read after its end.",
)
@click.option(
    "--max-streams",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    metavar="N",
    help="Streams kept at once; ended ones make room. With --redis: streams going on at once.",
)
@click.option(
    "--max-retries",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Attempts after the first. With 0 the upstream's errors are the caller's at once.",
)
@click.option(
    "--grace",
    type=float,
    callback=_seconds,
    default=5,
    show_default=True,
    metavar="SECONDS",
    help="How long streams may go on once it is told to stop.",
)
@click.option("-q", "--quiet", is_flag=True, help="No line for each request.")
@debug_option
def command(**options: Unpack[_Options]) -> int:
    """Pass requests on to an API, and keep its streams: a reader who was cut off reads on where it was.

    Any OpenAI client is served as by the API itself; no SDK is needed to resume. A stream goes on when its first reader
    leaves, and any number of readers may follow it. Who may read it is who sends the same Authorization: that header is
    passed on, and no key of this machine's ever is.
    """
    with _listen(options["host"], options["port"]) as listener:
        asyncio.run(_serve(listener, options))
    click.echo("stopped", err=True)
    return ExitCode.OK


async def _serve(listener: socket.socket, options: _Options) -> None:
    backend = _backend(options["redis"])
    try:
        gateway = Gateway(
            options["upstream"],
            backend=backend,
            retention=options["retention"],
            max_streams=options["max_streams"],
            max_retries=options["max_retries"],
        )
    except OpenAIError as error:
        raise click.UsageError(f"--upstream: {error}") from error
    async with gateway:
        if backend is not None:
            await _try(backend)
        sockets = find_spec("websockets") is not None
        server = GatewayServer(
            gateway,
            gateway if options["quiet"] else AccessLog(gateway, _line),
            websockets=sockets,
            grace=options["grace"],
            told=lambda streams: _say_grace(streams, options["grace"]),
        )
        _announce(listener, options, websockets=sockets)
        await server.serve(sockets=[listener])


def _backend(url: str | None) -> RelayBackend | None:
    """Where the streams are kept; None: in this process's memory."""
    if url is None:
        return None
    from openai_async.relay.redis import RedisBackend  # noqa: PLC0415 - an extra, which who has no Redis need not have

    try:
        return RedisBackend(url)
    except ValueError as error:
        raise click.UsageError(f"{_redis_option()}: {error}") from error


def _redis_option() -> str:
    """Where the URL came from, for what is wrong with it."""
    source = click.get_current_context().get_parameter_source("redis")
    return _REDIS_URL if source is ParameterSource.ENVIRONMENT else "--redis"


async def _try(backend: RelayBackend) -> None:
    """See that Redis is there: a mistake in its address is told now, and not to the first caller."""
    try:
        await backend.status("")
    except UnknownStream:
        pass
    except OpenAIError as error:
        raise OSError(errno.EHOSTUNREACH, f"{_redis_option()}: {error}") from error


def _announce(listener: socket.socket, options: _Options, *, websockets: bool) -> None:
    """Print the address, and examples to copy."""
    host = options["host"]
    # A wildcard address is no address to connect to.
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared, not bound
    url = f"http://{name}:{listener.getsockname()[1]}/v1"
    key = '-H "Authorization: Bearer $OPENAI_API_KEY"'
    body = '{"model": "gpt-5.4-mini", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'
    click.echo(f"Relaying {options['upstream'].partition('?')[0]} at {url} (Ctrl-C stops it).")
    click.echo("In another terminal:")
    click.echo(f"  curl -iN {url}/chat/completions {key} -H 'Content-Type: application/json' -d '{body}'")
    click.echo("and again, with the X-Stream-Id and the last event's id that came:")
    click.echo(f"  curl -N {url}/streams/ID {key} -H 'Last-Event-ID: CURSOR'")
    sys.stdout.flush()
    if not websockets:
        click.echo("There are no WebSockets, as the package is not installed: pip install websockets", err=True)
    if not ip_address(listener.getsockname()[0]).is_loopback:
        click.echo(
            "This is no address of this machine alone: keys that callers send here can be read on the way, unless a "
            "proxy with TLS is in front.",
            err=True,
        )


def _say_grace(streams: int, seconds: float) -> None:
    if streams:
        click.echo(f"stopping: {count(streams, 'stream')} may go on for {seconds:g} s; Ctrl-C ends that", err=True)
