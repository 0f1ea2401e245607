"""The journal: nothing that was recorded is lost, whatever happens to its files."""

from __future__ import annotations

import errno
import json
import os
import tracemalloc
from io import FileIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.bulk.journal import Journal
from openai_async.bulk.linefile import JournalError
from openai_async.bulk.result import Result
from openai_async.errors import RateLimitError
from openai_async.types.completion import ChatCompletion

COMPLETION = {
    "id": "chatcmpl-1",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi \u2028 \n"}}],
    "vendor": {"x": [1]},
}


def only_file(folder):
    """The one file of a journal."""
    (path,) = folder.glob("*.jsonl")
    return path


def values(journal):
    """What the journal has, by key."""
    return {entry.key: entry.value for entry in journal.entries()}


def test_what_is_recorded_is_there_again(tmp_path):
    """Values of every kind and errors come back as plain data, in this process and in the next."""
    with Journal(tmp_path / "new" / "folder") as journal:
        assert journal.record("a", ChatCompletion.from_dict(COMPLETION))
        assert journal.record("b\n\u2028", None)
        assert journal.record_error("c", RateLimitError("slow down", status_code=429, request_id="req_1"))
        assert journal.get("a").value == journal.get("a").value

    with Journal(tmp_path / "new" / "folder") as journal:
        assert len(journal) == 3
        assert all(map(journal.done, ["a", "b\n\u2028", "c"]))
        found = ChatCompletion.from_dict(journal.get("a").value)
        assert found.choices[0].message.content == "Hi \u2028 \n"
        assert found.vendor == {"x": [1]}
        assert journal.get("b\n\u2028").error is None
        error = {"kind": "RateLimitError", "message": "slow down", "status_code": 429, "request_id": "req_1"}
        assert journal.get("c").error == error
        assert journal.get("d") is None
        assert [entry.key for entry in journal.entries()] == ["a", "b\n\u2028", "c"]
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 1


def test_a_value_stays_and_an_error_gives_way(tmp_path):
    """A key has one outcome: its first value, or else its last error; which of them are done is the caller's choice."""
    with Journal(tmp_path, retry_failed=True) as journal:
        journal.record_error("a", ValueError("one"))
        assert not journal.done("a")
        assert journal.record_error("a", ValueError("two"))
        assert journal.get("a").error == {"kind": "ValueError", "message": "two"}
        assert journal.record("a", 1)
        assert journal.done("a")
        assert not journal.record("a", 2)
        assert not journal.record_error("a", ValueError("three"))

    with Journal(tmp_path) as journal:
        assert values(journal) == {"a": 1}


def test_a_last_line_that_is_torn_anywhere_costs_that_line_only(tmp_path):
    """Cut at any byte, a journal opens with all lines but the last; with the last, if only its line feed is missing."""
    whole = tmp_path / "whole"
    with Journal(whole) as journal:
        journal.record("a", {"text": "first"})
        journal.record("b", {"text": "ä \u2028 {}", "more": [1, {"x": "}"}]})
    data = only_file(whole).read_bytes()
    start = data.index(b"\n") + 1

    for end in range(start, len(data) + 1):
        folder = tmp_path / str(end)
        folder.mkdir()
        (folder / "outcomes-x.jsonl").write_bytes(data[:end])
        with Journal(folder) as journal:
            assert journal.done("b") == (end >= len(data) - 1)
            assert values(journal).keys() == ({"a", "b"} if end >= len(data) - 1 else {"a"})
            journal.record("b", "again")
            journal.record("c", 3)
            assert journal.damaged == []
        with Journal(folder) as journal:
            assert values(journal).keys() == {"a", "b", "c"}
            assert journal.damaged == []
        assert only_file(folder).read_bytes().startswith(data[:start])


def test_zeros_of_a_lost_page_are_a_torn_line(tmp_path):
    """What some file systems leave after a power failure, zeros at the end, is cut."""
    with Journal(tmp_path) as journal:
        journal.record("a", 1)
    with only_file(tmp_path).open("ab") as file:
        file.write(b"\0" * 5000)

    with Journal(tmp_path) as journal:
        assert values(journal) == {"a": 1}
        journal.record("b", 2)
    assert [json.loads(line)["key"] for line in only_file(tmp_path).read_bytes().splitlines()] == ["a", "b"]


@pytest.mark.parametrize("bad", [b"", b'{"key": "b', b'{"value": 1}', b"\0\0", b'{"key": "\xff"}', b"[" * 100_000])
def test_a_damaged_line_in_the_middle_is_told_of(tmp_path, bad, caplog):
    """A line that can't be read is named, with its file, number and place, and costs its own key only."""
    lines = [b'{"key":"a","value":1}', bad, b'{"key":"c","value":3}']
    path = tmp_path / "outcomes-x.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")

    with Journal(tmp_path) as journal:
        (damage,) = journal.damaged
        assert (damage.path, damage.line, damage.offset) == (path, 2, len(lines[0]) + 1)
        assert f"{path}, line 2 (byte 22): " in str(damage)
        assert str(damage) in caplog.text
        assert values(journal) == {"a": 1, "c": 3}
        assert not journal.done("b")


