"""A run of tools on a scripted transport: what is asked, what is called, and how it all ends."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import dataclasses
import datetime as dt
import enum
import functools
import gc
import json
import pickle
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Callable
from types import MappingProxyType
from typing import Any

import anyio.lowlevel
import msgspec
import pytest
from pydantic import BaseModel
from support import clock
from support.names import name_of
from support.rawserver import chunk, completion, event
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport

from openai_async import AsyncOpenAI, errors, function_tool, omit
from openai_async.api.runner import ToolRunner
from openai_async.types.completion import ChatCompletionMessage

MESSAGES: Any = [{"role": "user", "content": "What is the weather in Paris?"}]

anyio_test = pytest.mark.anyio


def call(name: str = "get", arguments: Any = "{}", *, id: str | None = "call_1", custom: bool = False) -> Any:
    """A tool call, as an answer has it."""
    if custom:
        made: dict[str, Any] = {"type": "custom", "custom": {"name": name, "input": arguments}}
    else:
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        made = {"type": "function", "function": {"name": name, "arguments": text}}
    return made if id is None else {"id": id, **made}


def calling(*calls: Any, finish: str = "tool_calls", content: str | None = None, **fields: Any) -> ScriptedResponse:
    """A plain answer that calls tools."""
    message = {"role": "assistant", "content": content, "tool_calls": list(calls)}
    return plain(completion(choices=[{"index": 0, "message": message, "finish_reason": finish}], **fields))


def saying(content: str = "It is sunny.", **fields: Any) -> ScriptedResponse:
    """A plain answer that is the last one."""
    return plain(completion(content, **fields))


def plain(payload: Any) -> ScriptedResponse:
    """A plain answer."""
    return ScriptedResponse(json.dumps(payload).encode())


def streamed(*payloads: Any) -> ScriptedResponse:
    """A streamed answer."""
    return ScriptedResponse(*map(event, [*payloads, "[DONE]"]), headers=EVENT_STREAM)


def streamed_call(name: str, *arguments: str) -> ScriptedResponse:
    """A streamed answer that calls one tool, its arguments in pieces."""
    begin = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": piece}} for piece in arguments]
    deltas = [chunk(delta={"tool_calls": [piece]}) for piece in (begin, *pieces)]
    return streamed(chunk(delta={"role": "assistant"}), *deltas, chunk(finish="tool_calls"))


class Scene:
    """A client whose transport plays a script."""

    def __init__(self, *script: ScriptedResponse | Exception) -> None:
        self.transport = ScriptedTransport(script)
        self.completions = AsyncOpenAI(api_key="k", max_retries=0, transport=self.transport).chat.completions

    def run(self, *tools: Any, stream: bool = False, given: Any = None, **params: Any) -> ToolRunner[Any]:
        """Begin a run."""
        names = ("max_turns", "tool_timeout", "on_tool_error")
        settings = {name: params.pop(name) for name in names if name in params}
        params = {"model": "m", "messages": MESSAGES, **params}
        ask: Any = self.completions.stream if stream else self.completions.parse
        return ToolRunner(ask, params, tools=tools if given is None else given, stream=stream, **settings)

    @property
    def bodies(self) -> list[Any]:
        """What was sent."""
        return [json.loads(request.body or b"") for request in self.transport.requests]

    @property
    def told(self) -> list[str]:
        """What the last request tells of tools' results."""
        return [message["content"] for message in self.bodies[-1]["messages"] if message["role"] == "tool"]


async def told(tool: Callable[..., Any], *calls: Any, **settings: Any) -> list[str]:
    """What the model is told after it made `calls`, by default one without arguments."""
    scene = Scene(calling(*(calls or [call(getattr(tool, "__name__", "get"))])), saying())
    await scene.run(tool, **settings)
    return scene.told


def get() -> str:
    """Get it."""
    return "got"


# The conversation.


