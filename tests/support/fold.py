"""What a stream's chunks add up to, worked out on plain dicts: the rules of the design, in as few words as they take.

Decoded chunks come in, the completion as a plain dict goes out. Nothing here comes from the package, so that the
accumulator and this can only agree by both being right.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

__all__ = ["clean", "fold"]

# A label is set, not appended to; what else is text inside a delta comes in pieces.
_LABELS = ["channel", "format", "id", "index", "model", "name", "object", "provider", "role", "status", "type"]
_LABEL_ENDINGS = ["_id", "_name", "_type", "_role", "_reason", "_status", "_format", "_model", "_tier"]

_CHUNK = ["id", "object", "created", "model", "service_tier", "system_fingerprint", "moderation", "usage", "choices"]
_CHOICE = ["index", "delta", "finish_reason", "logprobs"]
_DELTA = ["role", "content", "refusal", "tool_calls", "function_call", "audio", "annotations"]
_CALL = ["index", "id", "type", "function", "custom"]


def fold(chunks: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the completion that `chunks` add up to."""
    whole: dict[str, Any] = {"id": "", "object": "chat.completion", "created": 0, "model": ""}
    extras: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for name in ("id", "created", "model"):
            whole[name] = whole[name] or chunk.get(name)
        for name in ("service_tier", "system_fingerprint", "moderation", "usage"):
            if chunk.get(name) is not None:
                whole[name] = chunk[name]
        _join(extras, _others(chunk, [*_CHUNK, "obfuscation"]), in_delta=False)
        for piece in chunk.get("choices") or []:
            _add(choices, piece)
    whole["choices"] = [_finished(choices[index]) for index in sorted(choices)]
    return {**extras, **whole}


def _add(choices: dict[int, dict[str, Any]], piece: dict[str, Any]) -> None:
    index = piece.get("index") or 0
    choice = choices.setdefault(index, {"index": index, "message": {"role": "assistant"}})
    message, delta = choice["message"], piece.get("delta") or {}
    for name in ("content", "refusal"):
        if isinstance(delta.get(name), str):
            message[name] = message.get(name, "") + delta[name]
    if piece.get("finish_reason"):
        choice["finish_reason"] = piece["finish_reason"]
    for name, tokens in (piece.get("logprobs") or {}).items():
        if name in {"content", "refusal"}:
            if tokens is not None:
                probs = choice.setdefault("logprobs", {})
                probs[name] = probs.get(name, []) + tokens
        else:
            _join(choice.setdefault("logprobs", {}), {name: tokens}, in_delta=False)
    for fragment in delta.get("tool_calls") or []:
        _add_call(message.setdefault("tool_calls", []), fragment)
    _join(message, _others(delta, _DELTA), in_delta=True)
    _join(choice, _others(piece, _CHOICE), in_delta=False)


def _add_call(calls: list[dict[str, Any]], fragment: dict[str, Any]) -> None:
    """Calls go by their index, or one after the other where there is none."""
    index = fragment.get("index")
    if index is None:
        index = calls[-1]["index"] if calls and not fragment.get("id") else len(calls)
    call = next((call for call in calls if call["index"] == index), None)
    if call is None:
        call = {"index": index, "id": "", "type": "function"}
        calls.append(call)
    call["id"] = call["id"] or fragment.get("id")
    for kind, text in (("function", "arguments"), ("custom", "input")):
        inner = fragment.get(kind)
        if inner is not None:
            call["type"] = kind
            had = call.setdefault(kind, {"name": "", text: ""})
            had["name"] = had["name"] or inner.get("name") or ""
            piece = inner.get(text) or ""
            had[text] += piece if isinstance(piece, str) else json.dumps(piece, separators=(",", ":"))
            _join(had, _others(inner, ["name", text]), in_delta=True)
    _join(call, _others(fragment, _CALL), in_delta=True)


def _finished(choice: dict[str, Any]) -> dict[str, Any]:
    """The choice, its calls in order and without the index that only fragments have."""
    calls = choice["message"].get("tool_calls")
    if calls is not None:
        calls.sort(key=lambda call: call["index"])
        choice["message"]["tool_calls"] = [_others(call, ["index"]) for call in calls]
    return choice


def _others(value: dict[str, Any], known: list[str]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name not in known}


def _join(whole: dict[str, Any], new: dict[str, Any], *, in_delta: bool) -> None:
    for name, value in new.items():
        whole[name] = _joined(whole.get(name), value, name, in_delta)


def _joined(old: Any, new: Any, name: str, in_delta: bool) -> Any:  # noqa: FBT001 - it calls itself often
    if new is None:
        return old
    if isinstance(new, str):
        if not in_delta or name in _LABELS or any(name.endswith(ending) for ending in _LABEL_ENDINGS):
            return new if new or old is None else old
        return old + new if isinstance(old, str) else new
    if isinstance(new, dict):
        merged = dict(old) if isinstance(old, dict) else {}
        _join(merged, new, in_delta=in_delta)
        return merged
    if isinstance(new, list):
        members = list(old) if isinstance(old, list) else []
        for item in new:
            _join_member(members, item, name, in_delta)
        return members
    return new


def _join_member(members: list[Any], item: Any, name: str, in_delta: bool) -> None:  # noqa: FBT001 - as above
    index = item.get("index") if isinstance(item, dict) else None
    if isinstance(index, int):
        for place, member in enumerate(members):
            if isinstance(member, dict) and isinstance(member.get("index"), int) and member["index"] == index:
                members[place] = _joined(member, item, name, in_delta)
                return
    members.append(_joined(None, item, name, in_delta) if isinstance(item, dict | list) else item)


def clean(value: Any) -> Any:
    """Return `value` without nulls in objects, which mean the same as nothing."""
    if isinstance(value, dict):
        return {name: clean(item) for name, item in value.items() if item is not None}
    return [clean(item) for item in value] if isinstance(value, list) else value
