"""A request's body as aiohttp sends it: piece by piece, and held once, however large it is.

Bytes come in, and what aiohttp takes goes out. Nothing here sends anything.
"""

from __future__ import annotations

from io import BytesIO

__all__ = ["as_sent"]

_LARGE_BODY = 2**20


def as_sent(body: bytes | None) -> bytes | BytesIO | None:
    """Return a body as aiohttp wants it: of plain bytes above 1 MiB (an image, often) it warns, and sends all at once."""
    return _Pieces(body) if body is not None and len(body) > _LARGE_BODY else body


class _Pieces(BytesIO):
    """Bytes to be read, whose length can be asked for: a plain `BytesIO` copies them to show its buffer."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._body = body

    def getbuffer(self) -> memoryview:
        """Return the bytes, which can't be written."""
        return memoryview(self._body)
