"""Names and versions of models."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time

import numpy as np
import pytest

from massivetext_keras.serving.app import ready
from massivetext_keras.serving.limits import Limits
from massivetext_keras.serving.models.model import load_export
from massivetext_keras.serving.models.registry import Place, Registry
from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.serving.service import make_service
from tests.serving.running import running


def load(name, version, path):
    return load_export(name, version, path, Limits())


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("served/spam", "spam", "served/spam"),
        ("served/spam/12/", "spam", "served/spam/12/"),
        ("hf:models/gpt", "gpt", "hf:models/gpt"),
        ("a.b-c=served/x=y", "a.b-c", "served/x=y"),
        ("3", "model", "3"),
    ],
)
def test_a_path_names_its_model(text, name, path):
    assert Place.read(text) == Place(name, path)


def test_names_fit_an_address():
    with pytest.raises(ValueError, match="names no model"):
        Place.read("a/b=served/x")
    with pytest.raises(ValueError, match="two models are called 'm'"):
        Registry([Place("m", "a"), Place("m", "b")], load)


def test_a_folder_without_exports(tmp_path):
    with pytest.raises(FileNotFoundError, match="massivetext export"):
        Place("m", str(tmp_path)).versions()


def test_the_newest_version_is_served_and_the_old_one_drained(exports, tmp_path):
    folder = tmp_path / "spam"
    shutil.copytree(exports["tag"], folder / "2")
    shutil.copytree(exports["tag"], folder / "9")
    shutil.copytree(exports["tag"], folder / "draft")
    service = make_service([Place("spam", str(folder))])
    service.models.load()
    with running(service) as server:
        old = service.models.find("spam")
        assert old.version == 9
        asked = {"instances": ["a b"]}
        with service.models.lease("spam") as held:
            shutil.copytree(exports["tag"], tmp_path / "new")
            (tmp_path / "new").rename(folder / "10")
            deadline = time.monotonic() + 30
            while service.models.find("spam").version == 9:
                assert time.monotonic() < deadline
                answer = server.client.post("/v1/models/spam:predict", json=asked)
                assert answer.status_code == 200
            answer = server.client.post(
                "/v1/models/spam/versions/10:predict", json=asked
            )
            assert answer.status_code == 200
            assert held.batcher._thread.is_alive()  # a request has it still
        old.batcher._thread.join(10)
        assert not old.batcher._thread.is_alive()
        answer = server.client.post("/v1/models/spam/versions/9:predict", json=asked)
        assert answer.status_code == 404
        assert "version 10 is served" in answer.json()["error"]


def test_a_version_that_cannot_be_read_changes_nothing(exports, tmp_path, caplog):
    folder = tmp_path / "spam"
    shutil.copytree(exports["tag"], folder / "1")
    models = Registry([Place("spam", str(folder))], load)
    models.load()
    (folder / "2").mkdir()
    (folder / "2" / "saved_model.pb").write_bytes(b"half")
    models.refresh()
    assert models.find("spam").version == 1 and str(folder) in caplog.text
    with pytest.raises(Refusal, match="Specific\\(spam, 2\\)"):
        models.find("spam", 2)
    models.refresh()

    refused = [x for x in caplog.records if str(folder) in x.getMessage()]
    assert len(refused) == 1  # it is looked at again and again, and said once
    (folder / "2" / "saved_model.pb").write_bytes(b"other")
    models.refresh()
    models.refresh()
    assert len([x for x in caplog.records if str(folder) in x.getMessage()]) == 2
    models.close()


class Failing:
    """An engine that there is no memory for."""

    def warm_up(self):
        raise MemoryError("no room")

    def close(self):
        pass


def test_a_model_that_cannot_be_warmed_up_is_named(exports, caplog):
    service = make_service([Place(name, exports[name]) for name in ("tag", "embed")])
    service.models.load()
    service.models.find("tag").engine = Failing()
    told: list[str] = []
    service.models.watch(0.01, told.append)
    deadline = time.monotonic() + 60
    while not service.models.find("embed").ready and time.monotonic() < deadline:
        time.sleep(0.01)
    why = "tag cannot be warmed up: MemoryError: no room"
    assert told == [why] and not service.models.ready
    with pytest.raises(Refusal, match=why) as refused:
        asyncio.run(ready(service, None))
    assert (refused.value.status, refused.value.code) == (503, "warm_up_failed")
    (record,) = [x for x in caplog.records if x.levelname == "ERROR"]
    assert "tag cannot be warmed up" in record.getMessage() and record.exc_info
    service.models.close()


def test_closing_waits_for_what_was_asked(exports):
    models = Registry([Place("tag", exports["tag"])], load)
    models.load()
    model = models.find("tag")
    spec = model.signature("tag").inputs["text"]
    asked = [
        model.ask("tag", {"text": np.array([b"a b"], spec.dtype)}) for _ in range(20)
    ]
    thread = threading.Thread(target=models.close)
    thread.start()
    assert [x.result(10)["counts"].tolist() for x in asked] == [[2]] * 20
    thread.join(10)
    assert not thread.is_alive()
