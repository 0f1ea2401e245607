"""`OpenTelemetryHook`: spans and metrics of requests and tools, by OpenTelemetry's GenAI conventions.

Records come in; spans, histograms and counters go to OpenTelemetry's API, and from there to whatever the application set
up. A span begins in the context that is current at the call, and is never made current itself: no context is attached
while a stream is read, so nothing has to be detached in another task.
"""

from __future__ import annotations

from os import environ
from time import time_ns
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from openai_async.version import __version__

try:
    from opentelemetry import _logs as logs
    from opentelemetry import trace
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
except ImportError as _error:
    raise ImportError("OpenTelemetryHook needs OpenTelemetry: pip install 'openai-async-sdk[otel]'") from _error

from .content import input_messages, output_messages, tool_definitions
from .conventions import Attributes, of_end, of_request, of_server, provider_of
from .otelmetrics import Instruments
from .records import AttemptEnded, Record, RequestEnded, RequestStarted, ToolEnded, ToolStarted

__all__ = ["CaptureContent", "OpenTelemetryHook"]

CaptureContent: TypeAlias = Literal["NO_CONTENT", "SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT"]
"""Where prompts and answers are recorded: nowhere, on the span, in an event of the logs' API, or in both."""

_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_PLACES: dict[str, frozenset[str]] = {
    "NO_CONTENT": frozenset(),
    "SPAN_ONLY": frozenset({"span"}),
    "EVENT_ONLY": frozenset({"event"}),
    "SPAN_AND_EVENT": frozenset({"span", "event"}),
    "TRUE": frozenset({"span"}),  # how older instrumentations spell it
    "FALSE": frozenset(),
}
_CREATE = "chat.completions.create"
_EVENT = "gen_ai.client.inference.operation.details"


class _Open(NamedTuple):
    """A span under way; `common` is what its metrics share, `asked` what its event repeats, `body` the prompt."""

    span: Span
    common: Attributes
    asked: Attributes
    body: bytes | None
    creates: bool


