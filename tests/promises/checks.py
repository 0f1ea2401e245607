"""What must be true of what was seen: checks that return None, or in a few words what went wrong."""

from __future__ import annotations

from .case import Check
from .seen import Seen

__all__ = [
    "aborted",
    "asked",
    "connected",
    "ended",
    "fails",
    "happened",
    "lasts",
    "noted",
    "refuses",
    "says",
    "times_out",
    "unlogged",
]


def happened(seen: Seen) -> str:
    """What a call or a stream came to."""
    if seen.hung:
        return f"hangs (cut at {seen.seconds:.0f} s)"
    error = seen.error
    if error is not None:
        return type(error).__name__ if seen.is_own() else f"{type(error).__name__} escapes"
    if seen.chunks or seen.answer is None:
        return f"{seen.chunks} chunk{'s' * (seen.chunks != 1)}, no error"
    return f"a {type(seen.answer).__name__}, no error"


def ended(seen: Seen) -> str | None:
    """Nothing was raised, and nothing hung."""
    return happened(seen) if seen.hung or seen.error is not None else None


def says(text: str = "Hello") -> Check:
    """The answer is whole, and its text is this."""

    def check(seen: Seen) -> str | None:
        wrong = ended(seen)
        if wrong and seen.text == text:
            return f"{wrong}, all text read"
        return wrong or (None if seen.text == text else f"reads {seen.text[:20]!r}" if seen.text else "reads nothing")

    return check


def fails(*names: str, silently: str = "") -> Check:
    """The user gets an error of the SDK's own, below one of these classes if it has them.

    Args:
        names: Of classes, as `openai` and `openai_async` call them.
        silently: What it is called if there is no error.
    """

    def check(seen: Seen) -> str | None:
        if seen.error is None and not seen.hung and silently:
            return f"{silently}: {happened(seen)}"
        if seen.hung or not seen.is_own():
            return happened(seen)
        wanted = tuple(seen.sdk.error(name) for name in names or ("OpenAIError",))
        return None if isinstance(seen.error, wanted) else happened(seen)

    return check


def refuses(*types: type[BaseException]) -> Check:
    """The user gets an error, the SDK's own or one of these, and the server was not asked."""

    def check(seen: Seen) -> str | None:
        if seen.requests:
            return "sent"
        good = not seen.hung and (seen.is_own() or isinstance(seen.error, types))
        return None if good else happened(seen)

    return check


def asked(times: int) -> Check:
    """The server was asked so often."""

    def check(seen: Seen) -> str | None:
        count = len(seen.requests)
        return None if count == times else f"{count} request{'s' * (count != 1)}"

    return check


def connected(times: int) -> Check:
    """All of it went over so many connections."""

    def check(seen: Seen) -> str | None:
        return None if seen.connections == times else f"{seen.connections} connections"

    return check


def lasts(least: float, most: float) -> Check:
    """The user was busy for so many seconds."""

    def check(seen: Seen) -> str | None:
        good = least <= seen.seconds + 0.002 and seen.seconds <= most + seen.late
        return None if good else f"after {seen.seconds:.1f} s"

    return check


def times_out(after: float) -> Check:
    """The limit of so many seconds ends it, when it has passed and no half second later, as a time-out."""

    def check(seen: Seen) -> str | None:
        if seen.hung or not isinstance(seen.error, seen.sdk.error("APITimeoutError")):
            return happened(seen)
        return lasts(after, after + 0.5)(seen)

    return check


def aborted(seen: Seen) -> str | None:
    """The server saw the user leave within half a second."""
    if seen.aborted is None:
        return "no abort seen"
    return None if seen.aborted <= 0.5 + seen.late else f"abort seen after {seen.aborted:.1f} s"


def unlogged(*secrets: str) -> Check:
    """None of this stands in any log."""

    def check(seen: Seen) -> str | None:
        told = next((line for line in seen.log if any(secret in line for secret in secrets)), None)
        return None if told is None else f"logged by {told.split(' ')[0]}"

    return check


def noted(name: str, *wanted: object, wrong: str) -> Check:
    """What the case noted under a name is one of these; `wrong` may show it as `{}`."""

    def check(seen: Seen) -> str | None:
        value = seen.notes.get(name)
        return None if value in wanted else wrong.format(value)

    return check
