"""JSON that is still being written."""

from __future__ import annotations

import copy
import json
import pickle

import jiter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.protocol import codec
from openai_async.protocol.partial import (
    PartialJSON,
    Unfinished,
    UnfinishedArray,
    UnfinishedObject,
    UnfinishedString,
)

# JSON as it can be spelled: text, not values.

SPACE = st.text(" \t\r\n", max_size=2)
NUMBERS = (
    st.integers().map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?", fullmatch=True)
)
STRINGS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters='"\\', min_codepoint=0x20), max_size=4)
    | st.sampled_from([r"\"", r"\\", r"\/", r"\b", r"\f", r"\n", r"\r", r"\t", r"\u0041", r"\u00E9", r"\uD83D\uDE00"]),
    max_size=4,
).map(lambda pieces: f'"{"".join(pieces)}"')


def spelled(inner, *, keys=STRINGS, unique=False):
    """Arrays and objects of `inner`, with white space around everything."""
    padded = st.tuples(SPACE, inner, SPACE).map("".join)
    members = st.tuples(st.tuples(SPACE, keys, SPACE).map("".join), padded)
    by_key = (lambda member: json.loads(member[0])) if unique else None
    return st.lists(padded, max_size=4).map(lambda items: f"[{','.join(items)}]") | st.lists(
        members, max_size=4, unique_by=by_key
    ).map(lambda members: f"{{{','.join(f'{key}:{value}' for key, value in members)}}}")


def documents(**options):
    """Whole JSON texts."""
    leaves = NUMBERS | STRINGS | st.sampled_from(["true", "false", "null"])
    inner = st.recursive(leaves, lambda inner: spelled(inner, **options), max_leaves=12)
    return st.tuples(SPACE, inner | spelled(inner, **options), SPACE).map("".join)


FEW_KEYS = st.sampled_from(['"a"', '"b"', r'"\u0061"'])  # keys that come twice
DOCUMENTS = documents() | documents(keys=FEW_KEYS)
JUNK = st.text('{}[]",:\\ \ntrufalsn0123.eE+-\ud83d\u00e9', max_size=30)


def cut(text, data):
    """`text` in pieces, some of them empty."""
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)]


def fed(*pieces):
    """A reader that was fed `pieces`."""
    reader = PartialJSON()
    for piece in pieces:
        reader.feed(piece)
    return reader


def official(text):
    """What the official SDK's parser reads in `text`; None: it reads nothing."""
    try:
        return jiter.from_json(text.encode(), partial_mode=True)
    except ValueError:
        return None


# The official SDK's reading.

READINGS = {
    "": None,
    " \n": None,
    "{": {},
    '{"city"': {},
    '{"city":': {},
    '{"city":"San F': {},
    '{"city":"San F"': {"city": "San F"},
    '{"a":12': {"a": 12},
    '{"a":-': {},
    '{"a":-0': {"a": 0},
    '{"a":1.': {},
    '{"a":1.5': {"a": 1.5},
    '{"a":1e': {},
    '{"a":1E+': {},
    '{"a":1e5': {"a": 100000.0},
    '{"a":1e400': {"a": float("inf")},
    '{"a":123456789012345678901234567890': {"a": 123456789012345678901234567890},
    '{"a":tru': {},
    '{"a":true': {"a": True},
    '{"a":null,"b": fals': {"a": None},
    '{"a":{"b":[1,{"c":"x': {"a": {"b": [1, {}]}},
    '["a","b': ["a"],
    r'["\ud83d\ude0': [],
    r'["\ud83d\ude00"': ["\U0001f600"],
    '{"a":1,"b":2,"a":': {"a": 1, "b": 2},
    '{"a":1,"b":2,"a":[': {"a": [], "b": 2},
    "12": 12,
    "1.": None,
    "tru": None,
    "null": None,
    '"abc': None,
    '"abc" ': "abc",
}


@pytest.mark.parametrize(("text", "value"), READINGS.items(), ids=READINGS)
def test_readings(text, value):
    """The unfinished is left out with its key; a number is as far as it goes; and the official parser says the same."""
    assert repr(fed(text).value()) == repr(value) == repr(official(text))
    assert repr(fed(*text).value()) == repr(value)
    assert not fed(text).broken


@given(text=DOCUMENTS)
def test_official_reading(text):
    """Whatever JSON is written, its value at every character is what the official SDK shows."""
    reader = PartialJSON()
    assert reader.value() is None
    for end in range(1, len(text) + 1):
        reader.feed(text[end - 1])
        assert repr(reader.value()) == repr(official(text[:end]))
        assert not reader.broken


@given(text=DOCUMENTS, data=st.data())
def test_whole_documents(text, data):
    """A text that has ended has the value that JSON says, in both readings."""
    reader = fed(*cut(text, data), " ")
    assert repr(reader.value()) == repr(json.loads(text))
    value = reader.value(monotonic=True)
    assert repr(value) == repr(json.loads(text))
    assert not isinstance(value, Unfinished)


