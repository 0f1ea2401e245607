"""What a server sends and what has to come of it: `Answer` to a request that it took, `Refusal` of one that it did not.

Data only. `events` writes a stream as most servers do; a family that writes otherwise does so in its own module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openai_async import APIError

__all__ = ["Answer", "Refusal", "completion", "events", "whole"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer with status 200.

    Attributes:
        name: What is odd or typical about it.
        body: Its bytes, a stream's or those of one JSON object.
        completion: What `to_dict()` of the completion gives, or of what there was when the error came.
        reasoning: Of choice 0; None: none.
        streamed: Whether it is a stream.
        error: What it ends in; None: it is complete.
        code: The error's.
        sent_back: What choice 0's message is when it is sent back, where that has to keep something; None: not looked at.
    """

    name: str
    body: bytes
    completion: dict[str, Any]
    reasoning: str | None = None
    streamed: bool = True
    error: type[APIError] | None = None
    code: str | None = None
    sent_back: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An answer with another status.

    Attributes:
        name: What was wrong with the request.
        status: The HTTP status.
        body: Its bytes, or plain data that is its JSON.
        error: Its class.
        message: What the error says, without the status; a beginning is enough.
        code: The error's own, as text.
        headers: Beside the content type.
        retried: Whether a client that may retry does.
    """

    name: str
    status: int
    body: Any
    error: type[APIError]
    message: str
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retried: bool = False


def events(*payloads: Any, done: bool = True) -> bytes:
    """A stream: plain data as events, text as lines of its own (comments), `[DONE]` at its end if there is one."""
    lines = [said if isinstance(said, str) else f"data: {json.dumps(said, ensure_ascii=False)}" for said in payloads]
    return "".join(f"{line}\n\n" for line in [*lines, *(["data: [DONE]"] if done else [])]).encode()


def completion(
    *messages: dict[str, Any], finish_reason: str | None = "stop", choice: Mapping[str, Any] | None = None, **top: Any
) -> dict[str, Any]:
    """A whole completion as plain data: a choice for each message, all with the same end and the same further keys."""
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", **message},
            **({} if finish_reason is None else {"finish_reason": finish_reason}),
            **(choice or {}),
        }
        for index, message in enumerate(messages)
    ]
    return {"object": "chat.completion", **top, "choices": choices}


def whole(name: str, sent: dict[str, Any], **meant: Any) -> Answer:
    """A plain answer, which comes out as it is sent but for what `meant` says; a null of the schema is left out.

    Args:
        name: What is odd or typical about it.
        sent: The completion.
        **meant: Further attributes of the answer, `completion` among them where it is not `sent`.
    """
    body = json.dumps(sent, ensure_ascii=False).encode()
    return Answer(**{"name": name, "body": body, "completion": sent, "streamed": False, **meant})
