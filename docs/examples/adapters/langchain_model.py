"""LangChain on `openai_async`: a chat model for `ainvoke`, `astream`, tools and structured output.

    pip install langchain-core

It needs neither `langchain-openai` nor the official SDK. Errors are this package's own, and so are retries and time
limits. LangChain's synchronous methods are refused: there is no synchronous client.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NoReturn, TypeAlias

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.output_parsers.openai_tools import make_invalid_tool_call, parse_tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from openai_async import AsyncOpenAI
from openai_async.types.chat import ChatCompletion, ChatCompletionChunk
from openai_async.types.completion import Choice
from pydantic import ConfigDict, Field

__all__ = ["AsyncChatModel"]

Tool: TypeAlias = dict[str, Any] | type | Callable[..., Any] | BaseTool


class AsyncChatModel(BaseChatModel):
    """A chat model whose requests a client of ours sends.

        async with AsyncOpenAI() as client:
            model = AsyncChatModel(client=client, model="gpt-5.4", params={"temperature": 0.2})
            async for piece in model.astream("Tell me about the sea."):
                print(piece.text, end="")

    Attributes:
        client: It stays yours to close.
        model: Name of the model.
        params: Further arguments of every `create`: the API's parameters, `timeout`, `max_retries`, `extra_body` ….
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    client: AsyncOpenAI = Field(exclude=True, repr=False)
    model: str
    params: dict[str, Any] = {}

    @property
    def _llm_type(self) -> str:
        return "openai_async"

    @property
    def _identifying_params(self) -> dict[str, Any]:  # a cache's key
        return {"model": self.model, "base_url": self.client.base_url, **self.params}

    def _generate(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError("This model is async only: use ainvoke, astream or abatch.")

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, more: dict[str, Any]) -> dict[str, Any]:
        given = {**self.params, **more} if stop is None else {**self.params, **more, "stop": stop}
        return {"model": self.model, "messages": convert_to_openai_messages(messages), **given}

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **more: Any
    ) -> ChatResult:
        answer = await self.client.chat.completions.create(**self._request(messages, stop, more))
        generations = [ChatGeneration(message=_message(choice, answer)) for choice in answer.choices]
        return ChatResult(generations=generations, llm_output={"model_name": answer.model, "id": answer.id})

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **more: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = {"stream_options": {"include_usage": True}, **self._request(messages, stop, more), "stream": True}
        async with self.client.chat.completions.create(**request) as stream:  # left early, the request is aborted
            async for chunk in stream:
                piece = ChatGenerationChunk(message=_piece(chunk))
                if run_manager is not None:
                    await run_manager.on_llm_new_token(piece.text, chunk=piece)
                yield piece

    def bind_tools(
        self, tools: Sequence[Tool], *, tool_choice: str | dict[str, Any] | None = None, **more: Any
    ) -> Runnable[Any, AIMessage]:
        """Let the model call tools; `tool_choice` is "auto", "none", "any", a tool's name, or the API's own object."""
        if tool_choice == "any":
            tool_choice = "required"
        elif isinstance(tool_choice, str) and tool_choice not in {"auto", "none", "required"}:
            tool_choice = {"type": "function", "function": {"name": tool_choice}}
        chosen = {} if tool_choice is None else {"tool_choice": tool_choice}
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **chosen, **more)


def _message(choice: Choice, answer: ChatCompletion) -> AIMessage:
    said = choice.message
    message = AIMessage(
        content=said.content or "",
        additional_kwargs=_beside(said),
        response_metadata={"model_name": answer.model, "finish_reason": choice.finish_reason},
        usage_metadata=_usage(answer),
    )
    for call in said.tool_calls or []:
        raw = call.to_dict()
        try:
            if (parsed := parse_tool_call(raw, return_id=True)) is not None:  # None: a custom tool's
                message.tool_calls.append(parsed)
        except OutputParserException as error:  # arguments that are no JSON: the agent tells the model
            message.invalid_tool_calls.append(make_invalid_tool_call(raw, str(error)))
    return message


def _piece(chunk: ChatCompletionChunk) -> AIMessageChunk:
    choice = next((choice for choice in chunk.choices if choice.index == 0), None)
    if choice is None:  # usage, which comes last
        return AIMessageChunk(content="", usage_metadata=_usage(chunk))
    delta = choice.delta
    calls = [
        tool_call_chunk(id=call.id, index=call.index, name=made and made.name, args=made and made.arguments)
        for call in delta.tool_calls or []
        for made in [call.function]
    ]
    # Pieces are added to one another, and their texts joined: what is said once goes with the last one.
    last = {"model_name": chunk.model, "finish_reason": choice.finish_reason} if choice.finish_reason else {}
    return AIMessageChunk(
        content=delta.content or "",
        additional_kwargs=_beside(delta),
        response_metadata=last,
        tool_call_chunks=calls,
        usage_metadata=_usage(chunk),
    )


def _beside(said: Any) -> dict[str, Any]:
    """What is no answer and stands in `additional_kwargs`: a refusal, and the model's reasoning."""
    beside = {"refusal": said.refusal, "reasoning_content": said.reasoning}
    return {name: text for name, text in beside.items() if text}


def _usage(answer: Any) -> UsageMetadata | None:
    if (used := answer.usage) is None:
        return None
    sums = {"input_tokens": used.prompt_tokens, "output_tokens": used.completion_tokens}
    return UsageMetadata(**sums, total_tokens=used.total_tokens)
