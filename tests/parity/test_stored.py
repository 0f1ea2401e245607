"""The official SDK and ours, on stored completions: what they ask for, and what they make of the answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import openai
import pytest
from support.rawserver import Peer, RawServer, answer, completion

import openai_async

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

Ask = Callable[[Any], Awaitable[Any]]

ASKED: dict[str, Ask] = {
    "retrieve": lambda api: api.retrieve("chatcmpl-1"),
    "retrieve, odd id": lambda api: api.retrieve("a b/ä?#%2F:@+"),
    "update": lambda api: api.update("chatcmpl-1", metadata={"k": "v"}),
    "update to none": lambda api: api.update("chatcmpl-1", metadata=None, extra_body={"more": 1}),
    "delete": lambda api: api.delete("chatcmpl-1", extra_query={"q": "1"}),
    "delete with a body": lambda api: api.delete("chatcmpl-1", extra_body={"more": 1}),
    "list": lambda api: api.list(),
    "list with filters": lambda api: api.list(
        after="ä", limit=3, metadata={"a b": "c&d"}, model="m/1", order="asc", extra_query={"limit": 9, "k": [1, 2]}
    ),
    "list without labels": lambda api: api.list(metadata=None),
    "list with no labels": lambda api: api.list(metadata={}),
    "get with a body": lambda api: api.retrieve("chatcmpl-1", extra_body={"more": 1}),
    "messages": lambda api: api.messages.list("a b", after="m-1", limit=3, order="desc"),
}


def clients(url: str) -> tuple[openai_async.AsyncOpenAI, openai.AsyncOpenAI]:
    """Our client and the official one."""
    settings: Any = {"api_key": "k", "base_url": url, "max_retries": 0}
    return openai_async.AsyncOpenAI(**settings), openai.AsyncOpenAI(**settings)


async def any_answer(peer: Peer) -> None:
    """Answer with something that is a completion, a page and a deletion."""
    await answer({**completion(), "data": [], "has_more": False, "deleted": True})(peer)


@pytest.mark.parametrize("name", ASKED)
async def test_requests(name: str) -> None:
    """Both ask the same: method, path, query and body."""
    async with RawServer(any_answer) as server:
        for client in clients(server.url):
            async with client:
                await ASKED[name](client.chat.completions)

    our, their = server.requests
    assert our.method == their.method
    assert urlsplit(our.target).path == urlsplit(their.target).path
    assert parse_qsl(urlsplit(our.target).query) == parse_qsl(urlsplit(their.target).query)
    assert our.body == their.body


@pytest.mark.parametrize("more", [True, False, None])
async def test_pages(more: Any) -> None:
    """Both ask for the same pages, and read the same items from them."""

    async def handle(peer: Peer) -> None:
        after = dict(parse_qsl(urlsplit(peer.request.target).query)).get("after")
        ids = {None: "ab", "b": "cd", "d": ""}[after]
        has_more = {} if more is None else {"has_more": more}
        await answer({"object": "list", "data": [completion(id=one) for one in ids], **has_more})(peer)

    read: list[list[str]] = []
    asked: list[list[str]] = []
    async with RawServer(handle) as server:
        for client in clients(server.url):
            async with client:
                before = len(server.requests)
                read.append([one.id async for one in client.chat.completions.list(limit=2)])
                asked.append([request.target for request in server.requests[before:]])

    assert read[0] == read[1] == list("ab" if more is False else "abcd")
    assert asked[0] == asked[1]


@pytest.mark.parametrize("completion_id", ["", ".", ".."])
async def test_ids_that_are_none(completion_id: str) -> None:
    """Both refuse an id that can't be one with a `ValueError`; ours does not wait for it to be awaited."""
    our, their = clients("http://127.0.0.1:1")
    with pytest.raises(ValueError, match=r"completion_id|dot-segment"):
        our.chat.completions.retrieve(completion_id)
    with pytest.raises(ValueError, match=r"completion_id|dot-segment"):
        await their.chat.completions.retrieve(completion_id)
    await their.close()