@anyio_test
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_without_calls(stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """A run that calls nothing is one turn."""
    answer = streamed(chunk("Hel"), chunk("lo"), chunk(finish="stop")) if stream else saying("Hello")
    scene = Scene(answer)

    run = await scene.run(get, stream=stream)

    assert (run.content, run.turns, run.calls) == ("Hello", 1, [])
    assert run.message is run.completion.choices[0].message
    assert run.messages == [*MESSAGES, {"role": "assistant", "content": "Hello"}]


@anyio_test
async def test_a_call_is_answered() -> None:
    """The tool gets the model's arguments, and the model what the tool returned."""
    scene = Scene(calling(call("add", {"a": 2, "b": 3})), saying("5"))

    async def add(a: int, b: int) -> int:
        return a + b

    run = await scene.run(add, temperature=0)

    first, second = scene.bodies
    assert first["messages"] == MESSAGES
    assert first["temperature"] == second["temperature"] == 0
    assert first["tools"] == second["tools"] == [dict(function_tool(add))]
    assert second["messages"] == [
        *MESSAGES,
        {"role": "assistant", "content": None, "tool_calls": [call("add", {"a": 2, "b": 3})]},
        {"role": "tool", "tool_call_id": "call_1", "content": "5"},
    ]
    assert run.messages == [*second["messages"], {"role": "assistant", "content": "5"}]
    assert [(done.name, done.id, done.result, done.error, done.made) for done in run.calls] == [
        ("add", "call_1", 5, None, True)
    ]
    assert [each.choices[0].finish_reason for each in run.completions] == ["tool_calls", "stop"]


@anyio_test
async def test_messages_of_all_kinds() -> None:
    """Messages may come as any iterable, the model's own as they came; they leave as plain dicts."""
    scene = Scene(saying())
    own = ChatCompletionMessage(content="Hello")

    run = await scene.run(get, messages=(message for message in [*MESSAGES, own]))

    assert run.messages[:2] == [*MESSAGES, {"role": "assistant", "content": "Hello"}]


@anyio_test
async def test_usage_is_summed() -> None:
    """The run's usage has all turns' tokens by kind, vendors' numbers too; without any there is none."""
    first = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.5, "tier": "a"}
    second = {**first, "prompt_tokens_details": {"cached_tokens": 4}, "tier": "b"}
    third = {**first, "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 1}, "is_byok": True}
    scene = Scene(calling(call(), usage=first), calling(call(), usage=second), saying(usage=third))

    run = await scene.run(get)

    assert run.usage is not None
    assert run.usage.to_dict() == {
        "prompt_tokens": 3,
        "completion_tokens": 6,
        "total_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 9, "audio_tokens": 1},
        "cost": 1.5,
        "tier": "a",
        "is_byok": True,
    }
    assert (await Scene(saying(usage=None)).run(get)).usage is None


@anyio_test
async def test_ids_are_made_where_they_miss() -> None:
    """Calls without an id, or with the id of another, get one of their own."""
    scene = Scene(calling(call(id=None), call(id=""), call(id="a"), call(id="a")), saying())

    run = await scene.run(get)

    ids = [made["id"] for made in run.messages[1]["tool_calls"]]
    assert ids == [message["tool_call_id"] for message in run.messages[2:6]]
    assert len(set(ids)) == 4
    assert ids[2] == "a"
    assert all(made.startswith("call_") for made in (ids[0], ids[1], ids[3]))


@anyio_test
async def test_an_idempotency_key_is_no_other_requests() -> None:
    """Each turn is a request of its own, and has a key of its own."""
    scene = Scene(calling(call()), saying())

    await scene.run(get, idempotency_key="k1")

    assert [request.headers["idempotency-key"] for request in scene.transport.requests] == ["k1", "k1-2"]


# What tools are.


@anyio_test
async def test_dicts_that_hold_a_function() -> None:
    """A dict's function is called and not sent, of a custom tool with the input as it is."""
    scene = Scene(calling(call("add", {"a": 1, "b": 2}), call("shout", "hi", id="call_2", custom=True)), saying())
    add: Any = {"name": "add", "parameters": {"type": "object"}, "function": lambda a, b: a + b}
    tools = [
        {"type": "function", "function": add},
        {"type": "custom", "custom": {"name": "shout", "function": str.upper}},
    ]

    await scene.run(*tools)

    assert scene.told == ["3", "HI"]
    assert scene.bodies[0]["tools"] == [
        {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}},
        {"type": "custom", "custom": {"name": "shout"}},
    ]


class Arguments(msgspec.Struct):
    city: str


@pytest.mark.parametrize(
    ("tools", "error", "text"),
    [
        ([Arguments], TypeError, "'Arguments' has no function"),
        ([{"type": "function", "function": {"name": "f"}}], TypeError, "'f' has no function"),
        ([{"type": "custom", "custom": {"name": "f"}}], TypeError, "'f' has no function"),
        ([{"type": "function"}], TypeError, "a tool is"),
        ([{"type": "other", "other": {"name": "f"}}], TypeError, "a tool is"),
        ([1], TypeError, "not a int"),
        ("get", TypeError, "a list of tools, not str"),
        (get, TypeError, "a list of tools, not function"),
        ([get, get], ValueError, "two tools are called 'get'"),
    ],
)
def test_what_no_tool_is(tools: Any, error: type[Exception], text: str) -> None:
    """What can't be called is refused before anything is sent."""
    with pytest.raises(error, match=text):
        Scene().run(given=tools)


