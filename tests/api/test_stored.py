"""Stored completions: what each method asks for, and what it makes of the answer."""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import Any

import pytest
from support.rawserver import Handler, Peer, RawServer, answer, completion

from openai_async import (
    APIResponseValidationError,
    AsyncOpenAI,
    ChatCompletion,
    InternalServerError,
    NotFoundError,
    omit,
)
from openai_async.api.messages import AsyncMessages
from openai_async.api.stored import StoredCompletions
from openai_async.types.stored import ChatCompletionDeleted

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

DELETED = {"object": "chat.completion.deleted", "id": "c-1", "deleted": True}


def client(server: RawServer, **options: Any) -> AsyncOpenAI:
    """A client of the server."""
    return AsyncOpenAI(**{"api_key": "k", "base_url": server.url, "max_retries": 0, **options})


async def asked(method: str, *args: Any, handler: Handler | None = None, **options: Any) -> Any:
    """The one request that a method sends."""
    async with RawServer(handler or answer(completion())) as server, client(server) as our:
        await getattr(our.chat.completions, method)(*args, **options)
    (request,) = server.requests
    return request


def unsent(**options: Any) -> Any:
    """The methods of a client that reaches nobody."""
    return AsyncOpenAI(api_key="k", base_url="http://127.0.0.1:1", **options).chat.completions


async def test_retrieve() -> None:
    """`retrieve` gets a completion, whole and with its request's id."""
    body = completion(metadata={"k": "v"}, vendor=[1])
    async with RawServer(answer(body, headers={"x-request-id": "r1"})) as server, client(server) as our:
        found = await our.chat.completions.retrieve("chatcmpl-1")

    assert isinstance(found, ChatCompletion)
    assert found.choices[0].message.content == "Hello"
    assert found.to_dict()["vendor"] == [1]
    assert found._request_id == "r1"
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("GET", "/v1/chat/completions/chatcmpl-1", b"")


@pytest.mark.parametrize(
    ("metadata", "sent"), [({"k": "v"}, {"metadata": {"k": "v"}}), (None, {"metadata": None}), (omit, {})]
)
async def test_update(metadata: Any, sent: Any) -> None:
    """`update` posts the labels and nothing else; None is null."""
    request = await asked("update", "c-1", metadata=metadata)

    assert (request.method, request.target, request.json) == ("POST", "/v1/chat/completions/c-1", sent)
    assert request.headers["content-type"] == "application/json"


async def test_update_with_more() -> None:
    """`extra_body` adds to the labels."""
    request = await asked("update", "c-1", metadata={"k": "v"}, extra_body={"more": 1})

    assert request.json == {"metadata": {"k": "v"}, "more": 1}


async def test_updated_completion() -> None:
    """`update` gives the completion as it is then."""
    async with RawServer(answer(completion(metadata={"k": "v"}))) as server, client(server) as our:
        updated = await our.chat.completions.update("c-1", metadata={"k": "v"})

    assert updated.to_dict()["metadata"] == {"k": "v"}


async def test_delete() -> None:
    """`delete` deletes, and says so."""
    async with (
        RawServer(answer({**DELETED, "more": 1}, headers={"x-request-id": "r1"})) as server,
        client(server) as our,
    ):
        gone = await our.chat.completions.delete("c-1")

    assert isinstance(gone, ChatCompletionDeleted)
    assert (gone.id, gone.deleted, gone._request_id) == ("c-1", True, "r1")
    assert gone.to_dict() == {**DELETED, "more": 1}
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("DELETE", "/v1/chat/completions/c-1", b"")


async def test_delete_with_a_body() -> None:
    """A body goes along with a deletion only when there is one."""
    request = await asked("delete", "c-1", handler=answer(DELETED), extra_body={"why": "x"})

    assert request.json == {"why": "x"}


