"""`openai-async doctor`: what is wrong between here and the API, step by step, and what to do about it.

Options come in; out go findings, each as soon as it is made. The checks themselves are `doctoring.settings`' (what is set),
`doctoring.route`'s and `doctoring.tls`' (the way there), and `doctoring.call`'s (what is answered).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeAlias, TypedDict, Unpack

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from openai_async.api.address import check_base_url
from openai_async.api.client import AsyncOpenAI
from openai_async.transport.redaction import masked
from openai_async.transport.session import AiohttpTransport
from openai_async.types.json import is_array, is_object
from openai_async.types.options import Timeout

from .destination import address_options, embedded_option, open_place
from .doctoring.advice import Asked
from .doctoring.call import Calls
from .doctoring.connections import Connections
from .doctoring.finding import Finding, Verdict, skip
from .doctoring.route import Route
from .doctoring.settings import Settings, check_address, check_key, check_variables
from .doctoring.tls import check_tls
from .durations import seconds_text
from .options import Finite, debug_option
from .outcome import ExitCode, StoppedError
from .place import _DEFAULT_MODEL
from .words import count, one_line

__all__ = ["command"]

# Seconds between two tokens of the embedded server, so that there is something to come bit by bit.
_DELAY = 0.02
_STYLES: dict[Verdict, str] = {"ok": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}
# The checks of the way, and those that need all of it, in their order; the last of these sends nothing of its own.
_WAY = ("proxy", "name", "connection", "TLS")
_CALLS = ("models", "request", "streaming", "keep-alive")
# Shorter keys are placeholders, and may be part of a word.
_SECRET = 8

_Step: TypeAlias = tuple[str, Callable[[], Awaitable[Finding]]]

_EXAMPLES = """\b
Examples:
  openai-async doctor
  openai-async doctor -m gpt-5.4-mini
  openai-async doctor --base-url http://127.0.0.1:8080/v1 --api-key ''
  openai-async doctor --json | jq '.findings[] | select(.verdict == "fail")'
  openai-async doctor --embedded

