"""Records as lines of text and as plain data, and the hook that logs them.

A record comes in, a line or a dict goes out, in which there is nothing of what was asked and answered.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from .records import (
    AttemptEnded,
    ContentArrived,
    FirstToken,
    Record,
    RequestEnded,
    RequestStarted,
    ToolEnded,
    ToolStarted,
)

__all__ = ["LoggingHook", "fields_of", "line_of"]

_LONGEST = 200  # characters of what a server says: a model's name, a request id

_log = logging.getLogger("openai_async")


def line_of(record: Record) -> str:
    """Return a record in one line, such as `#7 done after 1.204 s: stop; 12 + 34 tokens, 36 chunks`."""
    return f"#{record.call} {_told(record)}"


def fields_of(record: Record) -> dict[str, Any]:
    """Return a record as plain JSON data, its kind as `record`, the usage as the server sent it; for logs and queues."""
    fields: dict[str, Any] = {"record": type(record).__name__, **msgspec.structs.asdict(record)}
    if isinstance(record, RequestEnded) and record.usage is not None:
        fields["usage"] = record.usage.to_dict()
    return fields


def _told(record: Record) -> str:
    match record:
        case RequestStarted():
            what = " ".join(filter(None, [record.operation, _shown(record.model), "stream" if record.stream else ""]))
            return f"{what}: {record.method} {record.address}:{record.port}{record.path}"
        case AttemptEnded():
            return _attempt(record)
        case FirstToken():
            return f"first token after {record.seconds:.3f} s"
        case ContentArrived():
            return f"{record.chunks} chunks after {record.seconds:.3f} s"
        case RequestEnded():
            return _end(record)
        case ToolStarted():
            return f"tool {_shown(record.tool)}"
        case ToolEnded():
            error = f": {record.error}" if record.error else ""
            return f"tool {_shown(record.tool)} {record.outcome} after {record.seconds:.3f} s{error}"


def _attempt(record: AttemptEnded) -> str:
    told = [record.error, f"status {record.status}" if record.status else None]
    line = f"attempt {record.number}: {', '.join(filter(None, told))} after {record.seconds:.3f} s"
    if record.request_id is not None:
        line += f" (request id {_shown(record.request_id)})"
    return line if record.delay is None else f"{line}; the next one in {record.delay:.2f} s"


def _end(record: RequestEnded) -> str:
    told: list[str] = [record.error] if record.error else []
    told += [_shown(reason) or "unfinished" for reason in record.finish_reasons]
    line = f"{record.outcome} after {record.seconds:.3f} s"
    if told:
        line += f": {', '.join(told)}"
    counts: list[str] = []
    if record.usage is not None:
        counts.append(f"{record.usage.prompt_tokens} + {record.usage.completion_tokens} tokens")
    if record.chunks is not None:
        counts.append(f"{record.chunks} chunks")
    return f"{line}; {', '.join(counts)}" if counts else line


def _shown(text: str | None) -> str:
    """A server's words, on one line and of bounded length."""
    if not text:
        return ""
    return text if text.isprintable() and len(text) <= _LONGEST else repr(text[:_LONGEST])


class LoggingHook:
    """Logs each record at DEBUG, to the logger `openai_async`; `OPENAI_LOG=debug` gives every client one.

    The line's `LogRecord` has what `fields_of` makes of the record as `openai_record`, and its `call` as `openai_call`.
    """

    def __call__(self, record: Record) -> None:
        """Log a record."""
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s", line_of(record), extra={"openai_call": record.call, "openai_record": fields_of(record)})
