"""`massivetext chat` on a pipe."""

from __future__ import annotations

import io
import json

import pytest

from massivetext_keras import cli
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


def test_bytes_that_are_no_text_end_nothing(good, finished, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(b"H\xe4\nHi\n"), "utf-8")
    monkeypatch.setattr("sys.stdin", stdin)
    flags = (f"--preset={finished.folder}", "--max_new_tokens=0")
    assert good("chat", *flags) == "\n\n"


def test_control_c_ends_a_reply_and_then_the_talk(monkeypatch, finished, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

        def readline(self):
            if line := super().readline():
                return line
            raise KeyboardInterrupt

    heard = []

    def stream(self, messages, **_):
        heard.append(list(messages))
        yield "Well, "
        raise KeyboardInterrupt

    monkeypatch.setattr(CausalLM, "chat_stream", stream)
    monkeypatch.setattr("sys.stdin", Terminal("a\nb\n"))
    assert cli.run(["chat", f"--preset={finished.folder}"]) == 130
    out, err = capsys.readouterr()
    assert out == "Well, \nWell, \n" and "Traceback" not in err
    said = [(x["role"], x["content"]) for x in heard[1]]
    assert said == [("user", "a"), ("assistant", "Well, "), ("user", "b")]
    monkeypatch.setattr("sys.stdin", io.StringIO("a\nb\n"))
    assert cli.run(["chat", f"--preset={finished.folder}"]) == 130 and len(heard) == 3


def test_conversations_are_examples_of_a_language_model(
    good, bad, finished, tmp_path, lm
):
    talk = {"prompt": "Hi", "reply": "Well."}
    (tmp_path / "a.jsonl").write_text(json.dumps(talk))
    (tmp_path / "a.yml").write_text("conversations:\n- - Hi\n  - Well.\n")
    preset, loss = f"--preset={finished.folder}", None
    for flags in (("a.jsonl", "--format=jsonl"), ("a.jsonl", "--json"), ("a.yml",)):
        out = good("evaluate", preset, f"--data={tmp_path / flags[0]}", *flags[1:])
        if "--json" in flags:
            found = json.loads(out)["loss"]
        else:
            found = float(next(x for x in out.split("\n") if "loss" in x).split()[1])
        assert loss is None or found == pytest.approx(loss, abs=1e-4)
        loss = found
    code, line = bad("evaluate", preset, f"--data={tmp_path / 'a.jsonl'}")
    assert code == 1 and line.endswith("of conversations say the --format")


def test_a_wrong_flag_is_named(bad, finished):
    code, line = bad("chat", f"--preset={finished.folder}", "--sytem=x")
    assert code == 2 and "--sytem: did you mean 'system'" in line
