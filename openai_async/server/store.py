"""Completions that are kept: SQLite, in memory or in a file.

Completions, the messages that they answer and their labels come in; out go single ones, and pages of them in the order
in which they were kept. It knows nothing of HTTP, and never gives an id twice, not even one whose completion is deleted.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec

from .dice import Dice

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

__all__ = ["Store"]

_APPLICATION = 0x6F616963  # "oaic": other programs, too, number their tables' versions from 1
_VERSION = 1  # of the tables below; a file says which it has
_PATIENCE = 1.0  # seconds to wait for another process that writes to the file: the event loop waits, too

# `position`: where a completion stands in lists; null while it is only promised. `body`: null when it is not there
# (promised, or deleted): the row stays, so that pages can go on after a deleted completion.
_TABLES = """
CREATE TABLE completions (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, position INTEGER UNIQUE,
    model TEXT, body BLOB, messages BLOB, metadata BLOB
);
CREATE INDEX by_model ON completions (model, position);
CREATE TABLE labels (name TEXT, value TEXT, position INTEGER, PRIMARY KEY (name, value, position)) WITHOUT ROWID;
CREATE INDEX by_position ON labels (position);
"""

_NEXT = "(SELECT coalesce(max(position), 0) + 1 FROM completions)"
_KEEP = f"""
INSERT INTO completions (id, position, model, body, messages, metadata) VALUES (?, {_NEXT}, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET position = excluded.position, model = excluded.model, body = excluded.body,
    messages = excluded.messages, metadata = excluded.metadata
"""  # noqa: S608 - constants only
_DELETE = """
UPDATE completions SET model = NULL, body = NULL, messages = NULL, metadata = NULL WHERE id = ? AND body IS NOT NULL
"""
_PLACE = "(SELECT position FROM completions WHERE id = ?)"
_UNLABEL = f"DELETE FROM labels WHERE position = {_PLACE}"  # noqa: S608 - constants only
_LABEL = f"INSERT INTO labels (position, name, value) VALUES ({_PLACE}, ?, ?)"  # noqa: S608 - constants only

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Store:
    """The completions that one server keeps.

    One connection serves all requests, from whichever threads the app runs in, one at a time; statements are short. It
    is closed by `close`, or when the store is no longer used.

    Args:
        path: The file, made if there is none; None: memory, and all is gone in the end.

    Raises:
        OSError: The file can't be opened, or is no store.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._name = ":memory:" if path is None else os.fspath(path)
        self._lock = threading.Lock()
        self._begin()

    def reopen(self) -> None:
        """Open a store that was closed, without what was in memory; one that is open stays as it is.

        Raises:
            OSError: As when it was made.
        """
        if not self._closing.alive:
            self._begin()

    def _begin(self) -> None:
        try:
            self._connection = _open(self._name)
        except sqlite3.Error as error:
            raise OSError(f"Completions can't be kept in {self._name}: {error}") from error
        # A connection that is collected while open is a ResourceWarning, and not every app is told of its end.
        self._closing = weakref.finalize(self, self._connection.close)

    def close(self) -> None:
        """Close the connection; what is in memory is lost. Closing again does nothing."""
        with self._lock:
            self._closing()

    def promise(self, wanted: str) -> str:
        """Return an id for a completion to be kept later: `wanted`, or one like it where that is taken.

        It is taken from now on, whether the completion is ever kept or not.
        """
        found = wanted
        with self._changing() as connection:
            while connection.execute("INSERT OR IGNORE INTO completions (id) VALUES (?)", (found,)).rowcount == 0:
                (taken,) = connection.execute("SELECT max(number) FROM completions").fetchone()
                found = f"chatcmpl-{Dice.of(found, taken).letters(29)}"
        return found

    def keep(self, completion: dict[str, Any], *, messages: list[Any], metadata: Mapping[str, str]) -> None:
        """Keep a completion, as the last in the list.

        Args:
            completion: Plain data; its `id` was promised.
            messages: What it answers, as they were sent.
            metadata: Its labels.
        """
        found: str = completion["id"]
        row = (found, completion.get("model"), _encode(completion), _encode(messages), _encode(metadata))
        with self._changing() as connection:
            connection.execute(_KEEP, row)
            self._label(found, metadata)

    def get(self, id: str) -> dict[str, Any] | None:
        """Return a completion with its `metadata`; None: there is none of this id."""
        row = self._row("body, metadata", id)
        return None if row is None else _completion(row)

    def messages(self, id: str) -> list[dict[str, Any]] | None:
        """Return the messages that a completion answers; None: there is none of this id."""
        row = self._row("messages", id)
        return None if row is None else _decode(row[0])

    def update(self, id: str, metadata: Mapping[str, str]) -> bool:
        """Give a completion other labels, in place of all old ones; False: there is none of this id."""
        with self._changing() as connection:
            statement = "UPDATE completions SET metadata = ? WHERE id = ? AND body IS NOT NULL"
            found = connection.execute(statement, (_encode(metadata), id)).rowcount > 0
            if found:
                self._label(id, metadata)
        return found

    def delete(self, id: str) -> bool:
        """Delete a completion; False: there is none of this id."""
        with self._changing() as connection:
            found = connection.execute(_DELETE, (id,)).rowcount > 0
            if found:
                self._label(id, {})
        return found

    def position(self, id: str) -> int | None:
        """Return where a completion stands, or stood before it was deleted; None: none ever had this id."""
        with self._lock:
            row = self._connection.execute("SELECT position FROM completions WHERE id = ?", (id,)).fetchone()
        return None if row is None else row[0]

    def page(
        self,
        *,
        after: int | None = None,
        limit: int = 20,
        newest_first: bool = False,
        model: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return some completions, oldest first, and whether more follow.

        Args:
            after: A `position`; only what follows it in this order is looked at. None: all.
            limit: How many at most, 1 or more.
            newest_first: The other order.
            model: Only answers of this model; None: of any.
            metadata: Only those that carry all of these labels; None: any.
        """
        # The first label's rows are in the list's order: a page is found without a look at what lacks the label.
        tables, place = ["completions"], "completions.position"
        where, values = ["body IS NOT NULL"], list[Any]()
        for at, pair in enumerate((metadata or {}).items()):
            tables.insert(2 * at, f"labels AS label{at}")  # the first before the completions, others after
            where.append(f"label{at}.name = ? AND label{at}.value = ? AND label{at}.position = completions.position")
            values.extend(pair)
            place = "label0.position"
        if after is not None:
            where.append(f"{place} {'<' if newest_first else '>'} ?")
            values.append(after)
        if model is not None:
            where.append("model = ?")
            values.append(model)
        order = f"ORDER BY {place} {'DESC' if newest_first else 'ASC'} LIMIT ?"
        # CROSS: the tables are looked through in this order.
        statement = f"SELECT body, metadata FROM {' CROSS JOIN '.join(tables)} WHERE {' AND '.join(where)} {order}"  # noqa: S608 - conditions are constants, values are bound
        with self._lock:
            rows = self._connection.execute(statement, (*values, limit + 1)).fetchall()
        return [_completion(row) for row in rows[:limit]], len(rows) > limit

    def _label(self, id: str, metadata: Mapping[str, str]) -> None:
        self._connection.execute(_UNLABEL, (id,))
        self._connection.executemany(_LABEL, [(id, *pair) for pair in metadata.items()])

    def _row(self, columns: str, id: str) -> tuple[bytes, ...] | None:
        statement = f"SELECT {columns} FROM completions WHERE id = ? AND body IS NOT NULL"  # noqa: S608 - see `page`
        with self._lock:
            row: tuple[bytes, ...] | None = self._connection.execute(statement, (id,)).fetchone()
        return row

    @contextmanager
    def _changing(self) -> Generator[sqlite3.Connection]:
        """A transaction, which nobody else is in: all of it happens or nothing."""
        with self._lock, self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection


def _open(name: str) -> sqlite3.Connection:
    if name != ":memory:":
        # Made by SQLite, everybody could read it. Its other files get the same rights.
        with suppress(OSError):  # it is there, or SQLite will say why it can't be
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = sqlite3.connect(name, timeout=_PATIENCE, check_same_thread=False, isolation_level=None)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, unless the file has them."""
    with connection:
        # Two servers that make the same file take turns.
        connection.execute("BEGIN IMMEDIATE")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, version, tables) == (0, 0, 0):
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        elif (application, version) != (_APPLICATION, _VERSION):
            raise sqlite3.DatabaseError("it is another program's database, or another version's")
    # A commit need not wait for the disk: only a power cut loses the latest.
    # Another server that opens the file at this moment may be in the way: then it is what changes the file's mode.
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _completion(row: tuple[bytes, ...]) -> dict[str, Any]:
    body, metadata = row
    return {**_decode(body), "metadata": _decode(metadata)}