@pytest.mark.parametrize(
    ("completion_id", "segment"),
    [
        ("a b", "a%20b"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("ä?#", "%C3%A4%3F%23"),
        ("a:b@c+d", "a:b@c+d"),
        ("...", "..."),
        ("a\r\nb", "a%0D%0Ab"),
    ],
)
async def test_ids_are_one_segment_of_the_path(completion_id: str, segment: str) -> None:
    """Whatever an id holds, it stays one segment."""
    assert (await asked("retrieve", completion_id)).target == f"/v1/chat/completions/{segment}"


@pytest.mark.parametrize("method", ["retrieve", "update", "delete"])
@pytest.mark.parametrize(
    ("completion_id", "error", "told"),
    [
        ("", ValueError, "Expected a non-empty value for `completion_id`"),
        (".", ValueError, "completion_id can't be '.'"),
        ("..", ValueError, "completion_id can't be '..'"),
        (None, TypeError, "completion_id must be a string, not NoneType"),
        (5, TypeError, "completion_id must be a string, not int"),
        (b"c-1", TypeError, "completion_id must be a string, not bytes"),
        ("\ud800", ValueError, "completion_id: it holds half of a surrogate pair"),
    ],
)
def test_ids_that_are_none(method: str, completion_id: Any, error: type[Exception], told: str) -> None:
    """An id that can't be one is an error where it was given."""
    more = {"metadata": None} if method == "update" else {}
    with pytest.raises(error, match=told):
        getattr(unsent(), method)(completion_id, **more)


@pytest.mark.parametrize(
    ("method", "args", "wrong", "meant"),
    [
        ("retrieve", ("c-1",), "extra_header", "extra_headers"),
        ("update", ("c-1",), "max_retry", "max_retries"),
        ("delete", ("c-1",), "time_out", "timeout"),
        ("list", (), "orders", "order"),
    ],
)
def test_unknown_argument(method: str, args: Any, wrong: str, meant: str) -> None:
    """A misspelt argument is an error where it was made, with the one that was meant."""
    more = {"metadata": None} if method == "update" else {}
    with pytest.raises(TypeError) as caught:
        getattr(unsent(), method)(*args, **more, **{wrong: 1})

    assert str(caught.value) == f"{method}() got an unexpected keyword argument {wrong!r}; did you mean {meant!r}?"


def test_labels_are_required() -> None:
    """`update` without labels is an error: None says that there shall be none."""
    with pytest.raises(TypeError, match="metadata"):
        unsent().update("c-1")


@pytest.mark.parametrize(("options", "error"), [({"max_retries": -1}, ValueError), ({"timeout": "x"}, TypeError)])
def test_options_that_can_not_be(options: Any, error: type[Exception]) -> None:
    """An option out of range is an error where it was given, for lists as well."""
    with pytest.raises(error):
        unsent().retrieve("c-1", **options)
    with pytest.raises(error):
        unsent().list(**options)


async def test_options_of_the_request() -> None:
    """Headers, query and idempotency key go along."""
    request = await asked(
        "retrieve", "c-1", extra_headers={"x-own": "yes"}, extra_query={"q": "1"}, idempotency_key="key"
    )

    assert request.target == "/v1/chat/completions/c-1?q=1"
    assert (request.headers["x-own"], request.headers["idempotency-key"]) == ("yes", "key")


@pytest.mark.parametrize(
    ("method", "more", "good"),
    [("retrieve", {}, completion()), ("update", {"metadata": None}, completion()), ("delete", {}, DELETED)],
)
async def test_retries(method: str, more: Any, good: Any) -> None:
    """A failure that may pass is tried again."""
    busy = answer({"error": {"message": "busy"}}, 503, headers={"retry-after-ms": "1"})
    async with RawServer(busy, answer(good)) as server, client(server, max_retries=1) as our:
        await getattr(our.chat.completions, method)("c-1", **more)

    assert len(server.requests) == 2


async def test_refusals() -> None:
    """A completion that is not there is a `NotFoundError`; an error in a 200 is an error, too."""
    missing = answer({"error": {"message": "no such completion"}}, 404)
    broken = answer({"error": {"message": "x", "code": 500}})
    async with RawServer(missing, broken) as server, client(server) as our:
        with pytest.raises(NotFoundError, match="no such completion"):
            await our.chat.completions.retrieve("c-1")
        with pytest.raises(InternalServerError):
            await our.chat.completions.delete("c-1")


@pytest.mark.parametrize("body", [b"", [], "x", b"<html>"])
async def test_what_is_no_answer(body: Any) -> None:
    """Something else than the object that was asked for is an error."""
    async with RawServer(answer(body)) as server, client(server) as our:
        for call in (
            our.chat.completions.retrieve("c-1"),
            our.chat.completions.update("c-1", metadata=None),
            our.chat.completions.delete("c-1"),
        ):
            with pytest.raises(APIResponseValidationError, match="was expected"):
                await call


async def test_cancelled() -> None:
    """Cancelling a call closes its connection."""
    arrived, left = asyncio.Event(), asyncio.Event()

    async def silent(peer: Peer) -> None:
        arrived.set()
        await peer.gone()
        left.set()

    async with RawServer(silent) as server, client(server) as our:
        task = asyncio.create_task(our.chat.completions.retrieve("c-1"))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await left.wait()


async def test_responses_with_their_heads() -> None:
    """Each method's call gives the raw response, too."""
    async with RawServer(answer(DELETED, headers={"x-request-id": "r1"})) as server, client(server) as our:
        raw = await our.chat.completions.delete("c-1").raw()

    assert (raw.status, raw.request_id, raw.parse().deleted) == (200, "r1", True)


def test_messages() -> None:
    """The messages are a namespace of their own."""
    assert isinstance(unsent().messages, AsyncMessages)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 has no such mark")
def test_marks() -> None:
    """Methods whose call is only awaited are marked as coroutine functions; a list is iterated, too."""
    marked = [name for name in ("retrieve", "update", "delete", "list") if inspect.iscoroutinefunction(_method(name))]

    assert marked == ["retrieve", "update", "delete"]


def _method(name: str) -> Any:
    return getattr(StoredCompletions, name)
