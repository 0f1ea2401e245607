"""What a chat completion request may hold: the API reference as tables.

The body's bytes come in; out goes the request as plain data, every parameter of it known and of the right type, or a
`Problem` in the API's words. It never looks at how parameters go together (`rules` does), nor answers anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from .problems import Problem
from .rules import check_rules
from .schemas import is_object
from .specs import Anything, Either, Fields, Flag, Items, Number, Pairs, Spec, Tagged, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PARAMETERS", "read_request", "read_update"]

_NAME = r"[a-zA-Z0-9_-]+"
_STRING = Text()
_OPTIONAL_STRING = Text(null=True)
_FLAG = Flag(null=True)


def _typed(required: Mapping[str, Spec], **optional: Spec) -> Fields:
    """An object with a `type` field, which the `Tagged` around it has checked already."""
    return Fields(fields={"type": _STRING, **required, **optional}, required=("type", *required))


def _tagged(variants: Mapping[str, Mapping[str, Spec]], *, null: bool = False, **optional: Spec) -> Tagged:
    """One object for each `type`, all of whose own fields are required, with the same optional fields."""
    return Tagged(tag="type", variants={name: _typed(own, **optional) for name, own in variants.items()}, null=null)


# --- Content and messages --------------------------------------------------------------------------------------

_BREAKPOINT = Fields(
    fields={"mode": Text(options=("explicit",)), "ttl": Text(options=("30m", "12h"))}, required=("mode",)
)
_IMAGE = Fields(fields={"url": _STRING, "detail": Text(options=("auto", "low", "high", "original"))}, required=("url",))
_SOUND = Fields(fields={"data": _STRING, "format": Text(options=("wav", "mp3"))}, required=("data", "format"))
_FILE = Fields(fields={"filename": _STRING, "file_data": _STRING, "file_id": _STRING})

_TEXT_PARTS: dict[str, dict[str, Spec]] = {"text": {"text": _STRING}}
_USER_PARTS: dict[str, dict[str, Spec]] = {
    **_TEXT_PARTS,
    "image_url": {"image_url": _IMAGE},
    "input_audio": {"input_audio": _SOUND},
    "file": {"file": _FILE},
}
_ASSISTANT_PARTS: dict[str, dict[str, Spec]] = {**_TEXT_PARTS, "refusal": {"refusal": _STRING}}


def _content(parts: Mapping[str, Mapping[str, Spec]], *, null: bool = False) -> Spec:
    """A message's content: a string, or a list of one or more parts."""
    items = Items(item=_tagged(parts, prompt_cache_breakpoint=_BREAKPOINT), least=1)
    return Either(options=(_STRING, items), null=null)


_CALLED = Fields(fields={"name": _STRING, "arguments": _STRING}, required=("name", "arguments"))
_CUSTOM_CALLED = Fields(fields={"name": _STRING, "input": _STRING}, required=("name", "input"))
_CALL = _tagged(
    {"function": {"id": _STRING, "function": _CALLED}, "custom": {"id": _STRING, "custom": _CUSTOM_CALLED}},
    # Not in the reference, and taken by the API: who joins fragments, as the official SDK does, sends it back with them.
    index=Number(whole=True, null=True),
)


def _message(*required: str, **fields: Spec) -> Fields:
    return Fields(fields={"role": _STRING, "name": _STRING, **fields}, required=required)


_INSTRUCTION = _message("content", content=_content(_TEXT_PARTS))
_MESSAGE = Tagged(
    tag="role",
    variants={
        "system": _INSTRUCTION,
        "assistant": _message(
            content=_content(_ASSISTANT_PARTS, null=True),
            refusal=_OPTIONAL_STRING,
            audio=Fields(fields={"id": _STRING}, required=("id",), open=True, null=True),
            tool_calls=Items(item=_CALL, least=1, most=128, null=True),
            function_call=Fields(fields=_CALLED.fields, required=_CALLED.required, null=True),
            # No request parameter of the reference, but part of every answer, and users send answers back.
            annotations=Items(item=Anything(), null=True),
        ),
        "user": _message("content", content=_content(_USER_PARTS)),
        "function": _message("content", "name", content=_OPTIONAL_STRING),
        "tool": _message("content", "tool_call_id", content=_content(_TEXT_PARTS), tool_call_id=_STRING),
        "developer": _INSTRUCTION,
    },
)

