"""One file a row; this one lists them."""

from __future__ import annotations

from benchmarks.row import Row

from . import accumulate, burst, cold, imports, logprobs, plain

__all__ = ["ROWS"]

ROWS: dict[str, Row] = {module.ROW.name: module.ROW for module in (burst, accumulate, logprobs, plain, cold, imports)}
