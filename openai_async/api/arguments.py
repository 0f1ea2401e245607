"""What each method takes, and whether it was given anything else.

Names and values come in; a `TypeError` that a reader can act on, and that shows no value, goes out, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, cast

from openai_async.types.options import Omit, RequestOptions
from openai_async.types.params import (
    CompletionCreateParamsBase,
    CompletionListParams,
    CompletionParamsCommon,
    CompletionParseParams,
    MessageListParams,
)

__all__ = [
    "MESSAGES",
    "CreateParams",
    "ListParams",
    "MessagesParams",
    "ParseParams",
    "ToolParams",
    "check_flag",
    "check_names",
    "check_text",
    "check_whole",
    "is_type",
    "items_of",
    "mapping_of",
]

# What errors call the items of `messages`.
MESSAGES: Final = 'messages, such as [{"role": "user", "content": "Hello"}]'
# They can be iterated, and are no list of things.
_NO_LISTS: Final = (str, bytes, bytearray, memoryview, Mapping, type)


class CreateParams(CompletionCreateParamsBase, RequestOptions):
    """What `create` takes: the API's parameters, and the options of every method."""


class ParseParams(CompletionParseParams, RequestOptions):
    """What `parse` and `stream` take beside `response_format`."""


class ToolParams(CompletionParamsCommon, RequestOptions):
    """What `run_tools` takes beside `tools` and `response_format`."""


class ListParams(CompletionListParams, RequestOptions):
    """What `list` takes."""


class MessagesParams(MessageListParams, RequestOptions):
    """What `messages.list` takes."""


def check_names(method: str, given: Iterable[object], known: frozenset[str], *, others: str = "extra_body") -> None:
    """Refuse keyword arguments that a method does not have.

    Args:
        method: Its name, for the message; with parentheses it is used as it is.
        given: The names of the arguments.
        known: Those it takes.
        others: The argument that takes what other vendors know, for the message.

    Raises:
        TypeError: One of `given` is unknown; the message names the closest one that is known.
    """
    wrong = [name for name in given if name not in known]
    if not wrong:
        return
    # Imported here: only a mistake needs it.
    from difflib import get_close_matches  # noqa: PLC0415 - see above

    unknown = str.__str__(wrong[0]) if isinstance(wrong[0], str) else f"of the type {type(wrong[0]).__name__}"
    close = get_close_matches(unknown[:64], known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"parameters of other vendors go into {others}={{...}}."
    called = method if method.endswith(")") else f"{method}()"
    raise TypeError(f"{called} got an unexpected keyword argument {unknown!r:.100}; {hint}")


def check_text(value: object, name: str) -> None:
    """Refuse what is no string.

    Raises:
        TypeError: It is none; the message has the argument's name.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")


def check_flag(value: object, name: str) -> None:
    """Refuse what is neither True nor False: "false" would be true.

    Raises:
        TypeError: It is neither; the message has the argument's name.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, not a {type(value).__name__}")


def check_whole(value: object, name: str, *, least: int) -> None:
    """Refuse what is no whole number, or a smaller one than `least`.

    Raises:
        TypeError, ValueError: It is; the message has the argument's name.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a whole number, not a {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} is {least} or more")


def mapping_of(value: object, name: str) -> Mapping[str, Any]:
    """Return an argument that is a mapping, empty where it is None or `omit`.

    Raises:
        TypeError: It is none; the message has the argument's name.
    """
    if value is None or isinstance(value, Omit):
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping, not {type(value).__name__}")
    return cast("Mapping[str, Any]", value)  # whose keys nobody has looked at


def items_of(value: object, name: str, example: str) -> Iterable[Any]:
    """Return an argument that is a list, or anything else with items; text, mappings, files and models are none.

    Raises:
        TypeError: It is none; the message has the argument's name, and says what the items are.
    """
    if type(value) is list:  # as nearly always: the rest takes 2 µs
        return cast("list[Any]", value)  # type: ignore[redundant-cast]  # for pyright
    items: Any = value
    if not (isinstance(items, _NO_LISTS) or any(hasattr(items, name) for name in ("read", "model_dump"))):
        with suppress(TypeError):  # a numpy array of no dimensions says that it has items, and has not
            iter(items)
            return cast("Iterable[Any]", items)
    raise TypeError(f"{name} takes a list of {example}, not {type(value).__name__}")


def is_type(response_format: object) -> bool:
    """Whether a `response_format` is a type to parse answers to, instead of what the API takes."""
    return not (response_format is None or isinstance(response_format, Mapping | Omit))
