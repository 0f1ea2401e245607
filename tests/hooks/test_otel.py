"""Spans, metrics and events, in OpenTelemetry's own SDK: what an application's exporters get."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from support import clock
from support.rawserver import Handler, RawServer, answer, chunk, completion, event, hello, sse
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport

from openai_async import AsyncOpenAI, errors
from openai_async.hooks.conventions import SECONDS, TOKENS
from openai_async.hooks.otel import OpenTelemetryHook

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

KEY = "sk-secret-0123456789"
MESSAGES: Any = [{"role": "user", "content": "a private question"}]
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 3,
    "total_tokens": 23,
    "prompt_tokens_details": {"cached_tokens": 16},
}
WITH_USAGE = [*hello(), {**chunk(), "choices": [], "usage": USAGE}]
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class Backend:
    """An application's OpenTelemetry, which keeps what it is given."""

    def __init__(self, **settings: Any) -> None:
        self._spans, self._reader, self._logs = (
            InMemorySpanExporter(),
            InMemoryMetricReader(),
            InMemoryLogRecordExporter(),
        )
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        meter_provider = MeterProvider([self._reader])
        logger_provider = LoggerProvider()
        logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        self.hook = OpenTelemetryHook(
            tracer_provider=self.tracer_provider,
            meter_provider=meter_provider,
            logger_provider=logger_provider,
            **settings,
        )

    def client(self, server: RawServer, **settings: Any) -> AsyncOpenAI:
        """A client that it observes."""
        return AsyncOpenAI(api_key=KEY, base_url=server.url, hooks=[self.hook], **settings)

    @property
    def spans(self) -> Any:
        """Those that have ended; none is left open, neither there nor in the hook."""
        assert self.hook._open == self.hook._paces == {}
        return self._spans.get_finished_spans()

    @property
    def span(self) -> Any:
        """The one span."""
        (span,) = self.spans
        return span

    @property
    def events(self) -> Any:
        """What went to the logs' API."""
        return [one.log_record for one in self._logs.get_finished_logs()]

    def points(self) -> dict[str, list[Any]]:
        """The data points of each metric, by its name."""
        data = self._reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


async def read(backend: Backend, *handlers: Handler, **params: Any) -> Any:
    """Send one request, and read its answer to the end."""
    async with RawServer(*handlers) as server, backend.client(server) as client:
        try:
            answered: Any = await client.chat.completions.create(model="m", messages=MESSAGES, **params)
            return await answered.final() if params.get("stream") else answered
        except errors.OpenAIError as error:
            return error


async def test_span_of_a_stream() -> None:
    """A stream is one span, from the call to its last byte, with what was asked and what came."""
    backend = Backend()
    await read(backend, sse(WITH_USAGE, headers={"x_request_id": "req_1"}), stream=True, temperature=0.5, seed=7)

    span = backend.span
    assert (span.name, span.kind, span.status.status_code) == ("chat m", SpanKind.CLIENT, StatusCode.UNSET)
    attributes = dict(span.attributes)
    first = attributes.pop("gen_ai.response.time_to_first_chunk")
    assert 0 < first < (span.end_time - span.start_time) / 1e9 + 0.1
    assert attributes.pop("server.port") > 0
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.seed": 7,
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "m-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 16,
        "openai.api.type": "chat_completions",
        "openai_async.attempts": 1,
        "openai_async.outcome": "done",
        "openai_async.request_id": "req_1",
        "openai_async.stream.chunks": 5,
        "server.address": "127.0.0.1",
    }


