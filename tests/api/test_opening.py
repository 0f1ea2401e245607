"""What a response of status 200 turns out to be: an answer, a stream, an error, or something else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from support.clock import run
from support.rawserver import chunk, completion, event, hello
from support.scripted import EVENT_STREAM, ScriptedResponse

from openai_async import errors
from openai_async.api.answers import read_completion
from openai_async.api.opening import open_reader, read_answer
from openai_async.api.response import ResponseInfo
from openai_async.api.stream import ChatStream
from openai_async.transport.timer import Timer
from openai_async.types.completion import ChatCompletion
from openai_async.types.options import Timeout

HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>...</body></html>"
SSE = b"".join(map(event, [*hello(), "[DONE]"]))


def read(*parts: Any, timeout: Timeout | None = None, **head: Any) -> ChatCompletion:
    """Read a plain answer on a virtual clock."""

    async def main() -> ChatCompletion:
        response = ScriptedResponse(*parts, **head)
        try:
            timer = Timer(timeout or Timeout.of(None))
            return read_completion(await read_answer(response, timer), ResponseInfo.of(response, timer))
        finally:
            assert response.closed + response.released >= 1

    return run(main())


def opened(
    *parts: Any, kind: str = "text/event-stream", timeout: Timeout | None = None, **headers: str
) -> ChatCompletion:
    """Open a stream and read it to its end, on a virtual clock."""

    async def main() -> ChatCompletion:
        response = ScriptedResponse(*parts, headers={"content-type": kind, "x-request-id": "req-1", **headers})
        timer = Timer(timeout or Timeout.of(None))
        timer.enter("first_token")
        try:
            stream: ChatStream[Any] = ChatStream(await open_reader(response, timer))
            return await stream.final()
        finally:
            assert response.closed + response.released >= 1

    return run(main())


def text(answer: ChatCompletion) -> str | None:
    """The text of the first choice."""
    return answer.choices[0].message.content


class TestPlain:
    """`read_completion`."""

    def test_completion(self) -> None:
        """A completion in pieces is read whole, and knows its request's id."""
        data = json.dumps(completion("Hi")).encode()

        answer = read(data[:10], data[10:], headers={"x-request-id": "req-1"})

        assert text(answer) == "Hi"
        assert answer._request_id == "req-1"

    def test_no_choices(self) -> None:
        """An answer with no choices, as `n=0` may bring it, is an answer."""
        assert read(b'{"id": "c", "choices": []}').choices == []

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            (b"", "with nothing"),
            (HTML, "Sign in"),
            (b"null", "null"),
            (b"[]", "[]"),
            (b'"text"', "text"),
            (b'{"id": "c"}', '{"id": "c"}'),
            (b'{"choices": null}', "choices"),
            (b'{"id": "c", "choices": [', "choices"),
            (SSE, "data:"),
        ],
        ids=["empty", "html", "null", "list", "text", "no choices", "null choices", "cut json", "event stream"],
    )
    def test_no_answer(self, body: bytes, told: str) -> None:
        """What is no completion is a wrong answer, with its beginning."""
        with pytest.raises(
            errors.APIResponseValidationError, match="where a completion in JSON was expected"
        ) as caught:
            read(body)

        assert told in str(caught.value)

    @pytest.mark.parametrize(
        ("payload", "cls", "message"),
        [
            ({"error": {"message": "slow", "code": 429}}, errors.RateLimitError, "slow"),
            ({"error": {"message": "no", "type": "invalid_request_error"}}, errors.BadRequestError, "no"),
            ({"error": "what"}, errors.APIError, "what"),
            ({"object": "error", "message": "old", "code": 400}, errors.BadRequestError, "old"),
            ({"code": 503, "message": "busy"}, errors.InternalServerError, "busy"),
        ],
    )
    def test_error_with_status_200(self, payload: Any, cls: type[errors.APIError], message: str) -> None:
        """An error that says 200 is raised as the class that it stands for."""
        with pytest.raises(errors.APIError) as caught:
            read(json.dumps(payload).encode())

        assert (type(caught.value), caught.value.message) == (cls, message)

    def test_cut_off(self) -> None:
        """A body that breaks off is a connection error, even where what came is JSON."""
        with pytest.raises(errors.APIConnectionError, match="cut"):
            read(json.dumps(completion()).encode(), errors.APIConnectionError("cut"))

    def test_slow_body(self) -> None:
        """The total limit spans the body."""
        with pytest.raises(errors.APITimeoutError) as caught:
            read(b"{", 1e6, timeout=Timeout(total=30))

        assert caught.value.phase == "total"

    def test_cancelled(self) -> None:
        """Cancelled in the body, the response is closed and its timer stopped."""

        async def main() -> None:
            response = ScriptedResponse(b"{", 1e6)
            timer = Timer(Timeout(total=600))
            task = asyncio.create_task(read_answer(response, timer))
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert response.closed == 1
            assert timer._handle is None

        run(main())


