"""A conversation on a terminal."""

from __future__ import annotations

import pytest

from openai_async.server import Fault, Script

ENTER, CTRL_C, CTRL_D = "\n", "\x03", "\x04"


def at(url, *words):
    """The arguments that begin a conversation with a server."""
    return ["chat", "--base-url", url, "--api-key", "", "-m", "m", *words]


@pytest.fixture
def converse(terminal):
    """Begin a conversation, and wait for its prompt."""

    def converse(*words):
        screen = terminal(*words)
        screen.expect("> ")
        return screen

    return converse


def say(screen, text, answer):
    """Type a line, and wait for the answer and the next prompt."""
    screen.type(text + ENTER)
    screen.expect(answer)
    screen.expect("> ")


def test_every_turn_has_what_was_said_before(converse, server):
    """Each line goes out with the instructions, the lines before it and their answers; Ctrl-D ends the conversation."""
    url = server(Script(["Hello, Bo.", "You are Bo."]))
    screen = converse(*at(url, "-s", "Be brief."))

    say(screen, "I am Bo.", "Hello, Bo.")
    say(screen, "   ", "")
    say(screen, "Who am I?", "You are Bo.")
    screen.type(CTRL_D)

    assert screen.close() == 0
    assert [message["content"] for message in url.requests[-1].json["messages"]] == [
        "Be brief.",
        "I am Bo.",
        "Hello, Bo.",
        "Who am I?",
    ]
    assert url.connections == 1


def test_a_stopped_answer_is_kept_as_far_as_it_came(converse, drip):
    """Ctrl-C stops the answer and not the conversation; what was read is part of it."""
    url, tap = drip("one ", "two ")
    screen = converse(*at(url))
    screen.type("Count." + ENTER)
    tap.let()
    screen.expect("one ")

    screen.type(CTRL_C)
    screen.expect(r"\nopenai-async: stopped after 1 token, \d+\.\d s; the answer is incomplete\n")
    screen.expect("> ")
    tap.wait_closed()
    for _ in range(2):
        tap.let()
    say(screen, "Go on.", "two")
    screen.type(CTRL_D)

    assert screen.close() == 0
    assert [message["content"] for message in url.requests[-1].json["messages"]] == ["Count.", "one ", "Go on."]


def test_a_failed_turn_is_forgotten(converse, server):
    """An error is one line; the conversation goes on as if the line had not been said."""
    url = server(Script(["Yes."]), faults=[Fault(status=400)])
    screen = converse(*at(url))

    say(screen, "Lost.", r"openai-async: error: 400 [^\n]*")
    say(screen, "Found?", "Yes.")
    screen.type(CTRL_D)

    assert screen.close() == 0
    assert [message["content"] for message in url.requests[-1].json["messages"]] == ["Found?"]


def test_ctrl_c_at_the_prompt_drops_the_line(converse):
    """Ctrl-C while typing forgets the line, and says how to leave."""
    screen = converse("chat", "--embedded", "--delay", "0")

    screen.type("never mind")
    screen.expect("never mind")
    screen.insist(CTRL_C, "\nCtrl-D ends the conversation\n")
    screen.expect("> ")
    screen.type(CTRL_D)

    assert screen.close() == 0


def test_a_conversation_needs_a_terminal(terminal, tmp_path):
    """Where stdout is a file there is nobody to talk to, and as JSON nothing to talk about."""
    with (tmp_path / "out").open("wb") as out:
        to_file = terminal("chat", "--embedded", stdout=out)
        assert to_file.close() == 2
    as_json = terminal("chat", "--embedded", "--json")

    assert as_json.close() == 2
    assert "There is no prompt" in to_file.text
    assert "--json needs a PROMPT" in as_json.text
