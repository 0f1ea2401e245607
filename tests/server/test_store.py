"""The store of completions: pages, labels, deletions, and what outlives the process."""

from __future__ import annotations

import gc
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.server.store import Store

MODELS = ("a", "b")
LABELS = ({}, {"x": "1"}, {"x": "1", "y": "2"}, {"x": "2"})

items = st.lists(st.tuples(st.sampled_from(MODELS), st.sampled_from(LABELS)), max_size=12)
filters = st.tuples(st.sampled_from((None, *MODELS)), st.sampled_from((None, *LABELS)))


def kept(store, wanted="chatcmpl-a", *, model="a", metadata=None, messages=()):
    """Keep a completion, and return its id."""
    found = store.promise(wanted)
    store.keep({"id": found, "model": model}, messages=list(messages), metadata=metadata or {})
    return found


def ids(data):
    """The ids of completions."""
    return [completion["id"] for completion in data]


def pages(store, **options):
    """All pages of a list, each a list of ids."""
    after = None
    more = True
    while more:
        data, more = store.page(after=after, **options)
        yield ids(data)
        if data:
            after = store.position(data[-1]["id"])


def fits(item, model, metadata):
    """Whether a model and labels pass a filter."""
    return model in (None, item[0]) and (metadata or {}).items() <= item[1].items()


@given(items, filters, st.integers(1, 13), st.booleans())
def test_pages_have_every_item_once(stored, narrowed, limit, newest_first):
    """Whatever the limit, order and filters, the pages joined are the list, and only the last may be short."""
    model, metadata = narrowed
    with closing(Store()) as store:
        made = [(kept(store, model=item[0], metadata=item[1]), item) for item in stored]
        found = list(pages(store, limit=limit, newest_first=newest_first, model=model, metadata=metadata))

    expected = [number for number, item in made if fits(item, model, metadata)]
    assert [number for page in found for number in page] == (expected[::-1] if newest_first else expected)
    assert all(len(page) == limit for page in found[:-1])
    assert len(found) == max(-(-len(expected) // limit), 1)


@given(st.integers(1, 12), st.integers(1, 4), st.booleans(), st.data())
def test_deletions_between_pages_neither_skip_nor_repeat(count, limit, newest_first, data):
    """What is still there is listed once, even when a page's last item, or anything else, is deleted meanwhile."""
    with closing(Store()) as store:
        made = [kept(store) for _ in range(count)]
        deleted, seen = set(), []
        for page in pages(store, limit=limit, newest_first=newest_first):
            seen += page
            for number in data.draw(st.lists(st.sampled_from(made), unique=True)):
                assert store.delete(number) == (number not in deleted)
                deleted.add(number)

    order = made[::-1] if newest_first else made
    assert seen == [number for number in order if number in seen]
    assert set(made) - deleted <= set(seen)


def test_what_is_kept_meanwhile_is_on_a_later_page():
    """A completion that was promised early and kept late stands where it was kept, so that no page has passed it."""
    with closing(Store()) as store:
        early = store.promise("chatcmpl-early")
        first = kept(store)
        walk = pages(store, limit=1)
        assert next(walk) == [first]
        store.keep({"id": early, "model": "a"}, messages=[], metadata={})

        assert store.page(after=store.position(first), limit=1) == (
            [{"id": early, "model": "a", "metadata": {}}],
            False,
        )


def test_no_id_is_given_twice():
    """An id is taken once it is promised, and stays so after its completion is deleted; the next one is made up."""
    with closing(Store()) as store:
        given_out = [store.promise("chatcmpl-a") for _ in range(50)]
        store.keep({"id": "chatcmpl-a"}, messages=[], metadata={})
        store.delete("chatcmpl-a")

        assert given_out[0] == "chatcmpl-a"
        assert len({*given_out, store.promise("chatcmpl-a")}) == 51
        assert all(number.startswith("chatcmpl-") for number in given_out)


def test_the_same_history_gives_the_same_ids():
    """Two stores that were used alike make up the same ids."""

    def history():
        with closing(Store()) as store:
            return [store.promise("chatcmpl-a") for _ in range(5)]

    assert history() == history()


def test_what_is_only_promised_is_not_there():
    """Until it is kept, a promised completion can't be read, changed, deleted, listed or pointed at."""
    with closing(Store()) as store:
        number = store.promise("chatcmpl-a")

        assert (store.get(number), store.messages(number), store.position(number)) == (None, None, None)
        assert (store.update(number, {}), store.delete(number)) == (False, False)
        assert store.page() == ([], False)


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.text()))
def test_labels_are_replaced(old, new):
    """After an update a completion has the new labels only, is found by them all, and not by an old one."""
    with closing(Store()) as store:
        number = kept(store, metadata=old)
        assert store.update(number, new)

        assert store.get(number) == {"id": number, "model": "a", "metadata": new}
        assert ids(store.page(metadata=new)[0]) == [number]
        for name, value in old.items():
            assert ids(store.page(metadata={name: value})[0]) == ([number] if new.get(name) == value else [])


