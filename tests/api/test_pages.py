"""Pages of a list: their items, the way from one to the next, and servers that lead astray."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from support.rawserver import Handler, Peer, RawRequest, RawServer, answer, completion

from openai_async import (
    APIConnectionError,
    APIResponseValidationError,
    AsyncOpenAI,
    ChatCompletion,
    InternalServerError,
    OpenAIError,
    RateLimitError,
    StreamStateError,
    omit,
)
from openai_async.api.pages import AsyncCursorPage, CursorPage, PageCall, PageInfo
from openai_async.types.stored import ChatCompletionStoreMessage

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

TWO = {None: ("ab", True), "b": ("c", False)}


def page(ids: Sequence[str], *, more: bool | None = None, **fields: Any) -> dict[str, Any]:
    """The body of a page of completions with these ids."""
    body = {"object": "list", "data": [completion(id=one) for one in ids], **fields}
    return body if more is None else {**body, "has_more": more}


def query(request: RawRequest) -> dict[str, str]:
    """The query of a request."""
    return dict(parse_qsl(urlsplit(request.target).query, keep_blank_values=True))


def paged(pages: dict[str | None, tuple[Sequence[str], bool | None]]) -> Handler:
    """Answer with the page that comes after the id that is asked for; one that is unknown is the first one again."""

    async def handle(peer: Peer) -> None:
        ids, more = pages.get(query(peer.request).get("after"), pages[None])
        await answer(page(ids, more=more), headers={"x-request-id": f"req-{'-'.join(ids)}"})(peer)

    return handle


def client(server: RawServer, **options: Any) -> AsyncOpenAI:
    """A client of the server."""
    return AsyncOpenAI(**{"api_key": "k", "base_url": server.url, "max_retries": 0, **options})


async def collect(items: Any, ids: list[str]) -> None:
    """Add the ids of the items to `ids`, as they come."""
    async for item in items:
        ids.append(item.id)  # noqa: PERF401 - what came before an error shall stay


async def test_first_page() -> None:
    """Awaiting a list gives its first page, typed, with its request's id; nothing else is asked for."""
    async with RawServer(paged(TWO)) as server, client(server) as our:
        first = await our.chat.completions.list()

    assert isinstance(first, CursorPage)
    assert AsyncCursorPage is CursorPage
    assert all(isinstance(one, ChatCompletion) for one in first.data)
    assert first.data[0].choices[0].message.content == "Hello"
    assert (first.has_more, first.object, first._request_id) == (True, "list", "req-a-b")
    assert len(server.requests) == 1


async def test_all_items_of_a_call() -> None:
    """`async for` over a call goes through all pages, and asks for each when it is due."""
    async with RawServer(paged(TWO)) as server, client(server) as our:
        found = []
        async for one in our.chat.completions.list():
            assert len(server.requests) == (2 if one.id == "c" else 1)
            found.append(one.id)

    assert found == ["a", "b", "c"]


async def test_all_items_of_a_page() -> None:
    """`async for` over a page goes through it and those after it, as often as it is done."""
    async with RawServer(paged(TWO)) as server, client(server) as our:
        first = await our.chat.completions.list()
        for _ in range(2):
            assert [one.id async for one in first] == ["a", "b", "c"]

    assert [query(request).get("after") for request in server.requests] == [None, "b", "b"]


async def test_all_pages() -> None:
    """`iter_pages` begins with the page itself."""
    async with RawServer(paged(TWO)) as server, client(server) as our:
        first = await our.chat.completions.list()
        pages = [one async for one in first.iter_pages()]

    assert pages[0] is first
    assert [[one.id for one in some.data] for some in pages] == [["a", "b"], ["c"]]
    assert [one.has_next_page() for one in pages] == [True, False]


async def test_leaving_early() -> None:
    """Who leaves the loop has one request behind him, and may ask again on the same connection."""
    async with RawServer(paged(TWO)) as server, client(server) as our:
        async for one in our.chat.completions.list():
            assert one.id == "a"
            break
        assert await anext(aiter(our.chat.completions.list())) is not None

    assert (len(server.requests), server.connections) == (2, 1)


