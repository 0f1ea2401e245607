"""A response under a permit: how a limiter learns of its head and of its end.

A permit and a response come in; the same response goes out, its bytes untouched. What was used is told by a function
of whoever understands the answer. No byte is looked at here, and a read costs nothing more than without it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Self
from weakref import ReferenceType, ref

from .limits import Permit
from .message import Response

__all__ = ["PermittedResponse"]

_log = logging.getLogger("openai_async")


class PermittedResponse:
    """One attempt and its response, which settles the permit once it is over.

    It is over when the response was released or closed, or when there is none: then `void` says so. A response that
    is dropped unread settles its permit when it is collected.

    Args:
        permit: The leave for the attempt.
        used: The tokens that an answer cost, by the server's count; None: not known.

    What the permit raises, which it must not, is logged: an answer that was paid for is not lost by its bookkeeping.

    Raises:
        TypeError: `permit` is none.
    """

    def __init__(self, permit: Permit, used: Callable[[Any], int | None]) -> None:
        if not all(callable(getattr(permit, name, None)) for name in ("observe", "settle")):
            raise TypeError(
                f"limiter.acquire() must give a permit, which has observe() and settle(), not a {type(permit).__name__}"
            )
        self._permit = permit
        self._used = used
        self._response: Response | None = None
        self._over = False
        self._settled = False
        self._accepted = False
        self._answer: ReferenceType[Any] | None = None

    def take(self, response: Response) -> Self:
        """Become the response, and show the permit its head."""
        self._response = response
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self.read: Any = response.read  # the method itself: nothing stands between the socket and its reader
        self._tell(self._permit.observe, response.status, response.headers)
        return self

    def hand_over(self, answer: object) -> None:
        """Note the answer that was made of the response; if its body is still to come, what is used shows later."""
        self._accepted = True
        if self._over:
            self._settle(self._used(answer))
            return
        try:
            # Weak: the stream holds this response, and has to go when the user drops it.
            self._answer = ref(answer)
        except TypeError:
            self._answer = None

    def void(self) -> None:
        """Settle the permit, nothing being known of what was used: the attempt failed, or was cancelled."""
        self._settle(None)

    def release(self) -> None:
        """Release the response; see `Response.release`."""
        if self._response is not None:
            self._response.release()
        self._end()

    def close(self) -> None:
        """Close the response; see `Response.close`."""
        if self._response is not None:
            self._response.close()
        self._end()

    def _end(self) -> None:
        self._over = True
        if self._accepted:
            answer = None if self._answer is None else self._answer()
            self._settle(None if answer is None else self._used(answer))

    def _settle(self, used: int | None) -> None:
        if not self._settled:
            self._settled = True
            self._tell(self._permit.settle, used)

    def _tell(self, note: Callable[..., object], *told: object) -> None:
        try:
            note(*told)
        except Exception:  # noqa: BLE001 - the permit's own code ran
            _log.exception("a permit of the limiter failed; the call goes on")

    def __del__(self) -> None:
        if not getattr(self, "_settled", True):
            self._settle(None)
