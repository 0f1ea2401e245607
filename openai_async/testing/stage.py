"""An ASGI app that answers from a recording, read by read.

Recorded exchanges and requests come in; each request gets the answer that was recorded for it, or is refused and noted. It
knows no other answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import anyio

from openai_async.server.bodies import BODY_SIZE, read_body
from openai_async.server.envelope import hang_up
from openai_async.server.faults import HangUp
from openai_async.server.problems import Problem

from .answering import refuse, send_head, transport_of
from .difference import difference, nearness
from .recording import Answered, Asked, Exchange
from .scrub import scrubbed_address, scrubbed_body

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Receive, Scope, Send

__all__ = ["Match", "Stage"]

__tracebackhide__ = True  # pytest shows the test's own line, not this module's

Match = Literal["body", "order"]


class Stage:
    """The app.

    Args:
        exchanges: What was recorded, in the order of the requests.
        name: Of the recording, for messages.
        speed: How much faster than recorded, above 0; infinite: at once.
        match: Which request an answer is for: one of the same method, path and body, or ("order") the next.

    Attributes:
        left: The exchanges that were not played yet.
        misses: What there is to say about each request that was not recorded.
    """

    def __init__(self, exchanges: Iterable[Exchange], *, name: str, speed: float, match: Match) -> None:
        self.left: list[Exchange] = list(exchanges)
        self._all = tuple(self.left)
        self.misses: list[str] = []
        self._name = name
        self._speed = speed
        self._match = match
        self._open: set[anyio.CancelScope] = set()

    def close(self) -> None:
        """Break off every answer under way."""
        for scope in list(self._open):
            scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; cancelling it leaves the answer unfinished."""
        began = anyio.current_time()
        query: bytes = scope["query_string"]
        path = scope["raw_path"].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
        try:
            body = scrubbed_body(await read_body(receive, limit=BODY_SIZE, seconds=None), ())
            asked = Asked.of(at=0.0, method=scope["method"], path=scrubbed_address(path), headers={}, body=body)
            answered = self._take(asked).response
        except HangUp:
            return  # while it sent its request
        except Problem as problem:
            await refuse(send, problem)
            return
        with anyio.CancelScope() as cancel:
            self._open.add(cancel)
            try:
                await self._play(answered, send, began)
            finally:
                self._open.discard(cancel)
        if cancel.cancelled_caught or answered.end != "complete":
            await hang_up(receive, transport_of(receive))

    async def _play(self, answered: Answered, send: Send, began: float) -> None:
        await send_head(send, answered.status, answered.headers)
        for at, piece in answered.pieces:
            # Also where there is nothing to wait for: other answers have a turn.
            await anyio.sleep(max(at / self._speed - (anyio.current_time() - began), 0))
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if answered.end == "complete":
            await send({"type": "http.response.body", "body": b""})

    def _take(self, asked: Asked) -> Exchange:
        """Take the recorded exchange of a request.

        Raises:
            Problem: Status 400, which no client retries: there is none.
        """
        same = [one for one in self.left if _place(one.request) == _place(asked)]
        if self._match == "order":
            fits = [one for one in same[:1] if one is self.left[0]]
        else:
            fits = [one for one in same if one.request.body == asked.body]
        if not fits:
            text = f"This request is not in the recording {self._name}{self._why(asked, same)}"
            self.misses.append(text)
            raise Problem(400, text, code="not_recorded")
        self.left = [one for one in self.left if one is not fits[0]]
        return fits[0]

    def _why(self, asked: Asked, same: list[Exchange]) -> str:
        what = f": {' '.join(_place(asked))}"
        known = sum(_place(one.request) == _place(asked) and one.request.body == asked.body for one in self._all)
        if self._match == "body" and known:
            return f" once more{what}. All {known} answers that are there for it were played."
        if self._match == "order" and self.left:
            return f"{what}. The next one in it is {' '.join(_place(self.left[0].request))}."
        if not same:
            return f"{what}. None of the {len(self.left)} answers that are left is for it."
        nearest = max((one.request.body for one in same), key=lambda body: nearness(body, asked.body))
        return f"{what}. The nearest that is left differs at {difference(nearest, asked.body)}."


def _place(asked: Asked) -> tuple[str, str]:
    return asked.method, asked.path