async def test_next_page_has_everything_of_the_first() -> None:
    """Query and headers of the first request are those of the second, which adds `after`."""
    async with RawServer(paged(TWO)) as server, client(server, default_query={"v": "1"}) as our:
        listed = our.chat.completions.list(
            limit=2,
            metadata={"a b": "ü&="},
            model="m/1",
            order="desc",
            extra_query={"limit": 9, "tags": ["x"]},
            extra_headers={"x-own": "yes"},
        )
        assert [one.id async for one in listed] == ["a", "b", "c"]

    first, second = server.requests
    asked = {"v": "1", "limit": "9", "metadata[a b]": "ü&=", "model": "m/1", "order": "desc", "tags[]": "x"}
    assert query(first) == asked
    assert query(second) == {**asked, "after": "b"}
    assert first.headers["x-own"] == second.headers["x-own"] == "yes"
    assert {request.method for request in server.requests} == {"GET"}
    assert {request.body for request in server.requests} == {b""}


async def test_cursor_of_the_caller() -> None:
    """`after` of the first request gives way to the next one's, also in `extra_query`."""
    for params in ({"after": "0"}, {"extra_query": {"after": "0"}}):
        async with RawServer(paged({"0": ("ab", True), **TWO})) as server, client(server) as our:
            listed: Any = our.chat.completions.list(**params)  # type: ignore[arg-type]  # two of the arguments
            assert [one.id async for one in listed] == ["a", "b", "c"]

        assert [query(request)["after"] for request in server.requests] == ["0", "b"]


async def test_one_idempotency_key_is_one_answer() -> None:
    """The key of the first page is not sent for the second, which a server would answer with the first."""
    async with RawServer(paged(TWO)) as server, client(server) as our:
        assert [one.id async for one in our.chat.completions.list(idempotency_key="key")] == ["a", "b", "c"]

    assert [request.headers.get("idempotency-key") for request in server.requests] == ["key", None]


async def test_absent_parameters() -> None:
    """`omit` and None are not sent; False and empty text are."""
    async with RawServer(answer(page("", more=False))) as server, client(server) as our:
        given: Any = {"after": omit, "metadata": None, "model": "", "limit": 0, "order": None}
        await our.chat.completions.list(**given)
        await our.chat.completions.list(metadata={"a": "", "b": None})  # type: ignore[dict-item]  # not sent

    assert [query(request) for request in server.requests] == [{"model": "", "limit": "0"}, {"metadata[a]": ""}]


async def test_next_page_info() -> None:
    """What asks for the next page is the last item's id; a page without one has none."""
    async with RawServer(paged(TWO)) as server, client(server) as our:
        first = await our.chat.completions.list()

    assert first.next_page_info() == PageInfo({"after": "b"})
    assert CursorPage().next_page_info() is None


async def test_no_more_is_asked_anyway_when_told_to() -> None:
    """`get_next_page` asks even where `has_more` is False: something new may have come."""
    async with RawServer(answer(page("c", more=False)), answer(page("", more=False))) as server, client(server) as our:
        last = await our.chat.completions.list()
        assert not last.has_next_page()
        beyond = await last.get_next_page()

    assert beyond.data == []
    assert query(server.requests[1]) == {"after": "c"}


@pytest.mark.parametrize("body", [page("", more=True), page("", data=None), page("", data=[{"object": "x"}])])
async def test_no_next_page(body: Any) -> None:
    """Where nothing says how to go on, iterating ends and `get_next_page` is an error of both kinds."""
    async with RawServer(answer(body)) as server, client(server) as our:
        only = await our.chat.completions.list()
        assert [one async for one in only] == only.data
        with pytest.raises(StreamStateError, match="has_next_page") as caught:
            await only.get_next_page()

    assert isinstance(caught.value, OpenAIError)
    assert isinstance(caught.value, RuntimeError)
    assert len(server.requests) == 1


async def test_page_of_nobody() -> None:
    """A page that no request brought has no next one."""
    with pytest.raises(StreamStateError):
        await CursorPage(data=[ChatCompletion(id="a")]).get_next_page()


# Servers that lead astray.


@pytest.mark.parametrize("more", [True, None])
async def test_same_page_for_ever(more: Any) -> None:
    """A server that does not know `after` is found out at the second request; no item is given twice."""
    found: list[str] = []
    async with (
        RawServer(answer(page("ab", more=more), headers={"x-request-id": "r1"})) as server,
        client(server) as our,
    ):
        with pytest.raises(APIResponseValidationError, match="'b' once more") as caught:
            await collect(our.chat.completions.list(), found)

    assert found == ["a", "b"]
    assert len(server.requests) == 2
    assert caught.value.request_id == "r1"
    assert caught.value.body["data"][1]["id"] == "b"


