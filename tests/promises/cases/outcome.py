"""How an answer ends: it is complete, or there is an error."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from support.faults import no_answer, no_last_chunk, short_body
from support.rawserver import Handler, answer, chunk, completion, event, hello, sse

from promises.case import Case, Check
from promises.checks import asked, fails, says
from promises.seen import Seen
from promises.user import User, final, plain

__all__ = ["CASES"]

ROLE, HEL, LO, STOP = hello()
SSE = "text/event-stream"
SILENT = "silent truncation"
BEAT = 0.05  # seconds that a server leaves the reader before a RST, which destroys what was not read

BODIES = "tests/reliability/test_outcomes.py"
OUTCOMES = f"{BODIES}::test_streams"
STREAM = "tests/api/test_stream.py"


class Person(BaseModel):
    """What structured answers are here: a type that both SDKs take."""

    name: str
    age: int


def _cut(id: str, promise: str, handler: Handler, *proofs: str, **more: Any) -> Case:
    """A case of a stream that ends too early."""
    return Case(
        id=id,
        topic="silent truncation",
        needs=[1],
        promise=promise,
        server=[handler],
        checks=[fails("IncompleteStreamError", silently=SILENT)],
        proofs=[OUTCOMES, *(proofs or [f"{STREAM}::test_incomplete"])],
        **more,
    )


def _whole(id: str, promise: str, handler: Handler, *proofs: str, **more: Any) -> Case:
    """A case of a stream that is complete."""
    return Case(
        id=id,
        topic="the answer's end",
        needs=[1],
        promise=promise,
        server=[handler],
        checks=[says(), asked(1)],
        proofs=[OUTCOMES, *(proofs or [f"{STREAM}::test_complete"])],
        **more,
    )


def _call(arguments: str, **opened: Any) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": "look"} if opened else {})}
    return chunk(delta={"tool_calls": [{"index": 0, "function": function, **opened}]})


def _body(payloads: list[Any]) -> bytes:
    return b"".join(map(event, payloads))


async def _two(user: User) -> None:
    """Ask for two choices."""
    async with await user.open(n=2) as chunks:
        await user.read(chunks)


TRUNCATED = [
    _cut("cut-in-order", "A stream that ends in order in the middle of an answer is an error.",
         sse([ROLE, HEL], done=False), f"{STREAM}::test_broken_ends_over_sockets"),
    _cut("cut-in-order-final", "Asked for the whole completion of such a stream, the client has none to give.",
         sse([ROLE, HEL], done=False), f"{STREAM}::test_incomplete", user=final),
    _cut("cut-by-fin", "A stream whose connection closes in the middle is an error.",
         sse([ROLE, HEL], done=False, ending="fin"), f"{STREAM}::test_broken_ends_over_sockets"),
    _cut("cut-by-reset", "A stream whose connection is reset in the middle is an error.",
         sse([ROLE, HEL], done=False, ending="reset", late=BEAT), f"{STREAM}::test_broken_ends_over_sockets"),
    _cut("cut-short", "A stream that is shorter than its content-length is an error.",
         short_body(_body([ROLE, HEL]), missing=100, kind=SSE),
         "tests/transport/test_session.py::test_short_body_is_an_error"),
    _cut("cut-event", "A stream that ends in order in the middle of an event is an error.",
         sse([ROLE, HEL, event(LO)[:-9]], done=False), "tests/protocol/test_sse.py::test_whole"),
    _cut("cut-before-the-text", "A stream that ends in order before any text is an error.",
         sse([ROLE], done=False), "tests/transport/test_exchange.py::test_stream_is_retried_before_its_first_content"),
    _cut("reset-before-the-text", "A stream that is reset before any text is an error.",
         sse([ROLE], done=False, ending="reset", late=BEAT),
         "tests/transport/test_exchange.py::test_stream_is_retried_before_its_first_content"),
    _cut("cut-second-choice", "A stream that ends when only one of two choices has finished is an error.",
         sse([ROLE, chunk("a", index=1), HEL, STOP], done=False),
         f"{STREAM}::test_choices_that_are_not_all_finished"),
    _cut("cut-call", "A stream that ends in the arguments of a tool call is an error.",
         sse([_call("", id="c", type="function"), _call('{"a":')], done=False), user=final),
    _cut("lost-choice", "A connection that breaks before the second of two choices has begun leaves one out: an error.",
         no_last_chunk(_body([ROLE, HEL, LO, STOP])),
         f"{STREAM}::test_a_break_before_the_second_answer_began", user=_two),
]  # fmt: skip


COMPLETE = [
    _whole("done-only", "A stream with `[DONE]` and no `finish_reason`, as Ollama sends it, is complete.",
           sse([ROLE, HEL, LO])),
    _whole("finish-only", "A stream with a `finish_reason` and no `[DONE]` is complete.", sse(hello(), done=False)),
    _whole("finish-then-fin", "A connection that closes after the last `finish_reason` breaks nothing.",
           no_last_chunk(_body(hello()))),
    _whole("finish-then-reset", "A connection that is reset after the last `finish_reason` breaks nothing.",
           sse(hello(), done=False, ending="reset", late=BEAT)),
    _whole("done-then-fin", "A connection that closes after `[DONE]` breaks nothing.", sse(hello(), ending="fin")),
    _whole("done-then-reset", "A connection that is reset after `[DONE]` breaks nothing.",
           sse(hello(), ending="reset", late=BEAT)),
]  # fmt: skip


# What was received before an error.


async def _kept(user: User) -> None:
    """Read events until the stream breaks, and ask what was received."""
    async with user.events() as events:
        try:
            async for event in events:
                if event.type == "chunk":
                    user.note(event.chunk)
        except Exception as error:
            partial = getattr(error, "partial", None) or events.current_completion_snapshot
            user.seen.notes["kept"] = partial.choices[0].message.content
            raise


def _has_kept(text: str) -> Check:
    def check(seen: Seen) -> str | None:
        return None if seen.notes.get("kept") == text else f"{seen.notes.get('kept')!r} kept"

    return check


PLAIN = [
    Case(
        id="plain-short",
        topic="silent truncation",
        needs=[1],
        promise="A plain answer that is shorter than its content-length is an error.",
        server=[short_body(b'{"choices": [', missing=100)],
        user=plain,
        checks=[fails("APIConnectionError")],
        proofs=[
            "tests/api/test_opening.py::test_cut_off",
            "tests/transport/test_session.py::test_short_body_is_an_error",
        ],
    ),
    Case(
        id="plain-no-last-chunk",
        topic="silent truncation",
        needs=[1],
        promise="A plain answer without its last chunk is an error, though its JSON is whole.",
        server=[no_last_chunk(event(completion())[6:-2], kind="application/json")],
        user=plain,
        checks=[fails("APIConnectionError", silently="taken for whole")],
        proofs=["tests/api/test_opening.py::test_cut_off", f"{BODIES}::test_bodies"],
    ),
    Case(
        id="plain-nothing",
        topic="lost connections",
        needs=[17],
        promise="A server that closes without an answer is a connection error.",
        server=[no_answer()],
        user=plain,
        checks=[fails("APIConnectionError")],
        proofs=[
            "tests/transport/test_translation.py::test_connection_closed_without_an_answer",
            f"{BODIES}::test_heads_that_break",
        ],
    ),
    Case(
        id="kept-text",
        topic="what was received",
        needs=[1],
        promise="What was received before a stream breaks is there with the error.",
        server=[sse([ROLE, HEL], done=False, ending="fin")],
        user=_kept,
        checks=[fails("IncompleteStreamError", silently=SILENT), _has_kept("Hel")],
        proofs=[OUTCOMES, "tests/functional/test_client.py::test_broken_streams_keep_what_came"],
    ),
]


# Objects.


async def _person(user: User) -> None:
    await user.parse(Person)


async def _person_stream(user: User) -> None:
    async with user.events(response_format=Person) as events:
        user.keep(await events.get_final_completion())


def _said(content: str, finish: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": None}
    return completion(choices=[{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}])


def _object(id: str, promise: str, handler: Handler, user: Any, check: Check, *proofs: str) -> Case:
    """A case of an answer that should have become an object."""
    return Case(
        id=id,
        topic="structured output",
        needs=[10],
        promise=promise,
        server=[handler],
        user=user,
        checks=[check],
        proofs=proofs,
    )


HALF = '{"name": "Ada", "age"'
PARSE = "tests/api/test_parse.py"

OBJECTS = [
    _object("object-length", "JSON that a token limit cut off is told as that, not as malformed.",
            answer(_said(HALF, "length")), _person, fails("LengthFinishReasonError"), f"{PARSE}::test_cut_short"),
    _object("object-length-stream", "So it is in a stream.",
            sse([ROLE, chunk(HALF), chunk(finish="length")]), _person_stream, fails("LengthFinishReasonError"),
            f"{PARSE}::test_what_cannot_be_parsed"),
    _object("object-filtered", "JSON that a content filter withheld is told as that.",
            answer(_said(HALF, "content_filter")), _person, fails("ContentFilterFinishReasonError"),
            f"{PARSE}::test_cut_short"),
    _object("object-broken", "Broken JSON where an object was asked for is an error of the SDK's.",
            answer(_said(HALF, "stop")), _person, fails(), f"{PARSE}::test_broken"),
    _object("object-misfit", "JSON of another type than was asked for is an error of the SDK's.",
            answer(_said('{"name": "Ada", "age": "old"}', "stop")), _person, fails(), f"{PARSE}::test_broken",
            "tests/protocol/test_output.py::test_misfits"),
    _object("object-cut", "A stream that breaks off in the middle of an object is told as incomplete.",
            sse([ROLE, chunk(HALF)], done=False), _person_stream, fails("IncompleteStreamError", silently=SILENT),
            f"{PARSE}::test_broken_off", OUTCOMES),
]  # fmt: skip

CASES = [*TRUNCATED, *COMPLETE, *PLAIN, *OBJECTS]
