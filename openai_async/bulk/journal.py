"""`Journal`: what came of every call of a bulk run, on disk, so that a run that was killed goes on where it was.

Outcomes come in with their keys, each a line of JSON in a file of the journal's folder; out go the keys that are done,
and the outcomes, read from the disk when asked for. Only keys and places are in memory, about 200 bytes a key.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

import msgspec

from .entry import Damage, Entry, encoded, error_fields
from .linefile import FsyncPolicy, JournalError, LineFile, read_lines, seconds_between
from .result import Result

__all__ = ["Journal"]

_log = logging.getLogger("openai_async")

_FILES = "outcomes-*.jsonl"  # whatever else is in the folder belongs to somebody else

# A place is one number, as a million tuples would take 100 MB: byte offset, number of the file, whether it is an error.
_FILE_BITS = 20


class _Head(msgspec.Struct):
    """Of a line what the index needs; the value is skipped, not built."""

    key: str
    error: msgspec.Raw = msgspec.Raw(b"null")


_heads = msgspec.json.Decoder(_Head)
_entries = msgspec.json.Decoder(Entry)


class Journal:
    """An append-only journal in a folder of its own.

    Several processes may write to one folder: each has a file of its own, locked by the system as long as it lives. A
    file that nobody holds any more is taken over, its last line, if it is torn, cut. All files together are the
    journal; what others write after this was opened shows after `refresh`.

    A key has one outcome. A value stays: recording the key again changes nothing. An error gives way to a later outcome.

    Args:
        path: The folder; it is made where there is none.
        fsync: When outcomes must survive a power failure: at latest after so many seconds, while a run is under way;
            "always": each before its result is handed out; "never": when the system likes. A killed process loses nothing
            in any case. On closing everything is synced, unless "never".
        retry_failed: Whether keys whose outcome is an error count as not done, and so are called again.

    Attributes:
        damaged: Lines in the middle that can't be read, each logged as a warning as well.

    Raises:
        JournalError: The folder can't be used.
        TypeError, ValueError: An argument is none.
    """

    def __init__(self, path: str | os.PathLike[str], *, fsync: FsyncPolicy = 1.0, retry_failed: bool = False) -> None:
        self.sync_interval: float | None = seconds_between(fsync)
        self.path: Path = Path(path)
        self.damaged: list[Damage] = []
        self._fsync: FsyncPolicy = fsync
        self._retry_failed = retry_failed
        self._places: dict[str, int] = {}
        self._files: list[_Read] = []
        self._own: LineFile | None = None
        self._number = 0  # of the own file
        self._closed = False
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._adopt()
            self.refresh()
        except OSError as error:
            raise JournalError(f"{self.path} can't be used as a journal's folder: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many keys have an outcome."""
        return len(self._places)

    def done(self, key: str) -> bool:
        """Whether the key needs no call any more."""
        place = self._places.get(key)
        return place is not None and not (place & 1 and self._retry_failed)

    def record(self, key: str, value: Any) -> bool:
        """Note what a call returned; when this returns, a killed process does not lose it any more.

        Args:
            key: Of the item.
            value: Anything that can be written as JSON, the models of this package, pydantic's and structs included.

        Returns:
            Whether it was noted: False where the key has a value already.

        Raises:
            JournalError: It can't be written.
            TypeError: The value can't be written as JSON.
        """
        return self._write([Entry(key=key, at=_now(), value=value)]) == 1

    def record_error(self, key: str, error: BaseException) -> bool:
        """Note what a call failed with; else as `record`."""
        return self._write([Entry(key=key, at=_now(), error=error_fields(error))]) == 1

    def keep(self, results: Sequence[Result[Any, Any]]) -> None:
        """Note what calls came to, each of another key, in a single write; else as `record`.

        Raises:
            JournalError: They can't be written; none is noted.
            TypeError: A value can't be written as JSON; the others are noted.
        """
        at = _now()
        self._write(
            [
                Entry(key=result.key, at=at, value=result.value)
                if result.error is None
                else Entry(key=result.key, at=at, error=error_fields(result.error))
                for result in results
            ]
        )

    def get(self, key: str) -> Entry | None:
        """Return the outcome of a key, read from the disk; None: it has none.

        Raises:
            JournalError: The file can't be read any more, or was changed by others.
        """
        place = self._places.get(key)
        if place is None:
            return None
        path = self._files[place >> 1 & (1 << _FILE_BITS) - 1].path
        try:
            with path.open("rb") as file:
                file.seek(place >> 1 + _FILE_BITS)
                entry = _entries.decode(file.readline())
        except (OSError, ValueError) as error:
            raise JournalError(f"{path} can't be read any more; did something else write to it?") from error
        return entry

    def entries(self) -> Iterator[Entry]:
        """Give the outcome of every key once, reading file after file; one line is in memory at a time.

        Raises:
            JournalError: A file can't be read any more, or an outcome in it.
        """
        damaged = {(damage.path, damage.offset) for damage in self.damaged}
        for number, read in enumerate(list(self._files)):
            try:
                for start, line, _ in read_lines(read.path):
                    if start >= read.size:
                        break
                    if (read.path, start) in damaged:
                        continue
                    entry = _entries.decode(line)
                    if self._places.get(entry.key, -1) >> 1 == start << _FILE_BITS | number:
                        yield entry
            except (OSError, ValueError) as error:
                raise JournalError(f"{read.path} can't be read: {error}") from error

    def refresh(self) -> None:
        """Learn what other processes have recorded since.

        Raises:
            JournalError: A file can't be read.
        """
        known = {read.path for read in self._files}
        try:
            self._files += [_Read(path) for path in sorted(self.path.glob(_FILES)) if path not in known]
            for number, read in enumerate(self._files):
                if self._own is None or read.path != self._own.path:
                    for start, line, ended in read_lines(read.path, read.size):
                        if ended or _whole(line):  # the rest is still being written, or torn
                            self._accept(number, start, line)
        except OSError as error:
            raise JournalError(f"{self.path} can't be read: {error.strerror}") from error

    def sync(self) -> None:
        """Have everything on the disk; it may take long, and may be called in a thread.

        Raises:
            JournalError: The system can't.
        """
        if self._own is not None:
            self._own.sync()

    def close(self) -> None:
        """Sync, close, and let others take the file over; harmless when it is closed.

        Raises:
            JournalError: What was recorded last can't be synced; it is closed all the same.
        """
        self._closed = True
        if self._own is not None:
            self._own.close()

    def _write(self, entries: Sequence[Entry]) -> int:
        """Append entries; how many that were: not those whose key has a value."""
        if self._closed:
            raise JournalError(f"The journal {self.path} is closed.")
        lines: list[tuple[Entry, bytes]] = []
        failure: TypeError | None = None
        for entry in entries:
            place = self._places.get(entry.key)
            if place is not None and not place & 1:
                continue
            try:
                lines.append((entry, encoded(entry)))
            except (TypeError, ValueError, RecursionError) as error:
                failure = TypeError(f"the outcome of {entry.key!r} can't be written as JSON: {error}")
                failure.__cause__ = error
        if lines:
            self._append(lines)
        if failure is not None:
            raise failure
        return len(lines)

    def _append(self, lines: list[tuple[Entry, bytes]]) -> None:
        own = self._own or self._create()
        start = own.append([line for _, line in lines])
        read = self._files[self._number]
        read.size, read.lines = own.size, read.lines + len(lines)
        for entry, line in lines:
            self._places[entry.key] = (start << _FILE_BITS | self._number) << 1 | (entry.error is not None)
            start += len(line) + 1

    def _adopt(self) -> None:
        """Go on in a file that nobody holds, if there is one."""
        for path in sorted(self.path.glob(_FILES)):
            number = len(self._files)
            self._files.append(_Read(path))
            try:
                self._own = self._open(path, number, exclusive=False)
            except BlockingIOError:
                continue  # somebody writes to it; `refresh` reads it
            return

    def _create(self) -> LineFile:
        """Begin a file of one's own. Another process may take it for abandoned before it is locked: then the next."""
        while True:
            path = self.path / _FILES.replace("*", token_hex(6))
            number = len(self._files)
            try:
                own = self._open(path, number, exclusive=True)
            except BlockingIOError:
                continue
            self._files.append(_Read(path))
            self._own = own
            self._number = number
            return own

    def _open(self, path: Path, number: int, *, exclusive: bool) -> LineFile:
        own = LineFile(
            path,
            fsync=self._fsync,
            accept=lambda start, line: self._accept(number, start, line),
            whole=_whole,
            exclusive=exclusive,
        )
        self._number = number
        if own.torn:
            _log.info("%s: %d bytes of a torn last line were cut", path, own.torn)
        return own

    def _accept(self, number: int, start: int, line: bytes) -> None:
        """Take a line into the index."""
        read = self._files[number]
        read.size = start + len(line) + 1
        read.lines += 1
        try:
            head = _heads.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            damage = Damage(read.path, read.lines, start, str(error) if line.strip() else "an empty line")
            self.damaged.append(damage)
            _log.warning("a line of the journal can't be read, and its call will be made again: %s", damage)
            return
        failed = bytes(head.error) != b"null"
        before = self._places.get(head.key)
        if before is None or (before & 1):
            self._places[head.key] = (start << _FILE_BITS | number) << 1 | failed


class _Read:
    """A file of the folder, and how far it was read.

    Attributes:
        path: The file.
        size: Bytes that were read.
        lines: Lines that were read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.lines = 0


def _whole(line: bytes) -> bool:
    """Whether text without a line feed is a whole line: an object ends with its brace, no part of it is one."""
    try:
        _heads.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _now() -> float:
    return round(time.time(), 3)