async def test_pages_in_a_circle() -> None:
    """A circle of three pages is found out when it closes."""
    circle: Any = {None: ("ab", True), "b": ("cd", True), "d": ("ef", True), "f": ("cd", True)}
    found: list[str] = []
    async with RawServer(paged(circle)) as server, client(server) as our:
        with pytest.raises(APIResponseValidationError, match="'d' once more"):
            await collect(our.chat.completions.list(), found)

    assert found == list("abcdef")
    assert len(server.requests) == 4


async def test_repetition_is_found_by_hand_as_well() -> None:
    """`get_next_page` does not give a page of before; asking one page twice is no repetition."""
    async with (
        RawServer(paged({None: ("ab", True), "b": ("c", True), "c": ("ab", False)})) as server,
        client(server) as our,
    ):
        first = await our.chat.completions.list()
        second = await first.get_next_page()
        assert await first.get_next_page() == second
        with pytest.raises(APIResponseValidationError, match="'b' once more"):
            await second.get_next_page()


async def test_long_list() -> None:
    """Fifty pages are fifty requests."""
    ids = [str(number) for number in range(50)]
    pages: Any = {None: (["start"], True), "start": (["0"], True)}
    pages |= {one: ([str(int(one) + 1)], one != "48") for one in ids[:-1]}
    async with RawServer(paged(pages)) as server, client(server) as our:
        assert [one.id async for one in our.chat.completions.list()] == ["start", *ids]

    assert len(server.requests) == 51
    assert server.connections == 1


@pytest.mark.parametrize(
    "body",
    [
        [],
        [completion()],
        "page",
        b"",
        b"<html></html>",
        b'{"data": [',
        {},
        {"object": "list"},
        {"data": {}},
        {"data": "x"},
        {"data": 0},
        {"data": ["a"]},
        {"data": [completion(), None]},
    ],
)
async def test_what_is_no_page(body: Any) -> None:
    """What is not an object with a list of objects is no page, and not an empty one."""
    async with RawServer(answer(body)) as server, client(server) as our:
        with pytest.raises(APIResponseValidationError, match="a page of a list in JSON was expected"):
            await our.chat.completions.list()


async def test_error_in_a_200() -> None:
    """An error with status 200 is raised as what it is."""
    body = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    async with RawServer(answer(body)) as server, client(server) as our:
        with pytest.raises(RateLimitError, match="slow down"):
            await our.chat.completions.list()


async def test_nothing_is_lost() -> None:
    """Unknown keys of the page and its items, and values of another type, stay."""
    body = page("a", has_more="true", first_id="a", last_id="a", total=1, cursor={"x": None})
    body["data"][0]["vendor"] = [1]
    async with RawServer(answer(body)) as server, client(server) as our:
        first = await our.chat.completions.list()

    assert (first.has_more, first.first_id, first.last_id) == (None, "a", "a")
    assert first.model_extra == {"has_more": "true", "total": 1, "cursor": {"x": None}}
    told = first.to_dict()
    assert {**body, "data": [first.data[0].to_dict()]} == told
    assert told["data"][0]["vendor"] == [1]
    assert '"total": 1' in first.to_json()
    assert first.model_dump()["last_id"] == "a"
    assert "origin" not in repr(first)


async def test_copies_go_on() -> None:
    """A copy of a page is equal to it and knows the way to the next."""
    async with RawServer(paged(TWO)) as server, client(server) as our:
        first = await our.chat.completions.list()
        for twin in (copy.copy(first), copy.deepcopy(first), first.model_copy(deep=True)):
            assert twin == first
            assert [one.id async for one in twin] == ["a", "b", "c"]
        assert first != await first.get_next_page()
        assert first != first.to_dict()


# Failures on the way.


async def test_retries_on_a_page() -> None:
    """A page that fails is retried as any request."""
    busy = answer({"error": {"message": "busy"}}, 500, headers={"retry-after-ms": "1"})
    handlers = (answer(page("a", more=True)), busy, busy, answer(page("b", more=False)))
    async with RawServer(*handlers) as server, client(server, max_retries=2) as our:
        assert [one.id async for one in our.chat.completions.list()] == ["a", "b"]

    assert [query(request).get("after") for request in server.requests] == [None, "a", "a", "a"]


async def test_failure_does_not_end_the_list() -> None:
    """After an error the same iteration can be asked again, and goes on where it was."""
    failure = answer({"error": {"message": "no"}}, 500)
    async with (
        RawServer(failure, answer(page("a", more=True)), failure, answer(page("b", more=False))) as server,
        client(server) as our,
    ):
        items = aiter(our.chat.completions.list())
        found = []
        for _ in range(2):
            with pytest.raises(InternalServerError):
                await anext(items)
            found.append((await anext(items)).id)
        with pytest.raises(StopAsyncIteration):
            await anext(items)

    assert found == ["a", "b"]


