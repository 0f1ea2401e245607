"""A thread of its own with an event loop, in which something is served while a test runs in another.

A test may be synchronous, or run in a loop that it starts, ends and blocks as it likes; what it talks to must go on. An
async context manager comes in and is entered in that loop; out goes what it gave. Nothing here knows what it serves.
"""

from __future__ import annotations

import threading
from contextlib import AbstractAsyncContextManager, ExitStack
from typing import TYPE_CHECKING, Generic, TypeVar

from anyio.from_thread import start_blocking_portal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.from_thread import BlockingPortal

__all__ = ["Loopback"]

__tracebackhide__ = True  # pytest shows the test's own line, not this module's

_T = TypeVar("_T")
_S = TypeVar("_S")


class Loopback(Generic[_S]):
    """The thread. All methods are for other threads, and `call` for its own as well.

    Args:
        serving: Makes the context manager to be entered.
    """

    def __init__(self, serving: Callable[[], AbstractAsyncContextManager[_S]]) -> None:
        self._serving = serving
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._thread: int | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._portal is not None

    def start(self) -> _S:
        """Start the thread, enter the context manager in it, and return what it gave.

        Raises:
            ImportError: What is to be served with is not installed: the extra `testing`.
            RuntimeError: It runs already.
            Exception: Whatever entering raised; the thread is ended then.
        """
        if self._portal is not None:
            raise RuntimeError("It runs already: it can be started once, and again after it was closed.")
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal("asyncio", name="openai_async.testing"))
            try:
                served = stack.enter_context(portal.wrap_async_context_manager(self._serving()))
            except ImportError as error:
                raise ImportError(f"{error}: pip install 'openai-async-sdk[testing]'", name=error.name) from error
            self._thread = portal.call(threading.get_ident)
            self._portal = portal
            self._stack = stack.pop_all()
        return served

    def call(self, function: Callable[[], _T]) -> _T:
        """Call a function in the loop, after all that happened there before, and return what it returns.

        Once the thread is stopped nothing happens there any more: the function is called here.
        """
        if self._portal is None or threading.get_ident() == self._thread:
            return function()
        return self._portal.call(function)

    def wait(self, function: Callable[[], Awaitable[object]], timeout: float) -> bool:
        """Let the loop await something, and block until it is done.

        Args:
            function: What to await; it is cancelled when the time is over.
            timeout: Seconds.

        Returns:
            Whether it was done in time. Once the thread is stopped: False.
        """
        if self._portal is None:
            return False
        future = self._portal.start_task_soon(function)
        try:
            future.result(timeout)
        except TimeoutError:
            future.cancel()
            return False
        return True

    def stop(self) -> None:
        """Leave the context manager and end the thread; harmless when it is ended."""
        self._portal = None
        self._stack.close()