@anyio_test
async def test_no_tools() -> None:
    """Without a single tool none are sent."""
    scene = Scene(saying())

    assert (await scene.run()).content == "It is sunny."
    assert "tools" not in scene.bodies[0]


@pytest.mark.parametrize(
    ("params", "error", "text"),
    [
        ({"n": 2}, ValueError, "leave n out"),
        ({"max_turns": 0}, ValueError, "max_turns is 1 or more"),
        ({"tool_timeout": 0}, ValueError, "seconds above 0"),
        ({"on_tool_error": "ignore"}, ValueError, "'raise', 'answer' or a function"),
        ({"temprature": 1}, TypeError, r"run_tools\(\) .* did you mean 'temperature'"),
        ({"messages": "hi"}, TypeError, "list of messages"),
        ({"messages": omit}, TypeError, "misses the required argument 'messages'"),
    ],
)
def test_arguments_that_cannot_be(params: Any, error: type[Exception], text: str) -> None:
    """A mistake shows where it was made."""
    with pytest.raises(error, match=text):
        Scene().run(get, **params)


@anyio_test
@pytest.mark.parametrize("n", [1, None, omit])
async def test_one_answer(n: Any) -> None:
    """One answer may be asked for in any way."""
    assert (await Scene(saying()).run(get, n=n)).turns == 1


# How they are called.


@anyio_test
async def test_calls_run_at_the_same_time_and_are_told_in_order() -> None:
    """Two tools that wait for each other both end; results keep the calls' order."""
    first, second = asyncio.Event(), asyncio.Event()

    async def one() -> str:
        first.set()
        await second.wait()
        return "1"

    async def two() -> str:
        await first.wait()
        second.set()
        return "2"

    scene = Scene(calling(call("one"), call("two", id="call_2")), saying())
    order = [event.name async for event in scene.run(one, two) if event.type == "run.tool.done"]

    assert order == ["two", "one"]
    assert scene.told == ["1", "2"]


@anyio_test
async def test_calls_one_after_the_other() -> None:
    """Without parallel calls, each begins when the one before is done."""
    scene = Scene(calling(call(), call(id="call_2")), saying())

    run = scene.run(get, parallel_tool_calls=False)
    events = [(event.type, event.id) async for event in run if event.type.startswith("run.tool")]

    assert events == [
        ("run.tool.started", "call_1"),
        ("run.tool.done", "call_1"),
        ("run.tool.started", "call_2"),
        ("run.tool.done", "call_2"),
    ]
    assert scene.bodies[0]["parallel_tool_calls"] is False


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


@anyio_test
async def test_sync_functions_run_in_a_thread() -> None:
    """A sync function blocks no loop, and sees the caller's context variables."""
    variable.set("seen")

    def where() -> str:
        return f"{threading.current_thread() is threading.main_thread()} {variable.get()}"

    async def here() -> str:
        return f"{threading.current_thread() is threading.main_thread()} {variable.get()}"

    assert await told(where) == ["False seen"]
    assert await told(here) == ["True seen"]


class Asynchronous:
    """A callable that is a coroutine function, and has a method that is one."""

    async def __call__(self) -> str:
        """Call."""
        return threading.current_thread().name

    async def method(self) -> str:
        """Call."""
        return threading.current_thread().name


@anyio_test
@pytest.mark.parametrize(
    "tool",
    [
        function_tool(Asynchronous(), name="get"),
        function_tool(Asynchronous().method, name="get"),
        function_tool(functools.partial(Asynchronous().method), name="get"),
        {"type": "function", "function": {"name": "get", "function": lambda: Asynchronous().method()}},
    ],
    ids=["object", "method", "partial", "lambda"],
)
async def test_ways_to_be_async(tool: Any) -> None:
    """Whatever gives a coroutine is awaited in the loop."""
    assert await told(tool) == [threading.main_thread().name]


def test_a_tool_that_takes_too_long() -> None:
    """After `tool_timeout` an async tool is cancelled, and the model is told; others are not held up."""
    cancelled: list[str] = []

    async def slow() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.append("slow")
            raise
        return "late"

    async def quick() -> str:
        return "quick"

    async def main() -> Any:
        scene = Scene(calling(call("slow"), call("quick", id="call_2")), saying())
        run = await scene.run(slow, quick, tool_timeout=30)
        return scene.told, [type(done.error) for done in run.calls]

    assert clock.run(main()) == (
        ["Error: slow gave no result within 30 seconds.", "quick"],
        [TimeoutError, type(None)],
    )
    assert cancelled == ["slow"]