async def test_cancelled_page() -> None:
    """Cancelling the wait for a page closes its connection and loses nothing: it is asked for again."""
    arrived, left = asyncio.Event(), asyncio.Event()

    async def silent(peer: Peer) -> None:
        arrived.set()
        await peer.gone()
        left.set()

    async with (
        RawServer(answer(page("a", more=True)), silent, answer(page("b", more=False))) as server,
        client(server) as our,
    ):
        items = aiter(our.chat.completions.list())
        assert (await anext(items)).id == "a"
        task = asyncio.ensure_future(anext(items))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await left.wait()
        assert [one.id async for one in items] == ["b"]


async def test_connection_lost_between_pages() -> None:
    """A connection that the server closed between two pages is replaced."""

    async def last_words(peer: Peer) -> None:
        await answer(page("a", more=True))(peer)
        peer.fin()

    async with RawServer(last_words, answer(page("b", more=False))) as server, client(server, max_retries=1) as our:
        assert [one.id async for one in our.chat.completions.list()] == ["a", "b"]

    assert server.connections == 2


async def test_page_cut_off() -> None:
    """Half a page is no page."""

    async def half(peer: Peer) -> None:
        await peer.head(content_type="application/json", content_length="1000")
        await peer.send(b'{"object": "list", "data": []')
        peer.fin()

    async with RawServer(half) as server, client(server) as our:
        with pytest.raises(APIConnectionError):
            await our.chat.completions.list()


async def test_two_tasks_on_one_iteration() -> None:
    """Two tasks can't read one iteration at once; they can read the same list."""
    arrived, go = asyncio.Event(), asyncio.Event()

    async def waits(peer: Peer) -> None:
        arrived.set()
        await go.wait()
        await answer(page("a", more=False))(peer)

    async with RawServer(waits) as server, client(server) as our:
        items = aiter(our.chat.completions.list())
        task = asyncio.ensure_future(anext(items))
        await arrived.wait()
        with pytest.raises(StreamStateError, match="Two tasks"):
            await anext(items)
        go.set()
        assert (await task).id == "a"
        one, two = await asyncio.gather(our.chat.completions.list(), our.chat.completions.list())
        assert one == two


# Calls.


async def test_ways_to_use_a_call() -> None:
    """A list is a call: a task, a context manager, a raw or a streamed response, whose pages go on."""
    async with RawServer(paged(TWO)) as server, client(server) as our:
        listed = our.chat.completions.list
        call = listed()
        assert isinstance(call, PageCall)
        task = await asyncio.create_task(call)
        async with listed() as entered:
            assert entered == task
        raw = await listed().raw()
        assert raw.status == 200
        async with listed().streamed() as streamed:
            for parsed in (raw.parse(), await streamed.parse(), task):
                assert [one.id async for one in parsed] == ["a", "b", "c"]


async def test_a_call_is_used_once() -> None:
    """What was awaited can't be iterated, what was iterated can't be awaited."""
    async with RawServer(paged(TWO)) as server, client(server) as our:
        awaited, iterated = our.chat.completions.list(), our.chat.completions.list()
        await awaited
        with pytest.raises(RuntimeError, match="used already"):
            aiter(awaited)
        aiter(iterated)
        with pytest.raises(RuntimeError, match="used already"):
            await iterated

    assert len(server.requests) == 1


async def test_unused_call_warns() -> None:
    """A list that nobody awaited or iterated warns, as a coroutine does."""
    async with RawServer(paged(TWO)) as server, client(server) as our:
        with pytest.warns(RuntimeWarning, match="chat.completions.list"):
            our.chat.completions.list()

    assert server.requests == []


async def test_message_pages() -> None:
    """Pages of messages are pages of messages."""
    message = {"id": "m-1", "role": "user", "content": "hi"}
    bodies = {"object": "list", "data": [message], "has_more": True}, {"object": "list", "data": [], "has_more": False}
    async with RawServer(*map(answer, bodies)) as server, client(server) as our:
        found = [one async for one in our.chat.completions.messages.list("c-1", limit=1)]

    assert found == [ChatCompletionStoreMessage(id="m-1", role="user", content="hi")]  # type: ignore[arg-type]  # see its type
    assert [query(request) for request in server.requests] == [{"limit": "1"}, {"limit": "1", "after": "m-1"}]
