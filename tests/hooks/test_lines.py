"""Records as lines: what each says, and where the lines go."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from support.rawserver import RawServer, answer, completion

from openai_async import AsyncOpenAI
from openai_async.hooks import (
    AttemptEnded,
    ConsoleHook,
    ContentArrived,
    FirstToken,
    LoggingHook,
    Record,
    RequestEnded,
    RequestStarted,
    ToolEnded,
    ToolStarted,
    fields_of,
    line_of,
)
from openai_async.types.usage import CompletionUsage

STARTED = RequestStarted(
    call=7,
    operation="chat.completions.create",
    method="POST",
    path="/v1/chat/completions",
    address="api.openai.com",
    port=443,
    model="gpt-5",
    stream=True,
    parameters={},
)
USAGE = CompletionUsage(prompt_tokens=12, completion_tokens=34, total_tokens=46)


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (STARTED, "#7 chat.completions.create gpt-5 stream: POST api.openai.com:443/v1/chat/completions"),
        (
            AttemptEnded(call=7, number=1, seconds=0.25, status=429, error="RateLimitError", request_id="r", delay=0.5),
            "#7 attempt 1: RateLimitError, status 429 after 0.250 s (request id r); the next one in 0.50 s",
        ),
        (
            AttemptEnded(call=7, number=2, seconds=1, status=200, error=None, request_id=None, delay=None),
            "#7 attempt 2: status 200 after 1.000 s",
        ),
        (FirstToken(call=7, seconds=0.3125), "#7 first token after 0.312 s"),
        (ContentArrived(call=7, seconds=0.5, chunks=3, model="m"), "#7 3 chunks after 0.500 s"),
        (
            RequestEnded(
                call=7, outcome="done", seconds=1.5, attempts=1, finish_reasons=("stop", None), usage=USAGE, chunks=36
            ),
            "#7 done after 1.500 s: stop, unfinished; 12 + 34 tokens, 36 chunks",
        ),
        (
            RequestEnded(call=7, outcome="error", seconds=1.5, attempts=3, error="APITimeoutError"),
            "#7 error after 1.500 s: APITimeoutError",
        ),
        (RequestEnded(call=7, outcome="left", seconds=1.5, attempts=1), "#7 left after 1.500 s"),
        (ToolStarted(call=8, tool="get_weather", tool_call_id="c"), "#8 tool get_weather"),
        (
            ToolEnded(call=8, tool="get_weather", tool_call_id="c", outcome="error", seconds=2, error="KeyError"),
            "#8 tool get_weather error after 2.000 s: KeyError",
        ),
    ],
)
def test_lines(record: Record, line: str) -> None:
    """A line says what happened to which request, and after how long."""
    assert line_of(record) == line


def test_lines_stay_lines() -> None:
    """What a server says makes no second line, and none without end."""
    told = RequestEnded(call=7, outcome="done", seconds=1, attempts=1, finish_reasons=("a\nERROR b", "c" * 5000))

    line = line_of(told)

    assert line.isprintable()
    assert len(line) < 500


def test_console() -> None:
    """Each record is a line of the file."""
    file = io.StringIO()
    hook = ConsoleHook(file)
    hook(STARTED)
    hook(FirstToken(call=7, seconds=0.3))

    assert file.getvalue().splitlines() == [line_of(STARTED), "#7 first token after 0.300 s"]


def test_console_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file they go to the standard error."""
    ConsoleHook()(FirstToken(call=7, seconds=0.3))

    assert capsys.readouterr() == ("", "#7 first token after 0.300 s\n")


def test_logging(caplog: pytest.LogCaptureFixture) -> None:
    """Each record is a DEBUG line of the package's logger, which has the record itself; at INFO there is none."""
    with caplog.at_level(logging.INFO, "openai_async"):
        LoggingHook()(STARTED)
    with caplog.at_level(logging.DEBUG, "openai_async"):
        LoggingHook()(FirstToken(call=7, seconds=0.3))

    (line,) = caplog.records
    assert (line.name, line.levelname, line.getMessage()) == ("openai_async", "DEBUG", "#7 first token after 0.300 s")
    assert vars(line)["openai_call"] == 7
    assert vars(line)["openai_record"] == {"record": "FirstToken", "call": 7, "seconds": 0.3}


def test_fields() -> None:
    """A record as plain data can be encoded by anybody; the usage has what the server added to it."""
    usage = CompletionUsage.from_dict({"prompt_tokens": 1, "cost": 0.5})
    fields = fields_of(RequestEnded(call=7, outcome="done", seconds=1.0, attempts=1, usage=usage))

    assert json.loads(json.dumps(fields)) == fields | {"finish_reasons": []}
    assert (fields["record"], fields["outcome"], fields["usage"]["cost"]) == ("RequestEnded", "done", 0.5)


@pytest.fixture
def as_it_was() -> Iterator[None]:
    """Other tests see the logger as if `OPENAI_LOG` had never been set."""
    log = logging.getLogger("openai_async")
    kept = log.handlers[:], log.level
    yield
    log.handlers[:] = kept[0]
    log.setLevel(kept[1])


@pytest.mark.anyio
@pytest.mark.sockets
@pytest.mark.usefixtures("as_it_was")
class TestLogs:
    """What a client logs of itself."""

    async def lines(self, caplog: pytest.LogCaptureFixture, level: int) -> list[logging.LogRecord]:
        """The lines of a call that is retried."""
        refused = answer({"error": {"message": "a private word"}}, 429, {"retry_after_ms": "1", "x_request_id": "r_1"})
        async with (
            RawServer(refused, answer(completion(), headers={"x_request_id": "r_2"})) as server,
            AsyncOpenAI(api_key="sk-secret-0123456789", base_url=server.url) as client,
        ):
            with caplog.at_level(level, "openai_async"):
                await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": "a private question"}]
                )
        assert "private" not in caplog.text
        assert "secret" not in caplog.text
        return [line for line in caplog.records if line.name == "openai_async"]

    async def test_retries(self, caplog: pytest.LogCaptureFixture) -> None:
        """A retry is one INFO line, which has the request id, and the same as attributes."""
        (line,) = await self.lines(caplog, logging.INFO)

        assert line.getMessage() == "retrying in 0.00 s (retry 1 of 2): RateLimitError, status 429, request id r_1"
        told = {name: value for name, value in vars(line).items() if name.startswith("openai_")}
        assert told == {
            "openai_delay": 0.001,
            "openai_retry": 1,
            "openai_error": "RateLimitError",
            "openai_status": 429,
            "openai_request_id": "r_1",
        }

    async def test_debugging(self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        """With `OPENAI_LOG=debug` every client logs each step of its requests; with "info" only retries."""
        monkeypatch.setenv("OPENAI_LOG", "debug")
        lines = [line.getMessage() for line in await self.lines(caplog, logging.DEBUG)]
        caplog.clear()
        monkeypatch.setenv("OPENAI_LOG", "info")
        fewer = await self.lines(caplog, logging.DEBUG)

        assert [line.partition(" ")[2].split(" ")[0] for line in lines] == [
            "chat.completions.create",
            "attempt",
            "in",
            "attempt",
            "done",
        ]
        assert "(request id r_2)" in lines[3]
        assert len(fewer) == 1

    def test_nothing_by_itself(self) -> None:
        """A program that sets up no logging reads nothing: Python's last resort is not asked."""
        handlers = logging.getLogger("openai_async").handlers

        assert any(isinstance(handler, logging.NullHandler) for handler in handlers)
