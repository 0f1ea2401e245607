"""`Hooks`: the functions that a client tells what happens.

Records come in and go to each hook, in order; headers that hooks want to be sent come back. A hook is a function of one
record and no object with a method for each kind: `print` is one, `list.append` is one, and a new kind of record breaks none.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, TypeAlias

from .records import ContentArrived, Record, RequestStarted

__all__ = ["Hook", "Hooks"]

Hook: TypeAlias = Callable[[Record], object]
"""A function, or an object that can be called, that takes each record; what it returns is ignored.

It is called between two steps of a request, in the event loop's thread, and must not block; a stream that is dropped by
another thread, or after its loop, is told of by that thread. What it raises is logged, once a hook, and changes nothing;
but for what ends the program (`KeyboardInterrupt`, `SystemExit`), which goes through when all hooks have been told.

An object may have two attributes more, and what they stand for costs something only then:

* `headers_for(started)`, a method that is asked once a request, after its `RequestStarted` was told, and returns headers as
  a mapping. All attempts of the request send them, unless the request has one of them already: then it sends none of
  these. A header that can't be sent is a failure of the hook.
* `per_chunk`: if it is True, the hook is told of `ContentArrived` as well, for every read of a stream.
"""

_log = logging.getLogger("openai_async")


class Hooks:
    """The hooks of one client.

    Args:
        hooks: In the order in which they are told.
        more: Those told after them.

    Attributes:
        per_chunk: Whether one of them wants to know of chunks.

    Raises:
        TypeError: `hooks` is no list of functions, or one of them is none that can be called and be done.
    """

    def __init__(self, hooks: Iterable[Hook], *more: Hook) -> None:
        given: Any = hooks
        if not isinstance(given, Iterable) or isinstance(given, str | bytes):
            raise TypeError(f"hooks must be a list of functions, not a {type(given).__name__}; for one, hooks=[hook]")
        self._hooks: tuple[Any, ...] = (*hooks, *more)
        self._failed: set[int] = set()
        for hook in self._hooks:
            _check(hook)
        self._all = list(enumerate(self._hooks))
        self._asked = [(index, hook) for index, hook in self._all if getattr(hook, "headers_for", None)]
        self._counting = [(index, hook) for index, hook in self._all if getattr(hook, "per_chunk", False) is True]
        self.per_chunk: bool = bool(self._counting)

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def tell(self, record: Record) -> None:
        """Give a record to each hook that it is for. One that raises is logged, the first time, and stops nobody.

        Raises:
            BaseException: What a hook raised that is no `Exception` and no cancellation, once all of them are told.
        """
        interruption: BaseException | None = None
        for index, hook in self._counting if isinstance(record, ContentArrived) else self._all:
            try:
                hook(record)
            except (Exception, asyncio.CancelledError):  # noqa: BLE001 - the user's code ran
                self._note_failure(index, record)
            except BaseException as error:  # noqa: BLE001 - raised below
                interruption = error
        if interruption is not None:
            raise interruption

    def headers_for(
        self, started: RequestStarted, present: Container[str], check: Callable[[str, str], str]
    ) -> dict[str, str]:
        """Ask those hooks that have headers for a request; one that raises is treated as by `tell`.

        Args:
            started: The request, of which all hooks were told.
            present: Names of the headers that it has, in lower case: they stay as they are.
            check: Takes a header's name and value and returns the value; raises where they can't be sent.

        Returns:
            What the request is to send besides, names in lower case.

        Raises:
            BaseException: What a hook raised that is no `Exception` and no cancellation.
        """
        headers: dict[str, str] = {}
        for index, hook in self._asked:
            try:
                given: Mapping[str, str] = hook.headers_for(started)
                own = {name.lower(): check(name, value) for name, value in given.items()}
            except (Exception, asyncio.CancelledError):  # noqa: BLE001 - the user's code ran
                self._note_failure(index, started)
                continue
            # All of them or none: a `tracestate` means nothing beside another's `traceparent`.
            if not any(name in present or name in headers for name in own):
                headers |= own
        return headers

    def _note_failure(self, index: int, record: Record) -> None:
        """Log the exception under way, if it is this hook's first."""
        if index in self._failed:
            return
        self._failed.add(index)
        hook = self._hooks[index]
        _log.exception(
            "the hook %s failed at a %s; the request goes on, and further failures are not logged",
            getattr(hook, "__qualname__", type(hook).__qualname__),
            type(record).__name__,
        )


def _check(hook: Any) -> None:
    if isinstance(hook, type):
        raise TypeError(f"a hook must be a function or an object, not the class {hook.__name__}; make one of it")
    if not callable(hook):
        raise TypeError(f"a hook must be a function of one record, which a {type(hook).__name__} is not")
    if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(type(hook).__call__):
        raise TypeError("a hook must be a plain function, which nobody awaits; let it put records into a queue instead")
    asked = getattr(hook, "headers_for", None)
    if asked is not None and (not callable(asked) or inspect.iscoroutinefunction(asked)):
        raise TypeError(
            "headers_for of a hook must be a plain method, which takes a RequestStarted and returns headers"
        )
