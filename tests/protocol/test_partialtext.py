"""A growing text as JSON."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.protocol.partial import PartialJSON
from openai_async.protocol.partialtext import PartialText
from openai_async.protocol.text import Text


def value_of(text, *, monotonic):
    """The value that a text has so far."""
    reader = PartialJSON()
    reader.feed(text)
    return reader.value(monotonic=monotonic)


def grown(*pieces):
    """A text of `pieces`."""
    text = Text()
    for piece in pieces:
        text.append(piece)
    return text


def test_lengths():
    """A text has a value at each of its lengths, asked for in any order."""
    text = grown('{"a":[1', ',2],"b"', ':"xy"}')
    partial = PartialText(text)
    values = {7: {"a": [1]}, 11: {"a": [1, 2]}, 17: {"a": [1, 2]}, 20: {"a": [1, 2], "b": "xy"}, 0: None}
    for length in (11, 7, 20, 0, 17, 17, 7, 20):
        assert partial.at(length) == values[length]
    assert partial.at(17, monotonic=True) == {"a": [1, 2], "b": "x"}


def test_earlier_lengths_disturb_nothing():
    """A look back leaves the reader where it was: what comes then is read on."""
    text = grown('["a', '","b')
    partial = PartialText(text)
    assert partial.at(7) == ["a"]
    assert partial.at(3) == []
    text.append('"]')
    assert partial.at(9) == ["a", "b"]
    assert partial.at(5) == ["a"]


def test_unwrapped():
    """What is made of the plain value is what comes out."""
    partial = PartialText(grown('{"value":[1,2', "]}"), lambda value: {} if value is None else value.get("value"))
    assert [partial.at(length) for length in (0, 1, 11, 13, 15)] == [{}, None, [1], [1, 2], [1, 2]]
    assert partial.at(13, monotonic=True) == [1]


@given(
    pieces=st.lists(
        st.tuples(st.sampled_from(["", "[", "1", ",", '"', "a", "12,", '"b",', "]", " "]), st.booleans()), max_size=20
    ),
    data=st.data(),
)
def test_growing_text(pieces, data):
    """Whoever looks at the text in between, and whichever length is asked for, the value is that of so much text."""
    text, said = Text(), ""
    partial = PartialText(text)
    for piece, look in pieces:
        text.append(piece)
        said += piece
        if look:
            assert text.value() == said
        if data.draw(st.booleans()):
            length = data.draw(st.integers(0, len(said)) | st.just(len(said)))
            monotonic = data.draw(st.booleans())
            assert partial.at(length, monotonic=monotonic) == value_of(said[:length], monotonic=monotonic)


@pytest.mark.parametrize("monotonic", [False, True])
def test_many_pieces(monotonic):
    """A hundred thousand pieces of one character, each looked at, are no trouble."""
    text = Text()
    partial = PartialText(text)
    said = '{"a":"' + "x" * 100_000 + '"}'
    for length, character in enumerate(said, 1):
        text.append(character)
        value = partial.at(length, monotonic=monotonic)
    assert value == {"a": "x" * 100_000}


def test_whole():
    """Asked again and again, it says when the text is one JSON value, and when it has become more than that."""
    text = Text()
    partial = PartialText(text)
    said = []
    for piece in ("", " {", '"a":[', "{}", "]", "}", " ", "\n", "1"):
        text.append(piece)
        said.append(partial.whole)
    assert said == [False, False, False, False, False, True, True, True, False]
    assert partial.at(7) == {"a": []}


def test_whole_in_a_copy():
    """A copy reads on by itself, in the copy of the text."""
    text = grown('{"a":', "[")
    partial = PartialText(text)
    assert not partial.whole
    twin_text, twin = copy.deepcopy((text, partial))
    twin_text.append("1]}")
    assert (twin.whole, partial.whole) == (True, False)
    text.append("]}")
    assert partial.whole


def test_whole_looks_once():
    """No character is read twice, whoever joins the text in between."""
    text = grown("[")
    partial = PartialText(text)
    read = []

    class Watched(PartialJSON):
        __slots__ = ()

        def feed(self, piece):
            read.append(piece)
            super().feed(piece)

    partial._reader = Watched()
    for count in range(100):
        text.append("1,")
        assert not partial.whole
        if count % 10 == 0:
            text.value()
    assert "".join(read) == "[" + "1," * 100
