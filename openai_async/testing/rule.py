"""A queue of scripted replies for the requests that meet some criteria.

Replies are put in by the test, and taken out one request at a time. It neither reads requests nor answers them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from .reply import ScriptedReply

if TYPE_CHECKING:
    from .matcher import Matcher

__all__ = ["Rule"]

__tracebackhide__ = True  # pytest shows the test's own line, not this module's


class Rule:
    """The queue; `ScriptedServer.when` makes one.

    Args:
        matcher: Which requests it is for.

    Attributes:
        matcher: As given.
        replies: All replies that were given, used or not, in order.
    """

    def __init__(self, matcher: Matcher) -> None:
        self.matcher: Matcher = matcher
        self.replies: list[ScriptedReply] = []

    def __repr__(self) -> str:
        return f"when({self.matcher})" if self.matcher else "the queue"

    def reply(self, *parts: Any, times: int | None = 1) -> Self:
        """Answer the next matching request so, after the replies that wait already.

        Args:
            *parts: What the answer says and what goes wrong with it: `text("Hello")`, `cut(after=2)` …; a string is a
                text, a dict a message or a whole completion as the API writes it.
            times: Requests that it is for, 1 or more; None: any number, none included, so that nothing after it is used.

        Returns:
            Itself, for the next reply.

        Raises:
            TypeError: Something is no part.
            ValueError: There is no part, two of them contradict each other, or `times` is below 1.
        """
        self.replies.append(ScriptedReply(parts, times=times))
        return self

    def take(self) -> ScriptedReply | None:
        """Take the next reply; None: none is left."""
        for reply in self.replies:
            if reply.left:
                reply.used += 1
                return reply
        return None