def test_every_writer_has_a_file_of_its_own(tmp_path):
    """Two writers at once use two files, a reader sees both, and who comes later goes on in one that is free."""
    with Journal(tmp_path) as one, Journal(tmp_path) as two:
        one.record("a", 1)
        two.record("b", 2)
        two.record("a", "bought twice")
        one.refresh()
        assert values(one) == {"a": 1, "b": 2}
        assert one.done("b")
        two.record("c", 3)
        assert one.get("c") is None
        one.refresh()
        one.refresh()
        assert one.get("c").value == 3
        assert len(list(tmp_path.iterdir())) == 2

    with Journal(tmp_path) as three:
        three.record("d", 4)
        assert values(three).keys() == {"a", "b", "c", "d"}
        assert len(list(tmp_path.iterdir())) == 2


def test_files_of_others_are_left_alone(tmp_path):
    """A file of JSON lines that is not the journal's is neither read nor written, nor is its last line cut."""
    other = tmp_path / "requests.jsonl"
    other.write_text('{"key":"a","value":1}\n{"key":"b","val')
    before = other.read_bytes()
    with Journal(tmp_path) as journal:
        assert len(journal) == 0
        journal.record("c", 3)
    assert other.read_bytes() == before


def test_another_one_s_unfinished_line_is_left_alone(tmp_path):
    """What a living writer is just writing is neither read nor cut."""
    with Journal(tmp_path) as one:
        one.record("a", 1)
        with only_file(tmp_path).open("ab") as file:
            file.write(b'{"key":"b","val')
        size = only_file(tmp_path).stat().st_size
        with Journal(tmp_path) as two:
            assert values(two) == {"a": 1}
            assert two.damaged == []
        assert only_file(tmp_path).stat().st_size == size


def test_a_reader_leaves_no_file(tmp_path):
    """Opening a journal that somebody writes to, to read it, makes no file."""
    with Journal(tmp_path) as one:
        one.record("a", 1)
        with Journal(tmp_path) as two:
            assert values(two) == {"a": 1}
        assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "record",
    [
        lambda journal: journal.record("b", 2),
        lambda journal: journal.keep([Result(index=0, key=key, item=None, value="x" * 1000) for key in ("bb", "b")]),
    ],
)
def test_a_full_disk_leaves_no_half_line(tmp_path, record):
    """Lines that can't be written whole are taken back, and their keys are not done."""
    with Journal(tmp_path) as journal:
        journal.record("a", 1)
        write = FileIO.write
        calls = []

        class Full(FileIO):
            def write(self, data):
                calls.append(data)
                if len(calls) == 1:
                    return write(self, data[: len(data) * 2 // 3])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        file = journal._own._file
        with Full(file.name, "ab+") as full:
            journal._own._file = full
            with pytest.raises(JournalError, match=r"x|outcomes-.*: No space left on device"):
                record(journal)
            journal._own._file = file
        assert not journal.done("b")
        assert not journal.done("bb")
        journal.record("c", 3)
    with Journal(tmp_path) as journal:
        assert values(journal) == {"a": 1, "c": 3}
        assert journal.damaged == []


def test_many_outcomes_are_one_write(tmp_path):
    """Results are kept together: a line each, values and errors, as if recorded one by one; those that are known stay."""
    results = [
        Result(index=0, key="a", item=0, value=ChatCompletion.from_dict(COMPLETION)),
        Result(index=1, key="b", item=1, error=ValueError("no")),
        Result(index=2, key="c", item=2, value="new"),
        Result(index=3, key="d", item=3),
    ]
    written = []

    class Watched(FileIO):
        def write(self, data):
            written.append(bytes(data))
            return super().write(data)

    with Journal(tmp_path) as journal:
        journal.record("c", "old")
        file = journal._own._file
        with Watched(file.name, "ab+") as journal._own._file:
            journal.keep(results)
            journal.keep(results[2:])
            journal.keep([])
        journal._own._file = file
        assert [data.count(b"\n") for data in written] == [3]
        assert journal.get("b").error == {"kind": "ValueError", "message": "no"}
    with Journal(tmp_path) as journal:
        assert [entry.key for entry in journal.entries()] == ["c", "a", "b", "d"]
        assert journal.get("c").value == "old"
        assert journal.get("a").value["vendor"] == {"x": [1]}


@pytest.mark.parametrize(("policy", "least", "most"), [("always", 3, 3), ("never", 0, 0), (1.0, 1, 1)])
def test_what_is_synced_is_a_matter_of_policy(tmp_path, monkeypatch, policy, least, most):
    """Under "always" each outcome is synced, under "never" none; seconds leave it to who runs the loop, and to the end."""
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with Journal(tmp_path, fsync=policy) as journal:
        assert journal.sync_interval == (1.0 if policy == 1.0 else None)
        for key in "abc":
            journal.record(key, 1)
    assert least <= len(synced) <= most


def test_a_closed_journal_says_so(tmp_path):
    """Nothing can be recorded after the end; closing twice is harmless, reading goes on."""
    journal = Journal(tmp_path)
    journal.record("a", 1)
    journal.close()
    journal.close()
    journal.sync()

    with pytest.raises(JournalError, match="is closed"):
        journal.record("b", 1)
    assert journal.get("a").value == 1


def test_what_cannot_be_used_is_named(tmp_path):
    """A folder that is a file, a policy that is none, a value that is no JSON: each error says what is wrong."""
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="can't be used as a journal's folder"):
        Journal(tmp_path / "file")
    with pytest.raises(TypeError, match='"always" or "never", not \'often\''):
        Journal(tmp_path / "a", fsync="often")
    with pytest.raises(TypeError, match="not a bool"):
        Journal(tmp_path / "a", fsync=True)
    with pytest.raises(ValueError, match="more than 0"):
        Journal(tmp_path / "a", fsync=0)
    with Journal(tmp_path / "a") as journal, pytest.raises(TypeError, match="outcome of 'x' can't be written as JSON"):
        journal.record("x", object())
    assert list((tmp_path / "a").iterdir()) == []


def test_reading_a_large_journal_takes_little_memory(tmp_path):
    """Of 20 MB of outcomes, opening and reading holds the keys, and a few megabytes."""
    with Journal(tmp_path) as journal:
        for number in range(2000):
            journal.record(str(number), "x" * 10_000)

    tracemalloc.start()
    try:
        with Journal(tmp_path) as journal:
            assert sum(len(entry.value) for entry in journal.entries()) == 20_000_000
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


KEYS = st.sampled_from("abcde")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.integers(0, 2), KEYS, st.integers()),
        st.tuples(st.just("fail"), st.integers(0, 2), KEYS, st.integers()),
        st.tuples(st.just("reopen"), st.integers(0, 2), st.none(), st.none()),
        st.tuples(st.just("kill"), st.integers(0, 2), st.none(), st.integers(0, 60)),
    ),
    max_size=30,
)