@given(text=DOCUMENTS | JUNK, data=st.data(), extra=JUNK)
def test_cutting(text, data, extra):
    """The value does not depend on where the text was cut, nor on who looked in between, broken or not."""
    whole, pieces = fed(text + extra), PartialJSON()
    for piece in cut(text + extra, data):
        pieces.feed(piece)
        if data.draw(st.booleans()):
            pieces.value()
            pieces.value(monotonic=True)
    assert repr(whole.value()) == repr(pieces.value())
    assert repr(whole.value(monotonic=True)) == repr(pieces.value(monotonic=True))
    assert whole.broken == pieces.broken


# The monotonic reading.

MONOTONIC = {
    "": None,
    '"': UnfinishedString(""),
    '"San F': UnfinishedString("San F"),
    '"San F"': "San F",
    "12": None,
    "12 ": 12,
    "{": UnfinishedObject(),
    '{"city': UnfinishedObject(),
    '{"city":': UnfinishedObject(),
    '{"city":"San F': UnfinishedObject(city=UnfinishedString("San F")),
    '{"city":"San F"': UnfinishedObject(city="San F"),
    '{"city":"San F"}': {"city": "San F"},
    '{"a":12': UnfinishedObject(),
    '{"a":12 ': UnfinishedObject(a=12),
    '{"a":12,': UnfinishedObject(a=12),
    '{"a":12}': {"a": 12},
    '{"a":tru': UnfinishedObject(),
    '{"a":true': UnfinishedObject(a=True),
    '{"a":{"b":[1,"x': UnfinishedObject(a=UnfinishedObject(b=UnfinishedArray([1, UnfinishedString("x")]))),
    '[[1],{"a":2},[': UnfinishedArray([[1], {"a": 2}, UnfinishedArray()]),
    '["a\\': UnfinishedArray([UnfinishedString("a")]),
    '["a\\u00e': UnfinishedArray([UnfinishedString("a")]),
    '["a\\u00e9': UnfinishedArray([UnfinishedString("a\u00e9")]),
    '["a\\ud83d': UnfinishedArray([UnfinishedString("a")]),
    '["a\\ud83d\\ude00': UnfinishedArray([UnfinishedString("a\U0001f600")]),
    '["a\ud83d': UnfinishedArray([UnfinishedString("a")]),
    '["a\ud83d\ude00': UnfinishedArray([UnfinishedString("a\ud83d\ude00")]),
}


def kinds(value):
    """The types in a value, shaped as it is."""
    if isinstance(value, dict):
        return type(value), [(key, kinds(item)) for key, item in value.items()]
    if isinstance(value, list):
        return type(value), [kinds(item) for item in value]
    return type(value)


@pytest.mark.parametrize(("text", "value"), MONOTONIC.items(), ids=map(ascii, MONOTONIC))
def test_monotonic_readings(text, value):
    """Strings show as far as they are written, numbers when something follows, and what is open is marked."""
    for reader in (fed(text), fed(*text)):
        shown = reader.value(monotonic=True)
        assert shown == value
        assert kinds(shown) == kinds(value)


def grew(before, after):
    """Whether nothing that was shown before is gone, moved or changed after."""
    if not isinstance(before, Unfinished):
        return repr(before) == repr(after) and type(before) is type(after)
    if isinstance(before, str):
        return isinstance(after, str) and after.startswith(before)
    if isinstance(before, list):
        return isinstance(after, list) and len(before) <= len(after) and all(map(grew, before, after))
    same_keys = isinstance(after, dict) and list(after)[: len(before)] == list(before)
    return same_keys and all(grew(item, after[key]) for key, item in before.items())


@given(text=documents(unique=True))
def test_monotonic_reading(text):
    """Over a growing text keys stay in their place, arrays and strings grow at their end, and all else stays."""
    reader, before = PartialJSON(), None
    for character in [*text, " "]:
        reader.feed(character)
        after = reader.value(monotonic=True)
        assert before is None or grew(before, after)
        before = after
    assert before == json.loads(text)


@given(text=documents())
def test_strings_are_text(text):
    """An unfinished string never ends within a character."""
    reader = PartialJSON()
    for character in text:
        reader.feed(character)
        json.dumps(reader.value(monotonic=True), ensure_ascii=False).encode()


# Broken JSON.

