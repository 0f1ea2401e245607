"""Each family's answers come out as they were meant, however they are cut, and its refusals as the errors they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from providers.answer import Answer, Refusal
from providers.corpus import CUTS, FAMILIES, answered, evented, refused

ANSWERS = [(family.name, answer) for family in FAMILIES.values() for answer in family.answers]
STREAMS = [(name, answer) for name, answer in ANSWERS if answer.streamed and answer.error is None]
REFUSALS = [(family.name, refusal) for family in FAMILIES.values() for refusal in family.refusals]

pytestmark = [pytest.mark.sockets, pytest.mark.anyio]


def parameters(rows: Sequence[tuple[str, Answer | Refusal]]) -> list[Any]:
    """Parameters of the cases, each with the family's name and its own as the id."""
    return [pytest.param(case, id=f"{name}-{case.name.replace(' ', '_')}") for name, case in rows]


@pytest.mark.parametrize("how", CUTS)
@pytest.mark.parametrize("answer", parameters(ANSWERS))
async def test_answers(answer: Answer, how: str | int) -> None:
    """The completion is whole and exact, its reasoning is read, and the pieces of both add up to them."""
    await answered(answer, how)


@pytest.mark.parametrize("answer", parameters(STREAMS))
async def test_events(answer: Answer) -> None:
    """As events, reasoning and text come in deltas that add up, each with one end that has it all."""
    await evented(answer)


@pytest.mark.parametrize("refusal", parameters(REFUSALS))
async def test_refusals(refusal: Refusal) -> None:
    """The error has the class of its meaning, the family's own words, and its code as text; it is retried or not."""
    await refused(refusal)


def test_families_are_whole() -> None:
    """Every family has a stream, a call of a tool, and a refusal, but for those that are only another's envelope."""
    for family in FAMILIES.values():
        assert any(answer.streamed for answer in family.answers), family.name
        assert any('"tool_calls"' in answer.body.decode() for answer in family.answers), family.name
        assert family.refusals, family.name