# --- Tools -----------------------------------------------------------------------------------------------------

_TOOL_NAME = Text(pattern=_NAME, longest=64)
_FUNCTION = Fields(
    fields={"name": _TOOL_NAME, "description": _OPTIONAL_STRING, "parameters": Anything(null=True), "strict": _FLAG},
    required=("name",),
)
_GRAMMAR = Fields(
    fields={"definition": _STRING, "syntax": Text(options=("lark", "regex"))}, required=("definition", "syntax")
)
_CUSTOM = Fields(
    fields={
        "name": _TOOL_NAME,
        "description": _OPTIONAL_STRING,
        "format": _tagged({"text": {}, "grammar": {"grammar": _GRAMMAR}}),
    },
    required=("name",),
)
_NAMED = Fields(fields={"name": _STRING}, required=("name",))
_ALLOWED = Fields(
    fields={
        "mode": Text(options=("auto", "required")),
        "tools": Items(item=_tagged({"function": {"function": _NAMED}, "custom": {"custom": _NAMED}}), least=1),
    },
    required=("mode", "tools"),
)
_TOOL_CHOICE = Either(
    options=(
        Text(options=("none", "auto", "required")),
        _tagged(
            {
                "function": {"function": _NAMED},
                "custom": {"custom": _NAMED},
                "allowed_tools": {"allowed_tools": _ALLOWED},
            }
        ),
    ),
    null=True,
)

# --- Everything else -------------------------------------------------------------------------------------------

_JSON_SCHEMA = Fields(
    fields={
        "name": Text(pattern=_NAME, longest=64),
        "description": _OPTIONAL_STRING,
        "schema": Anything(),
        "strict": _FLAG,
    },
    required=("name",),
)
_PLACE = Fields(fields=dict.fromkeys(("city", "country", "region", "timezone"), _OPTIONAL_STRING))
_POLICY = Fields(fields={"mode": Text(options=("score", "block"))}, required=("mode",), null=True)
_PENALTY = Number(low=-2, high=2, null=True)

