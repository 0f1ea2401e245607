"""`Source`: the items of a run, one at a time, when somebody is ready for one.

An iterable of either kind comes in; out go its items with their places. It never reads ahead, and an async iterable
is advanced, and closed, in one task: what it holds open across a `yield` belongs to a task.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sized
from typing import Any, Final, Generic, TypeVar

__all__ = ["END", "Source"]

T = TypeVar("T")

END: Final = object()


class Source(Generic[T]):
    """The input.

    Args:
        items: An iterable, an async iterable, or an iterator of either kind.

    Attributes:
        total: How many items it has; None: it does not tell.

    Raises:
        TypeError: `items` is none.
    """

    def __init__(self, items: Iterable[T] | AsyncIterable[T]) -> None:
        self.total: int | None = len(items) if isinstance(items, Sized) else None
        self._plain: Iterator[tuple[int, T]] | None = None
        self._later: AsyncIterator[T] | None = None
        if isinstance(items, AsyncIterable):
            self._later = aiter(items)
        elif hasattr(items, "__iter__") and not isinstance(items, str | bytes):
            self._plain = enumerate(items)
        else:
            raise TypeError(f"items must be an iterable or an async iterable, not a {type(items).__name__}")
        self._asking: deque[asyncio.Future[Any]] = deque()
        self._asked = asyncio.Event()

    @property
    def needs_feeding(self) -> bool:
        """Whether `feed` has to run, in a task of its own."""
        return self._later is not None

    def take_now(self) -> Any:
        """Return the next item of a plain iterable with its place, or END; None: the iterable is an async one.

        Raises:
            Exception: Whatever the iterable raises.
        """
        return None if self._plain is None else next(self._plain, END)

    async def take(self) -> Any:
        """Do as `take_now` with an async iterable; cancelling it may lose an item."""
        asking: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asking.append(asking)
        self._asked.set()
        return await asking

    async def feed(self) -> None:
        """Give the items of an async iterable to those who take them; after its end END, for ever.

        An error of the iterable goes to one who takes, END to the others. Cancelling it closes an async generator.
        """
        assert self._later is not None  # see `needs_feeding`
        asking: asyncio.Future[Any] | None = None
        try:
            asking = await self._next_asking()
            place = 0
            async for item in self._later:
                (await self._next_asking(asking)).set_result((place, item))
                place += 1
                asking = await self._next_asking()
            (await self._next_asking(asking)).set_result(END)
        except Exception as error:  # noqa: BLE001 - the user's iterable; whoever takes raises it
            (await self._next_asking(asking)).set_exception(error)
        finally:
            close = getattr(self._later, "aclose", None)
            if close is not None:
                await close()
        while True:
            (await self._next_asking()).set_result(END)

    async def _next_asking(self, asking: asyncio.Future[Any] | None = None) -> asyncio.Future[Any]:
        """Wait for somebody who wants an item, unless `asking` still does."""
        while asking is None or asking.done():
            while not self._asking:
                self._asked.clear()
                await self._asked.wait()
            asking = self._asking.popleft()
        return asking
