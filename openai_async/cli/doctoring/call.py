"""The last checks of `doctor`: what the API answers, and how its answers come.

A client comes in; out go findings. Each check sends one small request, which costs what it costs anybody.
"""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from openai_async.api.client import AsyncOpenAI
from openai_async.cli.words import count, one_line
from openai_async.errors import APIError, APIStatusError, BadRequestError, NotFoundError, OpenAIError
from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.json import is_array, is_object
from openai_async.types.messages import ChatCompletionMessageParam

from .advice import Asked, advise
from .connections import Connections
from .finding import Finding, fail, okay, skip, warn

__all__ = ["Calls"]

# Long enough for several pieces, short enough to cost nothing.
_MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Count from 1 to 20, in digits."}]
_TOKENS = 48
# Seconds by which this machine's clock may differ from the server's.
_CLOCK = 120
# Fewer pieces tell nothing; and pieces that come faster than that, in seconds each, were held back by somebody: the
# fastest chips there are write 3,000 tokens a second.
_PIECES, _FASTEST = 5, 0.0002
# An answer that was there so soon, in seconds, leaves nothing to be held back.
_PROMPT = 0.1


class _Stream(msgspec.Struct, kw_only=True):
    """What was seen of a stream; times in seconds from the request."""

    kind: str
    first: float
    last: float
    pieces: int
    reads: int
    done: bool
    counted: bool
    refused: str | None
    headers: dict[str, str]


class Calls:
    """The requests to the API, one after the other.

    Args:
        client: Sends them, over `connections`.
        connections: Its transport.
        asked: What is asked; gets the names of the server's models.
    """

    def __init__(self, client: AsyncOpenAI, connections: Connections, asked: Asked) -> None:
        self._client = client
        self._connections = connections
        self._asked = asked

    async def check_models(self) -> Finding:
        """See which models the server lists."""
        name = "models"
        began = time.perf_counter()
        try:
            answer = await self._client.get("/models")
        except APIStatusError as error:
            return skip(name, f"There is no list of models ({error.status_code}).")
        except OpenAIError as error:
            return skip(name, f"There is no list of models: {_said(error)}")
        seconds = time.perf_counter() - began
        data = answer.get("data") if is_object(answer) else None
        names = (
            [item["id"] for item in data if is_object(item) and isinstance(item.get("id"), str)]
            if is_array(data)
            else []
        )
        self._asked.models = names
        model = self._asked.model
        if not names:
            return skip(name, "The list of models is empty, or of another form.")
        listed = f"among the {len(names):,} models" if len(names) > 1 else "the one model"
        if model not in names:
            advice = advise(_missing(model), self._asked)
            return warn(name, f"{model} is not {listed} that the server lists.", *advice, seconds=seconds)
        return okay(name, f"{model} is {listed} that the server lists.", seconds=seconds, models=names)

    async def check_request(self) -> Finding:
        """See whether the API answers a plain request."""
        name = "request"
        began = time.perf_counter()
        try:
            raw = await self._client.chat.completions.create(
                model=self._asked.model, messages=_MESSAGES, max_completion_tokens=_TOKENS
            ).raw()
            completion = raw.parse()
        except OpenAIError as error:
            return fail(name, _said(error), *advise(error, self._asked), **_facts(error))
        seconds = time.perf_counter() - began
        by = f" by {one_line(raw.headers['server'])}" if raw.headers.get("server") else ""
        told = f"Answered{by}"
        if completion.usage is not None:
            told += f", {completion.usage.prompt_tokens} + {count(completion.usage.completion_tokens, 'token')}"
        skew = _skew(raw.headers.get("date"))
        if skew is not None and abs(skew) > _CLOCK:
            way = "ahead of" if skew > 0 else "behind"
            advice = "Set this machine's clock: certificates and signed keys depend on it."
            return warn(name, f"{told}. This clock is {abs(skew):.0f} s {way} the server's.", advice, seconds=seconds)
        return okay(name, f"{told}.", seconds=seconds, request_id=raw.request_id, model=completion.model)

    async def check_stream(self) -> Finding:
        """See whether the API streams: its form, its end, its count of tokens, and whether it comes bit by bit."""
        name = "streaming"
        began = time.perf_counter()
        try:
            seen = await self._stream()
        except OpenAIError as error:
            return fail(name, _said(error), *advise(error, self._asked), **_facts(error))
        advice = list(_complaints(seen))
        times = f"the first after {seen.first:.2f} s, the last after {seen.last:.2f} s"
        told = f"{count(seen.pieces, 'piece')} in {count(seen.reads, 'read')}, {times}."
        details = {
            name: getattr(seen, name) for name in ("kind", "pieces", "reads", "first", "last", "done", "counted")
        }
        finding = warn(name, told, *advice) if advice else okay(name, told)
        finding.seconds, finding.details = time.perf_counter() - began, details
        return finding

    def check_reuse(self) -> Finding:
        """See whether the connection of one request served the next."""
        name = "keep-alive"
        if self._connections.reused:
            return okay(name, "The connection of one request served the next.")
        return warn(
            name,
            "Each request opened a connection of its own.",
            "The server, or a proxy, closes them: each request pays for a new one. Its keep-alive can be turned on.",
        )

    async def _stream(self) -> _Stream:
        """Read a stream; with a count of its tokens, unless the server refuses the wish."""
        try:
            return await self._read(count_tokens=True)
        except BadRequestError as refusal:
            try:
                seen = await self._read(count_tokens=False)
            except APIError:
                raise refusal from None
            seen.refused = one_line(refusal.message)
            return seen

    async def _read(self, *, count_tokens: bool) -> _Stream:
        body: dict[str, Any] = {"stream_options": {"include_usage": True}} if count_tokens else {}
        loop = asyncio.get_running_loop()
        began = loop.time()
        call = self._client.chat.completions.create(
            model=self._asked.model, messages=_MESSAGES, max_completion_tokens=_TOKENS, stream=True, extra_body=body
        )
        pieces, reads, counted, last = 0, 0, False, None
        async with call as stream:
            first = stream.timing.first_token or loop.time() - began
            async for chunks in stream.batches():
                now = first if last is None else loop.time() - began
                found = sum(map(_says_something, chunks))
                counted = counted or any(chunk.usage is not None for chunk in chunks)
                pieces += found
                reads += found > 0
                last = now if found or last is None else last
        return _Stream(
            kind=one_line(stream.response.headers.get("content-type", "none")),
            first=first,
            last=first if last is None else last,
            pieces=pieces,
            reads=reads,
            done=stream._reader.done,
            counted=counted,
            refused=None,
            headers=dict(stream.response.headers),
        )


