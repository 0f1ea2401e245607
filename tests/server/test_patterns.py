"""Text that a regular expression matches."""

from __future__ import annotations

import re

import pytest

from openai_async.server.dice import Dice
from openai_async.server.patterns import text_matching


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "abc",
        r"^[a-z]{3,5}-\d+$",
        r"^(foo|bar)+$",
        r"\+?[0-9]{7,15}",
        r"^#[0-9a-fA-F]{6}$",
        r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$",
        r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$",
        r"^(?:a|b|)c?$",
        r"^(?P<year>\d{4})(?P<month>\d\d)?$",
        r"^[-a-c\]]+$",
        r"^[\w.-]+\.(?:png|jpe?g)$",
        r"^\S\D\W\w\s\n?$",
        r"^a{2}b{1,}c{0,2}?d*?e+$",
        r"^{not a quantifier}$",
        r"^a{1,x}$",
        r"^x{,3}$",
        r"^\x41\u0042\.\$\(\)$",
        r"^.{5}$",
        r"\bword\b",
        r"^[\u4e00-\u4e10]{2}$",
    ],
)
def test_text_matches(pattern):
    """Whatever the dice say, the pattern matches the text."""
    for seed in range(20):
        assert re.search(pattern, text_matching(pattern, dice=Dice(seed)))


def test_groups_may_be_named_as_in_ecmascript():
    """The notation of JSON schema's own dialect is understood, too."""
    assert text_matching(r"^(?<word>ab)$", dice=Dice(1)) == "ab"


def test_spread_widens_open_repetitions():
    """A larger spread makes longer texts possible, a small one keeps them short."""
    short = max(len(text_matching("^a*$", dice=Dice(seed), spread=1)) for seed in range(50))
    long = max(len(text_matching("^a*$", dice=Dice(seed), spread=50)) for seed in range(50))

    assert short == 1
    assert long > 40


@pytest.mark.parametrize(
    "pattern",
    ["(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", r"(a)\1", "(a", "a)", "[a", "a\\", r"\q", "(?i)a", "a{5000}", r"[^\s\S]"],
)
def test_what_is_not_understood_is_said(pattern):
    """Look-around, back references and broken patterns raise instead of giving a wrong text."""
    with pytest.raises(ValueError, match=r"\w"):
        text_matching(pattern, dice=Dice(1))
