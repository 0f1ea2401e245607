"""The commands that throw inputs at the package and soak it: they run, small, and they tell when something is wrong."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stress import fuzz, guided, trial
from stress.soaking.gauge import Bounds, Sample, growth, slope
from stress.soaking.judge import Seen, mismatch
from stress.soaking.kinds import FAULTS, GOOD, script
from stress.soaking.script import Expected, Script
from stress.targets.catalogue import TARGETS
from stress.targets.target import Case

from openai_async import errors
from openai_async.protocol.sse import EventParser
from openai_async.types.chat import ChatCompletion

TESTS = Path(__file__).parents[1]


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the tests' folder."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    return subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, env=environment, cwd=TESTS.parent, check=False
    )


# Fuzzing.


def test_fuzzing(tmp_path: Path) -> None:
    """A run of a few thousand inputs, over all targets and by two processes, finds nothing, and says so in figures."""
    done = command("stress.fuzz", "--inputs", "2000", "--seed", "1", "--jobs", "2", "--json", str(tmp_path / "figures"))
    assert done.returncode == 0, done.stdout
    figures = json.loads((tmp_path / "figures").read_text())
    assert figures["inputs"] == sum(row["inputs"] for row in figures["targets"].values()) == 2000
    assert figures["targets"].keys() == TARGETS.keys()
    assert all(sum(row["outcomes"].values()) == row["inputs"] for row in figures["targets"].values())
    assert figures["findings"] == []


@pytest.mark.parametrize("name", TARGETS)
def test_same_seed(name: str) -> None:
    """A seed and a number bring the same input back, whatever was made before; other ones bring others."""
    target = TARGETS[name]
    made = [target.case(seed, number) for seed in (1, 2) for number in range(30)]
    random.seed(7)
    assert [target.case(2, number) for number in reversed(range(30))] == made[:29:-1]
    assert len(set(made)) == 60
    assert all(Case.of(str(case)) == case for case in made)


def test_each_input_once() -> None:
    """The batches of a run are its inputs, each of them once, by the shares of the targets."""
    made = [*fuzz.batches([*TARGETS], 10_001, 5)]
    numbers = {name: [] for name in TARGETS}
    for batch in made:
        numbers[batch.target] += range(batch.first, batch.first + batch.count)
    assert all(those == [*range(len(those))] for those in numbers.values())
    assert sum(map(len, numbers.values())) == 10_001
    assert all(abs(len(numbers[name]) - 100 * TARGETS[name].share) <= len(TARGETS) for name in TARGETS)


def test_a_bug_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What breaks a claim ends the command with 1; its input, shortened, finds it again, and nothing once it is mended."""
    whole = EventParser.feed

    def lossy(self: EventParser, data: bytes) -> Any:
        return [event for event in whole(self, data) if event.event != "ping"]

    monkeypatch.setattr(EventParser, "feed", lossy)
    assert fuzz.main(["--inputs", "400", "--seed", "1", "--jobs", "1", "--target", "events"]) == 1
    case = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("again: ")).split()[-1]
    assert len(Case.of(case).data) < 60
    assert b"ping" in Case.of(case).data
    assert fuzz.main([case]) == 1
    assert "the standard reads other events" in capsys.readouterr().out
    monkeypatch.undo()
    assert fuzz.main([case]) == 0
    assert capsys.readouterr().out == "nothing is wrong: events\n"


def test_what_does_not_come_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that takes for ever is interrupted."""

    def spin(_data: bytes, _rng: random.Random) -> str:
        while True:
            pass

    monkeypatch.setattr(trial, "_PATIENCE", 0.05)
    monkeypatch.setitem(TARGETS, "events", replace(TARGETS["events"], check=spin))
    found = trial.attempt(Case("events", 0, b""))
    assert isinstance(found, trial.Finding)
    assert "it takes more than 0.05 s" in found.said


def test_what_nobody_can_catch_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is raised in `__del__`, as the warning of a stream that was left open is, counts as found."""

    class Dropped:
        def __del__(self) -> None:
            raise ResourceWarning("left open")

    monkeypatch.setitem(TARGETS, "events", replace(TARGETS["events"], check=lambda *_: str(Dropped())))
    found = trial.attempt(Case("events", 0, b""))
    assert isinstance(found, trial.Finding)
    assert "left open" in found.said


def test_guided_targets() -> None:
    """What atheris can be led through is every target whose inputs may be any bytes."""
    assert sorted(guided._TARGETS) == sorted(name for name, target in TARGETS.items() if not target.exact)


# Soaking.


def test_soaking(tmp_path: Path) -> None:
    """A few hundred streams, a third of them faulty, all come to what they have to, and leave nothing."""
    done = command(
        "stress.soak", "--streams", "200", "--at-once", "30", "--faults", "0.35", "--json", str(tmp_path / "figures")
    )
    assert done.returncode == 0, done.stdout
    figures = json.loads((tmp_path / "figures").read_text())
    assert figures["streams"] == sum(figures["kinds"].values()) == sum(figures["outcomes"].values()) == 200
    assert figures["mismatches"] == 0
    assert len(figures["kinds"]) > 20
    assert figures["at_rest"][1]["tasks"] == 1


