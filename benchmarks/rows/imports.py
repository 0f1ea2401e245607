"""The import statement alone."""

from __future__ import annotations

from benchmarks.row import Goal, Row, Script

__all__ = ["ROW"]

ROW = Row(
    name="import",
    title="The import alone, in a fresh process",
    unit="process",
    units=1,
    quick=1,
    model="text-20",
    contestants=(
        Script(name="python", code=""),
        Script(name="import openai", code="import openai"),
        Script(name="import aiohttp", code="import aiohttp"),
        Script(name="import openai_async", code="import openai_async"),
        Script(name="from openai_async import AsyncOpenAI", code="from openai_async import AsyncOpenAI"),
    ),
    # 60 ms, where openai takes 500.
    goals=(Goal(ours="import openai_async", rival="import openai", cpu=0.12),),
    repeat=11,
    notes=(
        "Python's own start is in every figure.",
        "A name loads with its first use: `from openai_async import AsyncOpenAI` is what a program that streams imports.",
    ),
)