async def test_attributes_for_samplers() -> None:
    """What a sampler decides by is there when the span is made."""
    backend = Backend()
    seen: list[Any] = []

    class Looking(SimpleSpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            seen.append((parent_context, dict(span.attributes)))

    backend.tracer_provider.add_span_processor(Looking(InMemorySpanExporter()))
    await read(backend, answer(completion()))

    ((_, attributes),) = seen
    assert attributes.keys() >= {
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "server.address",
        "server.port",
    }


async def test_metrics_of_a_stream() -> None:
    """Duration, time to the first chunk, tokens: each has the conventions' name, buckets and attributes."""
    backend = Backend()
    await read(backend, sse(WITH_USAGE), stream=True)

    points = backend.points()
    assert points.keys() == {
        "gen_ai.client.inference.duration",
        "gen_ai.client.inference.time_to_first_chunk",
        "gen_ai.client.inference.operation.input_tokens",
        "gen_ai.client.inference.operation.output_tokens",
        "gen_ai.client.inference.usage.input_tokens",
        "gen_ai.client.inference.usage.output_tokens",
        "gen_ai.client.inference.usage.cache_read.input_tokens",
    }
    for name, bounds in [("duration", SECONDS), ("time_to_first_chunk", SECONDS), ("operation.input_tokens", TOKENS)]:
        (point,) = points[f"gen_ai.client.inference.{name}"]
        assert point.explicit_bounds == bounds
        assert point.count == 1
        assert point.attributes.keys() == {
            "gen_ai.operation.name",
            "gen_ai.provider.name",
            "gen_ai.request.model",
            "gen_ai.response.model",
            "server.address",
            "server.port",
        }
    (spent,) = points["gen_ai.client.inference.usage.input_tokens"]
    assert (spent.value, spent.attributes["gen_ai.token.modality"]) == (20, "unknown")
    (exemplar,) = points["gen_ai.client.inference.duration"][0].exemplars
    assert exemplar.span_id == backend.span.context.span_id


async def test_plain_call_has_no_first_chunk() -> None:
    """What is no stream has no time to its first chunk, neither on the span nor as a metric."""
    backend = Backend()
    await read(backend, answer(completion()))

    assert "gen_ai.response.time_to_first_chunk" not in backend.span.attributes
    assert "gen_ai.request.stream" not in backend.span.attributes
    assert "gen_ai.client.inference.time_to_first_chunk" not in backend.points()


async def test_old_metrics() -> None:
    """On demand the metrics come under their names of before 2026, too."""
    backend = Backend(old_metrics=True)
    await read(backend, sse(WITH_USAGE), stream=True)

    points = backend.points()
    assert "gen_ai.client.inference.duration" in points
    assert points["gen_ai.client.operation.duration"][0].explicit_bounds == SECONDS
    assert points["gen_ai.client.operation.time_to_first_chunk"][0].count == 1
    tokens = {point.attributes["gen_ai.token.type"]: point for point in points["gen_ai.client.token.usage"]}
    assert {kind: point.sum for kind, point in tokens.items()} == {"input": 20, "output": 3}
    assert tokens["input"].explicit_bounds == TOKENS


@pytest.mark.parametrize("old", [False, True])
def test_time_per_chunk(*, old: bool) -> None:
    """On demand each chunk after the first is measured, those of one read with 0; a hook that is there twice does once."""
    backend = Backend(per_chunk=True, old_metrics=old)
    role, hel, lo, end = map(event, hello())

    async def main() -> None:
        response = ScriptedResponse(role, 1.0, hel, 2.0, lo + lo, 4.0, lo, end, headers=EVENT_STREAM)
        async with AsyncOpenAI(
            api_key=KEY, transport=ScriptedTransport([response]), hooks=[backend.hook] * 2
        ) as client:
            stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            await stream.final()

    clock.run(main())

    points = backend.points()
    names = ["gen_ai.client.inference", *(["gen_ai.client.operation"] if old else [])]
    for name in names:
        (point,) = points.pop(f"{name}.time_per_output_chunk")
        assert (point.count, point.sum) == (4, 6.0)
        assert (point.min, point.max) == (0.0, 4.0)
        assert point.explicit_bounds == SECONDS
        assert point.attributes == points[f"{name}.time_to_first_chunk"][0].attributes
        assert point.exemplars[0].span_id == backend.span.context.span_id
    assert not [name for name in points if name.endswith("time_per_output_chunk")]


async def test_time_per_chunk_is_not_measured() -> None:
    """Unless it is asked for, and of plain calls never."""
    silent, asked = Backend(), Backend(per_chunk=True)
    await read(silent, sse(WITH_USAGE), stream=True)
    await read(asked, answer(completion()))

    assert (silent.hook.per_chunk, asked.hook.per_chunk) == (False, True)
    for backend in (silent, asked):
        assert not [name for name in backend.points() if name.endswith("time_per_output_chunk")]


async def test_error() -> None:
    """A failure is the span's status and `error.type`, by the class of the error and without its words."""
    backend = Backend()
    await read(backend, answer({"error": {"message": "a private word"}}, 404))

    span = backend.span
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "NotFoundError")
    assert span.attributes["error.type"] == "NotFoundError"
    assert "private" not in span.to_json()
    (point,) = backend.points()["gen_ai.client.inference.duration"]
    assert point.attributes["error.type"] == "NotFoundError"
    (spent,) = backend.points()["gen_ai.client.inference.usage.input_tokens"]
    assert (spent.value, spent.attributes["gen_ai.token.modality"]) == (0, "unknown")


