"""Text that grows by pieces."""

from __future__ import annotations

import copy
import pickle

from hypothesis import given
from hypothesis import strategies as st

from openai_async.protocol.text import Text


def test_empty():
    """Without a piece it is the empty text."""
    assert Text().value() == ""


@given(pieces=st.lists(st.tuples(st.text(max_size=3), st.booleans())))
def test_pieces(pieces):
    """It is its pieces in their order, however often it is looked at between them."""
    text = Text()
    for number, (piece, look) in enumerate(pieces):
        text.append(piece)
        if look:
            assert text.value() == "".join(piece for piece, _ in pieces[: number + 1])
    assert text.value() == "".join(piece for piece, _ in pieces)


def test_looking_joins_once():
    """A look leaves one piece, so that the next one is free."""
    text = Text()
    for piece in "abc":
        text.append(piece)
    assert text.value() is text.value()


def test_copies_grow_apart():
    """A copy and its original share no piece that comes later."""
    text = Text()
    text.append("a")
    text.append("b")
    for twin in (copy.deepcopy(text), pickle.loads(pickle.dumps(text))):
        twin.append("c")
        assert (text.value(), twin.value()) == ("ab", "abc")
