"""`Call`: what a method returns before it is awaited.

A request ready to be sent goes in; what comes out can be awaited, entered with `async with`, or given to
`asyncio.create_task`, as the caller likes. Nothing is sent until one of these happens.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Generic, TypeVar

from .raw import RawResponse
from .sending import Sending
from .streamed import StreamedResponse

__all__ = ["Call"]

T_co = TypeVar("T_co", covariant=True)


class Call(Coroutine[Any, Any, T_co], Generic[T_co]):
    """A request that has not been sent yet.

    * `await call` sends it and returns the result.
    * `async with call as result:` sends it on entering; on leaving, a result that can be closed (a stream) is closed.
    * `asyncio.create_task(call)`, `asyncio.gather(call, …)`: it is a coroutine.

    * `call.raw()` is a call for the same request that gives the response with its headers.

    It can be used once; a second time raises a `RuntimeError`. One that is never used warns, as a coroutine does.

    Args:
        start: Makes the coroutine that does the work.
        name: What the warning calls it.
        sending: The request, for the calls that `raw` and `streamed` make; None: it has no response of its own.
    """

    def __init__(
        self, start: Callable[[], Coroutine[Any, Any, T_co]], *, name: str, sending: Sending[T_co] | None = None
    ) -> None:
        self._start: Callable[[], Coroutine[Any, Any, T_co]] | None = start
        self._sending = sending
        self._name = name
        self.__name__: str = name  # a task's repr asks for this and the next
        self.__qualname__: str = name
        self._coroutine: Coroutine[Any, Any, T_co] | None = None
        self._awaited = False
        self._result: Any = None

    @classmethod
    def of(cls, sending: Sending[T_co], *, name: str) -> Call[T_co]:
        """Return the call that sends a request and gives its answer."""
        return Call(sending.result, name=name, sending=sending)

    def raw(self) -> Call[RawResponse[T_co]]:
        """Return the call for the same request that gives the response: head, body, and `parse()` for the answer.

        It takes this call's place, which can't be used any more.

        Raises:
            RuntimeError: This call was used already, or it is not one request.
        """
        return Call(self._give_up().raw, name=f"{self._name}.raw")

    def streamed(self) -> Call[StreamedResponse[T_co]]:
        """Return the call for the same request that gives the response while its body is on the wire.

        Use it with `async with`. Raises as `raw`, and takes this call's place as well.
        """
        return Call(self._give_up().streamed, name=f"{self._name}.streamed")

    def _give_up(self) -> Sending[T_co]:
        if self._sending is None or self._coroutine is not None:
            raise RuntimeError(f"{self._name}(...) was used already, or it is more than one request")
        self.close()
        return self._sending

    def _begin(self) -> Coroutine[Any, Any, T_co]:
        if self._coroutine is None:
            assert self._start is not None  # it is until here
            self._coroutine = self._start()
            # What sends the request holds it from here on, and no longer than that: a prompt may be large, and this call
            # is there for as long as its stream is.
            self._start = self._sending = None
        elif self._awaited or inspect.getcoroutinestate(self._coroutine) == inspect.CORO_CLOSED:
            raise RuntimeError(f"{self._name}(...) was used already: a call is sent once; call the method again")
        return self._coroutine

    def __await__(self) -> Generator[Any, Any, T_co]:
        coroutine = self._begin()
        self._awaited = True
        return coroutine.__await__()

    def send(self, value: Any, /) -> Any:
        """Advance the coroutine; for event loops, not for users."""
        return self._begin().send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an exception inside the coroutine; for event loops, not for users."""
        return self._begin().throw(*error)

    def close(self) -> None:
        """Give the call up; a request under way is aborted. One that was never begun no longer warns."""
        if self._coroutine is None:
            self._coroutine = _nothing()
        self._coroutine.close()

    async def __aenter__(self) -> T_co:
        self._result = await self
        return self._result  # type: ignore[no-any-return]  # it is what the coroutine returned

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        result, self._result = self._result, None
        # Asked of the class: a completion's own attributes are whatever keys the server sent.
        if hasattr(result.__class__, "aclose"):
            await result.aclose()

    def __del__(self) -> None:
        if getattr(self, "_coroutine", self) is None:
            warnings.warn(f"{self._name}(...) was never awaited", RuntimeWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        state = "not begun" if self._coroutine is None else "begun"
        return f"<Call {self._name} {state}>"


async def _nothing() -> Any:
    """A coroutine to close in the place of one that was never made."""
