"""What a scripted answer is made of: things that it says, and things that go wrong with it.

Each function returns one `Part`; a reply puts several together (`reply`). They are data and do nothing; what they amount
to is decided by the embedded server. Numbers are checked here, so that a mistake shows in the line that makes it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from openai_async.server.replies import Call
from openai_async.types.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Part",
    "bad_json",
    "bom",
    "cut",
    "delay",
    "drop",
    "error",
    "error_event",
    "html",
    "line_ends",
    "no_done",
    "no_finish",
    "part_of",
    "ping",
    "refusal",
    "split",
    "stall",
    "text",
    "tool_call",
]

__tracebackhide__ = True  # pytest shows the test's own line, not this module's


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One thing about an answer, as the functions of this module return it.

    Attributes:
        written: How it is written, for messages: `cut(after=2)`.
        fault: Fields of the server's `Fault`.
        pieces: Text that it adds; empty: none.
        chunked: Whether the pieces are the chunks in which it is streamed; otherwise it is cut word by word.
        refusal: The refusal that it adds; None: none.
        call: The tool call that it adds; None: none.
        fields: Fields of an assistant message, or a whole completion, as the API writes it; None: neither.
        finish_reason: Of the choice; None: the usual one.
        alone: Whether it is the whole answer, beside which nothing else can be sent.
    """

    written: str
    fault: dict[str, Any] = {}
    pieces: tuple[str, ...] = ()
    chunked: bool = False
    refusal: str | None = None
    call: Call | None = None
    fields: dict[str, Any] | None = None
    finish_reason: str | None = None
    alone: bool = False

    def __repr__(self) -> str:
        return self.written


def part_of(value: Any) -> Part:
    """Return what may stand in a reply as a part: a string is `text`, a mapping a message or a whole completion.

    Raises:
        TypeError: It is neither, and no part, or its `choices` are no list of objects.
    """
    if isinstance(value, Part):
        return value
    if isinstance(value, str):
        return text(value)
    if is_object(value):
        choices = value.get("choices", [])
        if not is_array(choices) or not all(is_object(choice) for choice in choices):
            raise TypeError("a whole completion has a list of objects as its choices, as the API writes it")
        return Part(written=_short(value), fields=value)
    raise TypeError(
        f"a reply is made of text(...), cut(...) and the other parts, of strings, and of messages or completions as "
        f"dicts, not of {type(value).__name__}"
    )


# --- What it says ----------------------------------------------------------------------------------------------


def text(*pieces: str, chunks: int | None = None, delay: float = 0.0, finish_reason: str | None = None) -> Part:
    """Say something.

    Args:
        *pieces: The text; several pieces are the chunks in which it is streamed.
        chunks: Cut one piece into so many chunks of about the same length; None: as the pieces are, and one piece word
            by word.
        delay: Seconds before each chunk; a plain answer waits once.
        finish_reason: None: `stop`, or `length` where the request's limit cut the text.

    Raises:
        ValueError: `chunks` is below 1, more than there are characters, or given with several pieces; or `delay` is
            negative.
    """
    shown = _written("text", *pieces, chunks=chunks, delay=delay or None, finish_reason=finish_reason)
    if not pieces:
        raise ValueError("text() needs a text, empty or not")
    whole = "".join(pieces)
    if chunks is not None:
        if pieces != (whole,):
            raise ValueError(f"{shown}: give several pieces, or chunks=, not both")
        if not 1 <= chunks <= len(whole):
            raise ValueError(f"{shown}: chunks must be from 1 to {len(whole)}, the length of the text")
        pieces = _cut(whole, chunks)
    chunked = chunks is not None or len(pieces) > 1
    if finish_reason is not None and chunked:
        raise ValueError(f"{shown}: a text in chunks of your own ends with the usual finish_reason; leave one out")
    fault = {"byte_delay": _seconds(delay, shown)} if delay else {}
    return Part(written=shown, fault=fault, pieces=pieces, chunked=chunked, finish_reason=finish_reason)


def refusal(text: str) -> Part:
    """Refuse, in the message's `refusal`."""
    return Part(written=_written("refusal", text), refusal=text)


def tool_call(name: str, arguments: Mapping[str, Any] | str | None = None, *, id: str | None = None) -> Part:
    """Call a tool; several in one reply are parallel calls.

    Args:
        name: Of the function.
        arguments: As an object, or as the JSON text that a model might write, valid or not; None: an empty object.
        id: None: one that depends on name and arguments.
    """
    given = arguments if isinstance(arguments, str) else dict(arguments or {})
    shown = _written("tool_call", name, *([] if arguments is None else [arguments]), id=id)
    return Part(written=shown, call=Call(name, given, id))


# --- What is answered instead ----------------------------------------------------------------------------------


def error(
    status: int = 500, message: str | None = None, *, code: str | None = None, retry_after: float | None = None
) -> Part:
    """Answer with an error in the API's shape.

    Args:
        status: HTTP status, 400 to 599.
        message: None: a sentence that says it was asked for.
        code: None: the API's usual one for the status.
        retry_after: Seconds for the headers `retry-after` and `retry-after-ms`; None: no such headers.

    Raises:
        ValueError: A number is out of range.
    """
    shown = _written("error", status, *([] if message is None else [message]), code=code, retry_after=retry_after)
    if not 400 <= status <= 599:
        raise ValueError(f"{shown}: the status must be from 400 to 599")
    wait = None if retry_after is None else _seconds(retry_after, shown)
    fault = {"status": status, "message": message, "code": code, "retry_after": wait}
    return Part(written=shown, fault=fault, alone=True)


