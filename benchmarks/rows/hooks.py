"""Hooks and telemetry: what they add to a call and to a stream, and that there is nothing to add where there are none.

The transport answers by itself, for HTTP and the kernel would hide it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple, TypeAlias

from benchmarks.bodies import body
from benchmarks.clients import MESSAGES
from benchmarks.replay import Replay, alone, in_reads, recorded
from benchmarks.series import OURS, Case, Column, Measured, Series

__all__ = ["ROW"]

_QUICK = 4  # times less work
# What OpenTelemetry itself has for the official SDK.
_INSTRUMENTATION = "opentelemetry-instrumentation-genai-openai"


class _Size(NamedTuple):
    """What is asked for, and how it comes: the name of its body, whether its chunks come alone, how often it is asked for."""

    title: str
    model: str
    alone: bool
    times: int

    @property
    def stream(self) -> bool:
        """Whether it is a stream."""
        return body(self.model).stream

    @property
    def kind(self) -> str:
        """Its content type."""
        return "text/event-stream" if self.stream else "application/json"

    @property
    def reads(self) -> list[bytes]:
        """What the reads of a socket bring."""
        if not self.stream:
            return [body(self.model).data]
        return alone(recorded()) if self.alone else in_reads(recorded())


_SIZES = (
    _Size("a plain call", "plain-150", alone=False, times=2_000),
    _Size("500 chunks, 16 KiB a read", "text-500", alone=False, times=40),
    _Size("500 chunks, one a read", "text-500", alone=True, times=40),
)


_Opener: TypeAlias = Callable[[_Size], AbstractAsyncContextManager[Any]]


@asynccontextmanager
async def _ours(size: _Size, *, hooks: Iterable[Any] | None = None) -> AsyncIterator[Any]:
    from openai_async import AsyncOpenAI

    transport: Any = Replay(size.reads, size.kind, waiting=size.alone)
    async with AsyncOpenAI(api_key="k", transport=transport, hooks=hooks) as client:
        yield client


def _silent(_record: object) -> None:
    """A hook that does nothing."""


@asynccontextmanager
async def _traced(size: _Size, *, sdk: bool = True, **settings: Any) -> AsyncIterator[Any]:
    """Our client with OpenTelemetry's hook; without the SDK, as in an application that has not set it up."""
    from openai_async.hooks.otel import OpenTelemetryHook

    telemetry: AbstractAsyncContextManager[dict[str, Any]] = _telemetry() if sdk else nullcontext({})
    async with telemetry as providers, _ours(size, hooks=[OpenTelemetryHook(**providers, **settings)]) as client:
        yield client


@asynccontextmanager
async def _official(size: _Size) -> AsyncIterator[Any]:
    """The official SDK's client on a transport of its own kind that answers by itself."""
    import httpx2
    from openai import AsyncOpenAI

    async def reading(reads: list[bytes]) -> AsyncIterator[bytes]:
        for data in reads:
            yield data

    reads = size.reads

    async def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": size.kind}, content=reading(reads))

    http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    async with AsyncOpenAI(api_key="k", http_client=http_client) as client:
        yield client


@asynccontextmanager
async def _official_traced(size: _Size) -> AsyncIterator[Any]:
    instrumentation = import_module("opentelemetry.instrumentation.genai.openai")
    async with _telemetry() as providers:
        instrumentation.OpenAIInstrumentor().instrument(**providers)
        async with _official(size) as client:
            yield client


@asynccontextmanager
async def _telemetry() -> AsyncIterator[dict[str, Any]]:
    """OpenTelemetry's SDK as applications have it, spans in batches, with exporters that only keep what they get."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, metrics = InMemorySpanExporter(), InMemoryMetricReader()
    tracer_provider, meter_provider = TracerProvider(), MeterProvider([metrics])
    tracer_provider.add_span_processor(BatchSpanProcessor(spans))
    yield {"tracer_provider": tracer_provider, "meter_provider": meter_provider}
    tracer_provider.force_flush()
    if not spans.get_finished_spans() or metrics.get_metrics_data() is None:
        raise RuntimeError("nothing was traced, or nothing was measured")
    tracer_provider.shutdown()
    meter_provider.shutdown()


def _calling(client: Any, *, stream: bool) -> Callable[[], Awaitable[int]]:
    """A call, or a stream read to its end; both SDKs' code is the same."""

    async def call() -> int:
        completion = await client.chat.completions.create(model="m", messages=MESSAGES, temperature=0.5)
        return len(completion.choices[0].message.content)

    async def read() -> int:
        characters = 0
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, temperature=0.5, stream=True)
        async for chunk in stream:
            if chunk.choices:
                characters += len(chunk.choices[0].delta.content or "")
        return characters

    return read if stream else call


async def _measure(opener: _Opener, size: _Size, quick: bool) -> Measured:  # noqa: FBT001 - the case's
    times = size.times // _QUICK if quick else size.times
    async with opener(size) as client:
        call = _calling(client, stream=size.stream)
        for _ in range(times // 5):
            if await call() != body(size.model).characters:
                raise RuntimeError("another answer than the transport's")
        gc.collect()
        cpu = time.process_time()
        for _ in range(times):
            await call()
        cpu = time.process_time() - cpu
    return {"cpu": cpu / times}


def _installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


_CONTESTANTS: tuple[tuple[str, _Opener], ...] = (
    (OURS, _ours),
    ("hooks=[]", partial(_ours, hooks=())),
    ("a hook that does nothing", partial(_ours, hooks=(_silent,))),
    ("OpenTelemetryHook, no SDK", partial(_traced, sdk=False)),
    ("OpenTelemetryHook, SDK", _traced),
    ("with propagate=True", partial(_traced, propagate=True)),
    ("with per_chunk=True", partial(_traced, per_chunk=True)),
    ("openai", _official),
    *((("openai, instrumented", _official_traced),) if _installed(_INSTRUMENTATION) else ()),
)

ROW = Series(
    name="hooks",
    title="What hooks and telemetry cost, everything but HTTP",
    cases=tuple(
        Case(contestant=name, size=size.title, measure=partial(_measure, opener, size))
        for size in _SIZES
        for name, opener in _CONTESTANTS
    ),
    columns=(Column(key="cpu", title="CPU"),),
    repeat=3,
    notes=(
        "The transport answers by itself: neither sockets nor HTTP are in the figures. openai's is httpx2's, for mocks.",
        "`openai_async` is without hooks; what they are told is in docs/observability.md.",
        "The SDK is OpenTelemetry's, with spans in batches; exporters keep what they get, and nothing is sent.",
        f"Instrumented, where it is installed: `{_INSTRUMENTATION}`.",
    ),
)
