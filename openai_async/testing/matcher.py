"""Which requests are meant: by model, by what the messages say, or by a function of one's own.

Criteria and a request come in; out goes whether it meets all of them. It changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from openai_async.server.tokens import text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from .received import ReceivedRequest

__all__ = ["Criteria", "Matcher"]

__tracebackhide__ = True  # pytest shows the test's own line, not this module's


class Criteria(TypedDict, total=False):
    """What a request can be told by; all that are given must hold.

    Attributes:
        model: The model's name.
        contains: Text that stands in one of the messages, as it is written.
        stream: Whether a stream is asked for.
        where: A function of the request that returns whether it is meant. It may be called in another thread.
    """

    model: str
    contains: str
    stream: bool
    where: Callable[[ReceivedRequest], object]


class Matcher:
    """Criteria that were given.

    Raises:
        TypeError: There is a name that is no criterion.
    """

    def __init__(self, **criteria: Unpack[Criteria]) -> None:
        unknown = criteria.keys() - Criteria.__annotations__.keys()
        if unknown:
            known = ", ".join(f"{name}=" for name in Criteria.__annotations__)
            raise TypeError(f"{min(unknown)}= is no criterion: there are {known}")
        self._criteria: Criteria = criteria

    def __str__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self._criteria.items())

    def __bool__(self) -> bool:
        return bool(self._criteria)

    def fits(self, request: ReceivedRequest) -> bool:
        """Say whether a request meets all criteria.

        Raises:
            Exception: Whatever `where` raised.
        """
        wanted = self._criteria
        if "model" in wanted and request.model != wanted["model"]:
            return False
        if "stream" in wanted and request.stream is not wanted["stream"]:
            return False
        if "contains" in wanted:
            texts = (text_of(message.get("content")) for message in request.messages)
            if not any(wanted["contains"] in text for text in texts):
                return False
        return "where" not in wanted or bool(wanted["where"](request))
