"""What servers really send: errors that say 200, answers that are none, and streams that leave the schema."""

from __future__ import annotations

import json
from typing import Any

from support.rawserver import Handler, answer, chunk, completion, event, hello, sse

from promises.case import Case, Check
from promises.checks import asked, ended, fails, noted, says
from promises.seen import Seen
from promises.user import User, final, plain

__all__ = ["CASES"]

ROLE, HEL, LO, STOP = hello()
HTML = b"<!doctype html><title>Corporate proxy</title><p>Please log in."
LIMITED = {"error": {"message": "Slow down.", "type": "rate_limit_error", "code": 429}}

OPENING = "tests/api/test_opening.py"
FAILURES = "tests/protocol/test_failures.py"
CHUNKS = "tests/protocol/test_chunks.py"
SSE = "tests/protocol/test_sse.py"
BAD = "tests/reliability/test_bad_answers.py"
GROWTH = "tests/reliability/test_growth.py"
WIRE = "tests/data/test_wire.py::test_body"


# Errors that say 200, and answers that are none.


def _error(id: str, promise: str, handler: Handler, check: Check, *proofs: str, **more: Any) -> Case:
    """A case of an error in the middle of a stream, or in the place of an answer."""
    return Case(
        id=id, topic="errors inside a 200", needs=[3], promise=promise, server=[handler], checks=[check, asked(1)],
        proofs=proofs, **more,
    )  # fmt: skip


def _none(id: str, promise: str, handler: Handler, *proofs: str, **more: Any) -> Case:
    """A case of an answer that is none."""
    return Case(
        id=id, topic="answers that are none", needs=[4], promise=promise, server=[handler],
        checks=[fails("APIResponseValidationError", silently="taken for an answer"), asked(1)], proofs=proofs, **more,
    )  # fmt: skip


IN_STREAM = f"{FAILURES}::test_errors_and_chunks"
NO_STREAM = f"{OPENING}::test_no_answer"

ERRORS = [
    _error("error-object", "An error in a stream is raised as the class that its code stands for.",
           sse([ROLE, HEL, LIMITED], done=False), fails("RateLimitError", silently="error swallowed"),
           f"{FAILURES}::test_the_status_of_an_error_in_a_stream", "tests/functional/test_client.py::test_broken_streams_keep_what_came"),
    _error("error-event", "An event named `error` is an error, whatever it says.",
           sse([ROLE, HEL, b'event: error\ndata: {"code": 400, "message": "no"}\n\n']),
           fails("BadRequestError", silently="error swallowed"), f"{FAILURES}::test_an_event_named_error"),
    _error("error-event-text", "Also where it says it in plain text.",
           sse([ROLE, HEL, b"event: error\ndata: upstream is gone\n\n"]), fails(silently="error swallowed"),
           f"{FAILURES}::test_events_without_an_object"),
    _error("error-bare", "An object of code and message, without the word error, is an error.",
           sse([ROLE, HEL, {"code": 503, "message": "overloaded"}]),
           fails("InternalServerError", silently="error swallowed"), IN_STREAM),
    _error("error-named", "An object that calls itself an error is one.",
           sse([ROLE, HEL, {"object": "error", "message": "overloaded", "code": 503}]),
           fails("InternalServerError", silently="error swallowed"), IN_STREAM),
    _error("error-finish", "A choice that finishes with an error is one.",
           sse([ROLE, HEL, {**chunk(), "choices": [
               {"index": 0, "delta": {}, "finish_reason": "error", "error": {"message": "lost", "code": 502}}]}]),
           fails("InternalServerError", silently="error swallowed"), IN_STREAM),
    _error("error-beside-choices", "An error is raised though choices stand beside it.",
           sse([ROLE, {**HEL, "error": {"message": "lost", "code": 502}}]),
           fails("InternalServerError", silently="error swallowed"),
           f"{OPENING}::test_an_error_beside_choices_is_raised", IN_STREAM),
    _error("error-json", "JSON of an error, where a stream was asked for, is that error.",
           answer(LIMITED), fails("RateLimitError", silently="error swallowed"),
           f"{OPENING}::test_error_instead_of_a_stream"),
    _error("error-plain", "A plain answer that says 200 and holds an error is that error.",
           answer(LIMITED), fails("RateLimitError", silently="error swallowed"),
           f"{OPENING}::test_error_with_status_200", f"{BAD}::test_error_in_a_200", user=plain),
]  # fmt: skip

