"""Times in words."""

from __future__ import annotations

import pytest

from openai_async.cli.durations import seconds_text


@pytest.mark.parametrize(("seconds", "told"), [
    (0, "0"),
    (0.0000123, "12 µs"),
    (0.00099999, "1.00 ms"),
    (0.00123, "1.23 ms"),
    (0.01234, "12.3 ms"),
    (0.1234, "123 ms"),
    (0.99999, "1.00 s"),
    (1.234, "1.23 s"),
    (12.34, "12.3 s"),
    (3600, "3600 s"),
])  # fmt: skip
def test_times(seconds, told):
    """A time has three digits and a unit that suits it."""
    assert seconds_text(seconds) == told
