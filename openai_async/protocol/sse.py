r"""Server-sent events: bytes in, events out, and back.

`EventParser.feed` takes bytes as they arrive, cut anywhere, and returns the events that are complete; `encode` is its
inverse. The parser follows the event-stream interpretation of the HTML standard (section 9.2.6) and never looks into
an event's data.
"""

from __future__ import annotations

import msgspec

from openai_async.errors import StreamProtocolError

__all__ = ["MAX_EVENT_SIZE", "EventParser", "ServerSentEvent", "encode"]

# One event holds one token, or one audio clip. 16 MiB is 16 times httpx2's limit, and stops an endless line.
MAX_EVENT_SIZE = 16 * 1024 * 1024

# Enough of what was wrong to recognise where it came from, in bytes.
_SAMPLE_SIZE = 512

_BOM = b"\xef\xbb\xbf"
# Numbers: looking for b"\r" raises and drops an exception inside, 1,800 instructions.
_CR, _LF = 13, 10


class ServerSentEvent(msgspec.Struct, frozen=True, gc=False):
    """One dispatched event.

    Attributes:
        data: The `data` lines, joined by LF; UTF-8 as it came, not validated.
        event: The event's type; None where the stream gave none (a browser would say "message").
        id: The last event id that the stream gave, this event's or an earlier one's; None: none so far.
    """

    data: bytes
    event: str | None = None
    id: str | None = None