class OpenTelemetryHook:
    """Traces and measures what it is told of; for `hooks=` of any number of clients.

        client = AsyncOpenAI(hooks=[OpenTelemetryHook()])

    A request is one span, with its retries, from the call to the answer's end: `chat {model}`, or for what creates no
    completion the operation's name. A tool that `run_tools` calls is a span `execute_tool {name}`. docs/observability.md
    lists attributes and metrics.

    Args:
        tracer_provider: Where spans go; None: the application's.
        meter_provider: Where metrics go; None: the application's.
        logger_provider: Where events go, if content is captured in them; None: the application's.
        capture_content: Whether prompts, answers, arguments and results are recorded: True: on spans; False: nowhere;
            or a `CaptureContent`; None: as the environment's `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`
            says, and else nowhere.
        provider: The value of `gen_ai.provider.name`; None: told by the server's host, "openai" where it is unknown.
        old_metrics: Whether the metrics that had other names until 2026 are recorded under those as well:
            `gen_ai.client.operation.duration`, `….time_to_first_chunk` and `gen_ai.client.token.usage`.

    Raises:
        ValueError: `capture_content`, or the variable, is none of these.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: logs.LoggerProvider | None = None,
        capture_content: CaptureContent | bool | None = None,
        provider: str | None = None,
        old_metrics: bool = False,
    ) -> None:
        self._places = _places(capture_content)
        self._provider = provider
        self._tracer = trace.get_tracer("openai_async", __version__, tracer_provider)
        self._instruments = Instruments(meter_provider, old=old_metrics)
        self._logger_provider = logger_provider
        self._open: dict[int, _Open] = {}

    def __call__(self, record: Record) -> None:
        """Take a record."""
        match record:
            case RequestStarted():
                self._start(record)
            case AttemptEnded():
                self._retry(record)
            case RequestEnded():
                if (one := self._open.pop(record.call, None)) is not None:
                    self._end(record, one)
            case ToolStarted():
                self._start_tool(record)
            case ToolEnded():
                if (one := self._open.pop(record.call, None)) is not None:
                    self._end_tool(record, one)
            case _:
                pass  # the first token is told with the end

    # Requests.

    def _start(self, record: RequestStarted) -> None:
        if record.operation != _CREATE:
            address: Attributes = {"server.address": record.address, "server.port": record.port}
            attributes: Attributes = {**address, "http.request.method": record.method}
            span = self._tracer.start_span(record.operation, kind=SpanKind.CLIENT, attributes=attributes)
            self._open[record.call] = _Open(span, address, {}, None, creates=False)
            return
        common = of_server(record, self._provider or provider_of(record.address))
        asked = of_request(record.parameters, stream=record.stream)
        name = f"chat {record.model}" if record.model else "chat"
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes={**common, **asked})
        self._open[record.call] = _Open(span, common, asked, record.body if self._places else None, creates=True)

    def _retry(self, record: AttemptEnded) -> None:
        one = self._open.get(record.call)
        if one is None or record.delay is None:
            return
        told = {
            "error.type": record.error,
            "http.response.status_code": record.status,
            "openai_async.attempt": record.number,
            "openai_async.delay": record.delay,
            "openai_async.request_id": record.request_id,
        }
        one.span.add_event("openai_async.retry", {name: value for name, value in told.items() if value is not None})

    def _end(self, record: RequestEnded, one: _Open) -> None:
        attributes = of_end(record)
        if not one.creates and record.status is not None:
            attributes["http.response.status_code"] = record.status
        one.span.set_attributes(attributes)
        if record.error is not None:
            one.span.set_status(Status(StatusCode.ERROR, record.error))
        try:
            if one.creates:
                self._instruments.record(record, one.common, attributes, trace.set_span_in_context(one.span))
                if self._places:
                    self._capture(record, one, attributes)
        finally:  # content has any shape: what can't be recorded must not keep the span open
            one.span.end()

    def _capture(self, record: RequestEnded, one: _Open, attributes: Attributes) -> None:
        completion = record.completion
        content: dict[str, Any] = {
            "gen_ai.input.messages": input_messages(one.body),
            "gen_ai.output.messages": [] if completion is None else output_messages(completion),
            "gen_ai.tool.definitions": tool_definitions(one.body),
        }
        content = {name: value for name, value in content.items() if value}
        if "span" in self._places and one.span.is_recording():
            # Attributes of spans have no structure: there it is JSON.
            one.span.set_attributes({name: _json(value) for name, value in content.items()})
        if "event" in self._places:
            event = logs.LogRecord(
                event_name=_EVENT,
                timestamp=time_ns(),
                attributes={**one.common, **one.asked, **attributes, **content},
                context=trace.set_span_in_context(one.span),
            )
            logs.get_logger("openai_async", __version__, self._logger_provider).emit(event)

    # Tools.

    def _start_tool(self, record: ToolStarted) -> None:
        attributes: Attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": record.tool,
            "gen_ai.tool.call.id": record.tool_call_id,
            "gen_ai.tool.type": "function",
        }
        span = self._tracer.start_span(f"execute_tool {record.tool}", kind=SpanKind.INTERNAL, attributes=attributes)
        if "span" in self._places and record.arguments is not None:
            span.set_attribute("gen_ai.tool.call.arguments", record.arguments)
        self._open[record.call] = _Open(span, {"gen_ai.tool.name": record.tool}, {}, None, creates=False)

    def _end_tool(self, record: ToolEnded, one: _Open) -> None:
        one.span.set_attribute("openai_async.outcome", record.outcome)
        if record.error is not None:
            one.span.set_attribute("error.type", record.error)
            one.span.set_status(Status(StatusCode.ERROR, record.error))
        if "span" in self._places and record.result is not None:
            one.span.set_attribute("gen_ai.tool.call.result", record.result)
        self._instruments.record_tool(record, one.common, trace.set_span_in_context(one.span))
        one.span.end()


def _places(told: object) -> frozenset[str]:
    """Return where content is recorded."""
    place = "capture_content"
    if told is None:
        place, told = f"the environment variable {_VARIABLE}", environ.get(_VARIABLE) or "NO_CONTENT"
    places = _PLACES.get(str(told).upper())
    if places is None:
        raise ValueError(f"{place} must be one of NO_CONTENT, SPAN_ONLY, EVENT_ONLY and SPAN_AND_EVENT, or a boolean")
    return places


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