def test_what_is_deleted_is_gone():
    """A deleted completion can't be read, changed or deleted again, and others stay."""
    with closing(Store()) as store:
        number, other = kept(store, metadata={"x": "1"}), kept(store, metadata={"x": "1"})

        assert store.delete(number)
        assert (store.get(number), store.messages(number)) == (None, None)
        assert (store.delete(number), store.update(number, {"x": "2"})) == (False, False)
        assert ids(store.page(metadata={"x": "1"})[0]) == [other]
        assert ids(store.page(metadata={"x": "2"})[0]) == []


def test_a_file_outlives_its_store(tmp_path):
    """Completions, labels, messages, deletions and given ids are there again when the file is opened again."""
    path = tmp_path / "kept.sqlite"
    with closing(Store(path)) as store:
        number = kept(store, metadata={"x": "é"}, messages=[{"role": "user", "content": "Hi"}])
        gone, last = kept(store), kept(store)
        store.delete(gone)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]

    with closing(Store(str(path))) as store:
        assert store.get(number) == {"id": number, "model": "a", "metadata": {"x": "é"}}
        assert store.messages(number) == [{"role": "user", "content": "Hi"}]
        assert ids(store.page(after=store.position(gone))[0]) == [last]
        assert kept(store, gone) not in {number, gone, last}
        assert ids(store.page(metadata={"x": "é"})[0]) == [number]


def test_two_stores_share_a_file(tmp_path):
    """What one process keeps another one lists, and both never give the same id."""
    path = tmp_path / "kept.sqlite"
    with closing(Store(path)) as one, closing(Store(path)) as other:
        numbers = [kept(store) for store in (one, other, one, other)]

        assert len(set(numbers)) == 4
        assert ids(one.page()[0]) == ids(other.page()[0]) == numbers


@pytest.mark.parametrize("sort", ["folder", "text", "foreign", "foreign, version 1", "newer"])
def test_what_is_no_store_is_refused(tmp_path, sort):
    """A folder, a file that is no database, another program's database and a newer store's are left alone."""
    path = tmp_path / "file"
    if sort == "folder":
        path.mkdir()
    elif sort == "text":
        path.write_text("no database, but a text of some length " * 20, encoding="utf-8")
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript("PRAGMA user_version = 2;" if sort == "newer" else "CREATE TABLE t (x);")
            if sort == "foreign, version 1":
                connection.execute("PRAGMA user_version = 1")
    before = path.read_bytes() if path.is_file() else None

    with pytest.raises(OSError, match=r"Completions can't be kept in .*file: "):
        Store(path)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_store_that_is_dropped_is_closed():
    """Closing twice is fine, a closed store keeps nothing, and a forgotten one closes its connection itself."""
    store = Store()
    connection = store._connection
    store.close()
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.promise("chatcmpl-a")

    store = Store()
    connection = store._connection
    del store
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")


def test_threads_take_turns(tmp_path):
    """Several threads use one store at once: every completion is kept, each under an id of its own."""
    with closing(Store(tmp_path / "kept")) as store, ThreadPoolExecutor(8) as pool:

        def work(number):
            return [kept(store, metadata={"thread": str(number)}) for _ in range(100)]

        made = [number for numbers in pool.map(work, range(8)) for number in numbers]

        assert len(set(made)) == 800
        assert sorted(ids(store.page(limit=1000)[0])) == sorted(made)


def test_a_file_is_made_once(tmp_path):
    """Servers that start at the same moment with the same new file share it."""
    for number in range(10):
        path, start = tmp_path / str(number), threading.Barrier(4)

        def make(_, path=path, start=start):
            start.wait()
            with closing(Store(path)) as store:
                return kept(store)

        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(make, range(4)))
        with closing(Store(path)) as store:
            assert sorted(ids(store.page()[0])) == sorted(set(made)) == sorted(made)


def test_a_closed_store_can_be_reopened(tmp_path):
    """A file's completions are there again, those in memory are not; reopening what is open changes nothing."""
    for path, left in ((tmp_path / "kept", 1), (None, 0)):
        with closing(Store(path)) as store:
            kept(store)
            store.reopen()
            assert len(store.page()[0]) == 1
            store.close()
            store.reopen()
            assert len(store.page()[0]) == left
