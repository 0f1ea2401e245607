"""An async-first streaming SDK for the Chat Completions API.

    from openai_async import AsyncOpenAI

    async with AsyncOpenAI() as client:
        async with client.chat.completions.create(model=…, messages=…, stream=True) as stream:
            async for chunk in stream:
                print(chunk.text, end="", flush=True)

Importing it is cheap: aiohttp loads with the first client.
"""

from __future__ import annotations

from .api.call import Call
from .api.client import AsyncOpenAI
from .api.response import ResponseInfo, Timing
from .api.stream import ChatStream
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
    PermissionDeniedError,
    RateLimitError,
    StreamProtocolError,
    StreamStateError,
    UnprocessableEntityError,
)
from .protocol.chunks import DONE, ChunkDecoder
from .protocol.eventtypes import StreamEvent
from .protocol.snapshot import ChatCompletionAccumulator
from .protocol.sse import EventParser, ServerSentEvent, encode
from .types.chunk import ChatCompletionChunk
from .types.completion import ChatCompletion
from .types.options import NOT_GIVEN, NotGiven, Omit, Timeout, not_given, omit
from .version import __version__

__all__ = [
    "DONE",
    "NOT_GIVEN",
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncOpenAI",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "Call",
    "ChatCompletion",
    "ChatCompletionAccumulator",
    "ChatCompletionChunk",
    "ChatStream",
    "ChunkDecoder",
    "ConflictError",
    "ContentFilterFinishReasonError",
    "EventParser",
    "IncompleteStreamError",
    "InsufficientQuotaError",
    "InternalServerError",
    "LengthFinishReasonError",
    "NotFoundError",
    "NotGiven",
    "Omit",
    "OpenAIError",
    "PermissionDeniedError",
    "RateLimitError",
    "ResponseInfo",
    "ServerSentEvent",
    "StreamEvent",
    "StreamProtocolError",
    "StreamStateError",
    "Timeout",
    "Timing",
    "UnprocessableEntityError",
    "__version__",
    "encode",
    "not_given",
    "omit",
]
