"""What a call costs in tokens: the estimate before it, and the server's count after it.

A request's body, or an answer, comes in; a number goes out. Nothing here waits, and an answer is read no further than
the user reads it.
"""

from __future__ import annotations

import msgspec

from openai_async.transport.limits import estimate_tokens
from openai_async.types.completion import ChatCompletion

from .reader import ChunkReader

__all__ = ["cost_of", "used_by"]


class _Lengths(msgspec.Struct):
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    n: int | None = None


_lengths = msgspec.json.Decoder(_Lengths)


def cost_of(body: bytes | None) -> int:
    """Return about how many tokens a request takes from the budget; see `estimate_tokens`."""
    try:
        asked = _lengths.decode(body or b"{}")
    except (msgspec.MsgspecError, RecursionError):
        asked = _Lengths()  # no object, or not the API's: the server will say so
    longest = asked.max_completion_tokens or asked.max_tokens or 0
    return estimate_tokens(body, longest * max(asked.n or 1, 1))


def used_by(answer: object) -> int | None:
    """Return the tokens that an answer cost, those of prompt and answer together; None: it does not say."""
    usage = None
    if isinstance(answer, ChatCompletion):
        usage = answer.usage
    elif isinstance(answer, ChunkReader):
        # The usage comes with the last chunk, which may not have been handed out yet.
        waiting = (chunk.usage for chunk in reversed(answer.chunks) if chunk.usage is not None)
        usage = next(waiting, answer.accumulator.usage)
    if usage is None:
        return None
    return usage.total_tokens or (usage.prompt_tokens + usage.completion_tokens) or None