class TestStreams:
    """`open_reader`."""

    @pytest.mark.parametrize("cut", [1, 2, 3, 7, 100, 100_000])
    @pytest.mark.parametrize(
        "kind",
        ["text/event-stream", "Text/Event-Stream; charset=utf-8", "text/plain", "application/json", "text/html", ""],
    )
    def test_event_stream_by_any_name(self, kind: str, cut: int) -> None:
        """An event stream is read as one, whatever its content type says, and however it is cut."""
        pieces = [SSE[start : start + cut] for start in range(0, len(SSE), cut)]

        assert text(opened(*pieces, kind=kind)) == "Hello"

    @pytest.mark.parametrize(
        "begin", [b": ping\n\n", b"\n\n", b"\r\n", b"\xef\xbb\xbf", b"event: message\n", b"id: 7\n", b"retry: 5\n\n"]
    )
    @pytest.mark.parametrize("kind", ["text/event-stream", "text/plain"])
    def test_beginnings_of_event_streams(self, begin: bytes, kind: str) -> None:
        """A stream may begin with anything that the standard allows."""
        assert text(opened(begin, SSE, kind=kind)) == "Hello"
        assert text(opened(*[bytes([byte]) for byte in begin + SSE], kind=kind)) == "Hello"

    @pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "text/plain"])
    def test_completion_instead_of_a_stream(self, kind: str) -> None:
        """A server that ignores `stream` has its completion handed out as one chunk."""
        data = json.dumps(completion("Hi")).encode()

        answer = opened(data[:20], data[20:], kind=kind)

        assert text(answer) == "Hi"
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        assert answer._request_id == "req-1"

    @pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "text/html"])
    @pytest.mark.parametrize(
        ("body", "told"),
        [
            (b"", "with nothing"),
            (HTML, "Sign in"),
            (b'{"id": "c"}', '{"id": "c"}'),
            (b'{"choices": []}', "choices"),
            (b"[1, 2]", "[1, 2]"),
            (b'{"choices": [', "choices"),
        ],
        ids=["empty", "html", "no choices", "empty choices", "list", "cut json"],
    )
    def test_no_answer(self, kind: str, body: bytes, told: str) -> None:
        """What is no stream is a wrong answer, with its beginning, whatever its content type says."""
        with pytest.raises(errors.APIResponseValidationError, match="where an event stream was expected") as caught:
            opened(body, kind=kind)

        assert told in str(caught.value)
        assert caught.value.request_id == "req-1"

    @pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "text/plain"])
    def test_error_instead_of_a_stream(self, kind: str) -> None:
        """An error in bare JSON is raised as the class that it stands for, whatever its content type says."""
        with pytest.raises(errors.RateLimitError, match="slow") as caught:
            opened(b'{"error": {"message": "slow", "code": 429}}', kind=kind)

        assert caught.value.request_id == "req-1"

    def test_long_answer_in_one_piece(self) -> None:
        """A completion that is longer than the look at its beginning is read to its end."""
        assert text(opened(json.dumps(completion("x" * 5000)).encode(), kind="application/json")) == "x" * 5000

    @pytest.mark.parametrize("body", [b": ping\n\n: ping\n\n", b"event: ping\n\n", b"id: 1\n\n", b"data: \n\n"])
    def test_events_that_say_nothing(self, body: bytes) -> None:
        """A stream without a chunk is no answer; the error shows what it says instead."""
        with pytest.raises(errors.APIResponseValidationError, match="a stream with an answer in it was exp") as caught:
            opened(body)

        assert caught.value.body == body.decode()

    def test_only_done(self) -> None:
        """Neither is one that only says that it is over."""
        with pytest.raises(errors.APIResponseValidationError, match="a stream with an answer in it was expected"):
            opened(b"data: [DONE]\n\n")

    def test_stream_without_content(self) -> None:
        """An answer of nothing, ended by `[DONE]`, is an answer."""
        answer = opened(event(chunk(delta={"role": "assistant"})), event("[DONE]"))

        assert text(answer) is None

    def test_opens_with_the_first_content(self) -> None:
        """The stream is there when its first content is; what comes later is not waited for."""

        async def main() -> None:
            response = ScriptedResponse(
                event(chunk(delta={"role": "assistant"})), 5.0, event(chunk("a")), 1e6, headers=EVENT_STREAM
            )
            loop = asyncio.get_running_loop()
            began = loop.time()
            stream: ChatStream[Any] = ChatStream(await open_reader(response, Timer(Timeout.of(None))))
            assert loop.time() - began == pytest.approx(5)
            assert [(await anext(stream)).text, (await anext(stream)).text] == ["", "a"]
            await stream.aclose()

        run(main())

    @pytest.mark.parametrize(
        "parts",
        [
            [1e6],
            [b"{", 1e6],
            [b'{"choices": [', *[part for _ in range(50) for part in (1.0, b" ")], 1e6],
            [b": ping\n\n", *[part for _ in range(50) for part in (5.0, b": ping\n\n")]],
        ],
        ids=["silence", "json that stalls", "json that trickles", "pings"],
    )
    @pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
    def test_first_token_limit(self, parts: list[Any], kind: str) -> None:
        """Whatever comes in the place of the first content, it is not waited for longer than that limit."""
        with pytest.raises(errors.APITimeoutError) as caught:
            opened(*parts, kind=kind, timeout=Timeout(first_token=60))

        assert caught.value.phase == "first_token"

    def test_cancelled(self) -> None:
        """Cancelled before the first content, the response is closed and its timer stopped."""

        async def main() -> None:
            response = ScriptedResponse(event(chunk(delta={"role": "assistant"})), 1e6, headers=EVENT_STREAM)
            timer = Timer(Timeout(total=600))
            task = asyncio.create_task(open_reader(response, timer))
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert response.closed == 1
            assert timer._handle is None

        run(main())


