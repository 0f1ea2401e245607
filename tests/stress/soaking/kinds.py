"""All that may happen to a stream: most of it good, and every way in which it goes wrong.

Each function makes the script of one kind. `script` chooses one of them for a stream's number.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from .script import DIE_IF_REUSED, FIN, HANG, RESET, Answer, Expected, Script, Step, View, framed, head

__all__ = ["FAULTS", "GOOD", "script"]

_VIEWS: list[View] = ["chunks", "chunks", "text", "events", "batches", "raw", "final"]
_INCOMPLETE = Expected("IncompleteStreamError")


def _length(rng: Random) -> int:
    """How many words an answer has: some tens, now and then thousands."""
    return rng.choice([2_000, 500]) if rng.random() < 0.005 else rng.randrange(1, 70)


def _pieces(events: list[bytes], rng: Random) -> list[bytes]:
    """The events in a few pieces, cut between two events or anywhere."""
    data = b"".join(events)
    count = rng.randrange(1, 8)
    if rng.random() < 0.2:
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(count))
        return [piece for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if (piece := data[start:end])]
    step = max(1, -(-len(events) // count))
    return [b"".join(events[start : start + step]) for start in range(0, len(events), step)]


def _paced(pieces: list[bytes], rng: Random) -> list[Step]:
    """The pieces with waits of some milliseconds in between."""
    steps: list[Step] = []
    for piece in pieces:
        steps += [piece, rng.uniform(0.0, 0.03)]
    return steps[:-1]


def _sent(events: list[bytes], rng: Random, **headers: Any) -> list[Step]:
    """A whole response, chunked."""
    steps = _paced([framed(piece) for piece in _pieces(events, rng)], rng)
    return [head(x_request_id="r-1", **headers), *steps, framed(b"")]


def _torn(events: list[bytes], *after: Step) -> list[Step]:
    """A response that breaks off behind these events, which come in one piece: what arrives of them is no question."""
    return [head() + framed(b"".join(events)), *after]


def _said(number: int, rng: Random, *, words: int | None = None, done: bool = True) -> Answer:
    """A plain answer."""
    answer = Answer(number, rng)
    answer.begin()
    answer.say(_length(rng) if words is None else words)
    answer.end()
    if done:
        answer.done()
    return answer


def _begun(number: int, rng: Random) -> Answer:
    """The beginning of a plain answer."""
    answer = Answer(number, rng)
    answer.begin()
    answer.say(rng.randrange(30))
    return answer


def _error(code: int, message: str = "busy") -> dict[str, Any]:
    return {"error": {"message": message, "type": None, "code": code, "param": None}}


def _event(payload: Any, name: str = "") -> bytes:
    said = b"data: %b\n\n" % json.dumps(payload).encode()
    return b"event: %b\n%b" % (name.encode(), said) if name else said


def _whole(status: int, payload: Any, **headers: Any) -> list[Step]:
    """A response with JSON or text in one piece."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    kind = headers.pop("kind", "application/json")
    return [head(status, kind, content_length=len(body), **headers) + body]


# Good.


def _text(number: int, rng: Random) -> Script:
    answer = _said(number, rng)
    return Script(number, "text", False, [_sent(answer.events, rng)], Expected(texts=answer.texts))


def _usage(number: int, rng: Random) -> Script:
    answer = _said(number, rng, done=False)
    answer.event(b"", b',"usage":{"prompt_tokens":%d,"completion_tokens":1,"total_tokens":%d}' % (number, number + 1))
    answer.done()
    params = {"stream_options": {"include_usage": True}}
    expected = Expected(texts=answer.texts, usage=number)
    return Script(number, "usage", False, [_sent(answer.events, rng)], expected, params=params)


def _two(number: int, rng: Random) -> Script:
    answer = Answer(number, rng)
    answer.begin(2)
    answer.say(_length(rng), 2)
    answer.end(count=2)
    answer.done()
    return Script(
        number, "two answers", False, [_sent(answer.events, rng)], Expected(texts=answer.texts), params={"n": 2}
    )


def _tools(number: int, rng: Random) -> Script:
    answer = Answer(number, rng)
    answer.begin()
    calls = answer.call(["look", "find"][: rng.randrange(1, 3)])
    answer.end(b"tool_calls")
    answer.done()
    return Script(number, "tools", False, [_sent(answer.events, rng)], Expected(texts=answer.texts, calls=calls))


