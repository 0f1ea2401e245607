"""`End`: how a stream ended."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = ["End", "EndStatus"]

EndStatus = Literal["done", "error", "cancelled", "lost", "gap", "expired"]


class End(msgspec.Struct, frozen=True):
    """How a stream ended.

    Attributes:
        status: The answer is whole ("done"), the upstream failed ("error"), somebody stopped it ("cancelled"), the
            process that wrote it is gone ("lost"), frames are missing ("gap"), or are no longer kept ("expired").
        error: The API's error object (`message`, `type`, `param`, `code`); None: there is nothing to add.
    """

    status: EndStatus
    error: dict[str, Any] | None = None