def html(status: int = 200) -> Part:
    """Answer with a web page, as a gateway does.

    Raises:
        ValueError: `status` is neither 200 nor from 400 to 599.
    """
    shown = _written("html", *([] if status == 200 else [status]))
    if status != 200 and not 400 <= status <= 599:
        raise ValueError(f"{shown}: the status must be 200, or from 400 to 599")
    return Part(written=shown, fault={"html": True, "status": None if status == 200 else status}, alone=True)


def drop(*, reset: bool = False) -> Part:
    """Close the connection without an answer; with `reset`, by a reset (RST) instead of an orderly end."""
    return Part(written=_written("drop", reset=reset or None), fault={"drop": True, "reset": reset}, alone=True)


# --- What goes wrong on the way --------------------------------------------------------------------------------


def cut(*, after: int = 0, reset: bool = False) -> Part:
    """Close the connection after so many chunks of a stream, before its end at the latest; of a plain answer, half-way.

    Args:
        after: Chunks of text, arguments and the like; the first chunk, which has the role, does not count.
        reset: Send a reset (RST) instead of an orderly end.

    Raises:
        ValueError: `after` is negative.
    """
    shown = _written("cut", after=after or None, reset=reset or None)
    return Part(written=shown, fault={"cut_after": _count(after, shown), "reset": reset})


def stall(*, after: int = 0) -> Part:
    """Fall silent after so many chunks, counted as by `cut`, until the client leaves.

    Raises:
        ValueError: `after` is negative.
    """
    shown = _written("stall", after=after or None)
    return Part(written=shown, fault={"stall_after": _count(after, shown)})


def error_event(*, after: int = 0, code: str | None = None) -> Part:
    """End the stream by an error event after so many chunks, counted as by `cut`.

    Raises:
        ValueError: `after` is negative.
    """
    shown = _written("error_event", after=after or None, code=code)
    return Part(written=shown, fault={"error_after": _count(after, shown), "code": code})


def bad_json(*, after: int = 0) -> Part:
    """Break the JSON of the chunk that follows so many, or of a plain answer.

    Raises:
        ValueError: `after` is negative.
    """
    shown = _written("bad_json", after=after or None)
    return Part(written=shown, fault={"bad_json_after": _count(after, shown)})


def delay(*, before: float = 0.0, between: float = 0.0) -> Part:
    """Take time.

    Args:
        before: Seconds before the answer begins.
        between: Seconds before each chunk.

    Raises:
        ValueError: One is negative.
    """
    shown = _written("delay", before=before or None, between=between or None)
    fault = {"delay": _seconds(before, shown), "byte_delay": _seconds(between, shown)}
    return Part(written=shown, fault={name: seconds for name, seconds in fault.items() if seconds})


def split(*sizes: int) -> Part:
    """Send the body in pieces of so many bytes, over and over, whatever they cut in two.

    Raises:
        ValueError: There is none, or one is below 1.
    """
    shown = _written("split", *sizes)
    if not sizes or min(sizes) < 1:
        raise ValueError(f"{shown}: it needs one size or more, each 1 or more")
    return Part(written=shown, fault={"sizes": sizes})


def ping() -> Part:
    """Send a comment (`: ping`) before each event."""
    return Part(written="ping()", fault={"pings": True})


def no_done() -> Part:
    """Leave out the stream's `[DONE]`."""
    return Part(written="no_done()", fault={"no_done": True})


def no_finish() -> Part:
    """Leave out the stream's finish reasons."""
    return Part(written="no_finish()", fault={"no_finish": True})


def bom() -> Part:
    """Begin the stream with a byte order mark."""
    return Part(written="bom()", fault={"bom": True})


def line_ends(kind: Literal["lf", "crlf", "cr"]) -> Part:
    """End the stream's lines with LF, CRLF or CR.

    Raises:
        ValueError: `kind` is none of these.
    """
    shown = _written("line_ends", kind)
    if kind not in ("lf", "crlf", "cr"):
        raise ValueError(f"{shown}: it must be 'lf', 'crlf' or 'cr'")
    return Part(written=shown, fault={"line_end": kind})


def _cut(text: str, chunks: int) -> tuple[str, ...]:
    size, longer = divmod(len(text), chunks)
    starts = [at * size + min(at, longer) for at in range(chunks + 1)]
    return tuple(text[start:end] for start, end in pairwise(starts))


def _written(name: str, *values: object, **named: object) -> str:
    """A call as it may have been written, without what was left out (None)."""
    shown = [*map(_short, values), *(f"{key}={_short(value)}" for key, value in named.items() if value is not None)]
    return f"{name}({', '.join(shown)})"


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:40]} … {shown[-15:]}"


def _count(number: int, shown: str) -> int:
    if number < 0:
        raise ValueError(f"{shown}: after must be 0 or more")
    return number


def _seconds(number: float, shown: str) -> float:
    if not 0 <= number < float("inf"):
        raise ValueError(f"{shown}: seconds must be 0 or more")
    return number