def _crlf(number: int, rng: Random) -> Script:
    answer = _said(number, rng)
    answer.events = [b": ping\r\n\r\n" + event.replace(b"\n", b"\r\n") for event in answer.events]
    return Script(number, "CRLF and comments", False, [_sent(answer.events, rng)], Expected(texts=answer.texts))


def _bytewise(number: int, rng: Random) -> Script:
    answer = _said(number, rng, words=3)
    data = b"".join(answer.events)
    steps = [head(), *(framed(data[at : at + 1]) for at in range(len(data))), framed(b"")]
    return Script(number, "byte by byte", False, [steps], Expected(texts=answer.texts))


def _length_told(number: int, rng: Random) -> Script:
    answer = _said(number, rng)
    size = sum(map(len, answer.events))
    steps = [head(content_length=size), *_paced(_pieces(answer.events, rng), rng)]
    return Script(number, "content-length", False, [steps], Expected(texts=answer.texts))


def _until_closed(number: int, rng: Random) -> Script:
    answer = _said(number, rng)
    steps = [head(connection="close"), *_paced(_pieces(answer.events, rng), rng), FIN]
    return Script(number, "until closed", False, [steps], Expected(texts=answer.texts))


def _no_done(number: int, rng: Random) -> Script:
    answer = _said(number, rng, done=False)
    return Script(number, "without [DONE]", False, [_sent(answer.events, rng)], Expected(texts=answer.texts))


# Faults.


def _broken(kind: str, *after: Step, expected: Expected = _INCOMPLETE) -> Callable[[int, Random], Script]:
    """The kind of streams that break off in the middle, by these steps."""

    def make(number: int, rng: Random) -> Script:
        answer = _begun(number, rng)
        told = replace(expected, texts=answer.texts)
        return Script(number, kind, True, [_torn(answer.events, *after)], told)

    return make


def _short(number: int, rng: Random) -> Script:
    answer = _begun(number, rng)
    data = b"".join(answer.events)
    steps: list[Step] = [head(content_length=len(data) + 100) + data, FIN]
    return Script(number, "short body", True, [steps], Expected("IncompleteStreamError", answer.texts))


def _half_event(number: int, rng: Random) -> Script:
    answer = _begun(number, rng)
    half = answer.events[-1][: rng.randrange(1, len(answer.events[-1]) - 1)]
    return Script(
        number,
        "half an event",
        True,
        [_torn(answer.events, framed(half), FIN)],
        Expected("IncompleteStreamError", answer.texts),
    )


def _error_first(number: int, rng: Random) -> Script:
    """An error before the first token, which is tried again."""
    answer = _said(number, rng)
    failed = [head(retry_after_ms=5) + framed(_event(_error(rng.choice([429, 500, 503])))), framed(b"")]
    return Script(
        number, "error first", True, [failed, _sent(answer.events, rng)], Expected(texts=answer.texts, retries=1)
    )


def _error_first_final(number: int, rng: Random) -> Script:
    steps: list[Step] = [head() + framed(_event(_error(400, "no such thing"), "error")), framed(b"")]
    return Script(number, "error first, final", True, [steps], Expected("BadRequestError"))


def _error_later(number: int, rng: Random) -> Script:
    answer = _begun(number, rng)
    code, error = rng.choice([(429, "RateLimitError"), (500, "InternalServerError"), (400, "BadRequestError")])
    event = _event(_error(code), rng.choice(["", "error"]))
    steps = _torn([*answer.events, event], framed(b""))
    return Script(number, "error later", True, [steps], Expected(error, answer.texts))


def _refused(number: int, rng: Random) -> Script:
    """A refusal, once or twice, and then the answer."""
    answer = _said(number, rng)
    count = rng.randrange(1, 3)
    refusals = [
        _whole(rng.choice([429, 500, 503]), _error(0), retry_after_ms=rng.randrange(1, 20)) for _ in range(count)
    ]
    expected = Expected(texts=answer.texts, retries=count)
    return Script(number, "refused, then good", True, [*refusals, _sent(answer.events, rng)], expected)


