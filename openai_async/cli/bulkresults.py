"""What `bulk` has got: the file of results, which is also what it goes on from.

Answers and errors come in, and are on disk as lines of the Batch API's shape when they are counted; out goes which
requests are answered. A line's `id` has the request's digest, so that the answer to another question is not taken for
this one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from openai_async.bulk.linefile import LineFile
from openai_async.bulk.result import Result
from openai_async.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
)
from openai_async.types.json import is_object

from .bulkrequests import BulkRequest

__all__ = ["Answer", "ResultsFile"]

_ID = "batch_req_"
_DIGITS = 16
_OK = 200


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer.

    Attributes:
        status_code: The HTTP status.
        request_id: The server's; None: it sent none.
        body: What it sent, as plain data.
        usage: What it says of the tokens, as plain data; None: nothing.
        retries_taken: Attempts that failed before.
    """

    status_code: int
    request_id: str | None
    body: Any
    usage: Any
    retries_taken: int


class _Status(msgspec.Struct):
    status_code: int = 0


class _Row(msgspec.Struct):
    """Of a line what tells whether its request is answered."""

    id: str
    custom_id: str
    response: _Status | None = None


_rows = msgspec.json.Decoder(_Row)


class ResultsFile:
    """The results, appended to a file as they come: a journal for `amap`, whose keys are `key_of` requests.

    Args:
        path: It is made where there is none; what it has is kept.
        retry_failed: Whether requests that failed count as not answered.

    Attributes:
        sync_interval: Seconds after which results must be on the disk, power failure or not.
        answered: Requests that have an answer.
        failed: Requests that have none but an error.
        damaged: Numbers of lines that can't be read.
        torn: Bytes of a last line that was cut because its end is missing.

    Raises:
        click.ClickException: It is something else, or another process writes to it.
        JournalError: It can't be opened or read.
    """

    sync_interval: float | None = 1.0

    def __init__(self, path: Path, *, retry_failed: bool) -> None:
        self.path = path
        self.answered: int = 0
        self.failed: int = 0
        self.damaged: list[int] = []
        self._retry_failed = retry_failed
        self._lines = 0
        self._known: dict[str, int] = {}  # the digest, doubled, and 1 for a failure
        try:
            self._file = LineFile(path, fsync=self.sync_interval or "never", accept=self._accept, whole=self._whole)
        except BlockingIOError as error:
            raise click.ClickException(f"Another process writes its results to {path}.") from error
        self.torn: int = self._file.torn

    @staticmethod
    def key_of(request: BulkRequest) -> str:
        """Return what a request is known by here."""
        return request.digest + request.custom_id

    def check(self, request: BulkRequest) -> bool:
        """Return whether a request is done.

        Raises:
            click.ClickException: Its id was answered for another request.
        """
        known = self._known.get(request.custom_id)
        if known is None:
            return False
        if known >> 1 != int(request.digest, 16):
            raise click.ClickException(
                f"{self.path} has a result for {request.custom_id!r}, but of another request than line {request.line} "
                "of the input: something was changed since. Use another file for the results."
            )
        return not (known & 1 and self._retry_failed)

    def done(self, key: str) -> bool:
        """Whether the request needs no call any more."""
        known = self._known.get(key[_DIGITS:])
        return known is not None and not (known & 1 and self._retry_failed)

    def keep(self, results: Sequence[Result[BulkRequest, Answer]]) -> None:
        """Append answers, and what went wrong instead, in a single write.

        Raises:
            Exception: A call failed with what is no error of the API's; the others are appended.
            JournalError: They can't be written; none is appended.
        """
        strange = [result.error for result in results if result.error and not isinstance(result.error, APIError)]
        kept = [result for result in results if result.error not in strange]
        if kept:
            self._file.append([_line(result) for result in kept])
        for result in kept:
            answered = result.value is not None and result.value.status_code == _OK
            self._note(result.item.custom_id, result.key[:_DIGITS], failed=not answered)
        if strange:
            raise strange[0]

    def sync(self) -> None:
        """Have everything on the disk."""
        self._file.sync()

    def close(self) -> None:
        """Sync and close."""
        self._file.close()

    def _accept(self, start: int, line: bytes) -> None:
        del start
        self._lines += 1
        try:
            row = _rows.decode(line)
            if not row.id.startswith(_ID):
                raise ValueError("of another kind")
            failed = row.response is None or row.response.status_code != _OK
            self._note(row.custom_id, row.id.removeprefix(_ID), failed=failed)
        except (ValueError, RecursionError) as error:
            if self._lines == 1:
                raise self._foreign() from error
            self.damaged.append(self._lines)

    def _whole(self, line: bytes) -> bool:
        begin = f'{{"id":"{_ID}'.encode()
        if not self._lines and line.strip(b"\0") and not (line.startswith(begin) or begin.startswith(line)):
            raise self._foreign()
        try:
            _rows.decode(line)
        except (ValueError, RecursionError):
            return False
        return True

    def _note(self, custom_id: str, digest: str, *, failed: bool) -> None:
        before = self._known.get(custom_id)
        if before is not None and not before & 1:
            return
        if before is not None:
            self.failed -= 1
        self._known[custom_id] = int(digest, 16) << 1 | failed
        self.failed += failed
        self.answered += not failed

    def _foreign(self) -> click.ClickException:
        return click.ClickException(f"{self.path} holds something else than results of this command; it is left alone.")


def _line(result: Result[BulkRequest, Answer]) -> bytes:
    """The line of an answer, or of an error of the API's."""
    response: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    error = result.error
    if result.value is not None:
        response = _response(result.value.status_code, result.value.request_id, result.value.body)
    elif isinstance(error, APIError) and error.status_code is not None and not isinstance(error, APIConnectionError):
        told: Any = error.body if is_object(error.body) else {"message": error.message, "code": error.code}
        response = _response(error.status_code, error.request_id, {"error": told})
    else:
        problem = _problem(error)
    row = {
        "id": _ID + result.key[:_DIGITS],
        "custom_id": result.item.custom_id,
        "response": response,
        "error": problem,
    }
    return msgspec.json.encode(row)


def _response(status: int, request_id: str | None, body: Any) -> dict[str, Any]:
    return {"status_code": status, "request_id": request_id, "body": body}


def _problem(error: Exception | None) -> dict[str, Any]:
    """What is told of an error that brought no response."""
    match error:
        case APITimeoutError():
            code = "timeout"
        case APIConnectionError():
            code = "connection_error"
        case _:
            code = "invalid_response"
    return {"code": code, "message": getattr(error, "message", None)}