@anyio_test
async def test_a_thread_that_takes_too_long() -> None:
    """Nobody waits for a thread that is late."""
    released = threading.Event()

    def slow() -> None:
        released.wait(30)

    try:
        assert await told(slow, tool_timeout=0.01) == ["Error: slow gave no result within 0.01 seconds."]
    finally:
        released.set()


# What the model did wrong.


@anyio_test
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("made", "text"),
    [
        (call("nope"), 'There is no function "nope". Available: "add", "get". Please try again.'),
        (call("add", "hi", custom=True), 'There is no custom tool "add". Available: none. Please try again.'),
        (call("add", '{"a": 1'), 'The arguments of "add" are wrong: Input data was truncated. Please try again.'),
        (
            call("add", {"a": "x", "b": 1}),
            'The arguments of "add" are wrong: Expected `int`, got `str` at $.a. Please try again.',
        ),
        (call("add", "[1]"), 'The arguments of "add" are wrong: Expected `object`, got `array`. Please try again.'),
    ],
    ids=["unknown", "custom", "broken", "misfit", "no object"],
)
async def test_wrong_calls_are_told_to_the_model(made: Any, text: str, stream: bool) -> None:  # noqa: FBT001 - a column
    """A call that can't be made is answered with what is wrong, and the run goes on."""

    def add(a: int, b: int) -> int:
        return a + b

    first, last = calling(made), saying()
    if stream:
        last = streamed(chunk("It is sunny."), chunk(finish="stop"))
        first = streamed(
            chunk(delta={"role": "assistant", "tool_calls": [{"index": 0, **made}]}), chunk(finish="tool_calls")
        )
    scene = Scene(first, last)

    run = await scene.run(add, get, stream=stream, on_tool_error="raise")

    assert scene.told == [text]
    assert run.content == "It is sunny."
    assert [(done.made, type(done.error)) for done in run.calls] == [(False, type(run.calls[0].error))]
    assert isinstance(run.calls[0].error, LookupError | errors.OutputParseError)


@anyio_test
async def test_no_arguments_at_all() -> None:
    """A tool without parameters may be called with no text for its arguments."""
    assert await told(get, call(arguments="")) == ["got"]


# What tools did wrong.


class BrokenToolError(Exception):
    """What a tool raises."""


async def broken() -> None:
    """Break."""
    raise BrokenToolError("it broke")


@anyio_test
async def test_an_exception_ends_the_run() -> None:
    """The tool's very exception is raised; the other tools were cancelled, and had time to end."""
    ended: list[str] = []
    waiting = asyncio.Event()

    async def other() -> None:
        try:
            waiting.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("other")

    async def fails() -> None:
        await waiting.wait()
        raise BrokenToolError("it broke")

    scene = Scene(calling(call("other"), call("fails", id="call_2")))
    runner = scene.run(other, fails)
    with pytest.raises(BrokenToolError, match="it broke") as caught:
        await runner

    assert caught.value.__context__ is None
    assert ended == ["other"]
    assert runner.snapshot.turns == 1
    assert runner.snapshot.messages == MESSAGES
    with pytest.raises(BrokenToolError):
        await runner.final()


@anyio_test
async def test_an_exception_is_told() -> None:
    """With "answer", the model is told the exception; a function chooses what it is told, or raises by None."""
    seen: list[Any] = []

    def policy(error: Exception, made: Any) -> str | None:
        seen.append((type(error), made.function.name))
        return "sorry"

    assert await told(broken, on_tool_error="answer") == ["Error: BrokenToolError: it broke"]
    assert await told(broken, on_tool_error=policy) == ["sorry"]
    assert seen == [(BrokenToolError, "broken")]
    with pytest.raises(BrokenToolError):
        await told(broken, on_tool_error=lambda *_: None)


@anyio_test
async def test_the_event_of_an_exception() -> None:
    """A tool that ends the run is told of by its last event first."""
    events: list[Any] = []
    runner = Scene(calling(call("broken"))).run(broken)

    async def read() -> None:
        async for each in runner:
            events.append(each)  # noqa: PERF401 - those before the error count

    with pytest.raises(BrokenToolError):
        await read()

    assert [each.type for each in events] == ["run.turn.started", "run.tool.started", "run.tool.done"]
    assert (events[-1].content, events[-1].result, type(events[-1].error)) == (None, None, BrokenToolError)


@anyio_test
async def test_a_tool_that_was_cancelled_from_inside() -> None:
    """A tool that waits for what others cancelled failed; the run was not cancelled."""

    async def waits() -> None:
        task = asyncio.create_task(asyncio.sleep(3600))
        task.cancel()
        await task

    with pytest.raises(RuntimeError, match="'waits' was cancelled from inside"):
        await told(waits)


