"""What to do about an error of the API's, or of the way to it.

An error comes in, with what was asked of whom; out go sentences. Nothing here repeats what the error says.
"""

from __future__ import annotations

from difflib import get_close_matches
from urllib.parse import urlsplit

import msgspec

from openai_async.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    IncompleteStreamError,
    InsufficientQuotaError,
    InternalServerError,
    NotFoundError,
    OpenAIError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
)

__all__ = ["Asked", "advise"]

_OPENAI = "api.openai.com"
# Names of models that are shown where the one asked for does not exist.
_SHOWN = 5


class Asked(msgspec.Struct, kw_only=True):
    """What was asked, and of whom.

    Attributes:
        url: The API's address.
        model: The model's name.
        models: Those that the server lists; empty: it does not.
    """

    url: str
    model: str
    models: list[str] = []


def advise(error: OpenAIError, asked: Asked) -> list[str]:
    """Return what to do about an error, in sentences; empty: the error says it by itself."""
    match error:
        case AuthenticationError():
            return _about_key(asked)
        case PermissionDeniedError():
            return [
                (
                    "The key is known, and may not do this: is it of another project or organisation (OPENAI_PROJECT_ID, "
                    "OPENAI_ORG_ID), is the model open to it, is the API offered in this country? A firewall answers so, too."
                )
            ]
        case NotFoundError():
            return (
                _about_model(asked) if _is_of_model(error) or "model" in error.message.lower() else _about_path(asked)
            )
        case InsufficientQuotaError():
            return ["There is no credit left, or a monthly limit is reached: look at the account's billing page."]
        case RateLimitError():
            return ["The key and the address are right; wait a minute, or send less at once."]
        case BadRequestError() | UnprocessableEntityError():
            return (
                _about_model(asked)
                if _is_of_model(error)
                else ["The server does not take a plain request of this API."]
            )
        case InternalServerError():
            return [
                "The server, or a proxy before it, is in trouble: try again later, and give its operator the request id."
            ]
        case APIStatusError(status_code=int() as status) if status in {301, 302, 303, 307, 308}:
            return ["Set the base URL to the address that the server names."]
        case APIStatusError(status_code=402):
            return ["There is no credit left: look at the account's billing page."]
        case APIStatusError(status_code=405 | 410):
            return _about_path(asked)
        case APIStatusError():
            return ["The server, or a proxy before it, does not take this request: its log or its manual may say why."]
        case APIResponseValidationError():
            return [
                "What answers is no API of this kind: a web site, or a page of a proxy or of a network that wants a login.",
                *_about_path(asked),
            ]
        case APITimeoutError():
            return [
                "The server took the connection and did not answer in time: is the model still loading? See --timeout."
            ]
        case IncompleteStreamError():
            return ["The answer breaks off: the server fails in the middle, or a proxy on the way has a time limit."]
        case APIConnectionError():
            return [
                "The connection breaks when a request is sent: something between here and the server does not like it."
            ]
        case APIError():
            return ["The server began to answer and then failed: its log may say why."]
        case _:
            return []


def _about_key(asked: Asked) -> list[str]:
    if urlsplit(asked.url).hostname == _OPENAI:
        return ["The key is wrong or was withdrawn: make one at https://platform.openai.com/api-keys, and set it."]
    return ["The server does not know the key: is it one of this server's, and not of another vendor's?"]


def _about_model(asked: Asked) -> list[str]:
    near = get_close_matches(asked.model, asked.models, _SHOWN, 0.4) or asked.models[:_SHOWN]
    if not near:
        return ["Give the name of a model that this server has: -m NAME, or OPENAI_MODEL."]
    return [f"Give the name of a model that this server has (-m NAME, or OPENAI_MODEL), such as {', '.join(near)}."]


def _about_path(asked: Asked) -> list[str]:
    parts = urlsplit(asked.url)
    root = f"{parts.scheme}://{parts.netloc}"
    if "/v1" not in parts.path:
        return [f"The path may be wrong: set the base URL to {asked.url.partition('?')[0]}/v1."]
    return [f"The path may be wrong: is {parts.path} what the server's manual says for {root}?"]


def _is_of_model(error: APIStatusError) -> bool:
    return error.code == "model_not_found" or error.param == "model"
