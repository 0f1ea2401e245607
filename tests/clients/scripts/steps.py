"""What the scripts share: prompts, what a right answer is, and how it is told. It imports what every Python has.

A script is run with the server's address and its key as arguments. It prints a line of JSON for its versions and for
each case: `{"case": …}`, with `error` where it failed and `lacks` where the client has no call for it.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

__all__ = [
    "HELLO",
    "KEY",
    "MODEL",
    "PERSON",
    "PERSON_SCHEMA",
    "RESULT",
    "ROOT",
    "TOOL",
    "URL",
    "WEATHER",
    "WRONG_KEY",
    "Cases",
    "check_answer",
    "check_person",
    "check_refusal",
    "check_stream",
    "check_weather",
    "say",
]

URL, KEY = sys.argv[1:3]
ROOT = URL.removesuffix("/v1")
MODEL = "stand-in"
WRONG_KEY = "sk-wrong"
HELLO = "Say hello in one short sentence."
WEATHER = "What is the weather in Paris? Use celsius."
PERSON = "Give me a person."
RESULT = "18 degrees, light rain"

_PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
    "required": ["city", "unit"],
    "additionalProperties": False,
}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather of a city now.", "parameters": _PARAMETERS},
}
PERSON_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def say(text: str) -> list[Any]:
    """Messages of one user message."""
    return [{"role": "user", "content": text}]


def check_answer(text: Any, usage: tuple[int, int] | None = None) -> None:
    """An answer is text, and its usage, where the client tells it, is more than nothing."""
    assert isinstance(text, str), f"the answer is {text!r}"
    assert len(text.split()) > 2, f"the answer is {text!r}"
    assert usage is None or min(usage) > 0, f"the usage is {usage}"


def check_stream(pieces: Sequence[str], whole: Any) -> None:
    """Pieces of text add up to the answer, and are several."""
    assert len(pieces) > 2, f"the stream has {len(pieces)} pieces"
    assert "".join(pieces) == whole, f"{''.join(pieces)!r} is not {whole!r}"


def check_weather(name: Any, arguments: Any) -> None:
    """A call is of the tool, with arguments that fit it and the question."""
    read = json.loads(arguments) if isinstance(arguments, str) else arguments
    assert name == "get_weather", f"the call is of {name!r}"
    assert read == {"city": "Paris", "unit": "celsius"}, f"the arguments are {read!r}"


def check_person(person: Any) -> None:
    """An object is a person."""
    if isinstance(person, str):
        person = json.loads(person)
    data = person if isinstance(person, dict) else {"name": person.name, "age": person.age}
    assert set(data) == {"name", "age"}, f"the object is {data!r}"
    assert isinstance(data["name"], str), f"the name is {data['name']!r}"
    assert type(data["age"]) is int, f"the age is {data['age']!r}"


def check_refusal(error: BaseException | None, status: Any) -> None:
    """A wrong key is refused with 401."""
    assert error is not None, "the wrong key was taken"
    assert status == 401, f"{type(error).__name__} has the status {status!r}"
    assert "Incorrect API key" in str(error), f"{type(error).__name__} says {error}"


class Cases:
    """A script's cases, run in the order in which they are defined.

    Args:
        packages: The distributions whose versions are told.
        lacks: Cases for which the client has no call, each with what it lacks.
    """

    def __init__(self, *packages: str, lacks: dict[str, str] | None = None) -> None:
        self._packages = packages
        self._lacks = lacks or {}
        self._functions: dict[str, Callable[[], Awaitable[None]]] = {}

    def __call__(self, case: str) -> Callable[[Callable[[], Awaitable[None]]], None]:
        """Take a coroutine function as a case."""

        def take(function: Callable[[], Awaitable[None]]) -> None:
            self._functions[case] = function

        return take

    def run(self) -> None:
        """Run them, and tell what came of each."""
        _print(versions={name: importlib.metadata.version(name) for name in self._packages})
        for name, why in self._lacks.items():
            _print(case=name, lacks=why)
        asyncio.run(self._run())

    async def _run(self) -> None:
        for case, function in self._functions.items():
            error = ""
            try:
                async with asyncio.timeout(30):
                    await function()
            except Exception as caught:  # noqa: BLE001 - whatever the client raises is what is told
                error = f"{type(caught).__name__}: {str(caught) or _place(caught)}"
            _print(case=case, error=error)


def _place(error: Exception) -> str:
    """The line that raised an error which says nothing."""
    return traceback.extract_tb(error.__traceback__)[-1].line or ""


def _print(**line: Any) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 - what goes out
