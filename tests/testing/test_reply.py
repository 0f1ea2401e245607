"""Parts, put together."""

from __future__ import annotations

import urllib.request

import openai
import pytest

from openai_async.server.faults import Fault
from openai_async.testing import (
    bom,
    cut,
    delay,
    drop,
    error,
    error_event,
    html,
    line_ends,
    no_done,
    no_finish,
    ping,
    refusal,
    split,
    stall,
    text,
    tool_call,
)
from openai_async.testing.reply import ScriptedReply


def test_faults_of_parts_add_up():
    """What goes wrong is all that the parts say, delays of texts among it; without any, there is no fault."""
    assert ScriptedReply((text("a", delay=1), cut(after=2), ping(), split(7))).fault == Fault(
        byte_delay=1, cut_after=2, pings=True, sizes=(7,)
    )
    assert ScriptedReply((text("a"),)).fault is None


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((), "needs something to say"),
        ((error(429), text("a")), r"error\(429\) is the whole answer: text\('a'\)"),
        ((html(), cut()), r"html\(\) is the whole answer: cut\(\)"),
        ((drop(), ping()), r"drop\(\) is the whole answer"),
        ((error(429), error(500)), r"error\(429\) is the whole answer"),
        ((cut(after=1), cut(after=2)), r"cut\(after=1\) and cut\(after=2\) contradict each other"),
        ((text("a", delay=1), delay(between=2)), r"contradict each other"),
        ((text("ab", chunks=2), tool_call("f")), r"chunks of your own is all that a reply says"),
        ((tool_call("f"), {"content": "a"}), r"a message of your own is all that a reply says"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(parts, said):
    """The error names both parts."""
    with pytest.raises(ValueError, match=said):
        ScriptedReply(parts)


@pytest.mark.parametrize("part", [error(503), html(), drop()])
def test_an_answer_as_a_whole_may_be_late(part):
    """A delay goes with anything."""
    assert ScriptedReply((delay(before=1), part)).fault.delay == 1


def test_times_are_counted():
    """A reply is left as often as it says, and waits for as many requests; any number waits for none."""
    twice, always = ScriptedReply(("a",), times=2), ScriptedReply(("a",), times=None)
    twice.used = always.used = 1

    assert (twice.left, twice.unused) == (True, 1)
    assert (always.left, always.unused) == (True, 0)
    twice.used = 2
    assert (twice.left, twice.unused) == (False, 0)
    assert (repr(twice), repr(always)) == ("reply(text('a'), times=2)", "reply(text('a'), times=None)")
    with pytest.raises(ValueError, match="times must be 1 or more"):
        ScriptedReply(("a",), times=0)


_USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


# --- On the wire -----------------------------------------------------------------------------------------------


@pytest.mark.sockets
def test_a_text_comes_in_its_chunks(server, chunks):
    """A stream has the chunks that were asked for, between the role's and the end's."""
    server.reply(text("Hello", chunks=3)).reply(text("Hel", "lo")).reply(text("Hello", chunks=1)).reply("Hello there")

    assert chunks() == ["", "He", "ll", "o", None]
    assert chunks() == ["", "Hel", "lo", None]
    assert chunks() == ["", "Hello", None]
    assert chunks() == ["", "Hello", " there", None]


@pytest.mark.sockets
def test_a_text_in_chunks_is_whole_in_a_plain_answer(server, ask):
    """Chunks change nothing about what is said."""
    server.reply(text("Hel", "lo", delay=0.001))

    assert ask().choices[0].message.content == "Hello"


@pytest.mark.sockets
def test_contents_are_one_message(server, ask):
    """Texts, calls and refusals of one reply are one message; arguments may be any text."""
    server.reply("One ", "two.", tool_call("f", {"a": 1}), tool_call("g", '{"broken', id="call_x"))
    message = ask().choices[0].message
    first, second = message.tool_calls

    assert message.content == "One two."
    assert (first.function.name, first.function.arguments) == ("f", '{"a":1}')
    assert (second.id, second.function.name, second.function.arguments) == ("call_x", "g", '{"broken')
    server.reply(refusal("I'd rather not."))
    assert ask().choices[0].message.refusal == "I'd rather not."


@pytest.mark.sockets
def test_a_call_is_streamed_in_pieces(server, ask):
    """The arguments of a call arrive in several chunks, which join into what was given."""
    server.reply(tool_call("f", {"city": "Rome", "unit": "celsius"}))
    with ask(stream=True) as stream:
        deltas = [chunk.choices[0].delta.tool_calls for chunk in stream]

    pieces = [calls[0].function.arguments for calls in deltas if calls]
    assert len(pieces) > 3
    assert "".join(pieces) == '{"city":"Rome","unit":"celsius"}'


@pytest.mark.sockets
def test_messages_and_completions_go_out_as_they_are(server, ask):
    """A dict is a message, or with choices a whole completion; a finish_reason is what was asked for."""
    completion = {"id": "c1", "object": "chat.completion", "created": 1, "model": "other", "choices": []}
    server.reply({"content": "Hi", "finish_reason": "length"}).reply(completion)
    server.reply(text("Hi", finish_reason="content_filter"))

    choice = ask().choices[0]
    assert (choice.message.content, choice.finish_reason) == ("Hi", "length")
    assert ask().model_dump(exclude_unset=True) == completion
    assert ask().choices[0].finish_reason == "content_filter"


@pytest.mark.sockets
def test_a_whole_completion_can_be_streamed(server, ask):
    """What a completion leaves out, its stream has all the same: an end, and usage where it is asked for."""
    server.reply({"id": "c1", "choices": [{"message": {"content": "Hello"}}]})
    server.reply({"id": "c2", "choices": [{"message": {"content": "Hi"}, "finish_reason": "length"}], "usage": _USAGE})
    first, second = (list(ask(stream=True, stream_options={"include_usage": True})) for _ in range(2))

    assert [chunk.choices[0].delta.content for chunk in first[:-1]] == ["", "Hello", None]
    assert (first[-2].choices[0].finish_reason, first[-1].usage.total_tokens) == ("stop", 0)
    assert (second[-2].choices[0].finish_reason, second[-1].usage.total_tokens) == ("length", 7)
    assert {chunk.id for chunk in second} == {"c2"}


@pytest.mark.sockets
def test_a_fault_alone_spoils_the_usual_answer(server, chunks):
    """A reply that says nothing has the default responder's words, here pinged and in pieces of seven bytes."""
    server.reply(ping(), split(7))

    assert len("".join(filter(None, chunks()))) > 20


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("part", "seen"),
    [(cut(after=2), ["", "a", "b"]), (cut(after=2, reset=True), ["", "a", "b"]), (error_event(after=1), ["", "a"])],
)
def test_faults_come_after_so_many_chunks(server, ask, part, seen):
    """So many chunks of the text arrive, then the client sees a failure."""
    server.reply(text("a", "b", "c"), part)
    with ask(stream=True) as stream:
        got = [next(stream).choices[0].delta.content for _ in seen]
        with pytest.raises(openai.APIError):
            next(stream)

    assert got == seen


