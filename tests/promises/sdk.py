"""The clients that are held to the promises: ours, and the official one on each of its two transports.

What a case may use of them is what they have in common. Settings that they spell differently go in by one name here,
and become the closest thing that each of them has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Literal

import openai

import openai_async

__all__ = ["KEY", "OURS", "SDKS", "Sdk"]

KEY = "sk-promise-0123456789abcdef"

Limits = Mapping[Literal["pool", "connect", "first_token", "idle", "total"], float]


class Sdk:
    """A client library.

    Args:
        name: As tables call it.
        module: Where its errors are.
        make: Makes a client of what both take, a number of connections or None, and limits or None.
    """

    def __init__(self, name: str, module: ModuleType, make: Callable[[dict[str, Any], int | None, Any], Any]) -> None:
        self.name = name
        self.module = module
        self._make = make

    def client(self, url: str, *, connections: int | None = None, limits: Limits | None = None, **options: Any) -> Any:
        """Make a client of a server.

        Args:
            url: Its `base_url`.
            connections: How many may be open at once; None: as many as it takes by default.
            limits: In seconds; None: those that it has by default.
            options: Arguments of both SDKs; no retries unless they say so.
        """
        return self._make({"api_key": KEY, "base_url": url, "max_retries": 0, **options}, connections, limits)

    def error(self, name: str) -> type[BaseException]:
        """The error class of that name; where this SDK has none, the one that everything of its own is."""
        found: type[BaseException] = getattr(self.module, name, self.module.OpenAIError)
        return found


def _ours(options: dict[str, Any], connections: int | None, limits: Limits | None) -> Any:
    pool = {} if connections is None else {"limit": connections}
    timeout = {} if limits is None else {"timeout": openai_async.Timeout(**limits)}
    return openai_async.AsyncOpenAI(**options, **pool, **timeout)


def _official(make_http: Callable[..., Any] | None) -> Callable[[dict[str, Any], int | None, Any], Any]:
    """How to make an official client on a transport; None: its default one."""

    def make(options: dict[str, Any], connections: int | None, limits: Limits | None) -> Any:
        # It has four limits: `pool`, `connect`, `write`, and `read`, the longest silence of a socket. A number is all.
        if limits is not None:
            longest = min((limits[name] for name in ("first_token", "idle", "total") if name in limits), default=600)
            rest = {name: limits[name] for name in ("pool", "connect") if name in limits}
            options = {**options, "timeout": openai.Timeout(longest, **rest)}
        if connections is not None or make_http is not None:
            pool = openai.DEFAULT_CONNECTION_LIMITS
            if connections is not None:
                pool = type(pool)(max_connections=connections, max_keepalive_connections=connections)
            options = {**options, "http_client": (make_http or openai.DefaultAsyncHttpxClient)(limits=pool)}
        return openai.AsyncOpenAI(**options)

    return make


OURS = Sdk("openai_async", openai_async, _ours)

SDKS = [
    OURS,
    Sdk(f"openai {openai.__version__}", openai, _official(None)),
    Sdk(f"openai {openai.__version__} on aiohttp", openai, _official(openai.DefaultAioHttpClient)),
]
