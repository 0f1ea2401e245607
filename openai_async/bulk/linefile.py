"""A file of lines that is only ever appended to, by one process at a time, and is whole after any crash.

Lines come in, one or many at once, and are in the kernel's hands when `append` returns, so that a killed process loses
none; what a power failure may take is the fsync policy's business. What lines mean is not known here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Literal, TypeAlias

from openai_async.errors import OpenAIError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FsyncPolicy", "JournalError", "LineFile", "read_lines", "seconds_between"]

FsyncPolicy: TypeAlias = float | Literal["always", "never"]

_BLOCK = 1 << 20  # bytes of one read
_FAR = 1 << 62  # where Windows locks: its locks keep others from reading what they cover


class JournalError(OpenAIError):
    """A journal, or a file of results, can't be read or written, or belongs to something else."""


class LineFile:
    """The file, open and locked.

    Args:
        path: It is made where there is none.
        fsync: When what was appended must survive a power failure: after so many seconds (whoever runs the loop calls
            `sync`), "always" (before `append` returns), or "never" (when the system likes).
        accept: Called with each line that the file has, and its place in bytes. Whatever it raises leaves the file as
            it was.
        whole: Whether text without a line feed at its end is all of a line. If it is, it gets its line feed; if not,
            it is torn, and cut.
        exclusive: The file must not exist yet.

    Raises:
        BlockingIOError: Another process, or another object of this one, has it open.
        JournalError: It can't be opened, read or mended. With `exclusive`, FileExistsError is its cause.
    """

    def __init__(
        self,
        path: Path,
        *,
        fsync: FsyncPolicy,
        accept: Callable[[int, bytes], None],
        whole: Callable[[bytes], bool],
        exclusive: bool = False,
    ) -> None:
        self.path = path
        self._always = fsync == "always"
        self._never = fsync == "never"
        self._guard = Lock()  # a thread may be in fsync while the loop closes the file
        self._dirty = False
        self.torn: int = 0
        try:
            if exclusive:
                with path.open("xb"):
                    pass
            self._file = FileIO(path, "ab+")
        except OSError as error:
            raise JournalError(f"{path} can't be opened: {error.strerror}") from error
        try:
            _lock(self._file)
            self._size = self._read(accept, whole)
        except BaseException as error:
            self._file.close()
            if isinstance(error, OSError) and not isinstance(error, BlockingIOError):
                raise JournalError(f"{path} can't be read: {error.strerror}") from error
            raise

    @property
    def size(self) -> int:
        """Bytes that the file has."""
        return self._size

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._file.closed

    def append(self, lines: Sequence[bytes]) -> int:
        """Append lines in a single write, and return the place of the first in bytes.

        Args:
            lines: One at least, without their line feeds, and without any others.

        Raises:
            JournalError: They can't be written; the file is as it was.
        """
        place = self._size
        data = b"\n".join([*lines, b""])
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
            self._size = place + len(data)
            self._dirty = True
            if self._always:
                self.sync()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is closed"
            self._take_back(place)
            raise JournalError(f"{self.path} can't be written: {reason}") from error
        return place

    def sync(self) -> None:
        """Have everything on the disk, if anything is not; it may take long, and may be called in a thread.

        Raises:
            JournalError: The system can't.
        """
        with self._guard:
            if not self._dirty or self._never or self._file.closed:
                return
            self._dirty = False  # before, as more may be appended meanwhile
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                self._dirty = True
                raise JournalError(f"{self.path} can't be synced: {error.strerror}") from error

    def close(self) -> None:
        """Sync and close; harmless when it is closed.

        Raises:
            JournalError: What was appended last can't be synced; it is closed all the same.
        """
        try:
            self.sync()
        finally:
            with self._guard:
                self._file.close()

    def _read(self, accept: Callable[[int, bytes], None], whole: Callable[[bytes], bool]) -> int:
        """Show all lines to `accept`, mend the tail, and return how long the file is then."""
        place = 0
        for start, line, ended in read_lines(self.path):
            place = start + len(line) + 1
            if ended:
                accept(start, line)
            elif whole(line):
                accept(start, line)
                self._file.write(b"\n")
            else:
                self.torn = len(line)
                self._file.truncate(start)
                place = start
        return place

    def _take_back(self, place: int) -> None:
        """Cut what was written of lines that are not whole, so that the next one does not continue them."""
        try:
            self._file.truncate(place)
            self._size = place
        except (OSError, ValueError):
            return  # the next one to open the file finds a damaged line, and says so


def read_lines(path: Path, start: int = 0) -> Iterator[tuple[int, bytes, bool]]:
    """Give the lines of a file from `start` on: place in bytes, text, and whether a line feed ends it.

    Of the file one block is in memory at a time, and the line that is read.

    Raises:
        OSError: It can't be read.
    """
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        pieces: list[bytes] = []
        while block := file.read(_BLOCK):
            *lines, rest = block.split(b"\n")
            for line in lines:
                whole = b"".join([*pieces, line])
                pieces.clear()
                yield start, whole, True
                start += len(whole) + 1
            pieces.append(rest)
        if tail := b"".join(pieces):
            yield start, tail, False


def seconds_between(fsync: FsyncPolicy) -> float | None:
    """Return after how many seconds somebody has to call `sync`; None: nobody has to.

    Raises:
        TypeError: `fsync` is no policy.
        ValueError: It is a number of seconds that is not above 0.
    """
    if isinstance(fsync, str):
        if fsync not in {"always", "never"}:
            raise TypeError(f'fsync is a number of seconds, "always" or "never", not {fsync!r}')
        return None
    if isinstance(fsync, bool) or not isinstance(fsync, int | float):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a type checker
        raise TypeError(f'fsync is a number of seconds, "always" or "never", not a {type(fsync).__name__}')
    if not fsync > 0:
        raise ValueError('fsync must be more than 0 seconds; "always" syncs every line')
    return fsync


def _lock(file: FileIO) -> None:
    """Take the file for this process; the system lets it go when the process ends, however it ends.

    Raises:
        BlockingIOError: Somebody else has it.
    """
    if sys.platform == "win32":
        file.seek(_FAR)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
