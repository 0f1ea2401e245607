"""Pages of a list, and the way from each to the next.

A listing (what is asked for, of whom) comes in; pages go out, one request each, and by them all items. Nothing is held
open between two pages, and a server that sends a page again does not turn the list into a loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Generic, NamedTuple, Self, TypeVar, cast

import msgspec

from openai_async.errors import APIResponseValidationError, StreamStateError
from openai_async.protocol import codec
from openai_async.types.json import is_array, is_object
from openai_async.types.model import Model, Response
from openai_async.types.options import RequestOptions
from openai_async.types.shared import Unlisted

from .answers import payload_of
from .arguments import mapping_of
from .call import Call
from .request import Sender
from .response import ResponseInfo, not_an_answer
from .sending import PlainSending

__all__ = ["AsyncCursorPage", "CursorPage", "Listing", "PageCall", "PageInfo"]

Item = TypeVar("Item", bound=Model)

_OPTIONS = frozenset(RequestOptions.__annotations__)


class PageInfo(msgspec.Struct, frozen=True):
    """What the request for a page has beyond the first page's.

    Attributes:
        params: Of the query: name to value.
    """

    params: dict[str, str]


class _Trail(NamedTuple):
    """The last ids of the pages before a page.

    Attributes:
        cursor: The latest.
        length: How many they are.
        places: All of them, from 0 in their order. Pages that follow each other share it, so that a list of many costs
            no more than its pages; beyond `length` it has what came after.
    """

    cursor: str
    length: int
    places: dict[str, int]

    @classmethod
    def after(cls, trail: _Trail | None, cursor: str) -> _Trail:
        """Return the trail that goes on with the page that ends with `cursor`."""
        length, places = (0, {}) if trail is None else (trail.length, trail.places)
        if places.get(cursor) != length and len(places) > length:  # someone went on from here, another way
            places = dict(islice(places.items(), length))
        places[cursor] = length
        return cls(cursor, length + 1, places)

    def holds(self, cursor: str) -> bool:
        return self.places.get(cursor, self.length) < self.length


class _Origin(NamedTuple):
    """Where a page came from."""

    listing: Listing[Any]
    info: ResponseInfo
    trail: _Trail | None

    def __deepcopy__(self, memo: object) -> Self:
        return self  # a copy of a page goes on with the same client

    def __reduce__(self) -> tuple[Any, ...]:
        return _nobody, ()  # a page is data and can be pickled, where it came from is none


def _nobody() -> None:
    """Where a page came from that was pickled."""


class CursorPage(Response, Generic[Item]):
    """One page of a list; `async for item in page` goes through its items and those of all pages after it.

    Every page after this one is a request, sent when its first item is due, with the first one's options: limits and
    retries count for each. Iterating twice asks twice.

    Attributes:
        data: The page's items, possibly none.
        has_more: Whether the server has more; None: it does not say, and the list ends with an empty page.
        first_id: Id of the first item; None: not sent.
        last_id: Id of the last item; None: not sent.
    """

    data: list[Item] = []
    has_more: bool | None = None
    object: str | Unlisted = "list"
    first_id: str | None = None
    last_id: str | None = None

    # Named as `Model._extra` is, for the same reason.
    _origin: Any = msgspec.field(default=None, name="\x7forigin")

    def has_next_page(self) -> bool:
        """Whether iterating goes on after this page: it has items, the last has an id, `has_more` is not False."""
        return self.has_more is not False and self._cursor() is not None

    def next_page_info(self) -> PageInfo | None:
        """What asks for the next page: `after` the last item. None: the page has none, or it has no id."""
        cursor = self._cursor()
        return None if cursor is None else PageInfo({"after": cursor})

    async def get_next_page(self) -> CursorPage[Item]:
        """Ask for the next page and return it; also where `has_more` is False, since more may have come.

        Cancelling it aborts the request and loses nothing: it can be called again.

        Raises:
            StreamStateError: There is nothing to ask for: the page is empty, or its last item has no id.
            APIResponseValidationError: What came is a page that was here before; see also `AsyncCompletions.list`.
            APIError: The request failed.
        """
        cursor = self._cursor()
        if cursor is None:
            raise StreamStateError(
                "There is no next page: this one has no last item with an id. Ask has_next_page() before get_next_page()."
            )
        if self._origin is None:
            raise StreamStateError(
                f"This page knows no client, as it was pickled or not asked for; list on with after={cursor!r}."
            )
        origin = cast("_Origin", self._origin)
        trail = _Trail.after(origin.trail, cursor)
        page = await cast("Listing[Item]", origin.listing).sending(trail).result()
        page._refuse_repetition()
        return page

    def iter_pages(self) -> AsyncIterator[CursorPage[Item]]:
        """Iterate this page and all after it. Leaving the loop early needs no clean-up; raises as `get_next_page`."""
        return _Pages(self._itself)

    def __aiter__(self) -> AsyncIterator[Item]:
        return _Items(_Pages(self._itself))

    def __eq__(self, other: Any) -> bool:  # noqa: PYI032 - `object` is a field here
        """Compare what was answered, as `Response` does: who asked, and for which pages before, does not count."""
        return self.to_dict() == other.to_dict() if type(other) is type(self) else NotImplemented

    __hash__ = None

    async def _itself(self) -> CursorPage[Item]:
        return self

    def _cursor(self) -> str | None:
        # An item is what the server sent: not every vendor's has an id.
        return getattr(self.data[-1], "id", None) or None if self.data else None

    def _refuse_repetition(self) -> None:
        """Raise if this page ends where one before it did: asking for what follows would go round for ever."""
        origin, cursor = cast("_Origin", self._origin), self._cursor()
        if cursor is not None and origin.trail is not None and origin.trail.holds(cursor):
            raise APIResponseValidationError(
                f"The server sent a page again that was here before: it ends with the item {cursor!r:.100} once more. "
                "Perhaps it does not know the parameter `after`.",
                headers=dict(origin.info.headers),
                request_id=origin.info.request_id,
                body=self.to_dict(),
            )


AsyncCursorPage = CursorPage


class Listing(Generic[Item]):
    """What is listed, and how it is asked for.

    Args:
        client: Sends the requests.
        path: Where the list is.
        item: The type of its items.
        params: The method's arguments: what goes into the query, and the options of `RequestOptions`. None and `omit`
            are left out, as the official SDK does.
    """

    def __init__(self, client: Sender, path: str, item: type[Item], params: Mapping[str, Any]) -> None:
        self._client = client
        self._path = path
        self._item = item
        # Copies, for all pages: a generator is read once, and what the caller changes meanwhile changes nothing.
        self._query = _told(codec.plain({name: value for name, value in params.items() if name not in _OPTIONS}))
        self._options: dict[str, Any] = {name: value for name, value in params.items() if name in _OPTIONS}
        self._options["extra_query"] = codec.plain(mapping_of(params.get("extra_query"), "extra_query"), "extra_query")
        self._options["extra_headers"] = dict(mapping_of(params.get("extra_headers"), "extra_headers"))

    def call(self, name: str) -> PageCall[Item]:
        """Return the call for the first page.

        Args:
            name: Of the method, for warnings.

        Raises:
            TypeError, ValueError: An option can't be used.
        """
        sending = self.sending()
        return PageCall(sending.result, name=name, sending=sending)

    def sending(self, trail: _Trail | None = None) -> PlainSending[CursorPage[Item]]:
        """Return the request for the page after those of `trail`; None: for the first."""
        options = dict(self._options)
        options["extra_query"] = {**self._query, **options["extra_query"]}
        if trail is not None:
            options["extra_query"]["after"] = trail.cursor
            # One key is one answer: with the first page's, a server that heeds it would send that page again.
            options.pop("idempotency_key", None)
        plan = self._client._plan("GET", self._path, None, cast("RequestOptions", options), stream=False)
        return PlainSending(self._client, plan, lambda body, info: self._read(body, info, trail))

    def _read(self, body: bytes, info: ResponseInfo, trail: _Trail | None) -> CursorPage[Item]:
        """Return the page in `body`, nothing of it lost.

        Raises:
            APIError: It is an error, or no page.
        """
        expected = "a page of a list in JSON"
        payload = payload_of(body, info, expected=expected)
        if is_object(payload):
            items: object = payload.pop("data", ...)
            items = [] if items is None else items
            if is_array(items) and all(map(is_object, items)):
                return self._page(payload, items, info, trail)
        raise not_an_answer(info, body, expected)

    def _page(
        self, head: dict[str, Any], items: list[Any], info: ResponseInfo, trail: _Trail | None
    ) -> CursorPage[Item]:
        page = CursorPage[Item].from_dict(head)
        page.data = [self._item.from_dict(item) for item in items]
        page._origin = _Origin(self, info, trail)
        if info.request_id is not None:
            page._response_id = info.request_id
        return page


class PageCall(Call[CursorPage[Item]]):
    """A list that was not asked for yet: `await` gives its first page, `async for` the items of all its pages."""

    def __aiter__(self) -> AsyncIterator[Item]:
        """Go through the items of all pages, each page asked for when its first item is due.

        It takes the call's place, which can't be used any more.

        Raises:
            RuntimeError: The call was used already.
        """
        return _Items(_Pages(self._give_up().result))


class _Pages(AsyncIterator[CursorPage[Item]]):
    """Pages, one after the other.

    A class and no generator: a request that fails or is cancelled does not end it, the page can be asked for again.

    Args:
        first: Gives the first page.
    """

    def __init__(self, first: Callable[[], Awaitable[CursorPage[Item]]]) -> None:
        self._next: Callable[[], Awaitable[CursorPage[Item]]] | None = first
        self._busy = False

    async def __anext__(self) -> CursorPage[Item]:
        if self._busy:
            raise StreamStateError("Two tasks read one list at once; let each iterate on its own.")
        if self._next is None:
            raise StopAsyncIteration
        self._busy = True
        try:
            page = await self._next()
        finally:
            self._busy = False
        self._next = page.get_next_page if page.has_next_page() else None
        return page


class _Items(AsyncIterator[Item]):
    """The items of pages."""

    def __init__(self, pages: AsyncIterator[CursorPage[Item]]) -> None:
        self._pages = pages
        self._items: Iterator[Item] = iter(())

    async def __anext__(self) -> Item:
        while True:
            for item in self._items:
                return item
            self._items = iter((await anext(self._pages)).data)


def _told(params: Mapping[str, Any]) -> dict[str, Any]:
    """What the query says of parameters: None is left out, in a mapping (`metadata`) as well."""
    return {
        name: _told(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value
        for name, value in params.items()
        if value is not None
    }