NONE = [
    _none("html-stream", "A web page where a stream was asked for is an error.", answer(HTML, kind="text/html"), NO_STREAM,
          "tests/functional/test_messages.py::test_web_page_of_a_proxy"),
    _none("html-plain", "A web page where an answer was asked for is an error.", answer(HTML, kind="text/html"), NO_STREAM,
          user=plain),
    _none("empty-stream", "Nothing at all where a stream was asked for is an error.",
          answer(b"", kind="text/event-stream"), NO_STREAM, f"{OPENING}::test_events_that_say_nothing",
          f"{BAD}::test_streams_without_an_answer"),
    _none("empty-plain", "Nothing at all where an answer was asked for is an error.", answer(b""), NO_STREAM, user=plain),
    _none("only-done", "A stream of nothing but `[DONE]` is an error.", sse([]), f"{OPENING}::test_only_done",
          f"{BAD}::test_streams_without_an_answer"),
    _none("no-choices-ever", "A stream that ends in order and never names a choice is an error.",
          sse([{"detail": "Model overloaded"}]), "tests/api/test_stream.py::test_done_without_any_choice_is_no_answer"),
    _none("broken-json-plain", "A plain answer of broken JSON is an error of the SDK's.",
          answer(b'{"choices": [{'), NO_STREAM, user=plain),
    _none("broken-json-stream", "A chunk of broken JSON is an error of the SDK's.",
          sse([ROLE, HEL, b"data: {{{\n\n"]), "tests/api/test_stream.py::test_broken_ends_over_sockets"),
    _none("deep-plain", "Brackets without end are an error of the SDK's, and exhaust no stack.",
          answer(b'{"choices": ' + b"[" * 200_000), "tests/protocol/test_codec.py::test_nested_too_deeply",
          f"{BAD}::test_nested_too_deeply", user=plain),
    _none("deep-stream", "So they are in a stream.", sse([ROLE, HEL, b"data: " + b"[" * 200_000 + b"\n\n"]),
          "tests/protocol/test_codec.py::test_nested_too_deeply",
          f"{BAD}::test_nested_too_deeply"),
    _none("endless-event", "An event that never ends is given up at 16 MiB, not kept for ever.",
          sse([ROLE, HEL, b"data: ", *[b"x" * (1 << 20)] * 17], done=False), f"{SSE}::test_the_default_limit",
          f"{BAD}::test_event_too_large_after_others", f"{GROWTH}::test_endless"),
]  # fmt: skip


# Odd streams that say something all the same.


def _read(id: str, topic: str, needs: list[int], promise: str, handler: Handler, *proofs: str, **more: Any) -> Case:
    """A case of a stream that says "Hello", oddly."""
    checks = [says(more.pop("text", "Hello")), *more.pop("checks", ())]
    return Case(
        id=id, topic=topic, needs=needs, promise=promise, server=[handler], checks=checks,
        proofs=[*proofs, WIRE], **more,
    )  # fmt: skip


def _before(odd: bytes) -> Handler:
    return sse([ROLE, HEL, odd, LO, STOP])


def _bytes(data: bytes, cut: int = 0) -> Handler:
    return sse([data], done=False, cut=cut)


WHOLE = b"".join(map(event, [*hello(), "[DONE]"]))
CONTROL = ("control events", [5])
STANDARD = f"{SSE}::test_whole"
GRUESSE = [ROLE, chunk("Grüße "), chunk("\U0001f30d"), STOP]

FRAMING = [
    _read("event-retry", *CONTROL, "An event that only sets the retry time is skipped.", _before(b"retry: 10\n\n"), STANDARD),
    _read("event-id", *CONTROL, "An event that only has an id is skipped.", _before(b"id: 7\n\n"), STANDARD),
    _read("event-name", *CONTROL, "An event that only has a name is skipped.", _before(b"event: ping\n\n"), STANDARD),
    _read("event-no-data", *CONTROL, "An event whose data is empty is skipped.", _before(b"data:\n\n"), STANDARD,
          f"{CHUNKS}::test_keep_alives"),
    _read("event-id-ping", *CONTROL, "An id, followed by a comment, is skipped.", _before(b"id: 7\n: ping\n\n"), STANDARD),
    _read("line-ends", "event streams", [5], "Lines may end in CR, as the standard allows.",
          _bytes(WHOLE.replace(b"\n", b"\r")), STANDARD, "tests/data/test_recordings.py::test_other_line_ends"),
    _read("byte-order-mark", "event streams", [5], "A byte order mark before the first event is no part of it.",
          _bytes(b"\xef\xbb\xbf" + WHOLE), STANDARD),
    _read("many-lines", "event streams", [5], "The data of one event may come in several lines.",
          _bytes(WHOLE.replace(b', "', b',\ndata: "')), STANDARD),
    _read("byte-by-byte", "event streams", [5], "A stream may be cut anywhere, also within a character.",
          _bytes(b"".join(b"data: " + json.dumps(one, ensure_ascii=False).encode() + b"\n\n" for one in GRUESSE), cut=1),
          f"{SSE}::test_byte_by_byte", "tests/api/test_stream.py::test_cuts_of_the_wire", text="Grüße \U0001f30d"),
    _read("large-event", "large events", [5], "An event of 3 MB is read.",
          sse([ROLE, chunk("x" * 3_000_000), STOP]), f"{SSE}::test_a_large_event_in_small_pieces_takes_linear_time",
          f"{GROWTH}::test_events_at_the_limit",
          text="x" * 3_000_000),
    _read("no-stream", "answers in one piece", [4], "A whole answer where a stream was asked for is handed out as one.",
          answer(completion()), f"{OPENING}::test_completion_instead_of_a_stream"),
    _read("no-stream-type", "answers in one piece", [4], "An event stream is read as one, whatever its content type says.",
          sse(hello(), kind="application/json"), f"{OPENING}::test_event_stream_by_any_name"),
]  # fmt: skip