@pytest.mark.sockets
def test_errors_are_the_apis(server, ask, official, question):
    """An error has its status, sentence, code and wait; a client that retries gets the next reply."""
    server.reply(error(429, "Slow down.", code="slow", retry_after=0), times=2).reply("Hi")
    with pytest.raises(openai.RateLimitError) as caught:
        ask()
    patient = official(server, max_retries=2).chat.completions.create(**question())

    assert (caught.value.body["message"], caught.value.code) == ("Slow down.", "slow")
    assert caught.value.response.headers["retry-after"] == "0"
    assert patient.choices[0].message.content == "Hi"
    assert [request.status for request in server.requests] == [429, 429, 200]


@pytest.mark.sockets
def test_answers_as_a_whole_are_spoiled(server, ask):
    """A web page is no completion, a dropped connection no answer."""
    server.reply(html()).reply(html(502)).reply(drop())

    assert isinstance(ask(), str)
    with pytest.raises(openai.InternalServerError):
        ask()
    with pytest.raises(openai.APIConnectionError):
        ask()
    assert [request.status for request in server.requests] == [200, 502, 0]


@pytest.mark.sockets
def test_a_stall_ends_with_the_client(server, ask):
    """A stalled answer is open until its client leaves, and aborted then."""
    server.reply(text("a", "b"), stall(after=1))
    with ask(stream=True) as stream:
        got = [next(stream).choices[0].delta.content for _ in range(2)]
        assert server.requests[0].outcome == "open"

    assert got == ["", "a"]
    assert server.requests[0].ended() == "aborted"


@pytest.mark.sockets
def test_the_form_of_a_stream_may_be_odd(server):
    """A mark at the beginning, other line ends, and no end: each is as the standard allows, or as few expect."""
    server.reply(text("a"), bom(), line_ends("crlf"), no_done(), no_finish())
    body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Why?"}]}'
    request = urllib.request.Request(f"{server.url}/chat/completions", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        stream = response.read()

    assert stream.startswith(b"\xef\xbb\xbfdata: ")
    assert stream.count(b"\r\n\r\n") == 2
    assert stream.replace(b"\r\n", b"").count(b"\n") == 0
    assert b"[DONE]" not in stream
    assert b'"stop"' not in stream
