"""Options: sentinels that are themselves wherever they go, and limits that mean something."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any, get_type_hints

import msgspec
import pytest

from openai_async.types.options import NOT_GIVEN, NotGiven, Omit, RequestOptions, Timeout, not_given, omit


@pytest.mark.parametrize(("value", "cls", "text"), [(omit, Omit, "omit"), (not_given, NotGiven, "not_given")])
def test_sentinels_are_single_falsy_and_readable(value: Omit, cls: type[Omit], text: str) -> None:
    """There is one of each; copies, pickles and new ones are it; it is falsy and shows its name."""
    assert cls() is value
    assert copy.copy(value) is value
    assert copy.deepcopy({"a": [value]})["a"][0] is value
    assert pickle.loads(pickle.dumps(value)) is value
    assert not value
    assert repr(value) == text


def test_both_sentinels_mean_not_sent() -> None:
    """`NOT_GIVEN` is `not_given`, an `Omit` of its own; one check finds both."""
    assert NOT_GIVEN is not_given
    assert isinstance(not_given, Omit)
    assert not_given is not omit


def test_timeout_defaults() -> None:
    """Five seconds to connect, ten minutes to the first token, two between tokens, and no total."""
    assert Timeout() == Timeout(connect=5.0, first_token=600.0, idle=120.0, total=None, pool=None)


def test_timeout_does_not_change() -> None:
    """A timeout is frozen, hashable, and shows its limits."""
    timeout = Timeout(total=3)

    with pytest.raises(AttributeError):
        timeout.total = 4  # type: ignore[misc]  # that is the claim
    assert hash(timeout) == hash(Timeout(total=3))
    assert repr(timeout) == "Timeout(connect=5.0, first_token=600.0, idle=120.0, total=3, pool=None)"
    assert msgspec.structs.replace(timeout, idle=1).idle == 1


@pytest.mark.parametrize("name", ["connect", "first_token", "idle", "total", "pool"])
@pytest.mark.parametrize("limit", [0, 0.0, -1, -math.inf, math.nan])
def test_limits_above_zero_only(name: str, limit: float) -> None:
    """Zero, negative and undefined limits are refused by name, since None says "no limit"."""
    with pytest.raises(ValueError, match=rf"Timeout\({name}=.*above 0"):
        Timeout(**{name: limit})


@pytest.mark.parametrize("limit", [True, "5", [5]])
def test_limits_are_numbers(limit: Any) -> None:
    """Anything but a number or None is a `TypeError`."""
    with pytest.raises(TypeError, match=r"Timeout\(idle=.*seconds or None"):
        Timeout(idle=limit)
    with pytest.raises(TypeError, match=r"Timeout\(total="):
        Timeout.of(limit)


def test_a_number_is_the_total() -> None:
    """`timeout=30` limits the whole call, None lifts all limits, and a `Timeout` is itself."""
    timeout = Timeout(idle=1)

    assert Timeout.of(30) == Timeout(total=30)
    assert Timeout.of(None) == Timeout(connect=None, first_token=None, idle=None, total=None, pool=None)
    assert Timeout.of(timeout) is timeout
    assert Timeout(total=math.inf).total == math.inf


def test_request_options_are_all_optional() -> None:
    """A call may leave out every option."""
    names = {"extra_headers", "extra_query", "extra_body", "timeout", "max_retries", "idempotency_key"}

    assert set(get_type_hints(RequestOptions)) == names
    assert RequestOptions.__required_keys__ == frozenset()
