"""From a response to a stream: what a 200 turns out to be.

A response comes in; out goes a reader that has brought its first token. Whatever else a 200 can be (an error in JSON,
a web page, nothing) is raised here, where the request may still be retried.
"""

from __future__ import annotations

from openai_async.errors import APIError
from openai_async.protocol import codec
from openai_async.protocol.chunks import as_chunk
from openai_async.transport.exchange import read_body
from openai_async.transport.message import Response
from openai_async.transport.timer import Timer
from openai_async.types.json import is_object

from .answers import raise_error
from .deviations import Deviations
from .reader import ChunkReader
from .response import SAMPLE_SIZE, ResponseInfo, introduce, not_an_answer

__all__ = ["BODY_SIZE", "open_reader", "read_answer"]

# A completion of 64 MiB would be some 10 million tokens.
BODY_SIZE = 64 * 1024 * 1024

# What an event stream begins with, for servers that forget to say that theirs is one; and what none begins with, for
# those that say so of JSON and web pages.
_SSE_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_OTHER_STARTS = (b"{", b"[", b"<")
_BOM = b"\xef\xbb\xbf"
# Blank lines before the first event, as keep-alives; more than that many bytes of nothing are no stream.
_BLANKS_SIZE = 64 * 1024


async def read_answer(response: Response, timer: Timer) -> bytes:
    """Return the body of a plain answer, whole.

    Cancelling it aborts the response.

    Raises:
        APIConnectionError: It was cut off.
        APIResponseValidationError: It is longer than 64 MiB.
        APITimeoutError: The total limit passed.
    """
    timer.enter("total")
    try:
        return await read_body(response, timer, limit=BODY_SIZE)
    except APIError as error:
        introduce(error, ResponseInfo.of(response, timer))
        raise
    finally:
        timer.stop()


async def open_reader(
    response: Response,
    timer: Timer,
    *,
    choices: int = 1,
    deviations: Deviations | None = None,
    keep_data: bool = False,
    kind: type[ChunkReader] = ChunkReader,
) -> ChunkReader:
    """Return the reader of a stream once it has brought its first content, or all it has.

    Cancelling it aborts the response.

    Args:
        response: Of status 2xx, its body not read yet.
        timer: Of the call.
        choices: How many answers the request asks for (`n`).
        deviations: As `ChunkReader` takes them.
        keep_data: Likewise.
        kind: What the reader is to be.

    Raises:
        APIError: The stream failed before its first content; `partial` is None, so another attempt loses nothing.
    """
    reader = kind(response, timer, choices=choices, deviations=deviations, keep_data=keep_data)
    try:
        if await _begins_as_stream(reader, response, timer):
            await _await_payload(reader)
    except BaseException as error:
        reader.abort()
        if isinstance(error, APIError):
            introduce(error, reader.info)
        raise
    return reader


async def _await_payload(reader: ChunkReader) -> None:
    """Read until something came that can't be taken back, or nothing more comes."""
    while not (reader.payload or reader.over):
        await reader.fill()
    if not reader.payload and not (reader.done and reader.chunked):
        raise reader.outcome()


async def _begins_as_stream(reader: ChunkReader, response: Response, timer: Timer) -> bool:
    """Look at the first bytes of a body, whatever it says it is.

    Returns:
        Whether it is an event stream. If not, the reader holds the whole answer, as one chunk.

    Raises:
        APIError: The body is an error in JSON, or no answer at all.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    head = b""
    while len(head.lstrip()) < SAMPLE_SIZE and len(head) < _BLANKS_SIZE:
        with timer:
            data = await response.read()
        if not data:
            break
        head += data
        if _is_stream(head, said=kind == "text/event-stream"):
            reader.take(head)
            return True
    body = head + await read_body(response, timer, limit=BODY_SIZE)
    try:
        payload = codec.loads(body)
    except ValueError:
        payload = None
    info = ResponseInfo(response.status, response.headers)
    if is_object(payload):
        raise_error(payload, info)
    if not is_object(payload) or not payload.get("choices"):
        raise not_an_answer(info, body, "an event stream")
    # The server ignored `stream=True`: its completion is handed out as the one chunk that says it all.
    reader.take_whole(as_chunk(payload), body)
    return False


def _is_stream(head: bytes, *, said: bool) -> bool:
    """Whether a body that begins with `head` is an event stream; `said`: its content type says so."""
    start = head.removeprefix(_BOM).lstrip()
    if _BOM.startswith(start):
        return False  # nothing yet, or a byte order mark that has only begun
    return not start.startswith(_OTHER_STARTS) if said else start.startswith(_SSE_STARTS)