\b
It sends two small requests, of some 70 tokens each. The key is never printed.
The exit code is 1 if anything failed; warnings leave it 0.
"""


class _Options(TypedDict):
    """The options as click hands them over; None: not given."""

    model: str | None
    base_url: str | None
    api_key: str | None
    embedded: bool
    timeout: float
    json: bool


@click.command("doctor", epilog=_EXAMPLES)
@click.option("-m", "--model", metavar="NAME", help="The model. Default: $OPENAI_MODEL, or gpt-5.4-mini.")
@address_options
@embedded_option
@click.option(
    "--timeout",
    type=Finite(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Limit of each check.",
)
@click.option("--json", is_flag=True, help="Print one JSON object, and errors as JSON on stderr.")
@debug_option
def command(**options: Unpack[_Options]) -> int:
    """Check settings, network and API, one after the other, and say what to do about what is wrong.

    Settings, address, proxy, name, connection, TLS, models, a request, a stream, keep-alive: each is ok, warn (it works,
    but), fail, or skip (it does not apply, or what it needs has failed).
    """
    findings: list[Finding] = []
    with ExitStack() as stack:
        settings = _settings(options, stack)
        try:
            asyncio.run(_examine(settings, findings, Console(highlight=False) if not options["json"] else None))
        except KeyboardInterrupt:
            raise StoppedError("stopped") from None
    failed = sum(finding.verdict == "fail" for finding in findings)
    warned = sum(finding.verdict == "warn" for finding in findings)
    if options["json"]:
        click.echo(msgspec.json.encode({"ok": not failed, "findings": findings}))
    else:
        _sum_up(failed, warned)
    return ExitCode.FAILED if failed else ExitCode.OK


def _settings(options: _Options, stack: ExitStack) -> Settings:
    """What the client would use; with `--embedded`, of a server that runs as long as the stack is open."""
    base_url, api_key, model = options["base_url"], options["api_key"], options["model"]
    if options["embedded"]:
        place = stack.enter_context(open_place({"base_url": base_url, "api_key": api_key}, delay=_DELAY))
        base_url, api_key, model = place.base_url, place.api_key, model or place.model
    model = model or os.environ.get("OPENAI_MODEL") or _DEFAULT_MODEL
    settings = Settings.of(base_url, api_key, model, options["timeout"])
    if options["embedded"]:
        settings.url_from = settings.key_from = "--embedded"
    return settings


async def _examine(settings: Settings, findings: list[Finding], console: Console | None) -> None:
    """Make all findings, and show each at once where there is a console to show it on."""
    if console is not None and console.is_terminal:
        with console.status("looking", spinner="line"):
            async for finding in _checks(settings):
                findings.append(_safe(finding, settings))
                _show(findings[-1], console)
        return
    async for finding in _checks(settings):
        findings.append(_safe(finding, settings))
        if console is not None:
            _show(findings[-1], console)


async def _checks(settings: Settings) -> AsyncIterator[Finding]:
    """Look at one thing after the other; what rests on something that failed is left out."""
    settled = [check_key(settings), check_variables(settings), check_address(settings)]
    for finding in settled:
        yield finding
    if settled[-1].verdict == "fail":  # it may be no address at all
        for name in (*_WAY, *_CALLS):
            yield skip(name, f"Left out: {settled[-1].check} failed.")
        return
    url = check_base_url(settings.base_url)
    route = Route(url, settings.timeout)
    looks = (route.check_proxy, route.check_name, route.check_connection, partial(check_tls, route, settings.timeout))
    broken: str | None = None
    async for finding in _in_turn(zip(_WAY, looks, strict=True)):
        yield finding
        broken = broken or _first_failed([finding])
    # A key that is missing says nothing of the way, but without it nothing can be asked.
    broken = broken or _first_failed(settled)
    if broken is not None:
        for name in _CALLS:
            yield skip(name, f"Left out: {broken} failed.")
        return
    connections = Connections(AiohttpTransport())
    limits = dict.fromkeys(("connect", "first_token", "idle", "total"), settings.timeout)
    async with AsyncOpenAI(
        base_url=url, api_key=settings.key, timeout=Timeout(**limits), max_retries=0, transport=connections
    ) as client:
        calls = Calls(client, connections, Asked(url=url, model=settings.model))
        asks = (calls.check_models, calls.check_request, calls.check_stream)
        async for finding in _in_turn(zip(_CALLS, asks, strict=False)):
            yield finding
            broken = broken or _first_failed([finding])
        yield calls.check_reuse() if broken is None else skip("keep-alive", f"Left out: {broken} failed.")


async def _in_turn(steps: Iterable[_Step]) -> AsyncIterator[Finding]:
    """Take steps until one fails; the others are left out."""
    broken: str | None = None
    for name, check in steps:
        if broken is not None:
            yield skip(name, f"Left out: {broken} failed.")
            continue
        finding = await check()
        broken = _first_failed([finding])
        yield finding


def _first_failed(findings: Iterable[Finding]) -> str | None:
    return next((finding.check for finding in findings if finding.verdict == "fail"), None)


def _safe(finding: Finding, settings: Settings) -> Finding:
    """A finding that holds nothing of the key, whoever repeated it; its texts are one line each."""
    secrets = [settings.key] if settings.key and len(settings.key) >= _SECRET else []
    return msgspec.structs.replace(
        finding,
        said=masked(one_line(finding.said), secrets),
        advice=[masked(one_line(text), secrets) for text in finding.advice],
        details=_masked(finding.details, secrets),
    )


def _masked(value: Any, secrets: list[str]) -> Any:
    """What a server may have put the key into: a string, or lists and mappings of some."""
    if isinstance(value, str):
        return masked(value, secrets)
    if is_array(value):
        return [_masked(item, secrets) for item in value]
    return {name: _masked(item, secrets) for name, item in value.items()} if is_object(value) else value


def _show(finding: Finding, console: Console) -> None:
    """Print a finding: verdict, check, what was found, and how long it took; below it what to do."""
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(width=4)
    table.add_column(width=max(map(len, ("connection", *_CALLS))))
    table.add_column(ratio=1, overflow="fold")
    table.add_column(width=7, justify="right", no_wrap=True)
    style = _STYLES[finding.verdict]
    took = "" if finding.seconds is None else seconds_text(finding.seconds)
    quiet = style if finding.verdict == "skip" else ""
    table.add_row(Text(finding.verdict, style=style), finding.check, Text(finding.said, style=quiet), took)
    for advice in finding.advice:
        table.add_row("", "", Text(f"> {advice}", style=style))
    console.print(table)


def _sum_up(failed: int, warned: int) -> None:
    told = f"{failed} failed" if failed else "Nothing failed"
    warnings = f", {count(warned, 'warning')}" if warned else ""
    click.echo(f"\n{told}{warnings}.")
