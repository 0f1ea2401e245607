"""The messages of a stored completion: what is asked for, and what the items are."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from support.rawserver import RawServer, answer

from openai_async import AsyncOpenAI, NotFoundError, not_given
from openai_async.api.messages import AsyncMessages, completion_path
from openai_async.types.stored import (
    ChatCompletionContentPartImage,
    ChatCompletionContentPartText,
    ChatCompletionStoreMessage,
)

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

PARTS = [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]
MESSAGES = [
    {"id": "c-1-0", "role": "system", "content": "Be kind."},
    {"id": "c-1-1", "role": "user", "content": None, "content_parts": PARTS, "name": "ann"},
]
BODY = {"object": "list", "data": MESSAGES, "first_id": "c-1-0", "last_id": "c-1-1", "has_more": False}


def client(server: RawServer) -> AsyncOpenAI:
    """A client of the server."""
    return AsyncOpenAI(api_key="k", base_url=server.url, max_retries=0)


async def test_messages() -> None:
    """Messages come with their ids and parts, in their types."""
    async with RawServer(answer(BODY)) as server, client(server) as our:
        first, second = [one async for one in our.chat.completions.messages.list("c-1")]

    assert isinstance(first, ChatCompletionStoreMessage)
    assert (first.id, first.role, first.content, first.content_parts) == ("c-1-0", "system", "Be kind.", None)
    assert [type(part) for part in second.content_parts or ()] == [
        ChatCompletionContentPartText,
        ChatCompletionContentPartImage,
    ]
    assert second.model_extra == {"name": "ann"}
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("GET", "/v1/chat/completions/c-1/messages", b"")


async def test_parameters() -> None:
    """Parameters go into the query, the id into the path."""
    async with RawServer(answer(BODY)) as server, client(server) as our:
        await our.chat.completions.messages.list("a/b", after="c 1", limit=5, order="desc")
        await our.chat.completions.messages.list("c", limit=not_given, extra_query={"q": True}, timeout=9)

    assert [request.target for request in server.requests] == [
        "/v1/chat/completions/a%2Fb/messages?after=c%201&limit=5&order=desc",
        "/v1/chat/completions/c/messages?q=true",
    ]


async def test_no_such_completion() -> None:
    """A completion that is not there is a `NotFoundError`, awaited or iterated."""
    async with RawServer(answer({"error": {"message": "none"}}, 404)) as server, client(server) as our:
        with pytest.raises(NotFoundError):
            await our.chat.completions.messages.list("c-1")
        with pytest.raises(NotFoundError):
            await anext(aiter(our.chat.completions.messages.list("c-1")))


async def test_responses_with_their_heads() -> None:
    """Both of the official SDK's spellings give responses."""
    async with RawServer(answer(BODY, headers={"x-request-id": "r1"})) as server, client(server) as our:
        raw = await our.chat.completions.messages.with_raw_response.list("c-1")
        assert raw.request_id == "r1"
        assert [one.id for one in raw.parse().data] == ["c-1-0", "c-1-1"]
        async with our.chat.completions.messages.with_streaming_response.list("c-1") as streamed:
            assert await streamed.json() == BODY


@pytest.mark.parametrize(
    ("wrong", "meant"), [("limits", "limit"), ("ordre", "order"), ("extra_header", "extra_headers")]
)
def test_unknown_argument(wrong: str, meant: str) -> None:
    """A misspelt argument is an error where it was made; `model` and `metadata` are those of the other list."""
    messages: Any = AsyncOpenAI(api_key="k").chat.completions.messages
    with pytest.raises(TypeError, match=f"did you mean '{meant}'"):
        messages.list("c-1", **{wrong: 1})
    with pytest.raises(TypeError, match="'metadata'"):
        messages.list("c-1", metadata={})


@pytest.mark.parametrize("completion_id", ["", ".", "..", None, 1])
def test_ids_that_are_none(completion_id: Any) -> None:
    """An id that can't be one is an error where it was given."""
    messages: Any = AsyncOpenAI(api_key="k").chat.completions.messages
    with pytest.raises((TypeError, ValueError), match="completion_id"):
        messages.list(completion_id)


def test_path() -> None:
    """A path is the id, encoded; nothing in it can add a segment, a query or a fragment."""
    assert completion_path("chatcmpl-Abc_123") == "/chat/completions/chatcmpl-Abc_123"
    assert completion_path("../x?y#z%") == "/chat/completions/..%2Fx%3Fy%23z%25"


def test_list_is_no_coroutine_function() -> None:
    """A list may be iterated: nothing shall take it for something that is only awaited."""
    assert not inspect.iscoroutinefunction(AsyncMessages.list)
