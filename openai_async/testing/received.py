"""A request that the server received, as a test looks at it.

A record of the embedded server's comes in; out go what was asked, and how its answer ended. The record lives in the
server's thread: what may change is looked up there.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import anyio.to_thread
import msgspec

from openai_async.server.tokens import text_of
from openai_async.types.json import is_array, is_object

from .scrub import scrubbed_address, veiled_headers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from openai_async.server.desk import Recorded

    from .loopback import Loopback

__all__ = ["Outcome", "ReceivedRequest"]

__tracebackhide__ = True  # pytest shows the test's own line, not this module's

# Where the embedded server answers them; elsewhere it has a 404.
_CHAT = re.compile(r"/(openai/)?v1/chat/completions|/openai/deployments/[^/]+/chat/completions")

Outcome: TypeAlias = Literal["open", "complete", "aborted", "cut"]


class ReceivedRequest:
    """One request.

    Args:
        number: Which request it is, from 1.
        connection: The number of the connection on which it came, from 1; 0: not known.
        recorded: The server's record.
        loopback: The server's thread.
        wait_end: Waits, in that thread, until the record's answer is over.
        note: What there is to say about its answer; empty: nothing.

    Attributes:
        number: As given.
        connection: As given.
        note: As given: the scripted reply, or why it was refused.
    """

    def __init__(
        self,
        number: int,
        *,
        connection: int,
        recorded: Recorded,
        loopback: Loopback[Any],
        wait_end: Callable[[Recorded], Awaitable[None]],
        note: str = "",
    ) -> None:
        self.number = number
        self.connection = connection
        self.note = note
        self._recorded = recorded
        self._loopback = loopback
        self._wait_end = wait_end

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        note = f", {self.note}" if self.note else ""
        return f"{self.number}. {self.described} -> {self.status or 'no answer'}, {self.outcome}{note}"

    @property
    def described(self) -> str:
        """What is asked, in a line: method, path, model, and the beginning of the last message."""
        words = [self.method, scrubbed_address(self.path + (f"?{self.query}" if self.query else ""))]
        if self.model is not None:
            words.append(f"model={self.model!r}")
        if self.stream:
            words.append("stream=True")
        if self.messages:
            words.append(f"last message={_shortened(text_of(self.messages[-1].get('content')))!r}")
        return " ".join(words)

    @property
    def method(self) -> str:
        """GET, POST, …."""
        return self._recorded.method

    @property
    def path(self) -> str:
        """The path, without the query: `/v1/chat/completions`."""
        return self._recorded.path

    @property
    def query(self) -> str:
        """What follows the question mark; empty: nothing."""
        return self._recorded.query

    @property
    def headers(self) -> dict[str, str]:
        """Name in lower case to value; the reprs of values that are secret are masks."""
        return veiled_headers(self._recorded.headers)

    @property
    def content(self) -> bytes:
        """The body's bytes; empty while it is on its way."""
        return self._recorded.body

    @property
    def body(self) -> dict[str, Any]:
        """The body, decoded; empty where it is no JSON object. Each call decodes it anew."""
        try:
            decoded: Any = msgspec.json.decode(self._recorded.body)
        except msgspec.DecodeError:
            return {}
        return decoded if is_object(decoded) else {}

    @property
    def model(self) -> str | None:
        """The model that is asked; None: the body names none."""
        model = self.body.get("model")
        return model if isinstance(model, str) else None

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages, oldest first; empty where the body has none."""
        messages = self.body.get("messages")
        return [message for message in messages if is_object(message)] if is_array(messages) else []

    @property
    def stream(self) -> bool:
        """Whether a stream is asked for."""
        return self.body.get("stream") is True

    @property
    def is_chat(self) -> bool:
        """Whether it asks for a chat completion, which is what scripts answer and assertions count."""
        return self.method == "POST" and _CHAT.fullmatch(self.path) is not None

    @property
    def status(self) -> int:
        """The answer's HTTP status; 0: no answer has begun."""
        return self._loopback.call(lambda: self._recorded.status)

    @property
    def outcome(self) -> Outcome:
        """How the answer ended, as the server saw it.

        "open": it has not; "complete": it was sent to its end; "aborted": the client left before; "cut": the server
        broke it off, most likely because the script says so. A server notices a moment later that its client left, and
        what was sent to the end is complete, whether it was read or not: see `ended`.
        """
        return self._loopback.call(lambda: self._recorded.outcome)

    @property
    def aborted(self) -> bool:
        """Whether the client left before the answer was complete, as far as the server has noticed."""
        return self.outcome == "aborted"

    def ended(self, timeout: float = 5.0) -> Outcome:
        """Wait until the answer is over, and return how it ended. It blocks: in an async test, use `aended`.

        Args:
            timeout: Seconds.

        Raises:
            AssertionError: It is not over in time.
        """
        if self.outcome == "open" and not self._loopback.wait(partial(self._wait_end, self._recorded), timeout):
            hint = (
                " Await aended() here: this blocks the event loop, and the client may be in it." if _in_loop() else ""
            )
            raise AssertionError(
                f"The answer is still open after {timeout:g} s: the client did not leave.{hint}\n{self}"
            )
        return self.outcome

    async def aended(self, timeout: float = 5.0) -> Outcome:
        """Do as `ended` without blocking the event loop; cancelling it loses nothing."""
        return await anyio.to_thread.run_sync(partial(self.ended, timeout), abandon_on_cancel=True)


def _in_loop() -> bool:
    """Whether an event loop of asyncio's runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:40]} … {text[-15:]}"
