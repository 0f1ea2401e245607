"""Our client keeps every promise of the catalogue; `python -m promises` holds the official one to them as well."""

from __future__ import annotations

import pytest
from promises.case import HELD, judge
from promises.catalogue import CASES
from promises.sdk import OURS

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize("id", CASES)
def test_held(id: str) -> None:
    """The promise is kept: nothing else is seen by the user, by the server, in any log, or left behind."""
    assert judge(CASES[id], OURS) == HELD
