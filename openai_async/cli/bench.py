"""`openai-async bench`: how fast an endpoint streams, measured with this client.

Options come in; out go figures, as a table or as JSON. What is sent when is `benching.load`'s business, what is counted
`benching.tally`'s, and what the numbers mean `benching.figures`'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict, Unpack

import click
import msgspec
from rich.console import Console

from openai_async.api.client import AsyncOpenAI

from .benching.figures import Figures, Setting
from .benching.load import Load, Pace
from .benching.loop import BenchLoop
from .benching.screen import show_figures
from .benching.tally import BenchTally
from .bulkrequests import Requests
from .destination import address_options, embedded_option, open_place
from .options import Finite, complete_parameter, debug_option, parameters
from .outcome import ExitCode, StoppedError
from .place import Place
from .words import count

__all__ = ["command"]

_PROMPT = "Write about the sea, in a hundred words."
# What is sent where neither --requests nor --duration says it.
_REQUESTS = 100
# At once: without a rate, and with one, where the rate is what limits.
_CONCURRENCY, _RATED_CONCURRENCY = 10, 1000
# Seconds between two tokens of the embedded server: a hundred a second, as a fast one out there has.
_DELAY = 0.01
# Seconds between two lines of progress.
_LOOK = 0.2

_EXAMPLES = """\b
Examples:
  openai-async bench --embedded
  openai-async bench -m gpt-5.4-mini --requests 50 --concurrency 5
  openai-async bench --rate 20 --duration 60 --max-tokens 200
  openai-async bench --prompts prompts.txt --warmup 10 --json figures.json
  openai-async bench --base-url http://127.0.0.1:8080/v1 --api-key ''

\b
Every request costs what any request costs. The same prompt again and again
may be answered from the server's cache: give --prompts a file of many.
"""


class _Options(TypedDict):
    """The options as click hands them over; None: not given."""

    model: str | None
    base_url: str | None
    api_key: str | None
    embedded: bool
    requests: int | None
    concurrency: int | None
    rate: float | None
    duration: float | None
    warmup: int
    prompt: str | None
    prompts: Path | None
    max_tokens: int | None
    param: dict[str, Any]
    usage: bool
    timeout: float | None
    json: Path | None


@click.command("bench", epilog=_EXAMPLES)
@click.option("-m", "--model", metavar="NAME", help="The model. Default: $OPENAI_MODEL, or gpt-5.4-mini.")
@address_options
@embedded_option
@click.option("--requests", type=click.IntRange(min=1), metavar="N", help="Send N. Default: 100, if no --duration.")
@click.option("--concurrency", type=click.IntRange(1, 1000), metavar="N", help="At once, at most. Default: 10.")
@click.option(
    "--rate",
    type=Finite(min=0, min_open=True),
    metavar="NUMBER",
    help="Begin so many a second, evenly, whether or not others are answered.",
)
@click.option("--duration", type=Finite(min=0, min_open=True), metavar="SECONDS", help="Begin none after that.")
@click.option(
    "--warmup", type=click.IntRange(min=0), default=0, metavar="N", help="Requests before, which do not count."
)
@click.option("--prompt", metavar="TEXT", help="What is asked. Default: a hundred words about the sea.")
@click.option(
    "--prompts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Ask these, round and round: a prompt a line (.txt), or bodies of requests (.jsonl), as in bulk.",
)
@click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help="The longest answer.")
@click.option(
    "-p",
    "--param",
    metavar="NAME=VALUE",
    multiple=True,
    callback=parameters,
    shell_complete=complete_parameter,
    help="Any other parameter, as JSON or text; @FILE reads JSON from a file. May be repeated.",
)
@click.option("--usage/--no-usage", default=True, help="Have the server count the tokens. Some refuse to.")
@click.option("--timeout", type=Finite(min=0, min_open=True), metavar="SECONDS", help="Limit of each request.")
@click.option(
    "--json",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Write all figures to FILE; a dash is stdout, in place of the table. Errors are JSON, too.",
)
@debug_option
def command(**options: Unpack[_Options]) -> int:
    """Send requests, read their streams, and tell how long the tokens took.

    Without --rate each of --concurrency readers asks again as soon as it has its answer; the server sets the pace.
    With --rate requests begin at their time, however slow the server is, as users' do. Nothing is tried again.
    """
    _check_target(options["json"])
    with open_place(
        {"base_url": options["base_url"], "api_key": options["api_key"]}, delay=_DELAY if options["embedded"] else None
    ) as place:
        model = options["model"] or place.model
        bodies = _bodies(options, model)
        tally = BenchTally()
        stopped = False
        try:
            with asyncio.Runner(loop_factory=BenchLoop) as runner:
                runner.run(_run(place, bodies, options, tally))
        except KeyboardInterrupt:
            stopped = True
        if tally.answered or tally.failed:
            _report(Figures.of(tally, _setting(options, model, len(bodies))), tally, options["json"])
        if stopped:
            raise StoppedError(f"stopped after {count(tally.answered, 'answer')}; those under way do not count")
    return ExitCode.OK if tally.answered else ExitCode.FAILED


async def _run(place: Place, bodies: list[dict[str, Any]], options: _Options, tally: BenchTally) -> None:
    """Send what warms up, then what counts. Cancelling it leaves what was counted in the tally."""
    pace = _pace(options)
    async with place.client(timeout=options["timeout"], max_retries=0) as client:
        with _progress(tally):
            if options["warmup"]:
                warmup = Pace(requests=options["warmup"], concurrency=min(pace.concurrency, options["warmup"]))
                await _load(client, bodies, warmup, BenchTally())
            await _load(client, bodies, pace, tally)


async def _load(client: AsyncOpenAI, bodies: list[dict[str, Any]], pace: Pace, tally: BenchTally) -> None:
    await Load(client, bodies, pace).run(tally)


@contextmanager
def _progress(tally: BenchTally) -> Generator[None]:
    """Show how far it is, on stderr where that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    loop = asyncio.get_running_loop()
    with console.status("waiting", spinner="line") as status:

        async def look() -> None:
            while True:
                await asyncio.sleep(_LOOK)
                failed = f", {tally.failed:,} failed" if tally.failed else ""
                status.update(f"{count(tally.answered, 'answer')}{failed}, {tally.chunks:,} tokens")

        looking = loop.create_task(look())
        try:
            yield
        finally:
            looking.cancel()