def _refused_finally(number: int, rng: Random) -> Script:
    status, error = rng.choice(
        [
            (400, "BadRequestError"),
            (401, "AuthenticationError"),
            (404, "NotFoundError"),
            (422, "UnprocessableEntityError"),
        ]
    )
    return Script(number, "refused", True, [_whole(status, _error(0))], Expected(error))


def _silent(number: int, rng: Random) -> Script:
    expected = Expected("APITimeoutError", phase="first_token")
    return Script(number, "silent", True, [[HANG]], expected, params={"max_retries": 0})


def _web_page(number: int, rng: Random) -> Script:
    steps = _whole(200, b"<!DOCTYPE html><title>Welcome</title>", kind="text/html")
    return Script(number, "web page", True, [steps], Expected("APIResponseValidationError"))


def _nothing(number: int, rng: Random) -> Script:
    return Script(number, "empty", True, [[head() + framed(b"")]], Expected("APIResponseValidationError"))


def _dead(number: int, rng: Random) -> Script:
    """A kept-alive connection that turns out dead; a new one is not."""
    answer = _said(number, rng)
    good = _sent(answer.events, rng)
    expected = Expected(texts=answer.texts, retries=None)
    return Script(number, "dead keep-alive", True, [[DIE_IF_REUSED, *good], good], expected)


def _closed_after(number: int, rng: Random) -> Script:
    answer = _said(number, rng)
    expected = Expected(texts=answer.texts)
    return Script(number, "closed after", True, [[*_sent(answer.events, rng), FIN]], expected)


def _cancelled(number: int, rng: Random) -> Script:
    answer = _begun(number, rng)
    script = Script(number, "cancelled", True, [_torn(answer.events, HANG)], Expected("CancelledError", answer.texts))
    return replace(script, leave_after=len(answer.events), cancels=True)


def _cancelled_early(number: int, rng: Random) -> Script:
    return Script(number, "cancelled early", True, [[HANG]], Expected("CancelledError"), cancels=True)


def _left(number: int, rng: Random) -> Script:
    """The client leaves in the middle; the server goes on."""
    read, rest = _begun(number, rng), _said(number, rng)
    steps = [*_torn(read.events), *_paced([framed(piece) for piece in _pieces(rest.events, rng)], rng), framed(b"")]
    script = Script(number, "left", True, [steps], Expected(None, read.texts))
    return replace(script, leave_after=len(read.events))


def _slow(number: int, rng: Random) -> Script:
    answer = _said(number, rng, words=rng.randrange(1, 200))
    script = Script(number, "slow reader", True, [_sent(answer.events, rng)], Expected(texts=answer.texts))
    return replace(script, pace=0.002)


GOOD: list[Callable[[int, Random], Script]] = [
    *[_text] * 12, *[_usage] * 2, *[_two] * 2, *[_tools] * 2, _crlf, _bytewise, _length_told, _until_closed, _no_done,
]  # fmt: skip

FAULTS: list[Callable[[int, Random], Script]] = [
    _broken("fin", FIN),
    _broken("reset", RESET),
    _broken("last chunk, no finish", framed(b"")),
    _broken("garbage for an event", framed(b'data: {"id": nonsense\n\n'), expected=Expected("StreamProtocolError")),
    # aiohttp reports what can't be parsed before it hands out what came with it.
    _broken("garbage for a chunk", b"zz\r\n", FIN, expected=replace(_INCOMPLETE, unopened="APIResponseValidationError")),
    _broken("stalled", HANG, expected=Expected("APITimeoutError", phase="idle")),
    _broken("stalled, total", HANG, expected=Expected("APITimeoutError", phase="total")),
    _short, _half_event, _error_first, _error_first_final, _error_later, _refused, _refused_finally, _silent, _web_page,
    _nothing, _dead, _closed_after, _cancelled, _cancelled_early, _left, _slow,
]  # fmt: skip


def script(seed: int, number: int, faults: float) -> Script:
    """Return what happens to a stream.

    Args:
        seed: Of the run.
        number: Of the stream.
        faults: How many of all streams have one, 0 to 1.
    """
    rng = Random(seed << 32 | number)
    made = rng.choice(FAULTS if rng.random() < faults else GOOD)(number, rng)
    if made.leave_after is None and not made.pace and not made.cancels:
        made.view = rng.choice(_VIEWS)
    return made
