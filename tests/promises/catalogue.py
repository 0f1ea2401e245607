"""All cases, by what they are about."""

from __future__ import annotations

from .case import Case
from .cases import answers, lifecycle, limits, network, outcome, requests, retries, security

__all__ = ["CASES", "GROUPS"]

GROUPS: dict[str, list[Case]] = {
    "Outcome: an answer is whole, or there is an error": [*outcome.CASES, *answers.ERRORS, *answers.NONE, *network.ERRORS],
    "Time: a limit is a limit": limits.CASES,
    "Retries: what may pass is tried again, what may not is not": retries.CASES,
    "Lifecycle: what is left is aborted, what is done is used again": [*lifecycle.CASES, *network.SETTINGS],
    "Bad input: from servers it is read all the same, from users it is refused at once": [
        *answers.FRAMING, *answers.TOOLS, *answers.SCHEMA, *requests.CASES,
    ],
    "Security: keys, prompts and cookies stay where they belong": security.CASES,
}  # fmt: skip

CASES: dict[str, Case] = {case.id: case for cases in GROUPS.values() for case in cases}

assert len(CASES) == sum(map(len, GROUPS.values())), "two cases have the same name"
