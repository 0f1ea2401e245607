"""A kit to test programs that use the Chat Completions API, through whatever client: a real server on this machine.

    def test_greeting(openai_async_server):
        openai_async_server.reply(text("Hello", chunks=3))
        ...

`ScriptedServer` answers as a test says and tells what it was asked; `Recorder` and `Player` keep what a real server
answered, and answer it again. `plugin` has the fixtures for pytest. Importing it is cheap: each name loads with its
first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .matcher import Criteria
    from .parts import (
        Part,
        bad_json,
        bom,
        cut,
        delay,
        drop,
        error,
        error_event,
        html,
        line_ends,
        no_done,
        no_finish,
        ping,
        refusal,
        split,
        stall,
        text,
        tool_call,
    )
    from .player import Player
    from .received import ReceivedRequest
    from .recorder import Recorder
    from .recording import Exchange, Recording
    from .rule import Rule
    from .server import Connections, ScriptedServer

__all__ = [
    "Connections",
    "Criteria",
    "Exchange",
    "Part",
    "Player",
    "ReceivedRequest",
    "Recorder",
    "Recording",
    "Rule",
    "ScriptedServer",
    "bad_json",
    "bom",
    "cut",
    "delay",
    "drop",
    "error",
    "error_event",
    "html",
    "line_ends",
    "no_done",
    "no_finish",
    "ping",
    "refusal",
    "split",
    "stall",
    "text",
    "tool_call",
]

# Where the names are that have a module to themselves; all others are parts of answers.
_HOMES = {
    "Connections": "server",
    "Criteria": "matcher",
    "Exchange": "recording",
    "Player": "player",
    "ReceivedRequest": "received",
    "Recorder": "recorder",
    "Recording": "recording",
    "Rule": "rule",
    "ScriptedServer": "server",
}


def __getattr__(name: str) -> Any:
    """Load a public name, once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES.get(name, 'parts')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted({*globals(), *__all__})
