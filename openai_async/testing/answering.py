"""How the apps of this package answer over ASGI: a head, or an error, without a framework.

Statuses and headers come in, ASGI messages go out. What it passes on it does not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openai_async.transport.message import ONE_HOP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Send

    from openai_async.server.problems import Problem

__all__ = ["passed_headers", "refuse", "send_head", "transport_of"]


def passed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that go on with a message; names in lower case."""
    return {name: value for name, value in headers.items() if name not in ONE_HOP and name != "accept-encoding"}


async def send_head(send: Send, status: int, headers: Mapping[str, str]) -> None:
    """Begin an answer."""
    raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def refuse(send: Send, problem: Problem) -> None:
    """Answer with an error in the API's shape."""
    body = problem.encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **problem.headers}
    await send_head(send, problem.status, headers)
    await send({"type": "http.response.body", "body": body})


def transport_of(receive: Receive) -> Any:
    """Return the connection behind uvicorn's `receive`, a method of its request cycle; None: it is another server's."""
    return getattr(getattr(receive, "__self__", None), "transport", None)