async def test_retries() -> None:
    """All attempts are one span; each retry is an event on it."""
    backend = Backend()
    refused = answer({"error": {"message": "slow"}}, 429, {"retry_after_ms": "1", "x_request_id": "req_no"})
    await read(backend, refused, answer(completion()))

    (event,) = backend.span.events
    assert event.name == "openai_async.retry"
    assert dict(event.attributes) == {
        "error.type": "RateLimitError",
        "http.response.status_code": 429,
        "openai_async.attempt": 1,
        "openai_async.delay": 0.001,
        "openai_async.request_id": "req_no",
    }
    assert backend.span.attributes["openai_async.attempts"] == 2
    assert backend.span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("leave", ["break", "cancel", "drop"])
async def test_span_of_a_stream_that_is_left(leave: str) -> None:
    """The span ends however the reader goes; what did not come has ended by an error, and the span has none."""
    backend = Backend()
    async with (
        RawServer(sse(hello()[:3], done=False, ending="nothing")) as server,
        backend.client(server) as client,
    ):
        stream: Any = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        if leave == "break":
            async with stream:
                await anext(stream)
        elif leave == "cancel":
            task = asyncio.create_task(stream.final())
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait([task])
        else:
            with pytest.warns(ResourceWarning):  # noqa: PT031 - dropping it warns
                del stream
                gc.collect()
        span = backend.span

    assert span.attributes["openai_async.outcome"] == ("cancelled" if leave == "cancel" else "left")
    assert span.attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert span.status.status_code is StatusCode.UNSET


async def test_parents(caplog: pytest.LogCaptureFixture) -> None:
    """A span's parent is the one that is current at the call, wherever the stream is read and closed.

    Nothing is attached meanwhile, so nothing fails to be detached.
    """
    backend = Backend()
    tracer = backend.tracer_provider.get_tracer("test")
    current: list[Any] = []

    async def relay(stream: Any) -> Any:
        async for one in stream:
            current.append(trace.get_current_span())
            yield one

    async with RawServer(sse(hello(), cut=5)) as server, backend.client(server) as client:
        with tracer.start_as_current_span("outer") as outer:
            stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            current.append(trace.get_current_span())
        relayed = relay(stream)
        await anext(relayed)
        await asyncio.create_task(relayed.aclose())
        await asyncio.create_task(stream.aclose())

    inner, ended = backend.spans if backend.spans[0].name == "chat m" else reversed(backend.spans)
    assert ended.name == "outer"
    assert inner.parent.span_id == outer.get_span_context().span_id
    assert current[0] is outer
    assert not current[1].get_span_context().is_valid
    assert [line for line in caplog.records if line.levelno >= logging.WARNING] == []


async def sent(backend: Backend, *handlers: Handler, **options: Any) -> list[Any]:
    """Send one request inside of a span, and return the headers of each attempt."""
    async with RawServer(*handlers) as server, backend.client(server) as client:
        with backend.tracer_provider.get_tracer("test").start_as_current_span("outer"):
            await client.chat.completions.create(model="m", messages=MESSAGES, **options)
    return [request.headers for request in server.requests]


@pytest.mark.parametrize("given", [True, TraceContextTextMapPropagator()])
async def test_propagation(given: Any) -> None:
    """On demand all attempts of a request tell the server of its span; of nothing else, if the propagator is that."""
    backend = Backend(propagate=given)
    refused = answer({"error": {"message": "slow"}}, 503, {"retry_after_ms": "1"})
    token = context.attach(baggage.set_baggage("who", "me"))
    try:
        attempts = await sent(backend, refused, answer(completion()))
    finally:
        context.detach(token)

    inner, outer = backend.spans
    span = inner.context
    assert (inner.name, inner.parent.span_id) == ("chat m", outer.context.span_id)
    told = f"00-{span.trace_id:032x}-{span.span_id:016x}-"
    assert [headers["traceparent"][: len(told)] for headers in attempts] == [told, told]
    assert [headers.get("baggage") for headers in attempts] == ["who=me" if given is True else None] * 2


async def test_no_propagation() -> None:
    """Unless it is asked for, no header tells of traces."""
    backend = Backend()
    (headers,) = await sent(backend, answer(completion()))

    assert not headers.keys() & {"traceparent", "tracestate", "baggage"}


async def test_propagation_of_the_callers_own() -> None:
    """A caller's `traceparent` is sent as it is, and nothing beside it."""
    backend = Backend(propagate=True)
    token = context.attach(baggage.set_baggage("who", "me"))
    try:
        (headers,) = await sent(backend, answer(completion()), extra_headers={"Traceparent": "mine"})
    finally:
        context.detach(token)

    assert headers["traceparent"] == "mine"
    assert not headers.keys() & {"tracestate", "baggage"}