# Tool calls.


def _calls(*fragments: dict[str, Any]) -> Handler:
    return sse([ROLE, *(chunk(delta={"tool_calls": [one]}) for one in fragments), chunk(finish="tool_calls")])


def _fragment(arguments: str, name: str = "", **more: Any) -> dict[str, Any]:
    return {**more, "function": {"arguments": arguments, **({"name": name} if name else {})}}


def _have_called(seen: Seen) -> str | None:
    """Two calls came out, whole."""
    wrong = ended(seen)
    if wrong:
        return wrong
    calls = seen.answer.choices[0].message.tool_calls or []
    told = [(call.id, call.function.name, call.function.arguments) for call in calls]
    return None if told == [("c1", "f", '{"a":1}'), ("c2", "g", "{}")] else f"calls are {told}"[:60]


def _tools(id: str, promise: str, handler: Handler) -> Case:
    return Case(
        id=id, topic="tool calls", needs=[6], promise=promise, server=[handler], user=final, checks=[_have_called],
        proofs=["tests/protocol/test_toolcalls.py::test_numberings", f"{BAD}::test_calls_of_any_number", WIRE],
    )  # fmt: skip


TOOLS = [
    _tools("calls-no-index", "Fragments of tool calls without an index go on with the last call.",
           _calls(_fragment("", "f", id="c1"), _fragment('{"a"'), _fragment(":1}"), _fragment("", "g", id="c2"), _fragment("{}"))),
    _tools("calls-from-1", "Tool calls may be counted from 1.",
           _calls(_fragment("", "f", index=1, id="c1"), _fragment('{"a":1}', index=1), _fragment("{}", "g", index=2, id="c2"))),
    _tools("calls-all-0", "Calls that all have index 0 are told apart by their ids.",
           _calls(_fragment('{"a":1}', "f", index=0, id="c1"), _fragment("{}", "g", index=0, id="c2"))),
    _tools("calls-merged", "Several whole calls may come in one delta, without an index.",
           sse([ROLE, chunk(delta={"tool_calls": [_fragment('{"a":1}', "f", id="c1"), _fragment("{}", "g", id="c2")]}),
                chunk(finish="tool_calls")])),
]  # fmt: skip


# The schema.


async def _documented(user: User) -> None:
    """Read a stream's text as each SDK's documentation does."""
    chunks = await user.open()
    async for one in chunks:
        text = one.text if user.sdk.name == "openai_async" else one.choices[0].delta.content
        user.seen.text += text or ""


async def _reasoning(user: User) -> None:
    await final(user)
    user.seen.notes["reasoning"] = getattr(user.seen.answer.choices[0].message, "reasoning_content", None)


async def _dump(user: User) -> None:
    """Read a plain answer, and write it as JSON again."""
    await plain(user)
    user.seen.notes["dumped"] = user.seen.answer.model_dump_json()


def _odd(id: str, promise: str, *payloads: Any, **more: Any) -> Case:
    """A case of chunks that leave the schema."""
    return _read(
        id, "schema", [9], promise, sse(payloads), "tests/types/test_chunk.py::test_deviations_are_read_without_loss",
        f"{BAD}::test_any_value_in_every_view", *more.pop("proofs", ()),
        **{"user": final, **more},
    )  # fmt: skip


def _token(number: str) -> bytes:
    one = event({**HEL, "choices": [{**HEL["choices"][0], "logprobs": {"content": [
        {"token": "Hel", "bytes": None, "logprob": 0.125, "top_logprobs": []}]}}]})  # fmt: skip
    return one.replace(b"0.125", number.encode())


def _tokens(count: int) -> Handler:
    """A stream of so many tokens with their log probabilities."""
    other = {"token": "b", "bytes": [98], "logprob": -2.5}
    said = {"content": [{"token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": [other] * 5}]}
    one = event(
        {**chunk(), "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None, "logprobs": said}]}
    )
    return sse([ROLE, one * count, STOP])


def _unfinished(seen: Seen) -> str | None:
    return f"not done after {seen.seconds:.0f} s" if seen.hung else None


BARE = [{"choices": [{"delta": {"content": "Hello"}}]}, {"choices": [{"delta": {}, "finish_reason": "stop"}]}]
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}

