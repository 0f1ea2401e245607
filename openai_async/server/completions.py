"""A finished answer, as the API writes it.

The request and what each choice says come in; out goes one `chat.completion` as plain data: ids, cuts at `stop` and at
the token limit, log probabilities, usage. It never decides what to say, and the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from .dice import Dice
from .extras import moderation_of, speech_of
from .tokens import count_tokens, logprobs_of, prompt_tokens, split_tokens, text_of

__all__ = ["Cutter", "Draft", "complete", "head_of", "request_key"]

# 1 January 2025: answers are dated within the year that follows, unless there is a clock.
_EPOCH = 1_735_689_600
_YEAR = 31_536_000

# What a model of each effort spends on thinking, in tokens; counted and limited like real ones, but never written.
_REASONING = {"low": 8, "medium": 24, "high": 64, "xhigh": 128, "max": 256}

# How an answer is delivered changes nothing about what it says.
_DELIVERY = ("stream", "stream_options")


class Draft(msgspec.Struct, kw_only=True):
    """What one choice says, before it is cut, counted and numbered.

    Attributes:
        content: The text; None: there is none (calls, refusals).
        refusal: The refusal; None: the model complies.
        calls: Tool calls as the API writes them, in order.
        function_call: The single call of the deprecated `functions`; None: there is none.
        annotations: Citations as the API writes them.
        finish_reason: None: `tool_calls`, `function_call` or `stop`, whichever suits.
    """

    content: str | None = None
    refusal: str | None = None
    calls: list[dict[str, Any]] = []
    function_call: dict[str, Any] | None = None
    annotations: list[dict[str, Any]] = []
    finish_reason: str | None = None


class Cutter:
    """Ends a text where the request says: before the first stop sequence, or after so many tokens.

    The text may come in pieces; what may yet turn out to be a stop sequence is held back.

    Args:
        request: The request, for `stop` and the token limits.

    Attributes:
        reason: Why the text was cut, `stop` or `length`; None: it was not, so far.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        stop: str | list[str] = request.get("stop", "")
        self._stops = [text for text in ([stop] if isinstance(stop, str) else stop) if text]
        self._hold = max(map(len, self._stops), default=1) - 1
        self._held = ""
        self._left = token_budget(request)
        self.reason: str | None = None

    def feed(self, piece: str) -> str:
        """Take the next piece and return the text that may be shown now; empty after the cut."""
        return self._shown(self._held + piece, hold=self._hold)

    def end(self) -> str:
        """Return what was held back, now that the text is over."""
        return self._shown(self._held, hold=0)

    def limit(self, text: str) -> str:
        """Cut text that knows no stop sequences, a call's arguments, at the token limit alone."""
        if self._left is None or self.reason is not None:
            return "" if self.reason == "length" else text
        tokens = split_tokens(text)
        if len(tokens) > self._left:
            self.reason = "length"
            text = "".join(tokens[: self._left])
        self._left -= min(len(tokens), self._left)
        return text

    def _shown(self, text: str, *, hold: int) -> str:
        if self.reason is not None:
            return ""
        found = [at for at in (text.find(stop) for stop in self._stops) if at >= 0]
        if found:
            text, self._held = text[: min(found)], ""
        else:
            text, self._held = text[: len(text) - hold], text[max(len(text) - hold, 0) :]
        text = self.limit(text)
        if found and self.reason is None:
            self.reason = "stop"
        return text


def token_budget(request: dict[str, Any]) -> int | None:
    """Return how many tokens of a choice may be seen; None: no limit."""
    if "max_completion_tokens" in request:
        limit: int = request["max_completion_tokens"]
        return max(limit - reasoning_tokens(request), 0)
    return request.get("max_tokens")


def reasoning_tokens(request: dict[str, Any]) -> int:
    """Return how many tokens each choice is said to have spent on thinking."""
    spent = _REASONING.get(request.get("reasoning_effort", "none"), 0)
    limit: int = request.get("max_completion_tokens", spent)
    return min(spent, limit)


def request_key(request: dict[str, Any]) -> str:
    """Return a hash of what is asked: equal for equal questions, however the answer is to be delivered."""
    asked = {name: value for name, value in request.items() if name not in _DELIVERY}
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()


def head_of(request: dict[str, Any], *, created: int | None = None, id: str | None = None) -> dict[str, Any]:
    """Return the fields that an answer and each of its chunks begin with, `object` left out.

    Args:
        request: The request.
        created: Unix time in seconds; None: a time in 2025 that depends on the request only.
        id: Of the completion; None: one that depends on the request only.
    """
    dice = Dice.of(request_key(request), "head")
    drawn = f"chatcmpl-{dice.letters(29)}"
    tier: str = request.get("service_tier", "auto")
    return {
        "id": drawn if id is None else id,
        "created": _EPOCH + dice.below(_YEAR) if created is None else created,
        "model": request["model"],
        "service_tier": "default" if tier == "auto" else tier,
        "system_fingerprint": f"fp_{Dice.of(request['model']).hex(10)}",
    }