def _pace(options: _Options) -> Pace:
    requests = options["requests"]
    if requests is None and options["duration"] is None:
        requests = _REQUESTS
    default = _CONCURRENCY if options["rate"] is None else _RATED_CONCURRENCY
    return Pace(
        requests=requests,
        concurrency=options["concurrency"] or default,
        rate=options["rate"],
        duration=options["duration"],
    )


def _setting(options: _Options, model: str, prompts: int) -> Setting:
    pace = _pace(options)
    return Setting(
        model=model,
        prompts=prompts,
        max_tokens=options["max_tokens"],
        requests=pace.requests,
        concurrency=pace.concurrency,
        rate=pace.rate,
        duration=pace.duration,
        warmup=options["warmup"],
        embedded=options["embedded"],
    )


def _bodies(options: _Options, model: str) -> list[dict[str, Any]]:
    """The bodies of the requests.

    Raises:
        click.ClickException: There are none, or one can't be read.
        OSError: The file can't be read.
    """
    path, prompt = options["prompts"], options["prompt"]
    if path is not None and prompt is not None:
        raise click.UsageError("--prompt and --prompts exclude each other.")
    given: dict[str, Any] = {"model": model, **options["param"]}
    if options["max_tokens"] is not None:
        given["max_completion_tokens"] = options["max_tokens"]
    if path is None:
        bodies = [{"messages": [{"role": "user", "content": prompt or _PROMPT}], **given}]
    elif path.suffix.lower() == ".csv":
        raise click.UsageError("--prompts takes a file of prompts (.txt) or of requests (.jsonl), no table.")
    else:
        bodies = [request.body for request in Requests(path, column=None, defaults=given, system=None)]
    if not bodies:
        raise click.UsageError(f"There is no prompt in {path}.")
    asked: dict[str, Any] = {"stream": True}
    if options["usage"]:
        asked["stream_options"] = {"include_usage": True}
    own = frozenset({"stream", "stream_options"})
    return [{**{name: value for name, value in body.items() if name not in own}, **asked} for body in bodies]


def _check_target(path: Path | None) -> None:
    """Make sure, before minutes of measuring, that there is a place for the figures."""
    if path is not None and str(path) != "-" and not path.absolute().parent.is_dir():
        raise click.UsageError(f"--json: there is no folder {path.parent}.")


def _report(figures: Figures, tally: BenchTally, path: Path | None) -> None:
    """Print the figures, or write them where they are wanted."""
    if path is not None and str(path) == "-":
        click.echo(msgspec.json.encode(figures))
        return
    show_figures(figures, tally)
    if path is not None:
        path.write_bytes(msgspec.json.encode(figures) + b"\n")