class EventParser:
    """An incremental parser of one event stream.

    Lines end at LF, CR or CRLF, cut anywhere; one leading byte order mark is dropped; comments and unknown fields are
    skipped; an event without a `data` field is not dispatched; an event that the stream's end cuts off is dropped.

    Args:
        max_event_size: Bytes that one event may have, comments between two events included.

    Attributes:
        failure: Why the parser can't go on: an event was too large; None: it can.
        last_event_id: What a reconnecting reader sends as `Last-Event-ID`; None: the stream gave no id.
        retry: Reconnection time in milliseconds that the stream asked for last; None: it did not.
    """

    __slots__ = ("_skip_lf", "_start", "_tail", "_tail_size", "failure", "last_event_id", "max_event_size", "retry")

    def __init__(self, *, max_event_size: int = MAX_EVENT_SIZE) -> None:
        self.max_event_size: int = max_event_size
        self.failure: StreamProtocolError | None = None
        self.last_event_id: str | None = None
        self.retry: int | None = None
        self._tail: list[bytes] = []  # the unfinished block, in pieces: joining at every read would be quadratic
        self._tail_size = 0
        self._skip_lf = False  # the last byte was a CR: an LF that follows belongs to it
        self._start: bytes | None = b""  # first bytes, while they may be a byte order mark; None: past them

    @property
    def pending(self) -> int:
        """Bytes of an unfinished event that the parser holds."""
        return self._tail_size + len(self._start or b"")

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Take the next bytes of the stream and return the events that they complete.

        Args:
            data: Any number of bytes, none included.

        Returns:
            The events, oldest first, possibly none.

        Raises:
            StreamProtocolError: An event is larger than `max_event_size`. If `data` completes others before it, they
                are returned, `failure` is set, and the next call raises it.
        """
        blocks = self.complete(data)
        lines = self.plain(blocks)
        return self.events(blocks) if lines is None else list(map(ServerSentEvent, lines))

    # The steps of `feed`, for who can do without some.

    def complete(self, data: bytes) -> bytes:
        """Take the next bytes and return the blocks that they complete: whole events and what stands between them.

        Args:
            data: Any number of bytes, none included.

        Raises:
            StreamProtocolError: As `feed`.
        """
        if self.failure is not None:
            raise self.failure
        if self._start is not None or self._skip_lf or _CR in data:
            data = self._normalise(data)
        if not data:
            return b""
        tail = self._tail
        end = data.rfind(b"\n\n") + 2
        if end < 2 and not (data[0] == 10 and tail and tail[-1][-1] == 10):
            self._keep(data)
            if self.failure is not None:
                raise self.failure
            return b""
        if tail:
            tail.append(data)
            data = b"".join(tail)
            tail.clear()
            self._tail_size = 0
            end = data.rfind(b"\n\n") + 2
        if end < len(data):
            self._keep(data[end:])
        return data[:end]

    def plain(self, blocks: bytes) -> list[bytes] | None:
        """Return the data of events that are one `data` line each, as the API and its many imitations send them.

        One split and one search for all, a fifth of what `events` takes.

        Args:
            blocks: What `complete` returned.

        Returns:
            The events' data, oldest first; None: some are otherwise, so that `events` has to read them.
        """
        if not blocks.startswith(b"data: ") or len(blocks) > self.max_event_size or self.last_event_id is not None:
            return None
        lines = blocks[6:-2].split(b"\n\ndata: ")
        return None if _LF in b"".join(lines) else lines  # half of what looking into each takes

    def events(self, blocks: bytes) -> list[ServerSentEvent]:
        """Return the events in blocks of any kind.

        Args:
            blocks: What `complete` returned.

        Raises:
            StreamProtocolError: As `feed`.
        """
        events: list[ServerSentEvent] = []
        for block in filter(None, blocks.split(b"\n\n")):  # some servers keep a connection alive with blank lines
            if len(block) > self.max_event_size:
                self._fail(block)
                break
            self._read_block(block, events)
        if self.failure is not None and not events:
            raise self.failure
        return events

    def _keep(self, rest: bytes) -> None:
        """Hold back the bytes of an unfinished block."""
        self._tail.append(rest)
        self._tail_size += len(rest)
        # An LF at its end may already be that of the blank line, which is no part of the event.
        if self._tail_size - rest.endswith(b"\n") > self.max_event_size:
            self._fail(b"".join(piece[:_SAMPLE_SIZE] for piece in self._tail[:_SAMPLE_SIZE]))
            self._tail.clear()
            self._tail_size = 0

    def _normalise(self, data: bytes) -> bytes:
        """Drop the byte order mark, and turn CRLF and CR into LF (a CR ends its line at once)."""
        if self._start is not None:
            data = self._start + data
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._start = data
                return b""
            self._start = None
            data = data.removeprefix(_BOM)
        if not data:
            return data
        if self._skip_lf:
            self._skip_lf = False
            if data[0] == 10:
                data = data[1:]
        if _CR in data:
            self._skip_lf = data[-1] == 13
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _read_block(self, block: bytes, events: list[ServerSentEvent]) -> None:
        """Read a block of lines that two LFs ended; a blank line at its start has nothing to dispatch."""
        data: list[bytes] = []
        event = ""
        for line in block.split(b"\n"):
            name, _, value = line.partition(b":")
            if value[:1] == b" ":
                value = value[1:]
            if name == b"data":
                data.append(value)
            elif name == b"event":
                event = value.decode("utf-8", "replace")
            elif name == b"id":
                if b"\0" not in value:
                    self.last_event_id = value.decode("utf-8", "replace")
            elif name == b"retry" and value.isdigit():
                self.retry = int(value[:18])
        if data:
            events.append(ServerSentEvent(b"\n".join(data), event or None, self.last_event_id))

    def _fail(self, head: bytes) -> None:
        """Note that an event, which begins with `head`, is too large."""
        self.failure = StreamProtocolError(
            f"The server sent an event of more than {self.max_event_size} bytes (max_event_size); "
            "it may not be sending server-sent events at all.",
            body=head[:_SAMPLE_SIZE].decode("utf-8", "replace"),
        )


def encode(event: ServerSentEvent) -> bytes:
    r"""Return the event as the bytes of an event stream, lines ended by LF.

    Args:
        event: The event. Its `id` is written when it is not None, so that a parser's sticky id survives.

    Raises:
        ValueError: A field can't be written: a line end in `event` or `id`, a NUL in `id`, a CR in `data` (a parser
            would read it as a line end), or an empty `event`.
    """
    data, name, ident = event.data, event.event, event.id
    if _CR in data:
        raise ValueError("an event's data can't hold a carriage return: the reader would take it for a line end")
    head = b""
    if name is not None:
        if not name or "\n" in name or "\r" in name:
            raise ValueError(f"an event's type can't be empty or hold a line end: {name!r}")
        head = b"event: " + name.encode() + b"\n"
    if ident is not None:
        if "\n" in ident or "\r" in ident or "\0" in ident:
            raise ValueError(f"an event's id can't hold a line end or a NUL: {ident!r}")
        head += b"id: " + ident.encode() + b"\n"
    return head + b"data: " + data.replace(b"\n", b"\ndata: ") + b"\n\n"