async def test_propagation_without_a_backend() -> None:
    """Where nothing is traced there is nothing to tell."""
    async with (
        RawServer(answer(completion())) as server,
        AsyncOpenAI(api_key=KEY, base_url=server.url, hooks=[OpenTelemetryHook(propagate=True)]) as client,
    ):
        await client.chat.completions.create(model="m", messages=MESSAGES)

    assert "traceparent" not in server.requests[0].headers


def test_propagator_that_is_none() -> None:
    """It is refused when the hook is made."""
    nothing: Any = "tracecontext"
    with pytest.raises(TypeError, match="propagate must be a boolean or a propagator, not a str"):
        OpenTelemetryHook(propagate=nothing)


async def look() -> str:
    """Look."""
    return "seen"


@pytest.mark.parametrize("around", ["twice", "inside another"])
async def test_hook_that_is_there_twice(around: str) -> None:
    """Each request, retry and tool is recorded once."""
    backend = Backend()
    once = backend.hook

    def another(record: Any) -> None:
        once(record)

    refused = answer({"error": {"message": "slow"}}, 503, {"retry_after_ms": "1"})
    async with (
        RawServer(refused, answer(calling("look")), answer(completion())) as server,
        backend.client(server) as client,
    ):
        both = client.with_options(hooks=[once, once if around == "twice" else another])
        await both.chat.completions.run_tools(model="m", messages=MESSAGES, tools=[look])
        await client.chat.completions.create(model="m", messages=MESSAGES)

    assert [span.name for span in backend.spans] == ["chat m", "execute_tool look", "chat m", "chat m"]
    assert [len(span.events) for span in backend.spans] == [1, 0, 0, 0]
    points = backend.points()
    assert points["gen_ai.client.inference.duration"][0].count == 3
    assert points["gen_ai.execute_tool.duration"][0].count == 1


async def test_other_operations() -> None:
    """What is no inference has a span of its own kind, and no metrics of inferences."""
    backend = Backend()
    async with RawServer(answer(completion())) as server, backend.client(server) as client:
        await client.chat.completions.retrieve("chatcmpl-1")

    span = backend.span
    assert (span.name, span.kind) == ("chat.completions.retrieve", SpanKind.CLIENT)
    assert span.attributes["http.request.method"] == "GET"
    assert span.attributes["http.response.status_code"] == 200
    assert not [name for name in span.attributes if name.startswith("gen_ai.")]
    assert backend.points() == {}


@pytest.mark.parametrize(
    ("given", "variable", "on_span", "as_event"),
    [
        (None, None, False, False),
        (None, "NO_CONTENT", False, False),
        (None, "span_only", True, False),
        (None, "EVENT_ONLY", False, True),
        (None, "SPAN_AND_EVENT", True, True),
        (None, "true", True, False),
        (False, "SPAN_AND_EVENT", False, False),
        (True, None, True, False),
        ("EVENT_ONLY", "SPAN_ONLY", False, True),
    ],
)
async def test_content(
    monkeypatch: pytest.MonkeyPatch, given: Any, variable: str | None, *, on_span: bool, as_event: bool
) -> None:
    """Prompts and answers are recorded nowhere, unless the application or the environment says where."""
    if variable is not None:
        monkeypatch.setenv(CAPTURE, variable)
    backend = Backend(capture_content=given)
    await read(backend, sse([chunk("a private answer"), chunk(finish="stop")]), stream=True)

    asked = [{"role": "user", "parts": [{"type": "text", "content": "a private question"}]}]
    said = [{"role": "assistant", "parts": [{"type": "text", "content": "a private answer"}], "finish_reason": "stop"}]
    span = backend.span
    assert ("private" in span.to_json()) == on_span
    if on_span:
        assert msgspec.json.decode(span.attributes["gen_ai.input.messages"]) == asked
        assert msgspec.json.decode(span.attributes["gen_ai.output.messages"]) == said
    assert len(backend.events) == as_event
    for one in backend.events:
        assert one.event_name == "gen_ai.client.inference.operation.details"
        assert one.attributes["gen_ai.operation.name"] == "chat"
        assert one.attributes["gen_ai.input.messages"][0]["role"] == "user"
        assert one.span_id == span.context.span_id


