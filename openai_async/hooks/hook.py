"""`Hooks`: the functions that a client tells what happens.

Records come in and go to each hook, in order. A hook is a function of one record and no object with a method for each
kind: `print` is one, `list.append` is one, and a new kind of record breaks none.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from .records import Record

__all__ = ["Hook", "Hooks"]

Hook: TypeAlias = Callable[[Record], object]
"""A function, or an object that can be called, that takes each record; what it returns is ignored.

It is called between two steps of a request, in the event loop's thread, and must not block; a stream that is dropped by
another thread, or after its loop, is told of by that thread. What it raises is logged, once a hook, and changes nothing;
but for what ends the program (`KeyboardInterrupt`, `SystemExit`), which goes through when all hooks have been told.
"""

_log = logging.getLogger("openai_async")


class Hooks:
    """The hooks of one client.

    Args:
        hooks: In the order in which they are told.
        more: Those told after them.

    Raises:
        TypeError: `hooks` is no list of functions, or one of them is none that can be called and be done.
    """

    def __init__(self, hooks: Iterable[Hook], *more: Hook) -> None:
        given: Any = hooks
        if not isinstance(given, Iterable) or isinstance(given, str | bytes):
            raise TypeError(f"hooks must be a list of functions, not a {type(given).__name__}; for one, hooks=[hook]")
        self._hooks = (*hooks, *more)
        self._failed: set[int] = set()
        for hook in self._hooks:
            _check(hook)

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def tell(self, record: Record) -> None:
        """Give a record to each hook. A hook that raises is logged, the first time it does, and stops nobody.

        Raises:
            BaseException: What a hook raised that is no `Exception` and no cancellation, once all of them are told.
        """
        interruption: BaseException | None = None
        for index, hook in enumerate(self._hooks):
            try:
                hook(record)
            except (Exception, asyncio.CancelledError):  # noqa: BLE001 - the user's code ran
                if index not in self._failed:
                    self._failed.add(index)
                    name = getattr(hook, "__qualname__", type(hook).__qualname__)
                    _log.exception(
                        "the hook %s failed at a %s; the request goes on, and further failures are not logged",
                        name,
                        type(record).__name__,
                    )
            except BaseException as error:  # noqa: BLE001 - raised below
                interruption = error
        if interruption is not None:
            raise interruption


def _check(hook: Any) -> None:
    if isinstance(hook, type):
        raise TypeError(f"a hook must be a function or an object, not the class {hook.__name__}; make one of it")
    if not callable(hook):
        raise TypeError(f"a hook must be a function of one record, which a {type(hook).__name__} is not")
    if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(type(hook).__call__):
        raise TypeError("a hook must be a plain function, which nobody awaits; let it put records into a queue instead")
