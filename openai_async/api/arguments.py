"""What each method takes, and whether it was given anything else.

Names come in; a `TypeError` that a reader can act on goes out, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from openai_async.types.options import Omit, RequestOptions
from openai_async.types.params import (
    CompletionCreateParamsBase,
    CompletionListParams,
    CompletionParamsCommon,
    CompletionParseParams,
    MessageListParams,
)

__all__ = ["CreateParams", "ListParams", "MessagesParams", "ParseParams", "ToolParams", "check_names", "is_type"]


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


def check_names(method: str, given: Iterable[str], known: frozenset[str], *, others: str = "extra_body") -> None:
    """Refuse keyword arguments that a method does not have.

    Args:
        method: Its name, for the message.
        given: The names of the arguments.
        known: Those it takes.
        others: The argument that takes what other vendors know, for the message.

    Raises:
        TypeError: One of `given` is unknown; the message names the closest one that is known.
    """
    unknown = next((name for name in given if name not in known), None)
    if unknown is None:
        return
    # Imported here: only a mistake needs it.
    from difflib import get_close_matches  # noqa: PLC0415 - see above

    close = get_close_matches(unknown, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"parameters of other vendors go into {others}={{...}}."
    raise TypeError(f"{method}() got an unexpected keyword argument {unknown!r}; {hint}")


def is_type(response_format: object) -> bool:
    """Whether a `response_format` is a type to parse answers to, instead of what the API takes."""
    return not (response_format is None or isinstance(response_format, Mapping | Omit))
