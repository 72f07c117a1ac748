"""`massivetext chat` on a pipe."""

from __future__ import annotations

import io

import pytest

from massivetext_keras.tasks import CausalLM

ARGUMENTS = {"max_new_tokens": 6, "temperature": 0.7}


@pytest.fixture
def talk(good, finished, monkeypatch):
    """Says lines and gives the replies, each of which is one line here."""

    def call(*lines, **flags) -> list[str]:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{x}\n" for x in lines)))
        flags = [f"--{k}={v}" for k, v in {**ARGUMENTS, **flags}.items()]
        return good("chat", f"--preset={finished.folder}", *flags)

    return call


def test_replies_are_those_of_the_conversation(talk, lm):
    out = talk("Hi", "", "what?", seed=3, system="Be.")
    messages = [{"role": "system", "content": "Be."}]
    wanted = []
    for seed, text in ((3, "Hi"), (4, "what?")):
        messages.append({"role": "user", "content": text})
        wanted.append(lm.chat(messages, seed=seed, **ARGUMENTS))
        messages.append({"role": "assistant", "content": wanted[-1]})
    assert out == "".join(f"{reply}\n" for reply in wanted)


def test_commands(talk, capsys):
    one = talk("Hi", temperature=0)
    both = talk("Hi", "/reset", "Hi", "/quit", "Hi", temperature=0)
    assert both == one * 2
    assert talk("/rest", temperature=0) == ""


def test_what_is_banned_is_not_said(talk, lm):
    free = talk("Hi", temperature=0)
    letter = next(c for c in free if c.isprintable())
    assert letter not in talk("Hi", temperature=0, banned=letter)
    assert CausalLM is type(lm)


def test_a_wrong_flag_is_named(bad, finished):
    code, line = bad("chat", f"--preset={finished.folder}", "--sytem=x")
    assert code == 2 and "--sytem: did you mean 'system'" in line
