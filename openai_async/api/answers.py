"""What the body of a plain answer says: a completion, another object of the API, or a type of the user's.

A whole body of status 200 comes in, an object goes out. Whatever else a 200 can be (an error in JSON, a web page,
nothing) is raised. Nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from openai_async.errors import APIResponseValidationError, OutputParseError
from openai_async.protocol import codec, failures
from openai_async.protocol.output import OutputType
from openai_async.types.completion import ChatCompletion
from openai_async.types.json import is_object
from openai_async.types.model import Model, Response

from .response import ResponseInfo, not_an_answer

__all__ = ["caster_of", "json_of", "payload_of", "raise_error", "read_completion", "read_model"]

T = TypeVar("T")
R = TypeVar("R", bound=Response)

# Types that stand for plain JSON data, whatever it is.
_PLAIN = (None, Any, object, dict, list)


def read_completion(body: bytes, info: ResponseInfo) -> ChatCompletion:
    """Return the completion in `body`.

    Raises:
        APIError: It is an error, or no completion.
    """
    try:
        completion = codec.decode(body, ChatCompletion)
    except ValueError as error:
        raise not_an_answer(info, body, "a completion in JSON") from error
    if not completion.choices or "error" in completion.model_extra or _ends_in_error(completion):
        payload = codec.loads(body)
        raise_error(payload, info)
        # An empty list is an answer, if a rare one (n=0). Without any, it is something else.
        if not completion.choices and payload.get("choices") != []:
            raise not_an_answer(info, body, "a completion in JSON")
    if info.request_id is not None:
        completion._response_id = info.request_id
    return completion


def read_model(cls: type[R], body: bytes, info: ResponseInfo) -> R:
    """Return the object of type `cls` in `body`.

    Raises:
        APIError: It is an error, no JSON object, or one of another kind.
    """
    expected = f"a {cls.__name__} in JSON"
    try:
        answer = codec.decode(body, cls)
    except ValueError as error:
        raise not_an_answer(info, body, expected) from error
    payload = codec.loads(body)
    raise_error(payload, info)
    # Fields have defaults, and what says nothing of them would be an answer of defaults.
    if payload.keys().isdisjoint(cls.__struct_fields__):
        raise not_an_answer(info, body, expected)
    if info.request_id is not None:
        answer._response_id = info.request_id
    return answer


def caster_of(to: Any) -> Callable[[bytes, ResponseInfo], Any]:
    """Return what makes of a body and its response the type that the user wants.

    It raises an `APIError` where the body is an error, an `APIResponseValidationError` where it does not fit.

    Args:
        to: `bytes` or `str`: the body itself; `dict`, `list`, `object` or None: plain JSON data; a response type of
            this package, or one derived from it: decoded leniently, nothing lost; any other type: decoded strictly.

    Raises:
        TypeError: `to` is nothing that JSON could become.
    """
    if to is bytes:
        return lambda body, _info: body
    if to is str:
        return lambda body, _info: body.decode("utf-8", "replace")
    if any(to is plain for plain in _PLAIN):  # not `in`, which compares: an array of numpy's would do it item by item
        return payload_of
    if isinstance(to, type) and issubclass(to, Model):
        return partial(_cast_to_model, to)
    return partial(_cast_strictly, OutputType.of(to, argument="a type to cast_to, or to parse to,"))


def json_of(body: bytes, info: ResponseInfo, *, expected: str = "JSON") -> Any:
    """Return a body as plain data.

    Args:
        body: As it came.
        info: Of the response.
        expected: What the body is to be, for the error.

    Raises:
        APIResponseValidationError: It is no JSON.
    """
    try:
        return codec.loads(body)
    except ValueError as error:
        raise not_an_answer(info, body, expected) from error


def payload_of(body: bytes, info: ResponseInfo, *, expected: str = "JSON") -> Any:
    """Return a body as plain data, as `json_of`.

    Raises:
        APIError: It is an error; or, as an `APIResponseValidationError`, no JSON.
    """
    payload = json_of(body, info, expected=expected)
    if is_object(payload):
        raise_error(payload, info)
    return payload


def _cast_to_model(cls: type[Model], body: bytes, info: ResponseInfo) -> Model:
    payload = payload_of(body, info)
    if not is_object(payload):
        raise not_an_answer(info, body, f"a {cls.__name__} in JSON")
    answer = cls.from_dict(payload)
    if isinstance(answer, Response) and info.request_id is not None:
        answer._response_id = info.request_id
    return answer


def _cast_strictly(output: OutputType[Any], body: bytes, info: ResponseInfo) -> Any:
    payload = payload_of(body, info)
    try:
        return output.parse(body.decode("utf-8", "replace"))
    except OutputParseError as error:
        raise APIResponseValidationError(
            f"The answer does not fit {output.name}: {error.reason}" + (f" at {error.place}" if error.place else ""),
            headers=dict(info.headers),
            request_id=info.request_id,
            body=payload,
        ) from error


def raise_error(payload: dict[str, Any], info: ResponseInfo) -> None:
    """Raise the error that a body of status 200 holds, if it holds one."""
    error = failures.stream_error(payload, None)
    if error is not None:
        raise failures.from_event(error, headers=info.headers)


def _ends_in_error(completion: ChatCompletion) -> bool:
    return any(choice.finish_reason == "error" for choice in completion.choices)
