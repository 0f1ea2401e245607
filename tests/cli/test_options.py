"""Numbers of the command line."""

from __future__ import annotations

import click
import pytest

from openai_async.cli.options import Finite


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_numbers_end(text: str) -> None:
    """What is no number of seconds is refused, though `click` has it in every range."""
    with pytest.raises(click.BadParameter, match=r"finite|range"):
        Finite(min=0).convert(text, None, None)


def test_a_number_in_its_range() -> None:
    """It comes back as it is; one outside is refused."""
    assert Finite(min=0).convert("1.5", None, None) == 1.5
    with pytest.raises(click.BadParameter, match="range"):
        Finite(min=0, min_open=True).convert("0", None, None)
