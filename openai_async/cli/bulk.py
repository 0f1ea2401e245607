"""`openai-async bulk`: a file of requests in, a file of results out, however often it is stopped in between.

Options come in; out go lines of results, and on stderr how far it is. What is asked is read by `bulkrequests`, what came
is kept by `bulkresults`, and `bulkrun` does what lies between.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import Any, TypedDict, Unpack

import click

from openai_async.bulk import PacedLimiter

from .bulkrequests import Census, Requests
from .bulkresults import ResultsFile
from .bulkrun import BulkJob
from .notices import Notices
from .options import Finite, complete_parameter, debug_option, parameters
from .outcome import ExitCode, StoppedError, show_error
from .place import _DEFAULT_MODEL, DEMO_MODEL, Place, embedded, remote
from .words import count

__all__ = ["command"]

_EXAMPLES = """\b
Examples:
  openai-async bulk --embedded prompts.txt results.jsonl
  openai-async bulk requests.jsonl results.jsonl
  openai-async bulk --dry-run -m gpt-5.4-mini prompts.txt results.jsonl
  openai-async bulk --column question -s "Be brief." table.csv results.jsonl
  openai-async bulk --retry-failed requests.jsonl results.jsonl

\b
The same command goes on where it was stopped, by Ctrl-C or otherwise:
requests that have a line in RESULTS are not sent again.
"""


class _Options(TypedDict):
    """The options as click hands them over; None: not given."""

    requests: Path
    results: Path
    column: str | None
    model: str | None
    system: str | None
    param: dict[str, Any]
    base_url: str | None
    api_key: str | None
    embedded: bool
    limit: int
    max_errors: int | None
    max_retries: int
    timeout: float | None
    share: float
    retry_failed: bool
    dry_run: bool
    quiet: bool


@click.command("bulk", epilog=_EXAMPLES)
@click.argument("requests", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("results", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--column", metavar="NAME", help="The column of the prompts, where REQUESTS is a CSV.")
@click.option(
    "-m", "--model", metavar="NAME", help="For requests that name none. Default: $OPENAI_MODEL, or gpt-5.4-mini."
)
@click.option("-s", "--system", metavar="TEXT", help="Instructions that go before each prompt.")
@click.option(
    "-p",
    "--param",
    metavar="NAME=VALUE",
    multiple=True,
    callback=parameters,
    shell_complete=complete_parameter,
    help="A parameter for requests that lack it, as JSON or text; @FILE reads JSON. May be repeated.",
)
@click.option("--base-url", metavar="URL", help="Where the API is. Default: $OPENAI_BASE_URL, or OpenAI's own.")
@click.option("--api-key", metavar="KEY", help="Default: $OPENAI_API_KEY, which no process list shows. '' sends none.")
@click.option("--embedded", is_flag=True, help="Ask a server inside this process: no key, no network, no real model.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="Requests at once, at most.",
)
@click.option("--max-errors", type=click.IntRange(min=0), metavar="N", help="End when more requests than that failed.")
@click.option(
    "--max-retries",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    metavar="N",
    help="Attempts after the first.",
)
@click.option("--timeout", type=Finite(min=0, min_open=True), metavar="SECONDS", help="Limit of each request.")
@click.option(
    "--share",
    type=Finite(min=0, max=1, min_open=True),
    default=1.0,
    show_default=True,
    metavar="NUMBER",
    help="The part of the server's rate limits that this run may use; 0.25 for each of four.",
)
@click.option("--retry-failed", is_flag=True, help="Send the requests again whose result is an error.")
@click.option("--dry-run", is_flag=True, help="Check REQUESTS, and estimate the tokens; send nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Show nothing of how far it is; errors still.")
@debug_option
def command(**options: Unpack[_Options]) -> int:
    """Send every request of REQUESTS, and append what comes to RESULTS.

    REQUESTS is a file of the Batch API (JSONL with "custom_id" and "body"), of bodies ("messages" …), of prompts (.txt,
    one a line) or a table (.csv). RESULTS gets the Batch API's lines, in the order in which the answers come.
    """
    _check_files(options)
    notices = Notices(quiet=options["quiet"])
    with ExitStack() as stack:
        place = None if options["dry_run"] else stack.enter_context(_place(options))
        requests = Requests(
            options["requests"],
            column=options["column"],
            defaults={"model": _model(options, place), **options["param"]},
            system=options["system"],
        )
        results = _results(options, stack)
        left = _look_through(requests, results)
        _tell_state(notices, results)
        if place is None:
            _estimate(*left)
            return ExitCode.OK
        assert results is not None  # only a dry run has none
        total = left[0].requests
        job = BulkJob(
            requests,
            total=total,
            results=results,
            limit=options["limit"],
            max_errors=options["max_errors"],
            quiet=options["quiet"],
        )
        stopped = _run(job, place, options, total)
        if stopped is not None:
            show_error(click.ClickException(stopped))
            return ExitCode.FAILED
        if results.failed:
            failed = count(results.failed, "request")
            show_error(click.ClickException(f"{failed} of {total:,} failed; --retry-failed sends what failed again"))
        return ExitCode.FAILED if results.failed else ExitCode.OK


def _run(job: BulkJob, place: Place, options: _Options, total: int) -> str | None:
    """Run the job; returns why it ended early, if it did."""
    with asyncio.Runner() as runner:
        client = place.client(timeout=options["timeout"], max_retries=options["max_retries"])
        try:
            return runner.run(job.run(client, PacedLimiter(share=options["share"])))
        except KeyboardInterrupt:
            done = f"{job.stats.finished:,} of {total:,} requests"
            raise StoppedError(f"stopped after {done}; the same command goes on from there") from None
        finally:
            runner.run(client.close())


def _check_files(options: _Options) -> None:
    """Refuse what is no file: a pipe gives its requests once and would be empty when they are sent, a device no end.

    Raises:
        click.UsageError: It is a pipe, a device or a socket.
    """
    for name, path in (("REQUESTS", options["requests"]), ("RESULTS", options["results"])):
        if path.exists() and not path.is_file():
            raise click.UsageError(f"{name} must be a file, which is read more than once; {path} is none.")


def _place(options: _Options) -> AbstractContextManager[Place]:
    if options["embedded"]:
        if options["base_url"] is not None:
            raise click.UsageError("--base-url and --embedded exclude each other.")
        return embedded(0.0)
    return remote(options["base_url"], options["api_key"])


def _model(options: _Options, place: Place | None) -> str:
    if options["model"] is not None:
        return options["model"]
    if place is not None:
        return place.model
    return DEMO_MODEL if options["embedded"] else os.environ.get("OPENAI_MODEL") or _DEFAULT_MODEL


def _results(options: _Options, stack: ExitStack) -> ResultsFile | None:
    """Open the results; None: there are none yet, and a dry run makes none."""
    path = options["results"]
    if options["dry_run"] and not path.exists():
        return None
    if path.exists() and path.samefile(options["requests"]):
        raise click.UsageError("REQUESTS and RESULTS are the same file.")
    return stack.enter_context(closing(ResultsFile(path, retry_failed=options["retry_failed"])))


def _look_through(requests: Requests, results: ResultsFile | None) -> tuple[Census, Census]:
    """Check every request before the first is sent, and count: all, and those to be sent."""
    every, left = Census(), Census()
    for request in requests.check():
        every.add(request)
        if results is None or not results.check(request):
            left.add(request)
    return every, left


def _tell_state(notices: Notices, results: ResultsFile | None) -> None:
    if results is None:
        return
    if results.torn:
        notices.note(f"the last line of {results.path} was torn, and is cut ({count(results.torn, 'byte')})")
    for line in results.damaged[:5]:
        notices.note(f"line {line} of {results.path} can't be read; its request counts as not answered")
    if len(results.damaged) > 5:
        notices.note(f"and {count(len(results.damaged) - 5, 'line')} more")


def _estimate(every: Census, left: Census) -> None:
    click.echo(f"{count(every.requests, 'request')}, {left.requests:,} of them to be sent")
    click.echo(f"about {left.prompt_tokens:,} tokens of prompts")
    limited = left.requests - left.unlimited
    if limited:
        click.echo(f"at most {left.longest_answers:,} tokens of answers for the {limited:,} that are limited")
    if left.unlimited:
        click.echo(f"{count(left.unlimited, 'request')} without a limit for the answer (max_completion_tokens)")