def test_all_kinds_occur() -> None:
    """Every kind of fault comes among five hundred, and as many faults as were asked for."""
    assert len({script(1, number, 1.0).kind for number in range(500)}) == len(FAULTS)
    scripts = [script(1, number, 0.05) for number in range(2000)]
    assert 70 < sum(one.faulty for one in scripts) < 130
    assert {one.kind for one in scripts if not one.faulty} == {make(1, random.Random(1)).kind for make in GOOD}
    assert [script(1, 17, 0.5)] == [script(1, 17, 0.5)]


def said(number: int, text: str, *, finish: str | None = "stop", id: str | None = None) -> ChatCompletion:
    """A completion that says this."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return ChatCompletion.from_dict({"id": id or f"chatcmpl-{number:08}", "choices": [choice]})


GONE = errors.IncompleteStreamError("gone", partial=said(3, "#3.0: the"))


@pytest.mark.parametrize(
    ("expected", "seen", "told"),
    [
        (Expected(texts={0: "a"}), Seen(completion=said(3, "a")), None),
        (Expected(texts={0: "a"}), Seen(completion=said(3, "b")), "'b'} instead of {0: 'a'}"),
        (Expected(texts={0: "a"}), Seen(completion=said(3, "a", id="chatcmpl-00000004")), "another stream's"),
        (Expected(texts={0: "a"}), Seen(completion=said(3, "a"), text="ab"), "the view chunks told 'ab'"),
        (Expected(texts={0: "a"}), Seen(completion=said(3, "a", finish=None)), "without a finish_reason"),
        (Expected(texts={0: "a"}, usage=3), Seen(completion=said(3, "a")), "the usage None instead of 3"),
        (Expected(texts={0: "a"}, calls=[("f", "{}")]), Seen(completion=said(3, "a")), "the calls []"),
        (Expected(texts={0: "a"}, retries=1), Seen(completion=said(3, "a"), retries=0), "0 retries instead of 1"),
        (Expected(texts={0: "a"}), Seen(GONE, said(3, "a")), "instead of None"),
        (Expected("IncompleteStreamError", {0: "#3.0: the"}), Seen(GONE, said(3, "#3.0: the")), None),
        (Expected("IncompleteStreamError", {0: "#3.0: the sea"}), Seen(GONE), "partial has {0: '#3.0: the'} instead"),
        (Expected("IncompleteStreamError", {0: "#3.0: the"}), Seen(GONE, said(3, "#3.0:")), "else than partial"),
        (Expected("RateLimitError", {0: "#3.0: the"}), Seen(GONE), "instead of RateLimitError"),
        (
            Expected("APITimeoutError", phase="idle"),
            Seen(errors.APITimeoutError("late", phase="total")),
            "the limit total instead of idle",
        ),
    ],
)  # fmt: skip
def test_a_wrong_outcome_is_told(expected: Expected, seen: Seen, told: str | None) -> None:
    """An outcome is right only if everything in it is: the error, its partial, the text, whose text it is."""
    wrong = mismatch(Script(3, "text", faulty=False, attempts=[], expected=expected), seen)
    assert wrong is None if told is None else told in (wrong or "nothing")


def held(streams: int = 0, **more: int) -> Sample:
    """A sample."""
    return replace(Sample(streams, 1.0, 50 * 2**20, 9, 1, 0, 40_000, 200_000), **more)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ({}, []),
        ({"rss": 90 * 2**20}, ["memory at rest grew by 40.0 MiB"]),
        ({"objects": 60_000}, ["objects at rest grew from 40,000 to 60,000"]),
        ({"blocks": 300_000}, ["blocks at rest grew from 200,000 to 300,000"]),
        ({"descriptors": 10}, ["descriptors at rest grew from 9 to 10"]),
        ({"tasks": 2, "acquired": 1}, ["tasks at rest grew from 1 to 2", "acquired at rest grew from 0 to 1"]),
    ],
)
def test_growth_at_rest_is_told(after: dict[str, int], told: list[str]) -> None:
    """What a process holds more after all streams than before them is told, if it is more than the allocator's noise."""
    assert growth([held(number) for number in range(10)], held(), held(100, **after), Bounds()) == told


def test_growth_under_load_is_told() -> None:
    """Memory that grows from sample to sample is told, and by how much a stream."""
    flat = [held(1000 * number, rss=50 * 2**20 + number % 3 * 2**20) for number in range(40)]
    grown = [held(1000 * number, rss=(50 + number) * 2**20) for number in range(40)]
    assert growth(flat, held(), held(), Bounds()) == []
    assert growth(grown, held(), held(), Bounds()) == ["memory under load grew by 37.0 MiB"]
    assert abs(slope(flat)) < 40
    assert slope(grown) == pytest.approx(2**20 / 1000)
