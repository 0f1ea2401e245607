"""One scripted reply: its parts, put together.

Parts come in and are checked against each other; out go the fault that the server is to suffer and, for a request, what
a responder returns. It never chooses the request; `playbook` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openai_async.server.completions import Draft
from openai_async.server.faults import Fault
from openai_async.server.replies import StandIn, drafts_of

from .parts import Part, part_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from openai_async.server.replies import Reply

__all__ = ["ScriptedReply"]

__tracebackhide__ = True  # pytest shows the test's own line, not this module's

_BESIDE = {"delay", "byte_delay"}  # the fields of a fault that go with a part that is the whole answer


class ScriptedReply:
    """A reply, to be handed out to so many requests.

    Args:
        parts: Parts, strings, and messages or completions as plain data, one or more.
        times: Requests that it is for, 1 or more; None: any number, none included.

    Attributes:
        fault: What goes wrong with it; None: nothing.
        times: As given.
        used: Requests that it was handed out to.

    Raises:
        TypeError: Something is no part.
        ValueError: There is no part, two of them contradict each other, or `times` is below 1.
    """

    def __init__(self, parts: tuple[Any, ...], *, times: int | None = 1) -> None:
        if not parts:
            raise ValueError("a reply needs something to say, or to do wrong: reply(text('Hello'))")
        if times is not None and times < 1:
            raise ValueError("times must be 1 or more, or None for any number")
        self._parts = tuple(map(part_of, parts))
        self.times = times
        self.used: int = 0
        self._check()
        self.fault: Fault | None = self._fault()

    def __repr__(self) -> str:
        parts = ", ".join(part.written for part in self._parts)
        return f"reply({parts})" if self.times == 1 else f"reply({parts}, times={self.times})"

    @property
    def left(self) -> bool:
        """Whether it can be handed out once more."""
        return self.times is None or self.used < self.times

    @property
    def unused(self) -> int:
        """Requests that it still waits for; 0 where any number will do."""
        return 0 if self.times is None else self.times - self.used

    async def answer(self, asked: dict[str, Any]) -> Reply:
        """Return what it says to a request, the default responder's words where it has none of its own.

        Args:
            asked: The request, checked.
        """
        contents = [part for part in self._parts if part.pieces or part.refusal is not None or part.call or part.fields]
        if not contents:
            return await StandIn()(asked)
        first = contents[0]
        if first.fields is not None:
            return _streamable(first.fields) if asked.get("stream") and "choices" in first.fields else first.fields
        if first.chunked and asked.get("stream"):
            return _each(first.pieces)
        return self._draft(contents)

    def _draft(self, contents: list[Part]) -> Draft:
        calls = [part.call for part in contents if part.call is not None]
        draft = drafts_of(calls)[0] if calls else Draft()
        pieces = [piece for part in contents for piece in part.pieces]
        draft.content = "".join(pieces) if pieces else None
        draft.refusal = next((part.refusal for part in contents if part.refusal is not None), None)
        draft.finish_reason = next((part.finish_reason for part in contents if part.finish_reason is not None), None)
        return draft

    def _check(self) -> None:
        contents = [part for part in self._parts if part.pieces or part.refusal is not None or part.call or part.fields]
        for part in self._parts:
            others = [other for other in self._parts if other is not part and not _BESIDE.issuperset(other.fault)]
            others += [other for other in contents if other not in others and other is not part]
            if part.alone and others:
                raise ValueError(f"{part} is the whole answer: {others[0]} beside it would never be sent")
        for part in contents:
            if (part.chunked or part.fields is not None) and len(contents) > 1:
                what = "a text in chunks of your own" if part.chunked else "a message of your own"
                other = next(other for other in contents if other is not part)
                raise ValueError(f"{part}: {what} is all that a reply says; leave out {other}, or the chunks")

    def _fault(self) -> Fault | None:
        fields: dict[str, Any] = {}
        by: dict[str, Part] = {}
        for part in self._parts:
            for name, value in part.fault.items():
                if name in by and fields[name] != value:
                    raise ValueError(f"{by[name]} and {part} contradict each other")
                by[name], fields[name] = part, value
        return Fault(**fields) if fields else None


def _streamable(completion: dict[str, Any]) -> dict[str, Any]:
    """A whole completion with what a stream is made of, where it was left out."""
    usual: dict[str, Any] = {"finish_reason": "stop", "message": {}}
    choices = [{"index": at, **usual, **choice} for at, choice in enumerate(completion["choices"])]
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    return {"usage": usage, **completion, "choices": choices}


async def _each(pieces: tuple[str, ...]) -> AsyncGenerator[str]:
    for piece in pieces:
        yield piece