def _says_something(chunk: ChatCompletionChunk) -> bool:
    return any(
        choice.delta.content or choice.delta.refusal or choice.delta.reasoning or choice.delta.tool_calls
        for choice in chunk.choices
    )


def _complaints(seen: _Stream) -> list[str]:
    """What is wrong with a stream, in sentences."""
    found: list[str] = []
    if not seen.kind.startswith("text/event-stream"):
        found.append(
            f"The answer is no event stream but {seen.kind}: the server does not stream, or a proxy changed it."
        )
    elif seen.pieces >= _PIECES and seen.last - seen.first < _FASTEST * seen.pieces and seen.first > _PROMPT:
        via = next(
            (
                f" (it says {name}: {seen.headers[name]})"
                for name in ("via", "server", "x-cache")
                if name in seen.headers
            ),
            "",
        )
        found.append(
            f"All pieces came at once: a proxy holds them back until the answer is whole{via}. Turn buffering and "
            "compression of text/event-stream off there; in nginx: proxy_buffering off, gzip off."
        )
    if not seen.done:
        found.append(
            "There is no [DONE] at the end: this client takes the finish_reason for it, others may wait for ever."
        )
    if seen.refused is not None:
        found.append(f"The server refuses to count tokens (stream_options): {seen.refused}")
    elif not seen.counted:
        found.append("The server does not count a stream's tokens: stream.final().usage will be None.")
    return found


def _said(error: OpenAIError) -> str:
    if isinstance(error, APIError):
        status = f"{error.status_code} " if error.status_code is not None else ""
        return f"{status}{one_line(error.message)}"
    return one_line(str(error))


def _facts(error: OpenAIError) -> dict[str, Any]:
    facts: dict[str, Any] = {"kind": type(error).__name__}
    if isinstance(error, APIError):
        facts |= {"status_code": error.status_code, "code": error.code, "request_id": error.request_id}
    return facts


def _missing(model: str) -> APIError:
    return NotFoundError(f"The model {model} does not exist.", status_code=404)


def _skew(date: str | None) -> float | None:
    """Seconds that this machine's clock is ahead of the server's; None: it does not say what time it is."""
    try:
        return None if date is None else time.time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
