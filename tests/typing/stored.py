"""What type checkers make of stored completions, pages, responses and verbs: checked as `api.py` is, and never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Any, assert_type

import msgspec

from openai_async import (
    AsyncOpenAI,
    Call,
    ChatCompletion,
    ChatCompletionChunk,
    ChatStream,
    CursorPage,
    RateLimitInfo,
    RawResponse,
    StreamedResponse,
)
from openai_async.api.pages import PageCall, PageInfo
from openai_async.types.chat import ChatCompletionMessageParam
from openai_async.types.stored import ChatCompletionDeleted, ChatCompletionStoreMessage

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]


class Answer(msgspec.Struct):
    """A type of the user's."""

    id: str


async def stored(client: AsyncOpenAI) -> None:
    """Each method for one stored completion."""
    completions = client.chat.completions
    assert_type(completions.retrieve("c"), Call[ChatCompletion])
    assert_type(await completions.retrieve("c", timeout=5, extra_query={"a": 1}), ChatCompletion)
    assert_type(await completions.update("c", metadata={"a": "b"}), ChatCompletion)
    assert_type(await completions.update("c", metadata=None), ChatCompletion)
    deleted = await completions.delete("c")
    assert_type(deleted, ChatCompletionDeleted)
    assert_type(deleted.deleted, bool)


async def pages(client: AsyncOpenAI) -> None:
    """A list is awaited for a page, and iterated for its items."""
    call = client.chat.completions.list(metadata={"a": "b"}, model="m", after="c", limit=5, order="desc")
    assert_type(call, PageCall[ChatCompletion])
    page = await call
    assert_type(page, CursorPage[ChatCompletion])
    assert_type(page.data, list[ChatCompletion])
    assert_type(page.has_more, bool | None)
    assert_type(page.has_next_page(), bool)
    assert_type(page.next_page_info(), PageInfo | None)
    assert_type(await page.get_next_page(), CursorPage[ChatCompletion])
    async for completion in page:
        assert_type(completion, ChatCompletion)
    async for one in page.iter_pages():
        assert_type(one, CursorPage[ChatCompletion])
    async for completion in client.chat.completions.list():
        assert_type(completion, ChatCompletion)

    async for message in client.chat.completions.messages.list("c", limit=5):
        assert_type(message, ChatCompletionStoreMessage)
        assert_type(message.id, str)
        for part in message.content_parts or ():
            if part.type == "text":
                assert_type(part.text, str)
            else:
                assert_type(part.image_url.url, str)
    assert_type(await client.chat.completions.messages.list("c"), CursorPage[ChatCompletionStoreMessage])


async def responses(client: AsyncOpenAI, *, flag: bool) -> None:
    """Responses know what is in them."""
    raw = client.chat.completions.with_raw_response
    response = await raw.create(model="m", messages=MESSAGES)
    assert_type(response, RawResponse[ChatCompletion])
    assert_type(response.parse(), ChatCompletion)
    assert_type(response.parse(to=Answer), Answer)
    assert_type(response.headers["x"], str)
    assert_type(response.status, int)
    assert_type(response.rate_limits, RateLimitInfo | None)
    assert_type(
        await raw.create(model="m", messages=MESSAGES, stream=True), RawResponse[ChatStream[ChatCompletionChunk]]
    )
    assert_type(await client.chat.completions.create(model="m", messages=MESSAGES).raw(), RawResponse[ChatCompletion])
    assert_type(
        await raw.create(model="m", messages=MESSAGES, stream=flag),
        RawResponse[ChatCompletion | ChatStream[ChatCompletionChunk]],
    )
    assert_type(await raw.retrieve("c"), RawResponse[ChatCompletion])
    assert_type(await raw.update("c", metadata={}), RawResponse[ChatCompletion])
    assert_type(await raw.delete("c"), RawResponse[ChatCompletionDeleted])
    assert_type(await raw.list(limit=1), RawResponse[CursorPage[ChatCompletion]])
    assert_type(await raw.messages.list("c"), RawResponse[CursorPage[ChatCompletionStoreMessage]])

    streaming = client.chat.completions.with_streaming_response
    async with streaming.create(model="m", messages=MESSAGES) as streamed:
        assert_type(streamed, StreamedResponse[ChatCompletion])
        assert_type(await streamed.parse(), ChatCompletion)
        assert_type(await streamed.parse(to=Answer), Answer)
        assert_type(await streamed.read(), bytes)
        async for line in streamed.iter_lines():
            assert_type(line, str)
    async with streaming.create(model="m", messages=MESSAGES, stream=True) as streamed_stream:
        assert_type(await streamed_stream.parse(), ChatStream[ChatCompletionChunk])
    assert_type(await streaming.list(), StreamedResponse[CursorPage[ChatCompletion]])


async def verbs(client: AsyncOpenAI) -> None:
    """Routes without a method of their own give the type that is asked for."""
    assert_type(client.get("/models", cast_to=Answer), Call[Answer])
    assert_type(await client.get("/models", cast_to=dict[str, Any]), dict[str, Any])
    assert_type(await client.get("/models", cast_to=bytes), bytes)
    assert_type(await client.get("/models"), Any)
    assert_type(await client.post("/x", body={"a": 1}, cast_to=ChatCompletion), ChatCompletion)
    assert_type(await client.post("/x", body={}, stream=True), ChatStream[ChatCompletionChunk])
    assert_type(await client.post("/x", body={}, stream=True, cast_to=Answer), ChatStream[Answer])
    assert_type(await client.put("/x", cast_to=Answer), Answer)
    assert_type(await client.patch("/x", cast_to=Answer, timeout=5), Answer)
    assert_type(await client.delete("/x", cast_to=Answer), Answer)
    assert_type(await client.request("OPTIONS", "/x", cast_to=Answer), Answer)
    assert_type(await client.get("/x", cast_to=Answer, options={"headers": {"a": "b"}}).raw(), RawResponse[Answer])


def mistakes(client: AsyncOpenAI) -> None:
    """What is wrong is an error, for each checker."""
    completions = client.chat.completions
    completions.retrieve()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - the id is missing
    completions.retrieve("c", timout=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - a misspelt option
    completions.retrieve(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - a number is no id
    completions.update("c")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - the metadata is missing
    completions.update("c", metadata={"a": 1})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType] - labels are text
    completions.update("c", metadata={}, store=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - only metadata can be changed
    completions.list(lmit=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - a misspelt parameter
    completions.list(order="newest")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - no such order
    completions.delete("c", after="d")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - there is nothing to page
    completions.messages.list(limit=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - the id is missing
    completions.messages.list("c", model="m")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - messages have no model
    completions.with_raw_response.list(lmit=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - a misspelt parameter
    completions.with_streaming_response.retrieve("c", timout=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - a misspelt option
    client.get("/models", cast=Answer)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - a misspelt parameter
    client.post("/x", json={})  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - it is called `body`
    client.get("/x", options={"header": {}})  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType] - a misspelt option


async def wrong_use(client: AsyncOpenAI) -> None:
    """What can't be done is an error."""
    for _ in client.chat.completions.list():  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType] - it has to be iterated with `async for`
        pass
    async for _ in client.chat.completions.retrieve("c"):  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType] - one completion is no list
        pass