# Results.


class Point(msgspec.Struct):
    x: int


@dataclasses.dataclass
class Line:
    points: list[Point]


class Colour(BaseModel):
    name: str
    when: dt.date


class Level(enum.Enum):
    HIGH = "high"


@anyio_test
@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("as it is", "as it is"),
        ("", ""),
        (None, "null"),
        (1.5, "1.5"),
        (True, "true"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        ({1: "a"}, '{"1":"a"}'),
        (MappingProxyType({"a": Point(1)}), '{"a":{"x":1}}'),
        ([Line([Point(1)])], '[{"points":[{"x":1}]}]'),
        ({"c": Colour(name="red", when=dt.date(2026, 1, 2))}, '{"c":{"name":"red","when":"2026-01-02"}}'),
        (Level.HIGH, '"high"'),
        (range(2), "[0,1]"),
    ],
)
async def test_results(result: Any, text: str) -> None:
    """Text is told as it is, anything else as JSON."""

    async def get() -> Any:
        return result

    assert await told(get) == [text]


@anyio_test
@pytest.mark.parametrize("result", [object(), b"raw", float("nan"), "\ud800", {"a": object()}], ids=name_of)
async def test_results_that_cannot_be_sent(result: Any) -> None:
    """What JSON has not is the tool's mistake, and says so; the policy holds for it, too."""

    async def get() -> Any:
        return result

    with pytest.raises(TypeError, match="the result of the tool 'get' can't be sent"):
        await told(get)
    (text,) = await told(get, on_tool_error="answer")
    assert text.startswith("Error: TypeError: the result of the tool 'get'")


# Choices and limits.


@anyio_test
@pytest.mark.parametrize(
    ("choice", "later"),
    [
        ("required", "auto"),
        ("auto", "auto"),
        ("none", "none"),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}},
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
        ),
    ],
)
async def test_a_choice_that_forces_calls_holds_once(choice: Any, later: Any) -> None:
    """What forces any call is sent on the first turn only."""
    scene = Scene(calling(call()), calling(call()), saying())

    await scene.run(get, tool_choice=choice)

    assert [body["tool_choice"] for body in scene.bodies] == [choice, later, later]


@anyio_test
async def test_a_named_tool_ends_the_run() -> None:
    """The run is over once the named tool was called; calls beside it are not made, but answered."""
    choice = {"type": "function", "function": {"name": "add"}}
    wrong = calling(call("add", "{"), finish="stop")
    scene = Scene(wrong, calling(call("add", {"a": 1}), call("get", id="call_2"), finish="stop"))

    def add(a: int) -> int:
        return a + 1

    run = await scene.run(add, get, tool_choice=choice)

    assert [body["tool_choice"] for body in scene.bodies] == [choice, choice]
    assert [(done.name, done.made, done.result) for done in run.calls] == [
        ("add", False, None),
        ("add", True, 2),
        ("get", False, None),
    ]
    assert run.content is None
    assert [message.get("content") for message in run.messages[-2:]] == [
        "2",
        'Not called: only one call of "add" was wanted.',
    ]


@anyio_test
async def test_too_many_turns() -> None:
    """After `max_turns` answers a further call is not made; what was done until then is in the error."""
    called: list[int] = []

    async def count() -> int:
        called.append(1)
        return len(called)

    scene = Scene(*(calling(call("count", id=f"call_{turn}")) for turn in range(3)))
    runner = scene.run(count, max_turns=3)
    with pytest.raises(errors.ToolLoopError, match="still calls tools after 3 turns") as caught:
        await runner

    run = caught.value.run
    assert (len(called), run.turns, len(run.calls), len(run.messages)) == (2, 3, 2, 5)
    assert caught.value.partial is run.completion
    for twin in (pickle.loads(pickle.dumps(caught.value)), copy.deepcopy(caught.value)):
        assert (twin.run, str(twin)) == (run, str(caught.value))


@anyio_test
async def test_the_last_turn_may_end_the_run() -> None:
    """`max_turns` answers are enough if the last one calls nothing."""
    assert (await Scene(calling(call()), saying()).run(get, max_turns=2)).turns == 2


