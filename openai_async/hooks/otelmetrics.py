"""`Instruments`: the histograms and counters of OpenTelemetry's GenAI conventions.

The end of a request or of a tool comes in, measurements go out to the application's meter provider. Buckets are advised,
so a view of the application's has the last word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider, get_meter

from openai_async.version import __version__

from .conventions import SECONDS, TOKENS, Attributes, tokens_by_modality
from .records import RequestEnded, ToolEnded

__all__ = ["Instruments"]

_INFERENCE = "gen_ai.client.inference"
_OLD = "gen_ai.client.operation"
# Subsets of the input and output tokens, counted by themselves.
_PARTS = ("cache_read.input_tokens", "cache_write.input_tokens", "reasoning.output_tokens")


class Instruments:
    """What requests and tools are measured with.

    Args:
        provider: Of meters; None: the application's.
        old: Whether the names of before 2026 are served, too.
        per_chunk: Whether the times between chunks are measured.
    """

    def __init__(self, provider: MeterProvider | None, *, old: bool, per_chunk: bool) -> None:
        meter = get_meter("openai_async", __version__, provider)
        self._duration = _seconds(meter, f"{_INFERENCE}.duration", "Duration of a request, retries included.")
        self._first = _seconds(meter, f"{_INFERENCE}.time_to_first_chunk", "Time to the first content of a stream.")
        self._tool = _seconds(meter, "gen_ai.execute_tool.duration", "Duration of a tool's call.")
        self._spread = {
            direction: _tokens(meter, f"{_INFERENCE}.operation.{direction}_tokens", f"The {direction} of one request.")
            for direction in ("input", "output")
        }
        self._spent: dict[str, Counter] = {
            name: meter.create_counter(f"{_INFERENCE}.usage.{name}", "{token}", "Tokens billed.")
            for name in ("input_tokens", "output_tokens", *_PARTS)
        }
        self._old = _Old(meter) if old else None
        # Histograms, by the names that are served; none: nobody asked.
        names = [_INFERENCE, *([_OLD] if old else [])] if per_chunk else []
        self._gaps = [_seconds(meter, f"{name}.time_per_output_chunk", "Time from chunk to chunk.") for name in names]

    def record(self, record: RequestEnded, common: Attributes, ended: Mapping[str, Any], context: Context) -> None:
        """Measure a request.

        Args:
            record: Its end.
            common: What all its measurements have in common.
            ended: The attributes of its span's end.
            context: With its span.
        """
        told = ("gen_ai.response.model", "openai.response.service_tier")
        common = {**common, **{name: ended[name] for name in told if name in ended}}
        failed = {**common, "error.type": record.error} if record.error else common
        self._duration.record(record.seconds, failed, context)
        if record.first_token is not None:
            self._first.record(record.first_token, common, context)
        for direction, histogram in self._spread.items():
            count = ended.get(f"gen_ai.usage.{direction}_tokens")
            if count is not None:
                histogram.record(count, common, context)
            for modality, part in tokens_by_modality(ended, direction).items():
                attributes = {**common, "gen_ai.token.modality": modality}
                self._spent[f"{direction}_tokens"].add(part, attributes, context)
        for name in _PARTS:
            if (subset := ended.get(f"gen_ai.usage.{name}")) is not None:
                self._spent[name].add(subset, {**common, "gen_ai.token.modality": "unknown"}, context)
        if self._old is not None:
            self._old.record(record, common, failed, context)

    def record_gap(self, seconds: float, common: Attributes, context: Context) -> None:
        """Measure the time from one chunk to the next."""
        for histogram in self._gaps:
            histogram.record(seconds, common, context)

    def record_tool(self, record: ToolEnded, common: Attributes, context: Context) -> None:
        """Measure the call of a tool."""
        failed = {**common, "error.type": record.error} if record.error else common
        self._tool.record(record.seconds, failed, context)


class _Old:
    """The same under the names of the conventions up to 1.41, which most dashboards know."""

    def __init__(self, meter: Meter) -> None:
        self._duration = _seconds(meter, f"{_OLD}.duration", "GenAI operation duration.")
        self._first = _seconds(meter, f"{_OLD}.time_to_first_chunk", "Time to receive the first chunk.")
        self._tokens = _tokens(meter, "gen_ai.client.token.usage", "Number of input and output tokens used.")

    def record(self, record: RequestEnded, common: Attributes, failed: Attributes, context: Context) -> None:
        self._duration.record(record.seconds, failed, context)
        if record.first_token is not None:
            self._first.record(record.first_token, common, context)
        if record.usage is not None:
            used = {"input": record.usage.prompt_tokens, "output": record.usage.completion_tokens}
            for kind, count in used.items():
                self._tokens.record(count, {**common, "gen_ai.token.type": kind}, context)


def _seconds(meter: Meter, name: str, description: str) -> Histogram:
    return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=SECONDS)


def _tokens(meter: Meter, name: str, description: str) -> Histogram:
    return meter.create_histogram(name, "{token}", description, explicit_bucket_boundaries_advisory=TOKENS)