# Errors in a 200, whatever stands beside them.

IN_200 = [
    {"choices": [], "error": {"message": "quota", "code": 429}},
    {"choices": [{"index": 0, "message": {"content": ""}}], "error": {"message": "boom", "code": 429}},
    {"choices": [{"index": 0, "finish_reason": "error", "error": {"code": 429}, "message": {"content": "x"}}]},
]


@pytest.mark.parametrize("payload", IN_200)
@pytest.mark.parametrize("read_it", [read, lambda body: opened(body, kind="application/json")])
def test_an_error_beside_choices_is_raised(payload: Any, read_it: Any) -> None:
    """A JSON 200 with an error in it is that error, for a plain call and for a stream answered in JSON."""
    with pytest.raises(errors.RateLimitError):
        read_it(json.dumps(payload).encode())


@pytest.mark.parametrize("read_it", [read, lambda body: opened(body, kind="application/json")])
def test_choices_that_are_none_are_no_answer(read_it: Any) -> None:
    """A list of things that are no choices is refused."""
    with pytest.raises(errors.APIResponseValidationError):
        read_it(b'{"choices": [1, 2]}')


def test_blank_lines_before_the_first_event() -> None:
    """A server that keeps the connection alive with blank lines is read, however many it sends."""
    assert text(opened(b"\n" * 600, b"\n" * 600, SSE)) == "Hello"
