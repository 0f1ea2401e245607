"""From a response to an answer: what a 200 turns out to be.

A response comes in; out goes a `ChatStream` that has brought its first token, or a `ChatCompletion`. Whatever else a
200 can be (an error in JSON, a web page, nothing) is raised here, where the request may still be retried.
"""

from __future__ import annotations

from typing import Any

from openai_async.protocol import codec, failures
from openai_async.protocol.chunks import as_chunk
from openai_async.transport.exchange import read_body
from openai_async.transport.message import Response
from openai_async.transport.timer import Timer
from openai_async.types.completion import ChatCompletion
from openai_async.types.json import is_object

from .response import SAMPLE_SIZE, ResponseInfo, not_an_answer
from .stream import ChatStream

__all__ = ["open_stream", "read_completion"]

# A completion of 64 MiB would be some 10 million tokens.
_BODY_SIZE = 64 * 1024 * 1024

# What an event stream begins with, for servers that forget to say that theirs is one; and what none begins with, for
# those that say so of JSON and web pages.
_SSE_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_OTHER_STARTS = (b"{", b"[", b"<")
_BOM = b"\xef\xbb\xbf"
# Blank lines before the first event, as keep-alives; more than that many bytes of nothing are no stream.
_BLANKS_SIZE = 64 * 1024


async def read_completion(response: Response, timer: Timer) -> ChatCompletion:
    """Return the completion in `response`.

    Cancelling it aborts the response.

    Raises:
        APIError: It is an error, no completion, or was cut off.
    """
    timer.enter("total")
    try:
        body = await read_body(response, timer, limit=_BODY_SIZE)
    finally:
        timer.stop()
    info = ResponseInfo(response.status, response.headers)
    try:
        completion = codec.decode(body, ChatCompletion)
    except ValueError as error:
        raise not_an_answer(info, body, "a completion in JSON") from error
    if not completion.choices or "error" in completion.model_extra or _ends_in_error(completion):
        payload = codec.loads(body)
        _raise_error(payload, info)
        # An empty list is an answer, if a rare one (n=0). Without any, it is something else.
        if not completion.choices and payload.get("choices") != []:
            raise not_an_answer(info, body, "a completion in JSON")
    if info.request_id is not None:
        completion._response_id = info.request_id
    return completion


async def open_stream(
    response: Response,
    timer: Timer,
    *,
    events: bool = False,
    choices: int = 1,
    deviations: set[str] | None = None,
) -> ChatStream[Any]:
    """Return the stream in `response` once it has brought its first content, or all it has.

    Cancelling it aborts the response.

    Args:
        response: Of status 2xx, its body not read yet.
        timer: Of the call.
        events: Whether the stream iterates events instead of chunks.
        choices: How many answers the request asks for (`n`).
        deviations: Those from the published schema that are logged already; new ones are added. None: log none.

    Raises:
        APIError: The stream failed before its first content; `partial` is None, so another attempt loses nothing.
    """
    stream: ChatStream[Any] = ChatStream(response, timer, events=events, choices=choices, deviations=deviations)
    try:
        if await _begins_as_stream(stream, response, timer):
            await _await_payload(stream)
    except BaseException:
        stream._abort()
        raise
    return stream


async def _await_payload(stream: ChatStream[Any]) -> None:
    """Read until something came that can't be taken back, or nothing more comes."""
    while not (stream._payload or stream._over):
        await stream._fill()
    if not stream._payload and not (stream._done and stream._chunked):
        raise stream._outcome()


async def _begins_as_stream(stream: ChatStream[Any], response: Response, timer: Timer) -> bool:
    """Look at the first bytes of a body, whatever it says it is.

    Returns:
        Whether it is an event stream. If not, the stream holds the whole answer, as one chunk.

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
            stream._take(head)
            return True
    body = head + await read_body(response, timer, limit=_BODY_SIZE)
    try:
        payload = codec.loads(body)
    except ValueError:
        payload = None
    info = ResponseInfo(response.status, response.headers)
    if is_object(payload):
        _raise_error(payload, info)
    if not is_object(payload) or not payload.get("choices"):
        raise not_an_answer(info, body, "an event stream")
    # The server ignored `stream=True`: its completion is handed out as the one chunk that says it all.
    stream._take_whole(as_chunk(payload))
    return False


def _is_stream(head: bytes, *, said: bool) -> bool:
    """Whether a body that begins with `head` is an event stream; `said`: its content type says so."""
    start = head.removeprefix(_BOM).lstrip()
    return bool(start) and not start.startswith(_OTHER_STARTS) if said else start.startswith(_SSE_STARTS)


def _ends_in_error(completion: ChatCompletion) -> bool:
    return any(choice.finish_reason == "error" for choice in completion.choices)


def _raise_error(payload: dict[str, Any], info: ResponseInfo) -> None:
    """Raise the error that a body of status 200 holds, if it holds one."""
    error = failures.stream_error(payload, None)
    if error is not None:
        raise failures.from_event(error, headers=info.headers)
