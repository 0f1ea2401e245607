"""What the gateway refuses, and how it says so.

Errors of the relay and of the way to the upstream come in; problems in the API's shape go out, which say what to do.
What the upstream itself says of a request is none of them: it passes through.
"""

from __future__ import annotations

from openai_async.errors import OpenAIError
from openai_async.relay.refusal import Refusal
from openai_async.server.problems import Problem

__all__ = ["problem_of", "stopping"]

# By code. Messages that name what only the operator should know (where Redis is) are replaced, the others go before it.
_ADVICE = {
    "bad_cursor": "Send the id of the last event that you read, or none to read from the start.",
    "unknown_stream": (
        "Check the id, which is the X-Stream-Id of the answer that began it, and send the same Authorization as then."
    ),
    "stream_expired": "Ask again with POST /v1/chat/completions; how long streams are kept is the gateway's --retention.",
    "too_many_streams": "Try again when some have ended, or start the gateway with more --max-streams.",
    "upstream_connection": "Ask again; if that keeps failing, the gateway's --upstream is down, or not where it says.",
    "upstream_timeout": "Ask again.",
    "bad_upstream": "Is the gateway's --upstream right? It is the address of the API up to and with /v1.",
}
_INSTEAD = {
    "relay_unavailable": "The gateway can't reach its Redis, which keeps the streams. Try again in a moment.",
    "relay_closed": "The gateway is shutting down. Try again in a moment.",
    "relay_failed": "The gateway failed. Whoever runs it finds out why with --debug.",
}
# Seconds after which it is worth to try again.
_AGAIN = 1.0


def stopping() -> Problem:
    """Return what whoever asks for something new is told while the gateway stops."""
    text = "The gateway is shutting down, and begins no more streams. Try again in a moment."
    return Problem(503, text, code="server_shutting_down", retry_after=_AGAIN)


def problem_of(error: OpenAIError) -> Problem:
    """Return what to tell a caller of an error of this package."""
    refusal = Refusal.of(error)
    told = refusal.error
    code: str | None = told["code"]
    message = _INSTEAD.get(code or "") or f"{told['message']} {_ADVICE.get(code or '', '')}".strip()
    return Problem(
        refusal.status,
        message,
        type=told["type"],
        param=told["param"],
        code=code,
        retry_after=_AGAIN if refusal.status == 503 else None,
    )
