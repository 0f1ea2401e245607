"""pydantic-ai on `openai_async`: its own OpenAI model, with this package's client in the place of the official one.

    pip install 'pydantic-ai-slim[openai]'

pydantic-ai's `OpenAIChatModel` speaks the official SDK: it leaves arguments out by the SDK's sentinels, asks whether an
answer is one of the SDK's classes, and catches the SDK's errors. `OfficialShape` translates these three. A stream's
chunks go through as they are: pydantic-ai only reads their attributes, which have the same names.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Self

import httpx2  # what the official SDK stands on
import openai
from openai.types.chat import ChatCompletion
from openai_async import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    ChatStream,
    Timeout,
)
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

__all__ = ["OfficialShape", "chat_model"]


def chat_model(name: str, client: AsyncOpenAI, **options: Any) -> OpenAIChatModel:
    """Return a model for pydantic-ai's agents.

        async with AsyncOpenAI() as client:
            agent = Agent(chat_model("gpt-5.4", client))

    Args:
        name: Of the model.
        client: Whose retries and time limits hold. It stays yours to close.
        options: `profile` and `settings`, as `OpenAIChatModel` takes them.
    """
    shape: Any = OfficialShape(client)
    return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=shape), **options)


class OfficialShape:
    """A client of ours as code of the official SDK sees one: `base_url`, `with_options`, `chat.completions.create`.

    Args:
        client: What sends the requests.
    """

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client  # pydantic-ai hands it to `with_options`, as `http_client`
        self.base_url = client.base_url
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self._create))

    def with_options(self, *, max_retries: int, **_: Any) -> OfficialShape:
        """Return a client that tries again as often as pydantic-ai's settings say."""
        return OfficialShape(self._client.with_options(max_retries=max_retries))

    async def _create(self, **params: Any) -> ChatCompletion | _Stream:
        """Do as the official `create`; cancelling it aborts the request."""
        given = {name: value for name, value in params.items() if not isinstance(value, openai.Omit | openai.NotGiven)}
        if isinstance(limits := given.get("timeout"), httpx2.Timeout):
            given["timeout"] = Timeout(
                connect=limits.connect, first_token=limits.read, idle=limits.read, pool=limits.pool
            )
        try:
            answer: Any = await self._client.chat.completions.create(**given)
        except APIError as error:
            raise officially(error) from error
        return _Stream(answer) if isinstance(answer, ChatStream) else ChatCompletion.construct(**answer.to_dict())


class _Stream:
    """A stream of ours whose errors are the official ones."""

    def __init__(self, stream: ChatStream[Any]) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._stream)
        except APIError as error:
            raise officially(error) from error

    async def close(self) -> None:
        """Close the stream; a request under way is aborted."""
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def officially(error: APIError) -> openai.APIError:
    """Return the official SDK's error for one of ours, with the status, the headers and the body that it needs."""
    request = httpx2.Request("POST", "/chat/completions")
    if isinstance(error, APITimeoutError):
        return openai.APITimeoutError(request)
    if isinstance(error, APIConnectionError):  # an answer that broke off is one, too
        return openai.APIConnectionError(message=error.message, request=request)
    if isinstance(error, APIStatusError) and error.status_code is not None:
        known = (getattr(openai, cls.__name__, None) for cls in type(error).__mro__)
        kind: Any = next(filter(None, known))
        response = httpx2.Response(error.status_code, headers=error.headers, request=request)
        return kind(error.message, response=response, body=error.body)
    return openai.APIError(error.message, request, body=error.body)
