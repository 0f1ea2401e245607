"""An async-first streaming SDK for the Chat Completions API.

    from openai_async import AsyncOpenAI

    async with AsyncOpenAI() as client:
        async with client.chat.completions.create(model=…, messages=…, stream=True) as stream:
            async for chunk in stream:
                print(chunk.text, end="", flush=True)

Importing it is cheap: aiohttp loads with the first client.
"""

from __future__ import annotations

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
from .version import __version__

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