@given(steps=STEPS)
def test_several_writers_killed_at_any_byte_lose_one_line_each_at_most(tmp_path_factory, steps):
    """Whatever writers do, what all read in the end is what was recorded, but for last lines that were torn."""
    folder = tmp_path_factory.mktemp("journal")
    writers = [Journal(folder) for _ in range(3)]
    lines = {}  # of each file, in order: (key, whether it is a value, value)
    for step, which, key, number in steps:
        writer = writers[which]
        if step == "record" and writer.record(key, number):
            lines.setdefault(writer._own.path, []).append((key, True, number))
        elif step == "fail" and writer.record_error(key, ValueError(str(number))):
            lines.setdefault(writer._own.path, []).append((key, False, str(number)))
        elif step in {"reopen", "kill"}:
            writer.close()
            if step == "kill" and writer._own is not None and lines.get(writer._own.path):
                data = writer._own.path.read_bytes()
                last = len(data) - data.rstrip(b"\n").rfind(b"\n") - 1
                cut = min(number, last)
                os.truncate(writer._own.path, len(data) - cut)
                if cut > 1:  # the line feed alone is no loss
                    lines[writer._own.path].pop()
            writers[which] = Journal(folder)
    for writer in writers:
        writer.close()

    said = [line for path in lines for line in lines[path]]
    with Journal(folder) as journal:
        entries = {entry.key: entry for entry in journal.entries()}
        assert len(journal) == len(entries)
        assert journal.damaged == []
    assert entries.keys() == {key for key, _, _ in said}
    for key, entry in entries.items():
        good = [value for said_key, is_value, value in said if said_key == key and is_value]
        if good:
            assert entry.error is None
            assert entry.value in good
        else:
            assert entry.error["message"] in [value for said_key, _, value in said if said_key == key]


def test_files_that_go_away_are_told_of(tmp_path):
    """A file that was removed or overwritten behind the journal's back is an error, and no wrong answer."""
    with Journal(tmp_path) as journal:
        journal.record("a", 1)
        path = only_file(tmp_path)
        path.write_bytes(b"x" * path.stat().st_size)
        with pytest.raises(JournalError, match="did something else write to it"):
            journal.get("a")
        with pytest.raises(JournalError, match="can't be read"):
            list(journal.entries())
        path.unlink()
        with pytest.raises(JournalError, match="can't be read any more"):
            journal.get("a")
