"""The adapters for pydantic-ai and LangChain, against the embedded server: answers, streams, tools, errors, aborts."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.rawserver import RawServer, chunk, hello, sse

from openai_async import AsyncOpenAI, IncompleteStreamError, RateLimitError
from openai_async.server import Call, Fault, Script, Serving, serve

FOLDER = Path(__file__).parents[2] / "docs/examples/adapters"
QUESTION = "Tell me about the sea."
WEATHER = "What is the weather in Paris?"

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]


def load(name: str) -> Any:
    """An adapter, imported from its file."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # annotations are looked up there
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def asking(responder: Any = None) -> AsyncGenerator[tuple[AsyncOpenAI, Serving]]:
    """A client of the embedded server, and that server; both closed at the end."""
    async with serve(responder) as url, AsyncOpenAI(base_url=url, api_key="sk-1", max_retries=0) as client:
        yield client, url


async def endless(_request: dict[str, Any]) -> AsyncIterator[str]:
    """Answer for as long as somebody reads."""
    while True:
        yield "sea "
        await asyncio.sleep(0.01)


@dataclass
class Answer:
    """What a structured answer is here."""

    summary: str
    sources: list[str]


def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


class TestPydanticAI:
    """The adapter for pydantic-ai."""

    @pytest.fixture
    def ai(self) -> Any:
        """The library."""
        pytest.importorskip("pydantic_ai.models.openai")  # the adapter is for it
        return pytest.importorskip("pydantic_ai")  # the adapter is for it

    @pytest.fixture
    def adapter(self) -> Any:
        """The adapter."""
        pytest.importorskip("pydantic_ai.models.openai")  # the adapter is for it
        return load("pydantic_ai_model")

    async def test_an_agent_answers(self, ai: Any, adapter: Any) -> None:
        """Text and usage are the server's; what pydantic-ai leaves out is not sent."""
        async with asking() as (client, server):
            run = await ai.Agent(adapter.chat_model("demo", client)).run(QUESTION)
            sent = server.requests[0].json

        assert "sea" in run.output
        assert run.usage.output_tokens > 0
        assert sent == {"model": "demo", "messages": [{"role": "user", "content": QUESTION}], "stream": False}

    async def test_an_agent_streams(self, ai: Any, adapter: Any) -> None:
        """The pieces add up to the plain answer, with its usage and its logprobs."""
        settings = {"openai_logprobs": True}
        async with asking() as (client, _):
            agent = ai.Agent(adapter.chat_model("demo", client), model_settings=settings)
            plain = await agent.run(QUESTION)
            async with agent.run_stream(QUESTION) as run:
                said = "".join([piece async for piece in run.stream_text(delta=True, debounce_by=None)])
            details = run.all_messages()[-1].provider_details

        assert said == plain.output
        assert run.usage.output_tokens == plain.usage.output_tokens
        assert len(details["logprobs"]) == run.usage.output_tokens

    async def test_reasoning_is_a_thinking_part(self, ai: Any, adapter: Any) -> None:
        """A stream's chunks are this package's own, with everything that the server sent."""
        thought = [chunk(delta={"reasoning_content": "A "}), chunk(delta={"reasoning_content": "sea?"})]
        async with (
            RawServer(sse([*thought, *hello()])) as server,
            AsyncOpenAI(base_url=server.url, api_key="sk-1") as client,
            ai.Agent(adapter.chat_model("demo", client)).run_stream(QUESTION) as run,
        ):
            said = await run.get_output()
            parts = run.all_messages()[-1].parts

        assert said == "Hello"
        assert [(part.part_kind, part.content) for part in parts] == [("thinking", "A sea?"), ("text", "Hello")]

    @pytest.mark.parametrize("streamed", [False, True])
    async def test_an_agent_calls_tools(self, ai: Any, adapter: Any, *, streamed: bool) -> None:
        """The model's call reaches the function, and its result the model."""
        async with asking() as (client, server):
            agent = ai.Agent(adapter.chat_model("demo", client), tools=[get_weather])
            if streamed:
                async with agent.run_stream(WEATHER) as run:
                    said = await run.get_output()
            else:
                said = (await agent.run(WEATHER)).output
            told = server.requests[-1].json["messages"][-1]

        assert "sunny in Paris" in said
        assert (told["role"], told["content"]) == ("tool", "sunny in Paris")

    @pytest.mark.parametrize("output", ["ToolOutput", "NativeOutput"])
    async def test_an_agent_gives_objects(self, ai: Any, adapter: Any, output: str) -> None:
        """By a tool's arguments or by the API's own structured output."""
        async with asking() as (client, _):
            run = await ai.Agent(adapter.chat_model("demo", client), output_type=getattr(ai, output)(Answer)).run("Go")

        assert isinstance(run.output, Answer)

    @pytest.mark.parametrize(
        ("fault", "error", "status"),
        [
            (Fault(status=429, code="rate_limit_exceeded"), "ModelHTTPError", 429),
            (Fault(status=429, code="insufficient_quota"), "ModelHTTPError", 429),
            (Fault(status=404), "ModelHTTPError", 404),
            (Fault(status=418), "ModelHTTPError", 418),
            (Fault(drop=True, times=0), "ModelAPIError", None),
            (Fault(html=True), "ModelAPIError", None),
        ],
        ids=["rate", "quota", "missing", "teapot", "dropped", "html"],
    )
    async def test_errors_are_those_of_pydantic_ai(
        self, ai: Any, adapter: Any, fault: Fault, error: str, status: int | None
    ) -> None:
        """Whatever fails is the library's error for it, so that its fallbacks and retries work."""
        async with asking() as (client, server):
            server.add_fault(fault)
            agent = ai.Agent(adapter.chat_model("demo", client))
            with pytest.raises(getattr(ai.exceptions, error)) as caught:
                await agent.run(QUESTION)

        assert getattr(caught.value, "status_code", None) == status

    @pytest.mark.parametrize("fault", [Fault(cut_after=3), Fault(error_after=3)], ids=["cut", "error"])
    async def test_a_stream_that_breaks_off_is_an_error(self, ai: Any, adapter: Any, fault: Fault) -> None:
        """No half answer is taken for a whole one."""
        async with asking() as (client, server):
            server.add_fault(fault)
            agent = ai.Agent(adapter.chat_model("demo", client))
            with pytest.raises(ai.exceptions.ModelAPIError):
                async with agent.run_stream(QUESTION) as run:
                    await run.get_output()

    async def test_a_time_limit_is_an_error_of_pydantic_ai(self, ai: Any, adapter: Any) -> None:
        """A number in the settings is the whole call's."""
        async with asking() as (client, server):
            server.add_fault(Fault(delay=30))
            agent = ai.Agent(adapter.chat_model("demo", client))
            with pytest.raises(ai.exceptions.ModelAPIError, match="timed out"):
                await agent.run(QUESTION, model_settings={"timeout": 0.2})

    async def test_settings_of_a_run_hold(self, ai: Any, adapter: Any) -> None:
        """`max_retries` of the settings goes before the client's."""
        async with asking() as (client, server):
            server.add_fault(Fault(status=500))
            agent = ai.Agent(adapter.chat_model("demo", client))
            run = await agent.run(QUESTION, model_settings={"max_retries": 1, "temperature": 0.5})
            sent = [request.json["temperature"] for request in server.requests]

        assert "sea" in run.output
        assert sent == [0.5, 0.5]

    async def test_leaving_a_stream_aborts_the_request(self, ai: Any, adapter: Any) -> None:
        """The model stops with its reader."""
        async with asking(endless) as (client, server):
            agent = ai.Agent(adapter.chat_model("demo", client))
            async with agent.run_stream(QUESTION) as run, aclosing(run.stream_text(debounce_by=None)) as texts:
                await anext(texts)
            with anyio.fail_after(20):
                await server.wait_aborts(1)


