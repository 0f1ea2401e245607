"""One file a row; this one lists them, in the order of the page."""

from __future__ import annotations

from shutil import which

from benchmarks.row import Row
from benchmarks.series import Series

from . import (
    accumulate,
    bulk,
    bulkrivals,
    burst,
    cold,
    growth,
    hooks,
    imports,
    layers,
    logprobs,
    memory,
    paced,
    plain,
    relay,
    relayredis,
    requests,
    stall,
    toolcalls,
)

__all__ = ["ALL", "ROWS", "SERIES"]

_ALL: tuple[Row | Series, ...] = (
    burst.ROW,
    accumulate.ROW,
    logprobs.ROW,
    toolcalls.ROW,
    paced.ROW,
    layers.ROW,
    memory.ROW,
    growth.ROW,
    stall.ROW,
    plain.ROW,
    requests.ROW,
    hooks.ROW,
    bulk.ROW,
    bulkrivals.ROW,
    relay.ROW,
    *((relayredis.ROW,) if which("redis-server") else ()),  # apt install redis-server
    cold.ROW,
    imports.ROW,
)
ALL: dict[str, Row | Series] = {row.name: row for row in _ALL}
ROWS: dict[str, Row] = {row.name: row for row in _ALL if isinstance(row, Row)}
SERIES: dict[str, Series] = {row.name: row for row in _ALL if isinstance(row, Series)}