def complete(
    request: dict[str, Any], drafts: list[Draft], *, created: int | None = None, id: str | None = None
) -> dict[str, Any]:
    """Return the `chat.completion` that answers `request` with `drafts`.

    Args:
        request: The request, as `read_request` returns it.
        drafts: What each choice says, in order.
        created: As in `head_of`.
        id: As in `head_of`; nothing else depends on it.
    """
    head = head_of(request, created=created)
    dice = Dice.of(head["id"])
    if id is not None:
        head["id"] = id
    choices = [_choice(request, draft, index, Dice(dice.bits()), head) for index, draft in enumerate(drafts)]
    completion = {**head, "object": "chat.completion", "choices": choices, "usage": usage_of(request, choices)}
    if "moderation" in request:
        said = "\n".join(choice["message"]["content"] or "" for choice in choices)
        asked = "\n".join(text_of(message.get("content")) for message in request["messages"])
        completion["moderation"] = moderation_of(request["moderation"]["model"], asked, said)
    return completion


def _choice(request: dict[str, Any], draft: Draft, index: int, dice: Dice, head: dict[str, Any]) -> dict[str, Any]:
    cutter = Cutter(request)
    content, refusal = draft.content, draft.refusal
    if content is not None:
        content = cutter.feed(content) + cutter.end()
    if refusal is not None:
        refusal = cutter.limit(refusal)
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": refusal, "annotations": []}
    if draft.annotations and cutter.reason is None:
        message["annotations"] = draft.annotations
    if draft.calls:
        message["tool_calls"] = [_cut_call(call, cutter) for call in draft.calls]
    if draft.function_call is not None:
        call = draft.function_call
        message["function_call"] = {"name": call["name"], "arguments": cutter.limit(call["arguments"])}
    usual = "tool_calls" if draft.calls else "function_call" if draft.function_call else "stop"
    logprobs = _logprobs(request, message, dice)
    if "audio" in request.get("modalities", ()) and content is not None:
        message["content"] = None
        message["audio"] = speech_of(content, request["audio"], dice=dice, created=head["created"])
    finish = cutter.reason or draft.finish_reason or usual
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish}


def _cut_call(call: dict[str, Any], cutter: Cutter) -> dict[str, Any]:
    kind: str = call["type"]
    field = "arguments" if kind == "function" else "input"
    return {**call, kind: {**call[kind], field: cutter.limit(call[kind][field])}}


def _logprobs(request: dict[str, Any], message: dict[str, Any], dice: Dice) -> dict[str, Any] | None:
    if not request.get("logprobs"):
        return None
    top: int = request.get("top_logprobs", 0)
    entries: dict[str, Any] = {}
    for name in ("content", "refusal"):
        text: str | None = message[name]
        entries[name] = None if text is None else logprobs_of(split_tokens(text), top=top, dice=dice)
    return entries


def usage_of(request: dict[str, Any], choices: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the token counts of a request and the choices that answer it."""
    prompt = prompt_tokens(request)
    spoken = sum(_count(choice["message"]) for choice in choices)
    sound = sum(count_tokens(audio["transcript"]) for audio in (c["message"].get("audio") for c in choices) if audio)
    thought = reasoning_tokens(request) * len(choices)
    accepted, rejected = _predicted(request, choices)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": spoken + thought + rejected,
        "total_tokens": prompt + spoken + thought + rejected,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": thought,
            "audio_tokens": sound,
            "accepted_prediction_tokens": accepted,
            "rejected_prediction_tokens": rejected,
        },
    }


def _count(message: dict[str, Any]) -> int:
    texts: list[str] = [message["content"] or "", message["refusal"] or ""]
    for call in message.get("tool_calls", ()):
        texts.extend(call[call["type"]].values())
    if "function_call" in message:
        texts.extend(message["function_call"].values())
    if "audio" in message:
        texts.append(message["audio"]["transcript"])
    return sum(map(count_tokens, texts))


def _predicted(request: dict[str, Any], choices: list[dict[str, Any]]) -> tuple[int, int]:
    """How many tokens of the prediction are in the answer, and how many are not."""
    if "prediction" not in request:
        return 0, 0
    guessed = split_tokens(text_of(request["prediction"]["content"]))
    said = {token for choice in choices for token in split_tokens(choice["message"]["content"] or "")}
    accepted = sum(token in said for token in guessed)
    return accepted, len(guessed) - accepted
