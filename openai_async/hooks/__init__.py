"""What happens to requests, told as records: for dashboards, traces, bills and logs.

    from openai_async.hooks import RequestEnded

    def bill(record):
        if isinstance(record, RequestEnded) and record.usage:
            print(record.model, record.usage.total_tokens)

    client = AsyncOpenAI(hooks=[bill])

A hook is any function of one record. `OpenTelemetryHook` is in `openai_async.hooks.otel`, which needs the extra `otel`.
"""

from __future__ import annotations

from .console import ConsoleHook
from .hook import Hook, Hooks
from .lines import LoggingHook, fields_of, line_of
from .records import (
    AttemptEnded,
    ContentArrived,
    FirstToken,
    Outcome,
    Record,
    RequestEnded,
    RequestStarted,
    ToolEnded,
    ToolOutcome,
    ToolStarted,
)

__all__ = [
    "AttemptEnded",
    "ConsoleHook",
    "ContentArrived",
    "FirstToken",
    "Hook",
    "Hooks",
    "LoggingHook",
    "Outcome",
    "Record",
    "RequestEnded",
    "RequestStarted",
    "ToolEnded",
    "ToolOutcome",
    "ToolStarted",
    "fields_of",
    "line_of",
]
