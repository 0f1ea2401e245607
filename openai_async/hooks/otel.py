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
    from opentelemetry import propagate as propagators
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
except ImportError as _error:
    raise ImportError("OpenTelemetryHook needs OpenTelemetry: pip install 'openai-async-sdk[otel]'") from _error

from .content import input_messages, output_messages, tool_definitions
from .conventions import Attributes, of_end, of_request, of_server, provider_of
from .otelmetrics import Instruments
from .records import AttemptEnded, ContentArrived, Record, RequestEnded, RequestStarted, ToolEnded, ToolStarted

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
_OTHER = "_OTHER"  # what the conventions call a value outside a known set, as of methods of HTTP
_EVENT = "gen_ai.client.inference.operation.details"


class _Open(NamedTuple):
    """A span under way.

    `common` is what its metrics share, `asked` what its event repeats, `body` the prompt, `attempts` how many failed.
    """

    span: Span
    common: Attributes
    asked: Attributes
    body: bytes | None
    creates: bool
    attempts: int = 0


class _Pace:
    """The chunks of one stream: when the last ones came, and what their measurements share."""

    __slots__ = ("attributes", "context", "last")

    def __init__(self, one: _Open, record: ContentArrived) -> None:
        model: Attributes = {"gen_ai.response.model": record.model} if record.model else {}
        self.attributes: Attributes = {**one.common, **model}
        self.context: Context = trace.set_span_in_context(one.span)
        self.last: ContentArrived | None = None


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
            `gen_ai.client.operation.duration`, `….time_to_first_chunk`, `gen_ai.client.token.usage`, and what `per_chunk`
            asks for.
        per_chunk: Whether `….time_per_output_chunk` is recorded, for each chunk of content in a stream but the first:
            the time since the one before, 0 where one read brought both.
        propagate: Whether requests carry the context of their span in headers (`traceparent`), so that a server of yours
            continues the trace: True: in those of the application's propagators; or a propagator; False: none. Headers
            that a request has already are left to it.

    Attributes:
        per_chunk: As it was given.

    Raises:
        TypeError: `propagate` is no propagator.
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
        per_chunk: bool = False,
        propagate: TextMapPropagator | bool = False,
    ) -> None:
        given: Any = propagate
        if not isinstance(given, bool | TextMapPropagator):
            raise TypeError(f"propagate must be a boolean or a propagator, not a {type(given).__name__}")
        self._propagate = propagate
        self.per_chunk: bool = per_chunk
        self._places = _places(capture_content)
        self._provider = provider
        self._tracer = trace.get_tracer("openai_async", __version__, tracer_provider)
        self._instruments = Instruments(meter_provider, old=old_metrics, per_chunk=per_chunk)
        self._logger_provider = logger_provider
        self._open: dict[int, _Open] = {}
        self._paces: dict[int, _Pace] = {}  # of the streams among them whose chunks are measured

    def __call__(self, record: Record) -> None:
        """Take a record; one that was taken already, as by a hook that a client has twice, changes nothing."""
        match record:
            case RequestStarted() | ToolStarted() if record.call in self._open:
                pass
            case RequestStarted():
                self._start(record)
            case ContentArrived():
                self._measure(record)
            case AttemptEnded():
                self._retry(record)
            case RequestEnded():
                self._paces.pop(record.call, None)
                if (one := self._open.pop(record.call, None)) is not None:
                    self._end(record, one)
            case ToolStarted():
                self._start_tool(record)
            case ToolEnded():
                if (one := self._open.pop(record.call, None)) is not None:
                    self._end_tool(record, one)
            case _:
                pass  # the first token is told with the end

    def headers_for(self, started: RequestStarted) -> dict[str, str]:
        """Return the headers that tell a server of the request's span; none, unless `propagate` says so."""
        headers: dict[str, str] = {}
        one = self._open.get(started.call)
        if self._propagate is not False and one is not None:
            given = self._propagate
            propagator: Any = propagators.get_global_textmap() if given is True else given
            propagator.inject(headers, trace.set_span_in_context(one.span))
        return headers

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
        if one is None or record.delay is None or record.number <= one.attempts:
            return
        self._open[record.call] = one._replace(attempts=record.number)
        told = {
            "error.type": record.error,
            "http.response.status_code": record.status,
            "openai_async.attempt": record.number,
            "openai_async.delay": record.delay,
            "openai_async.request_id": record.request_id,
        }
        one.span.add_event("openai_async.retry", {name: value for name, value in told.items() if value is not None})

    def _measure(self, record: ContentArrived) -> None:
        one, pace = self._open.get(record.call), self._paces.get(record.call)
        if one is None or not one.creates:
            return
        if pace is None:
            pace = self._paces[record.call] = _Pace(one, record)
        if pace.last is record:
            return
        if pace.last is not None:
            self._instruments.record_gap(record.seconds - pace.last.seconds, pace.attributes, pace.context)
        for _ in range(record.chunks - 1):
            self._instruments.record_gap(0.0, pace.attributes, pace.context)
        pace.last = record

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
        # A model can make up any number of names. A span has its own; what is counted by names has one for all of them.
        tool = record.tool if record.offered else _OTHER
        name = f"execute_tool {tool}" if record.offered else "execute_tool"
        span = self._tracer.start_span(name, kind=SpanKind.INTERNAL, attributes=attributes)
        if "span" in self._places and record.arguments is not None:
            span.set_attribute("gen_ai.tool.call.arguments", record.arguments)
        self._open[record.call] = _Open(span, {"gen_ai.tool.name": tool}, {}, None, creates=False)

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