BROKEN = {
    '{"a":}': ({}, {}),
    '{"a":1}}': ({"a": 1}, {"a": 1}),
    '{"a":1} {': ({"a": 1}, {"a": 1}),
    '{"a":1,}': ({"a": 1}, {"a": 1}),
    "[1,]": ([1], [1]),
    "[1}": ([1], []),
    "[1x": ([1], []),
    "[01": ([0], []),
    "[1 2": ([1], [1]),
    "[1.]": ([], []),
    "[-]": ([], []),
    "[NaN": ([], []),
    "[Infinity": ([], []),
    "[,": ([], []),
    "[trux": ([], []),
    "[tru,": ([], []),
    "{]": ({}, {}),
    "{1": ({}, {}),
    "{true": ({}, {}),
    '{"a" t': ({}, {}),
    '{"a"1': ({}, {}),
    '{"a" "b': ({}, {}),
    '["a" "b"': (["a"], ["a"]),
    '["a\n': ([], ["a"]),
    '["a\\x': ([], ["a"]),
    '["a\\ud83d"': ([], ["a"]),
    '["a\\ude00': ([], ["a"]),
    "\ufeff{": (None, None),
    "\u00a0{": (None, None),
    "'a'": (None, None),
    "<html>": (None, None),
    "12,": (12, None),
    f"[{'9' * 4301},": ([], []),
    f"[{'9' * 4301}": ([], []),
}


@pytest.mark.parametrize(("text", "values"), BROKEN.items(), ids=[ascii(text[:9]) for text in BROKEN])
def test_broken(text, values):
    """What is no JSON changes nothing, whatever follows."""
    for reader in (fed(text), fed(*text), fed(text + '"b":2}]'), fed(text, ',"b":[', "3]}")):
        assert (reader.value(), reader.value(monotonic=True)) == values
    assert fed(text, "x").broken


@given(text=JUNK | st.tuples(DOCUMENTS, JUNK).map("".join))
def test_any_text(text):
    """No text is an error, and after the first character that JSON forbids the value is what it was before it."""
    reader, before = PartialJSON(), "(None, None)"
    for character in text:
        reader.feed(character)
        after = repr((reader.value(), reader.value(monotonic=True)))
        assert after == before or not reader.broken
        before = after


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth(opening, closing):
    """The codec's 128 levels are read, and not one more."""
    deepest = opening * 128 + "1" + closing * 128
    assert fed(deepest).value() == codec.loads(deepest.encode())
    assert not fed(deepest).broken
    too_deep = fed(opening * 129)
    assert too_deep.broken
    assert too_deep.value() == fed(opening * 128).value()
    with pytest.raises(ValueError):
        codec.loads((opening * 129 + "1" + closing * 129).encode())


# What a look leaves alone, and what it costs.


@given(text=DOCUMENTS, data=st.data())
def test_snapshots_stay(text, data):
    """A value that was handed out is never changed by what is fed later."""
    reader, looks = PartialJSON(), []
    for piece in cut(text, data):
        reader.feed(piece)
        for monotonic in (False, True):
            value = reader.value(monotonic=monotonic)
            looks.append((value, copy.deepcopy(value)))
    assert all(value == twin for value, twin in looks)


def test_closed_values_are_shared():
    """Only what is open is copied: a look does not cost what is closed."""
    reader = fed('{"a":[1,2],"b":{"c":[3],"d":[')
    before = reader.value()
    reader.feed("4,")
    after = reader.value()
    assert before == {"a": [1, 2], "b": {"c": [3], "d": []}}
    assert after == {"a": [1, 2], "b": {"c": [3], "d": [4]}}
    assert after["a"] is before["a"]
    assert after["b"]["c"] is before["b"]["c"]


@pytest.mark.parametrize(("monotonic", "pieces"), [(False, '"abc\\n'), (True, "12.5e1"), (True, "tru")])
def test_looks_without_change(monotonic, pieces):
    """What does not show costs nothing to look at again."""
    reader = fed('{"a":[1,2],"b":')
    before = reader.value(monotonic=monotonic)
    for piece in pieces:
        reader.feed(piece)
        assert reader.value(monotonic=monotonic) is before


@given(text=DOCUMENTS, data=st.data())
def test_copies(text, data):
    """A copied or pickled reader reads on as the original does, and they do not disturb each other."""
    end = data.draw(st.integers(0, len(text)))
    reader = fed(text[:end])
    twins = [copy.deepcopy(reader), pickle.loads(pickle.dumps(reader))]
    for one in (reader, *twins):
        assert repr(one.value()) == repr(fed(text[:end]).value())
        one.feed(text[end:])
        assert repr(one.value()) == repr(fed(text).value())


# Whole or not.


@given(text=DOCUMENTS | JUNK, more=st.text('{}[]",:\\ \n0.e-', max_size=2))
def test_whole(text, more):
    """A text is whole when it is JSON, as long as it is; what is no JSON, or more than one value, never is."""
    reader = PartialJSON()
    for character in text + more:
        reader.feed(character)
    try:
        json.loads(text + more)
    except ValueError:
        assert not reader.whole
    else:
        assert reader.whole


@pytest.mark.parametrize(
    "text", ["", " ", "-", "1.", "1e", '"', '"\\', "tru", "{", '{"a"', '{"a":1', "[1,", "1 1", "[]]", "{}x"]
)
def test_not_whole(text):
    """What misses its end, or goes on after it, is not whole."""
    assert not fed(text).whole
