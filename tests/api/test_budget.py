"""What a call costs in tokens, before and after it."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from support.limiter import WatchingLimiter
from support.rawserver import RawServer, answer, chunk, completion, hello, sse

from openai_async import AsyncOpenAI, ChatCompletion, errors
from openai_async.api.budget import cost_of, used_by

KEY = "sk-secret-0123456789"
MESSAGES: Any = [{"role": "user", "content": "hi"}]
USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (None, 0),
        (b"", 0),
        (b"12345678", 2),
        (b'{"max_tokens":100}', 105),
        (b'{"max_completion_tokens":100}', 108),
        (b'{"max_tokens":100,"n":3}', 306),
        (b'{"max_tokens":null,"n":null}', 7),
        (b'{"max_tokens":"many"}', 6),
        (b"[1,2,3]", 2),
        (b"\x00\xff\x00\xff", 1),
    ],
)
def test_estimates(body: bytes | None, tokens: int) -> None:
    """A quarter of the body's length, and the longest answers that it asks for; nonsense costs its length."""
    assert cost_of(body) == tokens


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [(USAGE, 5), ({"prompt_tokens": 2, "completion_tokens": 3}, 5), ({}, None), (None, None)],
)
def test_usage_of_completions(usage: Any, tokens: int | None) -> None:
    """The server's count, or its sum; a server that counts nothing says nothing."""
    assert used_by(ChatCompletion.from_dict({**completion(), "usage": usage})) == tokens


def test_usage_of_others() -> None:
    """What has no usage says nothing of it."""
    assert used_by(b"bytes") is None
    assert used_by(None) is None


@pytest.mark.anyio
@pytest.mark.sockets
class TestLimiters:
    """A client's limiter, over real sockets."""

    async def settled(self, *handlers: Any, stream: bool = False, **options: Any) -> WatchingLimiter:
        """What the limiter is told of one call, read to its end."""
        limiter = WatchingLimiter()
        async with RawServer(*handlers) as server:
            async with AsyncOpenAI(api_key=KEY, base_url=server.url, limiter=limiter) as client:
                given: Any = await client.chat.completions.create(
                    model="m", messages=MESSAGES, stream=stream, max_tokens=100, **options
                )
                if stream:
                    await given.final()
            assert limiter.acquired[0] == cost_of(server.requests[0].body) > 100
        return limiter

    async def test_plain_call(self) -> None:
        """A plain call is settled with the completion's usage."""
        limiter = await self.settled(answer(completion()))

        assert limiter.log == [("observe", 1, 200), ("settle", 1, 5)]

    @pytest.mark.parametrize("cut", [0, 7])
    async def test_stream(self, cut: int) -> None:
        """A stream is settled at its end, with the usage of its last chunk, if it has one."""
        last = {**chunk(), "choices": [], "usage": USAGE}
        with_usage = await self.settled(sse([*hello(), last], cut=cut), stream=True)
        without = await self.settled(sse(hello(), cut=cut), stream=True)

        assert with_usage.log == [("observe", 1, 200), ("settle", 1, 5)]
        assert without.log == [("observe", 1, 200), ("settle", 1, None)]

    async def test_retries(self) -> None:
        """Each attempt has a permit of its own, and each permit is settled."""
        refused = answer({"error": {"message": "slow down"}}, 429, {"retry-after-ms": "1"})
        limiter = await self.settled(refused, refused, answer(completion()))

        assert limiter.log == [
            ("observe", 1, 429),
            ("settle", 1, None),
            ("observe", 2, 429),
            ("settle", 2, None),
            ("observe", 3, 200),
            ("settle", 3, 5),
        ]

    @pytest.mark.parametrize("leave", ["close", "drop"])
    async def test_stream_that_is_left(self, leave: str) -> None:
        """A stream that is closed or dropped early is settled there and then."""
        limiter = WatchingLimiter()
        async with (
            RawServer(sse(hello()[:2], done=False, ending="nothing")) as server,
            AsyncOpenAI(api_key=KEY, base_url=server.url, limiter=limiter) as client,
        ):
            stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            assert limiter.log == [("observe", 1, 200)]
            if leave == "close":
                await stream.aclose()
            else:
                with pytest.warns(ResourceWarning):  # noqa: PT031 - dropping it warns
                    del stream
                    gc.collect()
            assert limiter.log == [("observe", 1, 200), ("settle", 1, None)]

    async def test_streamed_response(self) -> None:
        """A response whose body is read later is settled once it is read."""
        limiter = WatchingLimiter()
        async with (
            RawServer(answer(completion())) as server,
            AsyncOpenAI(api_key=KEY, base_url=server.url, limiter=limiter) as client,
        ):
            call = client.chat.completions.create(model="m", messages=MESSAGES)
            async with call.streamed() as response:
                assert limiter.log == [("observe", 1, 200)]
                await response.read()

        assert limiter.log == [("observe", 1, 200), ("settle", 1, None)]

    async def test_twins(self) -> None:
        """`with_options` keeps the limiter, replaces it, or takes it away."""
        first, second = WatchingLimiter(), WatchingLimiter()
        async with (
            RawServer(answer(completion())) as server,
            AsyncOpenAI(api_key=KEY, base_url=server.url, limiter=first) as client,
        ):
            for one in (
                client,
                client.with_options(timeout=9),
                client.with_options(limiter=second),
                client.with_options(limiter=None),
            ):
                await one.chat.completions.create(model="m", messages=MESSAGES)

        assert (len(first.acquired), len(second.acquired)) == (2, 1)

    async def test_limiter_that_fails(self) -> None:
        """What a limiter raises is raised, and nothing is sent."""

        class Broken:
            async def acquire(self, *, tokens: int) -> Any:
                raise errors.OpenAIError(f"no budget for {tokens}")

        async with (
            RawServer(answer(completion())) as server,
            AsyncOpenAI(api_key=KEY, base_url=server.url, limiter=Broken()) as client,
        ):
            with pytest.raises(errors.OpenAIError, match="no budget"):
                await client.chat.completions.create(model="m", messages=MESSAGES)
        assert server.requests == []
