"""An async-first streaming SDK for the Chat Completions API.

    from openai_async import AsyncOpenAI

    async with AsyncOpenAI() as client:
        async with client.chat.completions.create(model=…, messages=…, stream=True) as stream:
            async for chunk in stream:
                print(chunk.text, end="", flush=True)

Importing it is cheap: each name loads with its first use, aiohttp with the first client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .api.azure import AsyncAzureOpenAI
    from .api.call import Call
    from .api.client import AsyncOpenAI
    from .api.pages import AsyncCursorPage, CursorPage
    from .api.raw import RawResponse
    from .api.response import ResponseInfo, Timing
    from .api.runevents import ToolRun, ToolRunEvent
    from .api.runner import ToolRunner
    from .api.state import ChatCompletionStreamState
    from .api.stream import ChatStream, EventStream
    from .api.streamed import StreamedResponse
    from .api.tools import FunctionTool, function_tool, pydantic_function_tool
    from .errors import (
        APIConnectionError,
        APIError,
        APIResponseValidationError,
        APIStatusError,
        APITimeoutError,
        Attempt,
        AuthenticationError,
        BadRequestError,
        ConflictError,
        ContentFilterFinishReasonError,
        IncompleteStreamError,
        InsufficientQuotaError,
        InternalServerError,
        LengthFinishReasonError,
        NotFoundError,
        OpenAIError,
        OutputParseError,
        PermissionDeniedError,
        RateLimitError,
        StreamProtocolError,
        StreamStateError,
        ToolLoopError,
        UnprocessableEntityError,
    )
    from .protocol.chunks import DONE, ChunkDecoder
    from .protocol.eventtypes import ChatCompletionStreamEvent, StreamEvent
    from .protocol.snapshot import ChatCompletionAccumulator
    from .protocol.sse import EventParser, ServerSentEvent, encode
    from .transport.limits import Limiter, Permit, RateLimit, RateLimitInfo
    from .types.chunk import ChatCompletionChunk
    from .types.completion import ChatCompletion
    from .types.options import NOT_GIVEN, NotGiven, Omit, Timeout, not_given, omit
    from .types.parsed import ParsedChatCompletion

__all__ = [
    "DONE",
    "NOT_GIVEN",
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncAzureOpenAI",
    "AsyncCursorPage",
    "AsyncOpenAI",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "Call",
    "ChatCompletion",
    "ChatCompletionAccumulator",
    "ChatCompletionChunk",
    "ChatCompletionStreamEvent",
    "ChatCompletionStreamState",
    "ChatStream",
    "ChunkDecoder",
    "ConflictError",
    "ContentFilterFinishReasonError",
    "CursorPage",
    "EventParser",
    "EventStream",
    "FunctionTool",
    "IncompleteStreamError",
    "InsufficientQuotaError",
    "InternalServerError",
    "LengthFinishReasonError",
    "Limiter",
    "NotFoundError",
    "NotGiven",
    "Omit",
    "OpenAIError",
    "OutputParseError",
    "ParsedChatCompletion",
    "PermissionDeniedError",
    "Permit",
    "RateLimit",
    "RateLimitError",
    "RateLimitInfo",
    "RawResponse",
    "ResponseInfo",
    "ServerSentEvent",
    "StreamEvent",
    "StreamProtocolError",
    "StreamStateError",
    "StreamedResponse",
    "Timeout",
    "Timing",
    "ToolLoopError",
    "ToolRun",
    "ToolRunEvent",
    "ToolRunner",
    "UnprocessableEntityError",
    "__version__",
    "encode",
    "function_tool",
    "not_given",
    "omit",
    "pydantic_function_tool",
]

# The same names again, for `__getattr__` (PEP 562): a program that streams needs neither the Azure client nor what runs
# tools, and they are a third of all that would be imported. tests/test_package.py holds both lists together.
_HOMES = {
    "api.azure": ("AsyncAzureOpenAI",),
    "api.call": ("Call",),
    "api.client": ("AsyncOpenAI",),
    "api.pages": (
        "AsyncCursorPage",
        "CursorPage",
    ),
    "api.raw": ("RawResponse",),
    "api.response": (
        "ResponseInfo",
        "Timing",
    ),
    "api.runevents": (
        "ToolRun",
        "ToolRunEvent",
    ),
    "api.runner": ("ToolRunner",),
    "api.state": ("ChatCompletionStreamState",),
    "api.stream": (
        "ChatStream",
        "EventStream",
    ),
    "api.streamed": ("StreamedResponse",),
    "api.tools": (
        "FunctionTool",
        "function_tool",
        "pydantic_function_tool",
    ),
    "errors": (
        "APIConnectionError",
        "APIError",
        "APIResponseValidationError",
        "APIStatusError",
        "APITimeoutError",
        "Attempt",
        "AuthenticationError",
        "BadRequestError",
        "ConflictError",
        "ContentFilterFinishReasonError",
        "IncompleteStreamError",
        "InsufficientQuotaError",
        "InternalServerError",
        "LengthFinishReasonError",
        "NotFoundError",
        "OpenAIError",
        "OutputParseError",
        "PermissionDeniedError",
        "RateLimitError",
        "StreamProtocolError",
        "StreamStateError",
        "ToolLoopError",
        "UnprocessableEntityError",
    ),
    "protocol.chunks": (
        "DONE",
        "ChunkDecoder",
    ),
    "protocol.eventtypes": (
        "ChatCompletionStreamEvent",
        "StreamEvent",
    ),
    "protocol.snapshot": ("ChatCompletionAccumulator",),
    "protocol.sse": (
        "EventParser",
        "ServerSentEvent",
        "encode",
    ),
    "transport.limits": (
        "Limiter",
        "Permit",
        "RateLimit",
        "RateLimitInfo",
    ),
    "types.chunk": ("ChatCompletionChunk",),
    "types.completion": ("ChatCompletion",),
    "types.options": (
        "NOT_GIVEN",
        "NotGiven",
        "Omit",
        "Timeout",
        "not_given",
        "omit",
    ),
    "types.parsed": ("ParsedChatCompletion",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
# `openai_async.errors` works after `import openai_async`.
_PARTS = frozenset({"bulk", "errors", "hooks", "relay", "server", "testing", "types"})


def __getattr__(name: str) -> Any:
    """Load a public name, once."""
    if (home := _HOME_OF.get(name)) is not None:
        value = getattr(import_module(f"{__name__}.{home}"), name)
        globals()[name] = value
        return value
    if name in _PARTS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted({*globals(), *__all__, *_PARTS})