async def test_content_that_can_not_be_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The span ends all the same."""

    def refuse(_body: bytes | None) -> Any:
        raise ValueError("no such shape")

    monkeypatch.setattr("openai_async.hooks.otel.input_messages", refuse)
    backend = Backend(capture_content=True)
    await read(backend, answer(completion()))

    assert backend.span.attributes["openai_async.outcome"] == "done"


@pytest.mark.parametrize("given", ["EVERYWHERE", 5])
def test_content_that_goes_nowhere(monkeypatch: pytest.MonkeyPatch, given: Any) -> None:
    """A place that there is not is refused, by an argument or by the environment."""
    with pytest.raises(ValueError, match="capture_content must be one of NO_CONTENT"):
        OpenTelemetryHook(capture_content=given)
    monkeypatch.setenv(CAPTURE, str(given))
    with pytest.raises(ValueError, match=f"{CAPTURE} must be one of"):
        OpenTelemetryHook()


async def test_provider() -> None:
    """The provider's name can be said, where the host does not tell it."""
    backend = Backend(provider="groq")
    await read(backend, answer(completion()))

    assert backend.span.attributes["gen_ai.provider.name"] == "groq"


def calling(*names: str) -> dict[str, Any]:
    """A completion that calls tools."""
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        for number, name in enumerate(names)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    return {**completion(), "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}


async def test_names_that_the_model_made_up() -> None:
    """Spans tell them; metrics, and the names of spans, have one for all of them."""
    backend = Backend()
    calls = calling("look", *[f"invented_{number}" for number in range(9)])
    async with RawServer(answer(calls), answer(completion())) as server, backend.client(server) as client:
        await client.chat.completions.run_tools(model="m", messages=MESSAGES, tools=[look])

    tools = [span for span in backend.spans if span.name.startswith("execute_tool")]
    assert sorted({span.name for span in tools}) == ["execute_tool", "execute_tool look"]
    assert {span.attributes["gen_ai.tool.name"] for span in tools} == {
        "look",
        *[f"invented_{number}" for number in range(9)],
    }
    points = backend.points()["gen_ai.execute_tool.duration"]
    assert {point.attributes["gen_ai.tool.name"]: point.count for point in points} == {"look": 1, "_OTHER": 9}


@pytest.mark.parametrize("captures", [False, True])
async def test_tools(*, captures: bool) -> None:
    """A tool is a span beside those of its run's requests, and measured; its arguments are content."""
    backend = Backend(capture_content=captures)

    async def look(city: str) -> str:
        """Look."""
        return f"private {city}"

    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"city": "private"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    calling = {**completion(), "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    async with RawServer(answer(calling), answer(completion())) as server, backend.client(server) as client:
        with backend.tracer_provider.get_tracer("test").start_as_current_span("agent"):
            await client.chat.completions.run_tools(model="m", messages=MESSAGES, tools=[look])

    assert [span.name for span in backend.spans] == ["chat m", "execute_tool look", "chat m", "agent"]
    tool, agent = backend.spans[1], backend.spans[3]
    assert all(span.parent.span_id == agent.context.span_id for span in backend.spans[:3])
    assert tool.kind is SpanKind.INTERNAL
    content = {"gen_ai.tool.call.arguments": '{"city": "private"}', "gen_ai.tool.call.result": "private private"}
    assert dict(tool.attributes) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "look",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.type": "function",
        "openai_async.outcome": "done",
        **(content if captures else {}),
    }
    (point,) = backend.points()["gen_ai.execute_tool.duration"]
    assert (point.count, dict(point.attributes)) == (1, {"gen_ai.tool.name": "look"})


async def test_tool_that_fails() -> None:
    """Its span has the class of its error, and so has its duration."""
    backend = Backend()

    async def look() -> str:
        """Look."""
        raise KeyError("private")

    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    calling = {**completion(), "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    async with RawServer(answer(calling)) as server, backend.client(server) as client:
        with pytest.raises(KeyError):
            await client.chat.completions.run_tools(model="m", messages=MESSAGES, tools=[look])

    tool = backend.spans[1]
    assert (tool.status.status_code, tool.attributes["error.type"]) == (StatusCode.ERROR, "KeyError")
    assert "private" not in tool.to_json()
    (point,) = backend.points()["gen_ai.execute_tool.duration"]
    assert point.attributes["error.type"] == "KeyError"


async def test_application_without_a_backend() -> None:
    """Where OpenTelemetry is not set up, nothing is recorded and nothing fails."""
    async with (
        RawServer(answer(completion())) as server,
        AsyncOpenAI(api_key=KEY, base_url=server.url, hooks=[OpenTelemetryHook()]) as client,
    ):
        assert await client.chat.completions.create(model="m", messages=MESSAGES)


def test_without_the_extra() -> None:
    """Without OpenTelemetry the hook says how to install it; other hooks work without."""
    code = (
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "import openai_async.hooks\n"
        "try:\n"
        "    import openai_async.hooks.otel\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)

    assert done.stdout == "OpenTelemetryHook needs OpenTelemetry: pip install 'openai-async-sdk[otel]'\n"
