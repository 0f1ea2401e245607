"""Stored completions: the methods of `client.chat.completions` for those made with `store=True`.

An id, labels or filters come in, a `Call` goes out. Arguments are checked at once; nothing is sent before the call is
awaited, entered or iterated. Nothing here makes a completion.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, Unpack, cast

from openai_async.types.completion import ChatCompletion
from openai_async.types.options import RequestOptions
from openai_async.types.shared import Metadata
from openai_async.types.stored import ChatCompletionDeleted

from .answers import read_completion, read_model
from .arguments import ListParams, check_names
from .call import Call
from .messages import AsyncMessages, completion_path
from .pages import Listing, PageCall
from .request import Plan, Sender, encode_body
from .sending import PlainSending

__all__ = ["StoredCompletions"]

_OPTIONS = frozenset(RequestOptions.__annotations__)
_NAMES = frozenset(ListParams.__annotations__)


class StoredCompletions:
    """The methods for completions that the server keeps."""

    def __init__(self, client: Sender) -> None:
        self._client = client

    def retrieve(self, completion_id: str, **options: Unpack[RequestOptions]) -> Call[ChatCompletion]:
        """Return a stored completion: `GET /chat/completions/{completion_id}`.

        Args:
            completion_id: Of a completion made with `store=True`.
            options: Of `RequestOptions`; `extra_body` is not sent.

        Raises:
            TypeError, ValueError: An argument is unknown, or can't be sent.
            OpenAIError: From the call: whatever goes wrong; `NotFoundError`: there is no such completion (yet: some
                seconds pass until it is there).
        """
        plan = self._stored("retrieve", "GET", completion_id, None, options)
        return Call[ChatCompletion].of(
            PlainSending(self._client, plan, read_completion), name="chat.completions.retrieve"
        )

    def update(
        self, completion_id: str, *, metadata: Metadata | None, **options: Unpack[RequestOptions]
    ) -> Call[ChatCompletion]:
        """Give a stored completion other labels, in place of all old ones: `POST /chat/completions/{completion_id}`.

        Args:
            completion_id: As `retrieve`.
            metadata: The labels; None: none.
            options: Of `RequestOptions`.

        Returns:
            A call that gives the completion as it is then. Raises as `retrieve`.
        """
        # Checked first: a misspelt option is the mistake, whatever the body holds.
        check_names("update", options, _OPTIONS | {"metadata"})
        body = encode_body({"metadata": metadata}, options.get("extra_body"))
        plan = self._stored("update", "POST", completion_id, body, options)
        return Call[ChatCompletion].of(
            PlainSending(self._client, plan, read_completion), name="chat.completions.update"
        )

    def list(self, **params: Unpack[ListParams]) -> PageCall[ChatCompletion]:
        """List stored completions: `GET /chat/completions`.

            async for completion in client.chat.completions.list(metadata={"project": "atlas"}, limit=100):
                print(completion.id)

        Args:
            params: The API's parameters, explained in `CompletionListParams`, and the options of `RequestOptions`,
                which hold for each page. `limit` is the size of a page, not of the list.

        Returns:
            A call: await it for the first page, iterate it with `async for` for all completions.

        Raises:
            TypeError, ValueError: An argument is unknown, or can't be sent.
            OpenAIError: From the call; a page that was here before is an `APIResponseValidationError`.
        """
        check_names("list", params, _NAMES, others="extra_query")
        return Listing(self._client, "/chat/completions", ChatCompletion, params).call("chat.completions.list")

    def delete(self, completion_id: str, **options: Unpack[RequestOptions]) -> Call[ChatCompletionDeleted]:
        """Delete a stored completion: `DELETE /chat/completions/{completion_id}`.

        Args:
            completion_id: As `retrieve`.
            options: Of `RequestOptions`.

        Returns:
            A call that gives the completion's id and whether it is gone. Raises as `retrieve`.
        """
        extra = options.get("extra_body")
        body = None if extra is None else encode_body({}, extra)
        plan = self._stored("delete", "DELETE", completion_id, body, options)
        read = partial(read_model, ChatCompletionDeleted)
        return Call[ChatCompletionDeleted].of(PlainSending(self._client, plan, read), name="chat.completions.delete")

    @property
    def messages(self) -> AsyncMessages:
        """The messages of stored completions."""
        return AsyncMessages(self._client)

    def _stored(
        self, method: str, verb: str, completion_id: str, body: bytes | None, options: Mapping[str, Any]
    ) -> Plan:
        """Check the arguments of a method for one stored completion, and plan its request."""
        check_names(method, options, _OPTIONS, others="extra_query")
        path = completion_path(completion_id)
        return self._client._plan(verb, path, body, cast("RequestOptions", options), stream=False)


if sys.version_info >= (3, 12):
    # As for `create`; a list is also iterated, which what wraps coroutine functions would take away.
    for _method in (StoredCompletions.retrieve, StoredCompletions.update, StoredCompletions.delete):
        inspect.markcoroutinefunction(_method)
