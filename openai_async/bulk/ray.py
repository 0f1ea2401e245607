"""`ChatBatch`: a bulk run as a stage of a Ray Data pipeline, with one journal for all of its actors.

Batches of rows come in, as `map_batches` hands them to an actor; the same rows go out, with what came of each. Ray
places the actors and moves the rows; a row that has an outcome in the journal is not called again, whoever made the call
and whatever was killed since. Ray itself is not imported here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from .journal import Journal
from .map import amap
from .numbers import count

__all__ = ["ChatBatch"]

_RESULT: Final = "result"
_ERROR: Final = "error"


class ChatBatch:
    """A callable class for `map_batches`.

        dataset.map_batches(
            ChatBatch,
            fn_constructor_kwargs={"connect": connect, "journal": "/shared/journal"},
            compute=ray.data.ActorPoolStrategy(size=2),
            batch_size=500,
        )

    with a function that makes what asks, in each actor:

        def connect():
            client = AsyncOpenAI()

            async def ask(row):
                messages = [{"role": "user", "content": row["question"]}]
                return await client.chat.completions.create(model="gpt-5.4-mini", messages=messages)

            return ask

    Rows go out with two columns more: `result`, what `ask` returned as JSON text, or None where it failed; and `error`,
    what it failed with as JSON text (`bulk.Entry.error`), or None.

    Each actor has its own file in the journal's folder, which all of them, and the next run, must be able to read: a
    shared file system where there is more than one machine. Rows of the same key are called once, unless they are under
    way at the same time in different batches.

    Args:
        connect: Makes the function that is called with a row, a dict of plain values. Called once in each actor. It is
            pickled, and so is what it refers to: make the client inside of it.
        journal: The folder of outcomes.
        key: The column with a row's key, or a function of the row; None: a digest of the row.
        limit: Calls under way at once in one actor, over all its batches.
        retry_failed: Whether to call rows again whose outcome is an error.

    Raises:
        TypeError, ValueError: An argument can't be used.
        JournalError: The folder can't be used.
    """

    def __init__(
        self,
        connect: Callable[[], Callable[[dict[str, Any]], Awaitable[Any]]],
        *,
        journal: str | os.PathLike[str],
        key: str | Callable[[dict[str, Any]], str] | None = None,
        limit: int = 256,
        retry_failed: bool = False,
    ) -> None:
        if not callable(connect):
            raise TypeError(f"connect must be a function that returns one, not a {type(connect).__name__}")
        count("limit", limit, least=1)
        self._connect = connect
        self._ask: Callable[[dict[str, Any]], Awaitable[Any]] | None = None
        self._journal = Journal(journal, retry_failed=retry_failed)
        self._key = key
        self._limit = limit
        self._slots = asyncio.Semaphore(limit)

    async def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the batch with what came of its rows. Cancelling it cancels its calls.

        Args:
            batch: Columns by their names, NumPy arrays or lists: `batch_format="numpy"`, which is Ray's default.

        Raises:
            BulkStoppedError: The server refuses every call: see `amap`. The next run goes on from the journal.
            JournalError: An outcome can't be recorded, or read.
            TypeError: A key is no text, or a value can't be written as JSON.
            KeyError: There is no column of the name in `key`.
            ValueError: A column is called as one of those that are added.
        """
        if taken := {_RESULT, _ERROR} & batch.keys():
            raise ValueError(f"the rows have a column {min(taken)!r} already: rename it")
        rows = _rows(batch)
        keys = [self._key_of(row) for row in rows]
        self._journal.refresh()  # what other actors did, some of which may be dead, and this batch theirs
        async with amap(
            dict(zip(keys, rows, strict=True)).items(), self._call, limit=self._limit, journal=self._journal, key=_first
        ) as run:
            async for _ in run:
                pass  # what is wanted is in the journal
        results: list[str | None] = []
        errors: list[str | None] = []
        for key in keys:
            entry = self._journal.get(key)
            assert entry is not None  # the run has ended, so each key has one
            failed = entry.error is not None
            results.append(None if failed else msgspec.json.encode(entry.value).decode())
            errors.append(msgspec.json.encode(entry.error).decode() if failed else None)
        return {**batch, _RESULT: results, _ERROR: errors}

    def close(self) -> None:
        """Close the journal, for who uses this without Ray, which ends its actors and leaves the rest to the system.

        Raises:
            JournalError: What was recorded last can't be synced.
        """
        self._journal.close()

    async def _call(self, item: tuple[str, dict[str, Any]]) -> Any:
        async with self._slots:
            if self._ask is None:
                self._ask = self._connect()
            return await self._ask(item[1])

    def _key_of(self, row: dict[str, Any]) -> str:
        if self._key is None:
            return blake2b(msgspec.json.encode(row, order="sorted"), digest_size=16).hexdigest()
        key: Any = row[self._key] if isinstance(self._key, str) else self._key(row)
        if not isinstance(key, str | int):
            raise TypeError(f"a row's key must be text or a whole number, not a {type(key).__name__}")
        return str(key)


def _rows(batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a batch, their values plain: Python's numbers and text, and lists for what is nested."""
    columns = [column.tolist() if hasattr(column, "tolist") else list(column) for column in batch.values()]
    return [dict(zip(batch, values, strict=True)) for values in zip(*columns, strict=True)]


def _first(item: tuple[str, dict[str, Any]]) -> str:
    return item[0]