class TestLangChain:
    """The adapter for LangChain."""

    @pytest.fixture
    def model(self) -> Any:
        """The adapter's class."""
        pytest.importorskip("langchain_core")  # the adapter is for it
        return load("langchain_model").AsyncChatModel

    async def test_a_model_answers(self, model: Any) -> None:
        """Text, usage and finish reason are the server's; the model's own parameters are sent, and a call's."""
        async with asking() as (client, server):
            said = await model(client=client, model="demo", params={"seed": 7}).ainvoke(QUESTION, stop=["zebra"])
            sent = server.requests[0].json

        assert "sea" in said.content
        assert said.usage_metadata["output_tokens"] > 0
        assert said.response_metadata["finish_reason"] == "stop"
        assert (sent["seed"], sent["stop"]) == (7, ["zebra"])

    async def test_a_model_streams(self, model: Any) -> None:
        """The pieces add up to the plain answer, with its usage."""
        async with asking() as (client, _):
            (plain,) = await model(client=client, model="demo").abatch([QUESTION])
            pieces = [piece async for piece in model(client=client, model="demo").astream(QUESTION)]
        whole = sum(pieces[1:], start=pieces[0])

        assert len(pieces) > 10
        assert whole.content == plain.content
        assert whole.usage_metadata == plain.usage_metadata
        assert whole.response_metadata["finish_reason"] == "stop"

    async def test_tools_are_called_and_told(self, model: Any) -> None:
        """Plain and streamed calls are the same, and LangChain's own messages go back to the model."""
        messages = pytest.importorskip("langchain_core.messages")  # the adapter is for it
        tool = pytest.importorskip("langchain_core.tools").tool(get_weather)  # the adapter is for it
        async with asking() as (client, server):
            bound = model(client=client, model="demo").bind_tools([tool])
            asked = [messages.SystemMessage("Be brief."), messages.HumanMessage(WEATHER)]
            call = await bound.ainvoke(asked)
            pieces = [piece async for piece in bound.astream(asked)]
            answer = await bound.ainvoke([*asked, call, await tool.ainvoke(call.tool_calls[0])])
            roles = [message["role"] for message in server.requests[-1].json["messages"]]
        streamed = sum(pieces[1:], start=pieces[0])

        assert call.tool_calls[0]["args"] == {"city": "Paris"}
        assert streamed.tool_calls == call.tool_calls
        assert "sunny in Paris" in answer.content
        assert roles == ["system", "user", "assistant", "tool"]

    @pytest.mark.parametrize(
        ("choice", "sent"),
        [
            ("any", "required"),
            ("get_weather", {"type": "function", "function": {"name": "get_weather"}}),
            ("none", "none"),
            (None, None),
        ],
    )
    async def test_tool_choices(self, model: Any, choice: Any, sent: Any) -> None:
        """LangChain's words for a choice are the API's."""
        async with asking() as (client, server):
            await model(client=client, model="demo").bind_tools([get_weather], tool_choice=choice).ainvoke("Hi")
            body = server.requests[0].json

        assert body.get("tool_choice") == sent

    async def test_structured_output(self, model: Any) -> None:
        """LangChain's own way to objects works."""
        pydantic = pytest.importorskip("pydantic")  # what users of that library describe objects with
        shape = pydantic.create_model("Answer", __doc__="An answer.", summary=(str, ...), sources=(list[str], ...))
        async with asking() as (client, _):
            answer = await model(client=client, model="demo").with_structured_output(shape).ainvoke(QUESTION)

        assert isinstance(answer, shape)

    async def test_arguments_that_are_no_json_are_told(self, model: Any) -> None:
        """They stand among the invalid calls, for the agent to tell the model."""
        async with asking(Script([[Call("get_weather", '{"city": ')]])) as (client, _):
            said = await model(client=client, model="demo").bind_tools([get_weather]).ainvoke(WEATHER)

        assert said.tool_calls == []
        assert said.invalid_tool_calls[0]["args"] == '{"city": '

    @pytest.mark.parametrize("streamed", [False, True])
    async def test_what_is_no_answer_stands_beside_it(self, model: Any, *, streamed: bool) -> None:
        """A refusal is no content."""
        async with asking() as (client, _):
            asked = model(client=client, model="demo")
            if streamed:
                pieces = [piece async for piece in asked.astream("Please refuse.")]
                said = sum(pieces[1:], start=pieces[0])
            else:
                said = await asked.ainvoke("Please refuse.")

        assert said.content == ""
        assert said.additional_kwargs["refusal"]

    async def test_reasoning_stands_beside_the_answer(self, model: Any) -> None:
        """It comes first, in pieces, by the names that vendors give it."""
        thought = [chunk(delta={"reasoning_content": "A "}), chunk(delta={"reasoning_content": "sea?"})]
        async with (
            RawServer(sse([*thought, *hello()])) as server,
            AsyncOpenAI(base_url=server.url, api_key="sk-1") as client,
        ):
            pieces = [piece async for piece in model(client=client, model="demo").astream(QUESTION)]
        said = sum(pieces[1:], start=pieces[0])

        assert said.additional_kwargs["reasoning_content"] == "A sea?"
        assert said.content == "Hello"

    async def test_errors_are_ours(self, model: Any) -> None:
        """A refusal by the API keeps its class, and a stream that broke off is an error."""
        async with asking() as (client, server):
            server.add_fault(Fault(status=429))
            with pytest.raises(RateLimitError):
                await model(client=client, model="demo").ainvoke(QUESTION)
            server.add_fault(Fault(cut_after=3))
            with pytest.raises(IncompleteStreamError):
                [piece async for piece in model(client=client, model="demo").astream(QUESTION)]

    async def test_leaving_a_stream_aborts_the_request(self, model: Any) -> None:
        """The model stops with its reader."""
        async with asking(endless) as (client, server):
            async with aclosing(model(client=client, model="demo").astream(QUESTION)) as pieces:
                await anext(pieces)
            with anyio.fail_after(20):
                await server.wait_aborts(1)

    async def test_synchronous_methods_are_refused(self, model: Any) -> None:
        """With what to use instead."""
        async with asking() as (client, _):
            asked = model(client=client, model="demo")
            with pytest.raises(NotImplementedError, match="ainvoke"):
                asked.invoke(QUESTION)


@pytest.mark.parametrize("name", ["langchain_model", "pydantic_ai_model"])
def test_adapters_are_thin(name: str) -> None:
    """An adapter has fewer than 150 lines."""
    assert len((FOLDER / f"{name}.py").read_text().splitlines()) < 150
