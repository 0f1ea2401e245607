"""Which requests are meant."""

from __future__ import annotations

import pytest

from openai_async.server.desk import Recorded
from openai_async.testing.loopback import Loopback
from openai_async.testing.matcher import Matcher
from openai_async.testing.received import ReceivedRequest

_BODY = b'{"model": "m", "stream": true, "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": [{"type": "text", "text": "Why?"}]}]}'


def _request(body=_BODY):
    recorded = Recorded("POST", "/v1/chat/completions", "", {}, body)
    return ReceivedRequest(1, connection=1, recorded=recorded, loopback=Loopback(lambda: None), wait_end=lambda _: None)


@pytest.mark.parametrize(
    ("criteria", "fits"),
    [
        ({}, True),
        ({"model": "m"}, True),
        ({"model": "M"}, False),
        ({"contains": "kind"}, True),
        ({"contains": "Why"}, True),
        ({"contains": "why"}, False),
        ({"stream": True}, True),
        ({"stream": False}, False),
        ({"model": "m", "contains": "nothing of it"}, False),
        ({"where": lambda request: len(request.messages) == 2}, True),
        ({"where": lambda request: request.body["stream"] == "no"}, False),
    ],
)
def test_all_criteria_must_hold(criteria, fits):
    """A request fits if it meets each criterion; texts in parts are texts."""
    assert Matcher(**criteria).fits(_request()) is fits


@pytest.mark.parametrize("body", [b"", b"[]", b'{"messages": "no list", "model": 3}', b'{"messages": [3]}'])
def test_odd_bodies_fit_nothing_that_looks_inside(body):
    """A body that is no request has no model and no messages, and is no error."""
    assert not Matcher(model="m").fits(_request(body))
    assert not Matcher(contains="").fits(_request(body))
    assert Matcher(stream=False).fits(_request(body))


def test_unknown_criteria_are_refused():
    """The error names what there is."""
    with pytest.raises(TypeError, match="modle= is no criterion: there are model=, contains=, stream=, where="):
        Matcher(modle="m")