PARAMETERS: Mapping[str, Spec] = {
    "messages": Items(item=_MESSAGE, least=1),
    "model": Text(shortest=1),
    "audio": Fields(
        fields={
            "voice": Either(options=(_STRING, Fields(fields={"id": _STRING}, required=("id",)))),
            "format": Text(options=("wav", "aac", "mp3", "flac", "opus", "pcm16")),
        },
        required=("voice", "format"),
        null=True,
    ),
    "frequency_penalty": _PENALTY,
    "function_call": Either(options=(Text(options=("none", "auto")), _NAMED), null=True),
    "functions": Items(item=_FUNCTION, least=1, most=128, null=True),
    "logit_bias": Pairs(key=_STRING, value=Number(low=-100, high=100), null=True),
    "logprobs": _FLAG,
    "max_completion_tokens": Number(whole=True, low=1, null=True),
    "max_tokens": Number(whole=True, low=1, null=True),
    "metadata": Pairs(key=Text(longest=64), value=Text(longest=512), most=16, null=True),
    "modalities": Items(item=Text(options=("text", "audio")), least=1, null=True),
    "moderation": Fields(
        fields={"model": _STRING, "policy": Fields(fields={"input": _POLICY, "output": _POLICY}, null=True)},
        required=("model",),
        null=True,
    ),
    "n": Number(whole=True, low=1, high=128, null=True),
    "parallel_tool_calls": _FLAG,
    "prediction": _tagged({"content": {"content": _content(_TEXT_PARTS)}}, null=True),
    "presence_penalty": _PENALTY,
    "prompt_cache_key": _OPTIONAL_STRING,
    "prompt_cache_options": Fields(
        fields={"mode": Text(options=("implicit", "explicit")), "ttl": Text(options=("30m",))}
    ),
    "prompt_cache_retention": Text(options=("in_memory", "24h"), null=True),
    "reasoning_effort": Text(options=("none", "minimal", "low", "medium", "high", "xhigh", "max"), null=True),
    "response_format": _tagged(
        {"text": {}, "json_object": {}, "json_schema": {"json_schema": _JSON_SCHEMA}}, null=True
    ),
    "safety_identifier": Text(longest=64, null=True),
    "seed": Number(whole=True, low=-(2**63), high=2**63 - 1, null=True),
    "service_tier": Text(options=("auto", "default", "flex", "scale", "priority", "fast"), null=True),
    "stop": Either(options=(_STRING, Items(item=_STRING, least=1, most=4)), null=True),
    "store": _FLAG,
    "stream": _FLAG,
    "stream_options": Fields(fields={"include_usage": _FLAG, "include_obfuscation": _FLAG}, null=True),
    "temperature": Number(low=0, high=2, null=True),
    "tool_choice": _TOOL_CHOICE,
    "tools": Items(
        item=_tagged({"function": {"function": _FUNCTION}, "custom": {"custom": _CUSTOM}}), most=128, null=True
    ),
    "top_logprobs": Number(whole=True, low=0, high=20, null=True),
    "top_p": Number(low=0, high=1, null=True),
    "user": _OPTIONAL_STRING,
    "verbosity": Text(options=("low", "medium", "high"), null=True),
    "web_search_options": Fields(
        fields={
            "search_context_size": Text(options=("low", "medium", "high")),
            "user_location": _tagged({"approximate": {"approximate": _PLACE}}, null=True),
        },
        null=True,
    ),
}
_REQUEST = Fields(fields=PARAMETERS, required=("model", "messages"))
_UPDATE = Fields(fields={"metadata": PARAMETERS["metadata"]}, required=("metadata",))
_decode = msgspec.json.Decoder().decode


def read_request(body: bytes, *, ignore_unknown: bool = False) -> dict[str, Any]:
    """Decode and check the body of `POST /v1/chat/completions`.

    Args:
        body: The JSON as it came.
        ignore_unknown: Drop what the API does not know instead of refusing it: parameters, and keys inside of them.

    Returns:
        The request, without parameters that are null: null means default.

    Raises:
        Problem: Status 400; the body is no JSON object, or not a request that the API would take.
    """
    request = _object(body)
    if ignore_unknown:
        request = _REQUEST.known(request)
    try:
        _REQUEST.check(request, path="")
        request = {name: value for name, value in request.items() if value is not None}
        check_rules(request)
    except RecursionError as error:
        raise _too_deep() from error
    return request


def read_update(body: bytes) -> dict[str, str]:
    """Decode and check the body of `POST /v1/chat/completions/{id}`.

    Returns:
        The new metadata; null means none.

    Raises:
        Problem: Status 400; the body is no JSON object, or has anything but good metadata.
    """
    request = _object(body)
    _UPDATE.check(request, path="")
    return request["metadata"] or {}


def _object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body."""
    try:
        data = _decode(body)
    # msgspec raises the second for bytes that are no UTF-8.
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text = f"We could not parse the JSON body of your request: {error}. The API expects a JSON object."
        raise Problem(400, text) from error
    except RecursionError as error:
        raise _too_deep() from error
    if not is_object(data):
        raise Problem(400, "The JSON body of your request must be an object.", code="invalid_type")
    return data


def _too_deep() -> Problem:
    return Problem(400, "The JSON body of your request is nested too deeply.")
