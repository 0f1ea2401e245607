"""Fragments of tool calls join to calls, whatever a vendor does with `index` and `id`.

Delta tool calls come in; out go the message's calls, in the order of their indexes. A call once opened keeps its
place: what vendors number differently is mapped, never renumbered.

| a fragment has | it belongs to |
|---|---|
| an index seen before, and no other id than that call's | that call |
| an index seen before, and the id of another call | the call with that id, which takes over the index |
| an index seen before, and a new id (Gemini numbers all 0) | a new call, which takes over the index |
| a new index | a new call; but see the next line |
| a new index, neither id nor name, after a call without index | that call: the vendor numbers from its second fragment |
| no index, a known id | the call with that id |
| no index, a new id | a new call |
| no index, no id, a name (whole calls, as Ollama sent) | a new call, unless in a later chunk it repeats the last one's name, or is that one's first, while its arguments are unfinished |
| neither index nor id nor name | the last call |
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from openai_async.errors import StreamProtocolError
from openai_async.types.chunk import ChoiceDeltaToolCall
from openai_async.types.completion import (
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageToolCallUnion,
    Custom,
    Function,
)

from .extras import Extras
from .partialtext import PartialText
from .text import Text

__all__ = ["ToolCallSnapshot", "ToolCalls"]

# The API allows 128 tools; a stream that opens more calls than that in one message is broken or hostile.
_MAX_CALLS = 128


class ToolCallSnapshot:
    """One call so far.

    Attributes:
        index: Its place among the message's calls, as the vendor numbers them; opening order where it does not.
        text: The arguments' JSON text, or the custom tool's input.
    """

    __slots__ = ("_extras", "_inner_extras", "_json", "id", "index", "name", "numbered", "text", "type")

    def __init__(self, index: int, *, numbered: bool) -> None:
        self.index: int = index
        self.numbered: bool = numbered
        self.id: str = ""
        self.type: str | None = None
        self.name: str = ""
        self.text: Text = Text()
        self._json: PartialText | None = None  # None: nobody asked yet whether the text is whole
        self._extras = Extras(appends=True)
        self._inner_extras = Extras(appends=True)  # of the function or the custom tool

    def add(self, delta: ChoiceDeltaToolCall) -> None:
        """Add a fragment: identity is set once, text is appended."""
        if delta.id and not self.id:
            self.id = delta.id
        if delta.type and not self.type:
            self.type = delta.type
        function, custom = delta.function, delta.custom
        if function is not None:
            if function.name and not self.name:
                self.name = function.name
            if function.arguments:
                self.text.append(function.arguments)
            if function._extra is not UNSET:
                self._inner_extras.merge(function._extra)
        if custom is not None:
            self.type = self.type or "custom"
            if custom.name and not self.name:
                self.name = custom.name
            if custom.input:
                self.text.append(custom.input)
            if custom._extra is not UNSET:
                self._inner_extras.merge(custom._extra)
        if delta._extra is not UNSET:
            self._extras.merge(delta._extra)

    @property
    def whole(self) -> bool:
        """Whether the arguments so far are complete JSON."""
        if self._json is None:
            self._json = PartialText(self.text)
        return self._json.whole

    def value(self) -> ChatCompletionMessageToolCallUnion:
        """Return the call so far."""
        name, text = self.name, self.text.value()
        # The delta's `index` stays behind even where it did not fit: a whole call has none.
        kept = {"index": True, "id": self.id, "type": self.type, "function": True, "custom": self.type == "custom"}
        extra = self._extras.values(kept)
        inner = self._inner_extras.values({"name": name, "arguments": text, "input": text})
        if self.type == "custom":
            custom = Custom.build({"name": name, "input": text}, inner)
            return ChatCompletionMessageCustomToolCall.build({"id": self.id, "custom": custom}, extra)
        function = Function.build({"name": name, "arguments": text}, inner)
        if self.type not in (None, "function"):
            # An unknown kind of call keeps its type, as extras that don't fit a field do.
            extra = {**({} if extra is UNSET else extra), "type": self.type}
        return ChatCompletionMessageFunctionToolCall.build({"id": self.id, "function": function}, extra)


class ToolCalls:
    """The calls of one message so far.

    Attributes:
        touched: The calls that the fragments belong to, all of them so far, in the fragments' order.
    """

    __slots__ = ("_by_index", "_opened", "touched")

    def __init__(self) -> None:
        self.touched: list[ToolCallSnapshot] = []
        self._opened: list[ToolCallSnapshot] = []
        self._by_index: dict[int, ToolCallSnapshot] = {}

    def add(self, deltas: Sequence[ChoiceDeltaToolCall]) -> None:
        """Add one chunk's fragments.

        Raises:
            StreamProtocolError: The message would have more than 128 calls.
        """
        before = len(self.touched)
        for delta in deltas:
            call = self._by_index.get(delta.index) if delta.index is not None else None
            if call is None or (delta.id and call.id and delta.id != call.id):
                call = self._place(delta, before)
            call.add(delta)
            self.touched.append(call)

    def _place(self, delta: ChoiceDeltaToolCall, before: int) -> ToolCallSnapshot:
        """Find or open the call of a fragment that no known index leads to; `before` it are those of earlier chunks."""
        last = self._opened[-1] if self._opened else None
        name = (delta.function and delta.function.name) or (delta.custom and delta.custom.name)
        known = next((call for call in self._opened if call.id == delta.id), None) if delta.id else None
        if delta.index is not None:
            if delta.index in self._by_index and known:
                self._by_index[delta.index] = known
                return known
            if delta.index == -1 and not delta.id and last is not None:
                return last
            if delta.index not in self._by_index and last and not (last.numbered or delta.id or name):
                self._by_index[delta.index] = last
                return last
            return self._open(delta.index)
        if known or last is None or delta.id:
            return known or self._open(None)
        # Once a chunk at most the answer is no; after that, each time, one of the few calls that there may be is opened.
        if name and (last in self.touched[before:] or (last.name and last.name != name) or last.whole):
            return self._open(None)
        return last

    def _open(self, index: int | None) -> ToolCallSnapshot:
        if len(self._opened) >= _MAX_CALLS:
            raise StreamProtocolError(f"The stream opens more than {_MAX_CALLS} tool calls in one message.")
        numbered = index is not None and index >= 0
        call = ToolCallSnapshot(index if index is not None and numbered else len(self._opened), numbered=numbered)
        self._opened.append(call)
        if index is not None:
            self._by_index[index] = call
        return call

    def snapshots(self) -> list[ToolCallSnapshot]:
        """Return the calls by index; those that share one, in the order in which they were opened."""
        return sorted(self._opened, key=lambda call: call.index)

    def values(self) -> list[ChatCompletionMessageToolCallUnion]:
        """Return the calls so far, in the order of `snapshots`."""
        return [call.value() for call in self.snapshots()]
