"""The endpoints of stored completions, and the keeping of those that ask for it.

Requests come in, with answers under way; out go stored completions, pages of them, and their messages. What is kept
where is the store's business; nothing here makes a completion.
"""

from __future__ import annotations

import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from .completions import head_of
from .pages import check_content_type
from .problems import Problem
from .requests import PARAMETERS, read_update
from .specs import Number, Text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from .chunks import Event
    from .store import Store

__all__ = ["Keeper", "StoredCompletions", "by_method"]

_LIMIT = Number(whole=True, low=1, high=100)
_ORDER = Text(options=("asc", "desc"))
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_LABEL = re.compile(r"metadata\[(.*)\]", re.DOTALL)

# The parts of a prompt's message that the API shows again; of the others it has no form to show them in.
_SHOWN_PARTS = ("text", "image_url")
# What a message says besides its content, and an answer's message may say, too; a prompt's `audio` is a reference only.
_SHOWN_FIELDS = ("name", "tool_call_id", "tool_calls", "function_call", "annotations")


class Keeper:
    """Keeps the answer to one request once it is complete, if the request says `store`.

    Args:
        store: Where.
        asked: The request.
    """

    def __init__(self, store: Store, asked: dict[str, Any]) -> None:
        self._store = store
        self._asked = asked
        self._wanted: bool = asked.get("store", False)
        self._completion: dict[str, Any] = {}

    def id(self) -> str | None:
        """Return the id for an answer that is still to be written; None: its own will do."""
        return self._store.promise(head_of(self._asked)["id"]) if self._wanted else None

    def renamed(self, completion: dict[str, Any]) -> dict[str, Any]:
        """Return a completion under the id that it is to be kept with."""
        if not self._wanted:
            return completion
        own: str = completion.get("id") or head_of(self._asked)["id"]
        return {**completion, "id": self._store.promise(own)}

    def take(self, completion: dict[str, Any]) -> None:
        """Take the whole completion, to keep it when it is sent."""
        self._completion = completion

    def keep(self) -> None:
        """Keep what was taken."""
        if self._wanted:
            metadata: dict[str, str] = self._asked.get("metadata", {})
            self._store.keep(self._completion, messages=self._asked["messages"], metadata=metadata)

    async def watch(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        """Hand out a stream's events, and keep the completion before the last: who has read that, finds it."""
        async with aclosing(events):
            async for event in events:
                if event.kind == "done":
                    self.keep()
                yield event


class StoredCompletions:
    """The endpoints."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list(self, request: Request) -> Response:
        """Answer `GET /v1/chat/completions`."""
        query = request.query_params
        limit, newest_first = _paging(request)
        after = query.get("after")
        position = None if after is None else self._store.position(after)
        if after is not None and position is None:
            raise _no_cursor(after)
        data, more = self._store.page(
            after=position, limit=limit, newest_first=newest_first, model=query.get("model"), metadata=_labels(request)
        )
        return _page(data, more=more)

    async def retrieve(self, request: Request) -> Response:
        """Answer `GET /v1/chat/completions/{id}`."""
        return self._one(request.path_params["id"])

    async def update(self, request: Request) -> Response:
        """Answer `POST /v1/chat/completions/{id}`: other metadata, in place of all that there was."""
        check_content_type(request.headers.get("content-type", ""))
        metadata = read_update(request.state.visit.recorded.body)
        found: str = request.path_params["id"]
        self._store.update(found, metadata)
        return self._one(found)

    async def delete(self, request: Request) -> Response:
        """Answer `DELETE /v1/chat/completions/{id}`."""
        found: str = request.path_params["id"]
        if not self._store.delete(found):
            raise _unknown(found)
        return _json({"object": "chat.completion.deleted", "id": found, "deleted": True})

    async def messages(self, request: Request) -> Response:
        """Answer `GET /v1/chat/completions/{id}/messages`: what the completion answers."""
        found: str = request.path_params["id"]
        messages = self._store.messages(found)
        if messages is None:
            raise _unknown(found)
        limit, newest_first = _paging(request)
        shown = [_shown(f"{found}-{at}", message) for at, message in enumerate(messages)]
        if newest_first:
            shown.reverse()
        after = request.query_params.get("after")
        begin = 0
        if after is not None:
            begin = next((at for at, message in enumerate(shown, 1) if message["id"] == after), 0)
            if begin == 0:
                raise _no_cursor(after)
        return _page(shown[begin : begin + limit], more=len(shown) > begin + limit)

    def _one(self, id: str) -> Response:
        completion = self._store.get(id)
        if completion is None:
            raise _unknown(id)
        return _json(completion)


def by_method(**endpoints: Callable[[Request], Awaitable[ASGIApp]]) -> Callable[[Request], Awaitable[ASGIApp]]:
    """Return one endpoint for several methods: a path with several routes is refused with the first one's methods."""

    async def endpoint(request: Request) -> ASGIApp:
        # Starlette lets HEAD in wherever GET is.
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return endpoint


def _paging(request: Request) -> tuple[int, bool]:
    """How many items a page may have, and whether the newest come first."""
    limit = request.query_params.get("limit", "20")
    number = int(limit) if _INTEGER.fullmatch(limit) else limit
    _LIMIT.check(number, path="limit")
    order = request.query_params.get("order", "asc")
    _ORDER.check(order, path="order")
    return int(number), order == "desc"


def _labels(request: Request) -> dict[str, str]:
    """The labels that a list is narrowed to, `metadata[name]=value` each."""
    found = ((_LABEL.fullmatch(name), value) for name, value in request.query_params.multi_items())
    labels = {match[1]: value for match, value in found if match is not None}
    PARAMETERS["metadata"].check(labels, path="metadata")
    return labels


def _shown(id: str, message: dict[str, Any]) -> dict[str, Any]:
    """A prompt's message in the form of the list."""
    content: str | list[dict[str, Any]] | None = message.get("content")
    parts = content if isinstance(content, list) else []
    refusals = [part["refusal"] for part in parts if part["type"] == "refusal"]
    return {
        "id": id,
        "role": message["role"],
        "content": None if isinstance(content, list) else content,
        "content_parts": [part for part in parts if part["type"] in _SHOWN_PARTS] if parts else None,
        "refusal": message.get("refusal") or "".join(refusals) or None,
        **{name: message[name] for name in _SHOWN_FIELDS if message.get(name) is not None},
    }


def _page(data: list[dict[str, Any]], *, more: bool) -> Response:
    # The published schema has no null here.
    first, last = (data[0]["id"], data[-1]["id"]) if data else ("", "")
    return _json({"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": more})


def _unknown(id: str) -> Problem:
    return Problem(404, f"No chat completion found with id '{id}'.", param="id", code="not_found")


def _no_cursor(after: str) -> Problem:
    return Problem(
        400, f"Invalid 'after': there was never an item with id '{after}'.", param="after", code="invalid_value"
    )


def _json(data: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(data), media_type="application/json")
