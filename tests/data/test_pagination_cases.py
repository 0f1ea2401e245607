"""The measured behaviour of the official client's pages: ours is the same, but where a difference is meant."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from support import shared
from support.rawserver import Handler, Peer, RawServer, answer, completion

from openai_async import APIResponseValidationError, AsyncOpenAI, StreamStateError

CASES: dict[str, Any] = {
    case["name"]: case for case in (shared.load("cases/pagination.json") or {"cases": []})["cases"]
}

pytestmark = [shared.needs("cases"), pytest.mark.anyio, pytest.mark.sockets]


def page(ids: Any, **fields: Any) -> dict[str, Any]:
    """The body of a page of completions with these ids."""
    return {"object": "list", "data": [completion(id=one) for one in ids], **fields}


def client(server: RawServer) -> AsyncOpenAI:
    """A client of the server."""
    return AsyncOpenAI(api_key="k", base_url=server.url, max_retries=0)


def query(target: str) -> dict[str, str]:
    """The query of a request."""
    return dict(parse_qsl(urlsplit(target).query))


def by_cursor(responses: dict[str, Any]) -> Handler:
    """Answer with the page that the case gives for `after`."""

    async def handle(peer: Peer) -> None:
        after = query(peer.request.target).get("after")
        body = responses["first" if after is None else f"after={after}"]
        await answer({**body, "data": [completion(id=one) for one in body["data"]]})(peer)

    return handle


async def collect(items: Any, ids: list[str]) -> None:
    """Add the ids of the items to `ids`, as they come."""
    async for item in items:
        ids.append(item.id)  # noqa: PERF401 - what came before an error shall stay


async def test_two_pages() -> None:
    """Items, requests and what each page says of the next are as measured."""
    case = CASES["two pages"]
    async with RawServer(by_cursor(case["responses"])) as server, client(server) as our:
        listed = await our.chat.completions.list(limit=2, metadata={"k": "v"})
        pages = [one async for one in listed.iter_pages()]

    assert [one.id for some in pages for one in some.data] == case["ids"]
    first, second = (query(request.target) for request in server.requests)
    assert len(server.requests) == case["requests"]
    assert second == {**first, "after": "b"}
    for some, expected in zip(pages, (case["page0"], case["page1"]), strict=True):
        assert some.has_next_page() is expected["has_next_page"]
        info = some.next_page_info()
        assert info is not None
        assert {"params": info.params} == expected["next_page_info"]


async def test_asking_beyond_the_last_page() -> None:
    """Asking for more than there is sends a request, where there is an item to go on from."""
    assert "get_next_page() on a page whose has_next_page() is False but which has items" in CASES
    async with (
        RawServer(answer(page("c", has_more=False)), answer(page("", has_more=False))) as server,
        client(server) as our,
    ):
        await (await our.chat.completions.list()).get_next_page()

    assert [query(request.target) for request in server.requests] == [{}, {"after": "c"}]


async def test_asking_beyond_nothing() -> None:
    """Where there is none, it is an error that the official one's handlers catch."""
    kind = CASES["get_next_page() on an empty page"]["outcome"].partition(":")[0]
    async with RawServer(answer(page("", has_more=True))) as server, client(server) as our:
        empty = await our.chat.completions.list()
        with pytest.raises(StreamStateError) as caught:
            await empty.get_next_page()

    assert kind in [cls.__name__ for cls in type(caught.value).__mro__]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("empty data + has_more true", page("", has_more=True)),
        ("data null", page("", data=None, has_more=True)),
        ("items without id + has_more true", {"object": "list", "data": [{"x": 1}], "has_more": True}),
    ],
)
async def test_lists_that_end_at_once(name: str, body: Any) -> None:
    """Where nothing says how to go on, the list is over."""
    case = CASES[name]
    async with RawServer(answer(body)) as server, client(server) as our:
        items = [one async for one in our.chat.completions.list()]

    assert (len(items), len(server.requests)) == (case["items"], case["requests"])


async def test_has_more_is_missing() -> None:
    """Who does not say whether there is more is asked until there is nothing."""
    case = CASES["has_more missing"]
    handlers = [answer(page(ids)) for ids in ("a", "b", "c", "")]
    async with RawServer(*handlers) as server, client(server) as our:
        items = [one async for one in our.chat.completions.list()]

    assert (len(items), len(server.requests)) == (case["items"], case["requests"])


async def test_same_page_for_ever() -> None:
    """Where the official client asks for ever, ours asks twice and says why it stops."""
    assert "endless" in CASES["server repeats the same page for ever with has_more true"]["outcome"]
    found: list[str] = []
    async with RawServer(answer(page("ab", has_more=True))) as server, client(server) as our:
        with pytest.raises(APIResponseValidationError, match="again"):
            await collect(our.chat.completions.list(), found)

    assert (found, len(server.requests)) == (["a", "b"], 2)


def test_all_cases_are_read() -> None:
    """There are eight cases, each with a test above."""
    assert len(CASES) == 8
