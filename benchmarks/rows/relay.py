"""Answers handed on to browsers: what an event costs the server, beside the usual way and beside bare bytes."""

from __future__ import annotations

import asyncio
import gc
import time
from functools import partial

from benchmarks import stage
from benchmarks.audience import audience
from benchmarks.pacer import GRACE, pacer
from benchmarks.series import OURS, Case, Column, Measured, Series, Target
from benchmarks.source import source

__all__ = ["ROW"]

_CHUNKS, _QUICK = 60, 20  # of each answer
_LONG, _QUICK_LONG = 500, 100  # of each answer that comes at once


async def _paced(show: stage.Stage, kind: str, readers: int, rate: float, quick: bool) -> Measured:  # noqa: FBT001 - the case's
    """Answers that trickle; they begin once all readers are there."""
    chunks = _QUICK if quick else _CHUNKS
    with pacer() as upstream:
        async with show(upstream.origin, "paced-1") as app, stage.serving(app) as port:
            with audience(port, kind, readers) as hall:
                await hall.seated()
                await asyncio.sleep(GRACE)
                gc.collect()
                cpu = time.process_time()
                upstream.begin({"chunks": chunks, "rate": rate, "spread": 1, "burst": 0, "ending": True})
                heard = await hall.heard()
                cpu = time.process_time() - cpu
            upstream.outcome()
    events = chunks * readers
    if heard["events"] < events * 0.98:  # an event may be cut in two by the end of a read
        raise RuntimeError(f"{heard['events']:,} events came, of {events:,}")
    half, most, _ = heard["latency"]
    return {"cpu": cpu / events, "half": half, "most": most}


async def _at_once(show: stage.Stage, readers: int, quick: bool) -> Measured:  # noqa: FBT001 - the case's
    """Answers that are there as a whole, one for each reader; beginning them is part of the work."""
    chunks = _QUICK_LONG if quick else _LONG
    with source() as upstream:
        async with show(upstream.origin, f"text-{chunks}") as app, stage.serving(app) as port:
            with audience(port, "sse", 1) as one:  # the warm-up
                await one.heard_to_the_end()
            gc.collect()
            cpu = time.process_time()
            with audience(port, "sse", readers) as hall:
                await hall.heard_to_the_end()
                cpu = time.process_time() - cpu
    return {"cpu": cpu / (chunks * readers)}


_USUAL, _BYTES = "openai, sse-starlette, json.dumps", "bytes as they come"
_FAN_OUT = ((_USUAL, stage.usual_fan_out), (_BYTES, stage.bytes_fan_out), (OURS, stage.our_fan_out))
_RELAY = ((_USUAL, stage.usual_relay), (_BYTES, stage.bytes_relay), (OURS, stage.our_relay))


def _fan_out(readers: int, kind: str, rate: float) -> tuple[Case, ...]:
    size = f"1 answer, {readers:,} {'WebSockets' if kind == 'ws' else 'SSE'}"
    return tuple(
        Case(contestant=name, size=size, measure=partial(_paced, show, kind, readers, rate)) for name, show in _FAN_OUT
    )


ROW = Series(
    name="relay",
    title="Answers handed on to browsers, under uvicorn",
    cases=(
        *_fan_out(200, "sse", 20),
        *_fan_out(1_000, "sse", 10),
        *_fan_out(200, "ws", 20),
        *(
            Case(contestant=name, size="100 answers, 100 SSE", measure=partial(_paced, show, "sse", 100, 20))
            for name, show in _RELAY
        ),
        *(
            Case(contestant=name, size="the same at once", measure=partial(_at_once, show, 100))
            for name, show in _RELAY
        ),
    ),
    columns=(
        Column(key="cpu", title="server's CPU an event"),
        Column(key="half", title="latency p50"),
        Column(key="most", title="latency p99"),
    ),
    targets=(
        Target(column="cpu", rival=_USUAL, size="1 answer, 200 SSE", limit=0.4),
        Target(column="cpu", rival=_BYTES, size="1 answer, 200 SSE", limit=2.5),
        Target(column="cpu", rival=_USUAL, size="1 answer, 1,000 SSE", limit=0.1),
        Target(column="cpu", rival=_BYTES, size="1 answer, 1,000 SSE", limit=2.5),
        Target(column="cpu", rival=_USUAL, size="1 answer, 200 WebSockets", limit=0.1),
        Target(column="cpu", rival=_BYTES, size="1 answer, 200 WebSockets", limit=2.5),
        Target(column="cpu", rival=_USUAL, size="100 answers, 100 SSE", limit=0.1),
        Target(column="cpu", rival=_BYTES, size="100 answers, 100 SSE", limit=2.5),
        Target(column="cpu", rival=_USUAL, size="the same at once", limit=0.1),
        Target(column="cpu", rival=_BYTES, size="the same at once", limit=2.5),
    ),
    repeat=3,
    notes=(
        (
            "The server is the contestant's process; the model's server and the readers are two others. An event is one "
            "chunk for one reader."
        ),
        "1 answer: all readers follow the same one, ours through a hub, the others' through a queue for each reader.",
        f"Paced: {_CHUNKS} chunks at 20 a second, at 10 for 1,000 readers; at once: {_LONG} chunks that wait in the socket.",
        (
            "The floor: what only hands bytes on costs a third of the usual way, or as much as half over WebSockets, most "
            "of it in the send of each event and in uvicorn, so that a tenth can't be had where every event is a send of its "
            "own; it is had where a read brings several."
        ),
    ),
)
