"""Prompts and answers in the shape that OpenTelemetry's GenAI conventions give them.

A request's body or a completion comes in; messages of parts go out, as plain data. It is asked only where a user wants
content recorded; what has no shape there goes on as it is, under its own type.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

from openai_async.types.completion import ChatCompletion
from openai_async.types.json import is_array, is_object

__all__ = ["input_messages", "output_messages", "tool_definitions"]


def input_messages(body: bytes | None) -> list[dict[str, Any]]:
    """Return the messages that a body sends; none: it sends none, or is no JSON."""
    messages = _asked(body).get("messages")
    return [_message(one) for one in messages if is_object(one)] if is_array(messages) else []


def tool_definitions(body: bytes | None) -> list[dict[str, Any]]:
    """Return name and type of each tool that a body offers: descriptions and schemas are long, and are left out."""
    tools = _asked(body).get("tools")
    return [_tool(one) for one in tools if is_object(one)] if is_array(tools) else []


def output_messages(completion: ChatCompletion) -> list[dict[str, Any]]:
    """Return a message for each choice, as far as it came."""
    messages: list[dict[str, Any]] = []
    for choice in completion.choices:
        message = choice.message
        said = _message(message.to_dict())
        if message.reasoning:
            said["parts"].insert(0, {"type": "reasoning", "content": message.reasoning})
        messages.append({**said, "finish_reason": choice.finish_reason or "error"})
    return messages


def _asked(body: bytes | None) -> dict[str, Any]:
    try:
        asked = msgspec.json.decode(body or b"{}")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}
    return asked if is_object(asked) else {}


def _message(message: dict[str, Any]) -> dict[str, Any]:
    role = message.get("role") or "assistant"
    content: object = message.get("content")
    if role == "tool":
        parts: list[dict[str, Any]] = [
            {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}
        ]
    else:
        parts = _parts(content)
        if isinstance(refusal := message.get("refusal"), str):
            parts.append({"type": "refusal", "content": refusal})
        calls: object = message.get("tool_calls")
        parts += [_call(one) for one in calls if is_object(one)] if is_array(calls) else []
    said: dict[str, Any] = {"role": role, "parts": parts}
    if isinstance(name := message.get("name"), str):
        said["name"] = name
    return said


def _parts(content: object) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "content": content}]
    return [_part(one) for one in content if is_object(one)] if is_array(content) else []


def _part(part: dict[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if not isinstance(kind, str):
        return {**part, "type": str(kind)}
    if kind in {"text", "refusal"}:
        return {"type": kind, "content": str(part.get(kind, ""))}
    value: object = part.get(kind)
    if kind == "image_url" and is_object(value):
        return _image(str(value.get("url", "")))
    if kind == "input_audio" and is_object(value):
        mime_type = f"audio/{value.get('format')}"
        return {"type": "blob", "modality": "audio", "mime_type": mime_type, "content": value.get("data")}
    if kind == "file" and is_object(value) and "file_id" in value:
        return {"type": "file", "modality": "document", "file_id": value["file_id"]}
    return part


def _image(url: str) -> dict[str, Any]:
    head, comma, data = url.partition(",")
    if not (head.startswith("data:") and comma):
        return {"type": "uri", "modality": "image", "uri": url}
    mime_type = head.removeprefix("data:").partition(";")[0]
    return {"type": "blob", "modality": "image", "mime_type": mime_type, "content": data}


def _call(call: dict[str, Any]) -> dict[str, Any]:
    called: object = call.get("function") or call.get("custom")
    if not is_object(called):
        return {**call, "type": "tool_call", "name": ""}
    arguments: Any = called.get("arguments", called.get("input"))
    if isinstance(arguments, str):
        with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):  # else it is text, and stays it
            arguments = msgspec.json.decode(arguments)
    return {"type": "tool_call", "id": call.get("id"), "name": str(called.get("name", "")), "arguments": arguments}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    kind = tool.get("type")
    value: object = tool.get(kind) if isinstance(kind, str) else None
    name = value.get("name") if is_object(value) else tool.get("name")
    return {"type": str(kind), "name": str(name or kind)}