@anyio_test
@pytest.mark.parametrize("name", ["get", "nope"])
@pytest.mark.parametrize(
    ("finish", "error"),
    [("length", errors.LengthFinishReasonError), ("content_filter", errors.ContentFilterFinishReasonError)],
)
async def test_a_call_that_is_cut_off(finish: str, error: type[Any], name: str) -> None:
    """Arguments that end in the middle are no call, whether there is such a tool or not."""
    scene = Scene(calling(call(name, arguments='{"a'), finish=finish))

    with pytest.raises(error) as caught:
        await scene.run(get)

    assert caught.value.completion.choices[0].message.tool_calls[0].function.arguments == '{"a'


@anyio_test
async def test_text_that_is_cut_off_ends_the_run() -> None:
    """A text that is too long is an answer."""
    cut = plain(completion(choices=[{"index": 0, "message": {"content": "It is"}, "finish_reason": "length"}]))

    assert (await Scene(cut).run(get)).content == "It is"


@anyio_test
async def test_no_choice() -> None:
    """An answer without any choice is none."""
    with pytest.raises(errors.APIResponseValidationError, match="no choice"):
        await Scene(plain(completion(choices=[]))).run(get)


@anyio_test
async def test_a_request_that_fails() -> None:
    """An error of a later turn is raised as it is; the turns before are in the snapshot."""
    runner = Scene(calling(call()), ScriptedResponse(b'{"error": {"message": "no"}}', status=400)).run(get)

    with pytest.raises(errors.BadRequestError, match="no"):
        await runner

    assert [message["role"] for message in runner.snapshot.messages] == ["user", "assistant", "tool"]
    assert repr(runner) == "<ToolRunner failed turns=1>"


# Structured output.


