"""`Script`: what a server does to one stream, and what has to come of it.

A seed and a number come in. Out go the steps of each attempt, and the one right outcome: complete with exactly this
text, or this error with exactly that text in its `partial`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

__all__ = ["DIE_IF_REUSED", "FIN", "HANG", "RESET", "Answer", "Expected", "Script", "Step", "framed", "head"]

# What a server does beside sending bytes and waiting some seconds: close in order, close with a RST, say nothing more until
# the client goes, and close at once if the connection served a request before.
FIN, RESET, HANG, DIE_IF_REUSED = "fin", "reset", "hang", "die if reused"

Step = bytes | float | str

View = Literal["chunks", "text", "events", "batches", "raw", "final"]

# Pieces of text as JSON says them, and as they are meant.
_WORDS = [
    ("the", "the"), (" sea", " sea"), (" is", " is"), (" wide", " wide"), (",", ","), ("\\n", "\n"), (' \\"', ' "'), ("é", "é"), ("中文", "中文"),
    ("🎉", "🎉"), ("\\ud83c\\udf0a", "🌊"), ("\\u00e9", "é"), ("{}", "{}"), ("data: ", "data: "), (" and so on", " and so on"), ("[DONE]", "[DONE]"),
]  # fmt: skip
_SAID = [said.encode() for said, _ in _WORDS]
_MEANT = [meant for _, meant in _WORDS]


@dataclass
class Expected:
    """The outcome of a stream.

    Attributes:
        error: The class of the error; None: it is complete.
        texts: The content of each answer: all of it, or what `partial` has, or what was read before the client left.
        phase: Of the time limit that has to pass; the client sets that one so that it does.
        calls: Name and arguments of the tools called.
        usage: Tokens of the prompt; None: no usage.
        retries: How many attempts failed before; None: any number.
        unopened: The class of the error where all that the server sends comes in one read, head and fault together, so that
            there is no answer yet that could be partial; None: that makes no difference.
    """

    error: str | None = None
    texts: dict[int, str] | None = None
    phase: str | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)
    usage: int | None = None
    retries: int | None = 0
    unopened: str | None = None


@dataclass
class Script:
    """What happens to one stream.

    Attributes:
        number: Which stream.
        kind: What is special about it.
        faulty: Whether something goes wrong.
        attempts: What the server does, attempt by attempt.
        expected: What has to come of it.
        view: How the client looks at it.
        params: What it asks for beside the obvious.
        leave_after: Chunks after which the client leaves; None: it stays.
        cancels: Whether it leaves by being cancelled, while it waits for more.
        pace: Seconds that the client takes for each chunk.
    """

    number: int
    kind: str
    faulty: bool
    attempts: list[list[Step]]
    expected: Expected
    view: View = "chunks"
    params: dict[str, Any] = field(default_factory=dict)
    leave_after: int | None = None
    cancels: bool = False
    pace: float = 0.0


def head(status: int = 200, kind: str = "text/event-stream", **headers: Any) -> bytes:
    """A status line and headers as bytes; the body is chunked unless they say otherwise. "_" stands for "-"."""
    framing = {} if "content_length" in headers or "connection" in headers else {"transfer_encoding": "chunked"}
    lines = [
        f"{name.replace('_', '-')}: {value}" for name, value in {"content_type": kind, **framing, **headers}.items()
    ]
    return "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode()


def framed(piece: bytes) -> bytes:
    """A piece as one chunk of the chunked transfer coding; b"" is the last one."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


class Answer:
    """The events of a whole answer to a request, and what they say."""

    def __init__(self, number: int, rng: Random) -> None:
        self.events: list[bytes] = []
        self.texts: dict[int, str] = {}
        self._number = number
        self._rng = rng

    def event(self, choices: bytes, more: bytes = b"") -> None:
        """Add an event with these choices, in JSON."""
        self.events.append(
            b'data: {"id":"chatcmpl-%08d","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[%b]%b}\n\n'
            % (self._number, choices, more)
        )

    def delta(self, delta: bytes, index: int = 0, finish: bytes = b"null") -> None:
        """Add an event with one choice."""
        self.event(b'{"index":%d,"delta":{%b},"finish_reason":%b}' % (index, delta, finish))

    def begin(self, count: int = 1) -> None:
        """Add the roles, and to each answer its number, so that none can be taken for another's."""
        for index in range(count):
            self.delta(b'"role":"assistant","content":""', index)
        for index in range(count):
            mark = f"#{self._number}.{index}:"
            self.delta(b'"content":"%b"' % mark.encode(), index)
            self.texts[index] = mark

    def say(self, words: int, count: int = 1) -> None:
        """Add so many words, to the answers by turns."""
        meant: list[list[str]] = [[] for _ in range(count)]
        for place, word in enumerate(self._rng.choices(range(len(_WORDS)), k=words)):
            self.delta(b'"content":"%b"' % _SAID[word], place % count)
            meant[place % count].append(_MEANT[word])
        for index, said in enumerate(meant):
            self.texts[index] += "".join(said)

    def end(self, finish: bytes = b"stop", count: int = 1) -> None:
        """Add how each answer ends."""
        for index in range(count):
            self.delta(b"", index, b'"%b"' % finish)

    def call(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Add tool calls; return name and arguments of each."""
        calls: list[tuple[str, str]] = []
        for place, name in enumerate(names):
            arguments = json.dumps({"number": self._number, "words": self._rng.choices(_MEANT, k=3)})
            opened = f'"tool_calls":[{{"index":{place},"id":"call_{place}","type":"function","function":{{"name":"{name}","arguments":""}}}}]'
            self.delta(opened.encode())
            for start in range(0, len(arguments), 9):
                piece = json.dumps(arguments[start : start + 9])
                self.delta(f'"tool_calls":[{{"index":{place},"function":{{"arguments":{piece}}}}}]'.encode())
            calls.append((name, arguments))
        return calls

    def done(self) -> None:
        """Add `[DONE]`."""
        self.events.append(b"data: [DONE]\n\n")