SCHEMA = [
    _read("no-choices", "chunks without choices", [7], "Reading the text needs no care for chunks without choices.",
          sse([{**chunk(), "choices": [], "prompt_filter_results": []}, *hello(), {**chunk(), "choices": [], "usage": USAGE}]),
          "tests/types/test_chunk.py::test_usage_chunk_has_no_choices", user=_documented),
    _read("reasoning", "vendors' fields", [8], "A vendor's field, here its reasoning, is in the final message as a whole.",
          sse([ROLE, chunk(delta={"reasoning_content": "hm, "}), chunk(delta={"reasoning_content": "well"}), HEL, LO, STOP]),
          "tests/protocol/test_snapshot.py::test_reasoning", "tests/types/test_completion_param.py::test_param_is_what_a_request_takes",
          user=_reasoning, checks=[noted("reasoning", "hm, well", wrong="reasoning is {!r}")]),
    _odd("usage-empty", "A usage without numbers ends no stream.", ROLE, {**HEL, "usage": {}}, LO, STOP),
    _odd("finish-empty", "An empty `finish_reason` is none, and ends no stream.", ROLE, chunk("Hel", finish=""), LO, STOP),
    _odd("tier-unknown", "A service tier that nobody knows ends no stream.",
         *({**one, "service_tier": "on_demand"} for one in hello())),
    _odd("fields-missing", "Neither a choice's index nor a chunk's id, object or time is needed.", *BARE),
    _odd("created-float", "A time with a fraction is a time.", *({**one, "created": 1_700_000_000.5} for one in hello())),
    _odd("created-text", "A time as text is a time.", *({**one, "created": "1700000000"} for one in hello())),
    _odd("nulls", "null stands for anything that is not there.", ROLE, *(
        {**chunk(text), "usage": None, "choices": [{"index": 0, "delta": {"content": text, "role": None, "tool_calls": None},
        "finish_reason": None, "logprobs": None}]} for text in ("Hel", "lo")), {**STOP, "choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]}),
    _odd("nan", "A log probability that is no number ends no stream.", ROLE, _token("NaN"), LO, STOP,
         proofs=[f"{CHUNKS}::test_numbers_and_bytes_that_json_does_not_have"]),
    _odd("infinity", "Neither does one that is infinite.", ROLE, _token("-Infinity"), LO, STOP,
         proofs=[f"{CHUNKS}::test_numbers_and_bytes_that_json_does_not_have"]),
    _odd("half-emoji", "An emoji that is cut in two between chunks is put together.", ROLE,
         b'data: {"choices": [{"index": 0, "delta": {"content": "\\ud83c"}}]}\n\n',
         b'data: {"choices": [{"index": 0, "delta": {"content": "\\udf0d"}}]}\n\n', STOP, text="\U0001f30d",
         proofs=[f"{CHUNKS}::test_halves_join"]),
    _odd("no-utf8", "A byte that is no UTF-8 costs a character, and no stream.", ROLE,
         event(HEL).replace(b"Hel", b"Hel\xff"), LO, STOP, text="Hel�lo",
         proofs=[f"{BAD}::test_bytes_that_are_no_text"]),
    _odd("key-twice", "Of a key that stands there twice the last counts.", ROLE,
         event(HEL).replace(b'"content": "Hel"', b'"content": "no", "content": "Hel"'), LO, STOP, proofs=[f"{CHUNKS}::test_repeated_keys"]),
    Case(
        id="many-tokens", topic="long answers", needs=[27], promise="A stream of 4,000 tokens with log probabilities is read in a moment: time grows with the length only.",
        server=[_tokens(4000)], user=final, checks=[_unfinished, says("a" * 4000)],
        proofs=["tests/protocol/test_snapshot.py::test_pieces_are_not_joined_before_somebody_looks", f"{GROWTH}::test_joined", f"{GROWTH}::test_told"],
    ),
    Case(
        id="dump", topic="serialising", needs=[52], promise="An answer is written as JSON again without a warning.",
        server=[answer(completion(service_tier="on_demand", choices=[{"index": 0, "finish_reason": "", "message": {"role": "assistant", "content": "Hello"}}]))],
        user=_dump, checks=[says(), lambda seen: seen.warned[0].partition(":")[0] if seen.warned else None],
        proofs=["tests/types/test_model_properties.py::test_json_forms_hold_the_dict"],
    ),
]  # fmt: skip

CASES = [*ERRORS, *NONE, *FRAMING, *TOOLS, *SCHEMA]
