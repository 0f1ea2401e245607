"""One of everything that a request may say: values of each parameter of `create`, and messages of each role.

What comes out are tables of plain values, written by hand from the published reference; each of them is valid alone.
`words` tells what the types have names for, so that a test can hold the tables against them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

__all__ = ["MESSAGES", "PARAMETERS", "names_in", "nullable", "words"]

_CACHED = {"mode": "explicit"}
_TEXT = {"type": "text", "text": "Hello"}
_CACHED_TEXTS = [{**_TEXT, "prompt_cache_breakpoint": {**_CACHED, "ttl": ttl}} for ttl in ("30m", "12h")]
_CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_CUSTOM_CALL = {"id": "call_2", "type": "custom", "custom": {"name": "c", "input": "text"}}
_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
_FUNCTION = {"type": "function", "function": {"name": "f"}}
_GRAMMARS = [{"definition": "start: /a+/", "syntax": "lark"}, {"definition": "a+", "syntax": "regex"}]
_CUSTOM_TOOLS = [
    {"type": "custom", "custom": {"name": "c"}},
    {"type": "custom", "custom": {"name": "t", "description": "Says it.", "format": {"type": "text"}}},
    *(
        {"type": "custom", "custom": {"name": f"g{at}", "format": {"type": "grammar", "grammar": grammar}}}
        for at, grammar in enumerate(_GRAMMARS)
    ),
]
_POLICY = {"input": {"mode": "score"}, "output": {"mode": "block"}}
_PLACE = {"city": "Berne", "country": "CH", "region": "Berne", "timezone": "Europe/Zurich"}

PARAMETERS: dict[str, list[Any]] = {
    "audio": [
        None,
        *({"format": format, "voice": "alloy"} for format in ("wav", "aac", "mp3", "flac", "opus", "pcm16")),
        *(
            {"format": "wav", "voice": voice}
            for voice in (
                *("ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar", "of our own"),
                {"id": "voice_1234"},
            )
        ),
    ],
    "frequency_penalty": [None, -2, 0.5, 2.0],
    "function_call": ["none", "auto", {"name": "f"}],
    "functions": [[{"name": "f"}, {"name": "g", "description": "Does it.", "parameters": _SCHEMA}]],
    "logit_bias": [None, {}, {"50256": -100, "1": 100}],
    "logprobs": [None, True, False],
    "max_completion_tokens": [None, 1],
    "max_tokens": [None, 1],
    "metadata": [None, {}, {"a": "b", "ключ": "значение"}],
    "modalities": [None, ["text"], ["text", "audio"]],
    "moderation": [
        None,
        {"model": "omni-moderation-latest"},
        {"model": "m", "policy": None},
        {"model": "m", "policy": {}},
        {"model": "m", "policy": _POLICY},
        {"model": "m", "policy": {"input": None, "output": None}},
    ],
    "n": [None, 1, 128],
    "parallel_tool_calls": [True, False],
    "prediction": [
        None,
        {"type": "content", "content": "Hello"},
        {"type": "content", "content": [_TEXT, *_CACHED_TEXTS]},
    ],
    "presence_penalty": [None, -2, 0.5, 2.0],
    "prompt_cache_key": [None, "k"],
    "prompt_cache_options": [{}, {"mode": "implicit"}, {"mode": "explicit", "ttl": "30m"}],
    "prompt_cache_retention": [None, "in_memory", "24h"],
    "reasoning_effort": [None, "none", "minimal", "low", "medium", "high", "xhigh", "max"],
    "response_format": [
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "s"}},
        {"type": "json_schema", "json_schema": {"name": "s", "schema": _SCHEMA, "strict": None}},
        {
            "type": "json_schema",
            "json_schema": {"name": "s", "description": "A city.", "schema": _SCHEMA, "strict": True},
        },
    ],
    "safety_identifier": [None, "s" * 64],
    "seed": [None, 0, -(2**62), 2**62],
    "service_tier": [None, "auto", "default", "flex", "scale", "priority", "fast"],
    "stop": [None, "\n", ["a"], ["a", "b", "c", "d"]],
    "store": [None, True, False],
    "stream_options": [None, {}, {"include_usage": True, "include_obfuscation": False}],
    "temperature": [None, 0, 0.5, 2],
    "tool_choice": [
        "none",
        "auto",
        "required",
        {"type": "function", "function": {"name": "f"}},
        {"type": "custom", "custom": {"name": "c"}},
        *(
            {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [_FUNCTION]}}
            for mode in ("auto", "required")
        ),
    ],
    "tools": [
        [],
        [_FUNCTION],
        [{"type": "function", "function": {"name": "f", "description": "d", "parameters": _SCHEMA, "strict": None}}],
        [{"type": "function", "function": {"name": "f", "parameters": _SCHEMA, "strict": True}}],
        _CUSTOM_TOOLS,
        [_FUNCTION, *_CUSTOM_TOOLS],
    ],
    "top_logprobs": [None, 0, 20],
    "top_p": [None, 0, 0.5, 1],
    "user": ["u"],
    "verbosity": [None, "low", "medium", "high"],
    "web_search_options": [
        {},
        {"user_location": None},
        *({"search_context_size": size} for size in ("low", "medium", "high")),
        {"user_location": {"type": "approximate", "approximate": {}}},
        {"user_location": {"type": "approximate", "approximate": _PLACE}},
    ],
}

_IMAGES = [
    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}, "prompt_cache_breakpoint": _CACHED},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "auto"}},
    {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
    {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
]
_SOUNDS = [
    {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}, "prompt_cache_breakpoint": _CACHED},
    {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
]
_FILES = [
    {"type": "file", "file": {"file_id": "file-1"}, "prompt_cache_breakpoint": {**_CACHED, "ttl": "12h"}},
    {"type": "file", "file": {"file_data": "data:application/pdf;base64,QUJD", "filename": "a.pdf"}},
]
_REFUSAL = {"type": "refusal", "refusal": "No."}

MESSAGES: list[dict[str, Any]] = [
    *(
        {"role": role, "content": content, **name}
        for role in ("developer", "system", "user")
        for content in ("Hello", "", [_TEXT], [_TEXT, *_CACHED_TEXTS])
        for name in ({}, {"name": "n"})
    ),
    *({"role": "user", "content": [part]} for part in (*_IMAGES, *_SOUNDS, *_FILES)),
    {"role": "user", "content": [_TEXT, *_IMAGES, *_SOUNDS, *_FILES]},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.b/c", "detail": "original"}}]},
    {"role": "assistant"},
    {"role": "assistant", "content": "Hello", "name": "n", "refusal": None, "audio": None, "function_call": None},
    {"role": "assistant", "content": None, "refusal": "No."},
    {"role": "assistant", "content": [_TEXT, _REFUSAL]},
    {"role": "assistant", "audio": {"id": "audio_1"}},
    {"role": "assistant", "tool_calls": [_CALL]},
    {"role": "assistant", "content": None, "tool_calls": [_CALL, _CUSTOM_CALL]},
    {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "tool", "tool_call_id": "call_1", "content": "42"},
    {"role": "tool", "tool_call_id": "call_1", "content": [_TEXT, *_CACHED_TEXTS]},
    {"role": "function", "name": "f", "content": "42"},
    {"role": "function", "name": "f", "content": None},
]


def nullable(annotation: Any) -> bool:
    """Whether a parameter of this type may be None."""
    return annotation is NoneType or NoneType in get_args(annotation) or any(map(nullable, _members(annotation)))


def words(annotation: Any) -> set[str]:
    """Every text that a type lists, and every key that it has, however deep inside."""
    if get_origin(annotation) is Literal:
        return {word for word in get_args(annotation) if isinstance(word, str)}
    if is_typeddict(annotation):
        hints = get_type_hints(annotation)
        return set(hints).union(*map(words, hints.values()))
    return set[str]().union(*map(words, get_args(annotation)))


def names_in(value: Any) -> Iterator[str]:
    """Every text and every key in a value, however deep inside."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from names_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from names_in(item)


def _members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; of anything else none."""
    return () if get_origin(annotation) in {Literal, None} or is_typeddict(annotation) else get_args(annotation)
