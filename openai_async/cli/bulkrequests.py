"""What `bulk` asks: requests, read one by one from a file of requests, prompts, or a table.

A file comes in; out go requests with their ids, each checked, or an error that names the line. No more than one line is
in memory, except for the ids.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import click
import msgspec

from openai_async.types.json import is_array, is_object

__all__ = ["BulkRequest", "Census", "Requests"]

_ROUTE = "/chat/completions"
_JSON_LINES = ("jsonl", "ndjson", "json")
_BOM = b"\xef\xbb\xbf"


class BulkRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request.

    Attributes:
        custom_id: What its result is found by.
        body: What is sent.
        line: Where it stands in the file, from 1.
    """

    custom_id: str
    body: dict[str, Any]
    line: int

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that change with the body."""
        return blake2b(msgspec.json.encode(self.body), digest_size=8).hexdigest()

    @property
    def prompt_tokens(self) -> int:
        """About how many tokens the messages have: a quarter of their letters, and four for each message."""
        messages = self.body["messages"]
        return sum(4 + (_letters(message) + 3) // 4 for message in messages)

    @property
    def longest_answer(self) -> int | None:
        """Tokens that the answers may have, all choices together; None: not limited by the request."""
        longest = self.body.get("max_completion_tokens") or self.body.get("max_tokens")
        choices = self.body.get("n")
        if not isinstance(longest, int):
            return None
        return longest * (choices if isinstance(choices, int) else 1)


class Census(msgspec.Struct, kw_only=True):
    """What a file of requests holds.

    Attributes:
        requests: How many there are.
        prompt_tokens: About how many tokens their messages have.
        longest_answers: Tokens that the answers may have; those that are not limited do not count.
        unlimited: Requests whose answer is not limited.
    """

    requests: int = 0
    prompt_tokens: int = 0
    longest_answers: int = 0
    unlimited: int = 0

    def add(self, request: BulkRequest) -> None:
        """Count a request."""
        self.requests += 1
        self.prompt_tokens += request.prompt_tokens
        longest = request.longest_answer
        if longest is None:
            self.unlimited += 1
        else:
            self.longest_answers += longest


class Requests:
    """The requests of a file, as often as one iterates.

    The file is one of these: `.txt`, a prompt a line; `.csv`, or any file with `column` given, a prompt a row; else
    JSONL, where each line is a request of the Batch API (`custom_id`, `body`), or a body alone (`messages` …).

    Args:
        path: The file.
        column: The CSV's column with the prompts; None: it is no CSV, or has one column only.
        defaults: Parameters for bodies that lack them, the model among them.
        system: Instructions that go before each prompt; None: none. Bodies have their own.
    """

    def __init__(self, path: Path, *, column: str | None, defaults: Mapping[str, Any], system: str | None) -> None:
        self._path = path
        self._column = column
        self._defaults = dict(defaults)
        self._system = system
        self._kind = "csv" if column is not None else path.suffix.lower().removeprefix(".")
        if system is not None and self._kind not in {"txt", "csv"}:
            raise click.UsageError("--system goes with prompts; the requests of a JSONL file have their own messages.")

    def __iter__(self) -> Iterator[BulkRequest]:
        """Give the requests.

        Raises:
            click.ClickException: A line is none; the message names it.
            OSError: The file can't be read.
        """
        match self._kind:
            case "txt":
                return self._prompts()
            case "csv":
                return self._rows()
            case _:
                return self._lines()

    def check(self) -> Iterator[BulkRequest]:
        """Do as `__iter__`, and make sure that no two requests have the same id. Raises likewise."""
        seen: dict[str, int] = {}
        for request in self:
            first = seen.setdefault(request.custom_id, request.line)
            if first != request.line:
                raise self._wrong(request.line, f"the custom_id {request.custom_id!r} is that of line {first}, too")
            yield request

    def _prompts(self) -> Iterator[BulkRequest]:
        for number, line in self._texts():
            yield self._prompt(f"line-{number}", line, number)

    def _rows(self) -> Iterator[BulkRequest]:
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            try:
                heads = next(reader, list[str]())
                place = self._place(heads)
                for count, row in enumerate((row for row in reader if row), 1):
                    if len(row) <= place or not row[place].strip():
                        raise self._wrong(reader.line_num, f"there is nothing in the column {heads[place]!r}")
                    yield self._prompt(f"row-{count}", row[place], reader.line_num)
            except csv.Error as error:
                raise self._wrong(reader.line_num, f"this is no CSV: {error}") from error
            except UnicodeDecodeError as error:
                raise self._wrong(reader.line_num + 1, "this is no UTF-8") from error

    def _place(self, heads: list[str]) -> int:
        """Which column has the prompts."""
        if self._column is None and len(heads) == 1:
            return 0
        if self._column in heads:
            return heads.index(self._column)
        named = ", ".join(heads) or "none"
        wanted = "--column must say which one" if self._column is None else f"there is no column {self._column!r}"
        raise click.UsageError(f"{self._path} has the columns {named}: {wanted}.")

    def _lines(self) -> Iterator[BulkRequest]:
        for number, line in self._texts():
            try:
                said: Any = msgspec.json.decode(line)
            except (ValueError, RecursionError) as error:
                known = self._kind in _JSON_LINES
                hint = "" if known else "; prompts are read from a file whose name ends in .txt, a table from .csv"
                raise self._wrong(number, f"this is no JSON: {error}{hint}") from error
            if not is_object(said):
                raise self._wrong(number, "this is no JSON object")
            if "body" in said:
                yield self._batch_line(said, number)
            elif "messages" in said:
                yield self._request(f"line-{number}", said, number)
            else:
                raise self._wrong(number, 'there is neither "body", as the Batch API has it, nor "messages"')

    def _batch_line(self, said: dict[str, Any], number: int) -> BulkRequest:
        custom_id, body = said.get("custom_id"), said["body"]
        if not isinstance(custom_id, str) or not custom_id:
            raise self._wrong(number, '"custom_id" must be text, and is missing or something else')
        if not is_object(body):
            raise self._wrong(number, '"body" must be a JSON object')
        method, url = said.get("method", "POST"), said.get("url", _ROUTE)
        if method != "POST" or not isinstance(url, str) or not url.endswith(_ROUTE):
            raise self._wrong(number, f"{method} {url} is not what is done here, which is POST /v1{_ROUTE}")
        return self._request(custom_id, body, number)

    def _prompt(self, custom_id: str, text: str, number: int) -> BulkRequest:
        messages = [{"role": "user", "content": text}]
        if self._system is not None:
            messages.insert(0, {"role": "system", "content": self._system})
        return self._request(custom_id, {"messages": messages}, number)

    def _request(self, custom_id: str, body: dict[str, Any], number: int) -> BulkRequest:
        messages = body.get("messages")
        if not is_array(messages) or not all(map(is_object, messages)):
            raise self._wrong(number, '"messages" must be a list of objects')
        if body.get("stream"):
            raise self._wrong(number, '"stream" is not for bulk requests: each result is whole')
        return BulkRequest(custom_id=custom_id, body={**self._defaults, **body}, line=number)

    def _texts(self) -> Iterator[tuple[int, str]]:
        """The lines that are not blank, with their numbers."""
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    text = line.removeprefix(_BOM if number == 1 else b"").decode()
                except UnicodeDecodeError as error:
                    raise self._wrong(number, "this is no UTF-8") from error
                if text := text.strip():
                    yield number, text

    def _wrong(self, number: int, reason: str) -> click.ClickException:
        return click.ClickException(f"{self._path}, line {number}: {reason}.")


def _letters(message: Any) -> int:
    """How much text a message has: of its content, and of its parts."""
    content = message.get("content")
    if isinstance(content, str):
        return len(content)
    parts = content if is_array(content) else []
    return sum(len(part["text"]) for part in parts if is_object(part) and isinstance(part.get("text"), str))