@anyio_test
@pytest.mark.parametrize("stream", [False, True])
async def test_the_last_answer_is_parsed(stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """With a type, the last answer is an object; text beside a call need be no JSON."""
    if stream:
        begin = chunk("Let me see.", delta={"tool_calls": [{"index": 0, **call()}]})
        script = [streamed(begin, chunk(finish="tool_calls")), streamed(chunk('{"x": 4}'), chunk(finish="stop"))]
    else:
        script = [calling(call(), content="Let me see."), saying('{"x": 4}')]
    scene = Scene(*script)

    run = await scene.run(get, stream=stream, response_format=Point)

    assert run.message.parsed == Point(4)
    assert scene.bodies[1]["response_format"]["json_schema"]["name"] == "Point"
    assert scene.bodies[1]["messages"][1]["content"] == "Let me see."


@anyio_test
async def test_a_last_answer_that_does_not_fit() -> None:
    """What can't be parsed is raised."""
    with pytest.raises(errors.OutputParseError):
        await Scene(saying("no JSON")).run(get, response_format=Point)


# Events.


@anyio_test
async def test_events_of_a_plain_run() -> None:
    """Each turn and each call has its beginning and its end."""
    events = [each async for each in Scene(calling(call()), saying()).run(get)]

    assert [each.type for each in events] == [
        "run.turn.started",
        "run.tool.started",
        "run.tool.done",
        "run.turn.done",
        "run.turn.started",
        "run.turn.done",
        "run.done",
    ]
    assert [each.turn for each in events if "turn" in each.type] == [1, 1, 2, 2]
    assert events[1].arguments == {}
    assert (events[2].content, events[2].result) == ("got", "got")
    assert [message["role"] for message in events[3].messages] == ["assistant", "tool"]
    assert events[-1].run.completion is events[-2].completion
    assert "call=" in repr(events[1])


@anyio_test
async def test_events_of_a_streamed_run() -> None:
    """The events of each turn's stream stand between the turn's own."""
    scene = Scene(streamed_call("add", '{"a"', ":1}"), streamed(chunk("2"), chunk(finish="stop")))

    async def add(a: int) -> int:
        return a + 1

    async with scene.run(add, stream=True) as run:
        kinds = [each.type async for each in run if each.type != "chunk"]
        done = await run.final()

    assert kinds == [
        "run.turn.started",
        *["tool_calls.function.arguments.delta"] * 3,
        "tool_calls.function.arguments.done",
        "run.tool.started",
        "run.tool.done",
        "run.turn.done",
        "run.turn.started",
        "content.delta",
        "content.done",
        "run.turn.done",
        "run.done",
    ]
    assert (done.content, scene.told) == ("2", ["2"])
    assert [body["stream"] for body in scene.bodies] == [True, True]


@anyio_test
async def test_events_of_tools_come_live() -> None:
    """A tool that waits for the reader to have seen its start gets it."""
    seen = asyncio.Event()

    async def waits() -> str:
        await seen.wait()
        return "seen"

    runner = Scene(calling(call("waits")), saying()).run(waits)
    async for each in runner:
        if each.type == "run.tool.started":
            seen.set()

    assert (await runner.final()).calls[0].result == "seen"
    assert [each async for each in runner] == []
    assert repr(runner) == "<ToolRunner done turns=2>"


# Leaving.


async def hanging(*, stream: bool = False) -> AsyncIterator[tuple[ToolRunner[Any], list[str]]]:
    """A run whose tool hangs, at the tool's start; and what became of the tool."""
    ended: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("hang")

    first = streamed_call("hang", "{}") if stream else calling(call("hang"))
    yield Scene(first, saying()).run(hang, stream=stream), ended


@anyio_test
@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_early_cancels_the_tools(stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """Whoever leaves the context while a tool runs finds it ended."""
    async for runner, ended in hanging(stream=stream):
        async with runner as run:
            async for each in run:
                if each.type == "run.tool.started":
                    await asyncio.sleep(0)
                    break
        assert ended == ["hang"]
        with pytest.raises(errors.StreamStateError, match="aborted"):
            await runner.final()
        assert repr(runner) == "<ToolRunner aborted turns=1>"


@anyio_test
async def test_leaving_early_aborts_the_request() -> None:
    """Whoever leaves in the middle of a stream closes it."""
    response = ScriptedResponse(event(chunk("Hel")), 3600.0, headers=EVENT_STREAM)
    async with Scene(response).run(get, stream=True) as run:
        async for each in run:
            if each.type == "content.delta":
                break

    assert response.closed


@anyio_test
async def test_abort_from_a_tool() -> None:
    """A tool may stop its own run; who waits gets an error."""
    runners: list[ToolRunner[Any]] = []

    async def stop() -> None:
        runners[0].abort()
        await asyncio.Event().wait()

    runners.append(Scene(calling(call("stop"))).run(stop))
    with pytest.raises(errors.StreamStateError, match="The run was aborted"):
        await runners[0]
    runners[0].abort()


@anyio_test
async def test_leaving_from_a_tool() -> None:
    """A tool may close its own run, which ends both; who waits gets an error."""
    runners: list[ToolRunner[Any]] = []

    async def leave() -> None:
        await runners[0].aclose()

    runners.append(Scene(calling(call("leave"))).run(leave))
    with pytest.raises(errors.StreamStateError, match="The run was aborted"):
        await runners[0]


@anyio_test
@pytest.mark.parametrize("stream", [False, True])
async def test_abort_from_another_task(stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """A request under way is aborted, and who waits for it gets an error."""
    if stream:
        response = ScriptedResponse(event(chunk("Hel")), 3600.0, headers=EVENT_STREAM)
    else:
        response = ScriptedResponse(b"{}", before=3600.0)
    scene = Scene(response)
    runner = scene.run(get, stream=stream)
    waiting = asyncio.create_task(runner.final())
    while not (response.reads > 1 if stream else scene.transport.requests):  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0)

    await runner.aclose()

    with pytest.raises(errors.StreamStateError, match="The run was aborted"):
        await waiting


@anyio_test
async def test_abort_between_events() -> None:
    """After an abort nothing more happens, and a further look at the run says why."""
    runner = Scene(calling(call())).run(get)
    await anext(runner)
    runner.abort()

    with pytest.raises(errors.StreamStateError, match="The run was aborted"):
        await anext(runner)


@anyio_test
@pytest.mark.parametrize("others", [["final"], ["aclose", "aclose"], ["final", "aclose"]])
async def test_leaving_waits_for_the_tools(others: list[str]) -> None:
    """Whoever leaves finds the tools ended, though other tasks read the run or leave it."""
    ended: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await anyio.lowlevel.cancel_shielded_checkpoint()
            ended.append("hang")

    runner = Scene(calling(call("hang"))).run(hang)
    async for each in runner:
        if each.type == "run.tool.started":
            break
    waiting = [asyncio.create_task(getattr(runner, name)()) for name in others]
    await asyncio.sleep(0)

    await runner.aclose()

    assert ended == ["hang"]
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [
        errors.StreamStateError if name == "final" else type(None) for name in others
    ]


@anyio_test
async def test_cancelling_cancels_the_tools() -> None:
    """Cancelling the task that waits ends the tools before it ends itself."""
    async for runner, ended in hanging():
        started = asyncio.Event()

        async def wait(runner: ToolRunner[Any] = runner, started: asyncio.Event = started) -> None:
            async for each in runner:
                if each.type == "run.tool.started":
                    started.set()

        task = asyncio.create_task(wait())
        await started.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert ended == ["hang"]
        with pytest.raises(errors.StreamStateError, match="aborted"):
            await runner.final()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 brought eager tasks")
def test_eager_tasks() -> None:
    """Tasks that begin at once change nothing: neither the order of results nor what an exception does."""

    async def main() -> list[str]:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]  # 3.12
        scene = Scene(calling(call("broken"), call(id="call_2")))
        with pytest.raises(BrokenToolError):
            await scene.run(broken, get)
        return await told(get, call(), call("nope", id="call_2"))

    assert asyncio.run(main())[0] == "got"


@pytest.mark.parametrize(
    ("ending", "leave"),
    [
        ("waits", "drop"),
        ("waits", "late"),
        ("waits", "shutdown"),
        ("fails", "drop"),
        ("fails", "late"),
        ("fails when cancelled", "drop"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_run_that_is_dropped(ending: str, leave: str, *, stream: bool) -> None:
    """A run that is dropped while its tool runs cancels it, and asyncio has nothing to complain of.

    Neither has it where the tool has failed by then, nor where the loop's end comes first.
    """
    complaints: list[Any] = []
    ended: list[str] = []
    kept: list[Any] = []

    async def tool() -> None:
        try:
            if ending == "fails":
                await asyncio.sleep(1)
                raise KeyError("no")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if ending != "waits":
                raise KeyError("no") from None
            raise
        finally:
            ended.append("tool")

    async def read() -> None:
        first = streamed_call("tool", "{}") if stream else calling(call("tool"))
        runner = Scene(first, saying()).run(tool, stream=stream)
        async for each in runner:
            if each.type == "run.tool.started":
                break
        await asyncio.sleep(2 if leave == "late" else 0)
        if leave == "shutdown":
            kept.append(runner)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: complaints.append(context))
        await read()  # and the run goes with its last reference, not when the collector comes by
        if leave != "shutdown":
            await asyncio.sleep(0.1)
            assert ended == ["tool"]

    gc.collect()
    gc.disable()
    try:
        clock.run(main())
    finally:
        gc.enable()
        kept.clear()
        gc.collect()
    assert complaints == []
    assert ended == ["tool"]


@anyio_test
@pytest.mark.parametrize("place", ["run.turn.started", "run.turn.done", "content.delta"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_run_that_is_dropped_between_tools(place: str, *, stream: bool) -> None:
    """A run that is dropped before a request, or within its stream, warns of nothing: it was awaited."""
    says = ScriptedResponse(event(chunk("Hel")), 3600.0, headers=EVENT_STREAM) if stream else saying()
    calls = streamed_call("get", "{}") if stream else calling(call())
    scene = Scene(calls, says)

    async def read() -> None:
        async for each in scene.run(get, stream=stream):
            if each.type == place:
                break

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        before = asyncio.all_tasks()
        await read()
        await asyncio.sleep(0)  # now asyncio's task that closes it is there
        while asyncio.all_tasks() - before:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0)
        gc.collect()

    assert not warned
    assert says.closed == (stream and place == "content.delta")


@anyio_test
async def test_cancelling_by_a_scope() -> None:
    """A cancel scope of anyio's around the run does the same."""
    async for runner, ended in hanging():
        with anyio.CancelScope() as scope:
            async for each in runner:
                if each.type == "run.tool.started":
                    await asyncio.sleep(0)
                    scope.cancel()

        assert scope.cancelled_caught
        assert ended == ["hang"]


def test_a_tool_that_does_not_end() -> None:
    """A tool that ignores its cancelling is left behind after five seconds."""

    async def main() -> tuple[float, list[str]]:
        released = asyncio.Event()

        async def stubborn() -> None:
            while not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    continue

        loop = asyncio.get_running_loop()
        runner = Scene(calling(call("stubborn"))).run(stubborn)
        async with runner:
            async for each in runner:
                if each.type == "run.tool.started":
                    await asyncio.sleep(0)
                    begin = loop.time()
                    break
        passed = loop.time() - begin
        released.set()
        await asyncio.sleep(0.01)
        return passed, [task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}]

    assert clock.run(main()) == (5.0, [])


@anyio_test
async def test_two_tasks_on_one_run() -> None:
    """A run has one reader at a time."""
    scene = Scene(ScriptedResponse(b"{}", before=3600.0))
    runner = scene.run(get)
    waiting = asyncio.create_task(runner.final())
    while not scene.transport.requests:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0)

    with pytest.raises(errors.StreamStateError, match="Another task"):
        await anext(runner)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@anyio_test
async def test_a_run_that_is_never_awaited() -> None:
    """A forgotten run warns as a coroutine does; one that is closed does not."""
    await Scene().run(get).aclose()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Scene().run(get)
        gc.collect()

    assert [str(warning.message) for warning in caught] == ["chat.completions.run_tools(...) was never awaited"]
