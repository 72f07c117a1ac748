"""Nobody sees half a file or half a folder."""

from __future__ import annotations

import json

import pytest

from massivetext_keras.support.files import replacing_file, replacing_folder, write_json


def contents(folder) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"n": 1, "text": "ä"})
    assert json.loads(path.read_text()) == {"n": 1, "text": "ä"}
    before = contents(tmp_path)
    with pytest.raises(TypeError):
        write_json(path, {"n": object()})
    with pytest.raises(KeyError), replacing_file(path) as draft:
        draft.write_text("half")
        assert path.read_text() == before["deep/a.json"]
        raise KeyError
    assert contents(tmp_path) == before
    write_json(path, {"n": 2})
    assert list(contents(tmp_path)) == ["deep/a.json"]
    assert json.loads(path.read_text()) == {"n": 2}


def test_a_folder_is_the_old_one_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "deep" / "1"
    with replacing_folder(path) as new:
        (new / "sub").mkdir()
        (new / "sub" / "a").write_text("old")
    with pytest.raises(KeyError), replacing_folder(path, overwrite=True) as new:
        (new / "b").write_text("half")
        assert contents(path) == {"sub/a": "old"}
        raise KeyError
    assert contents(tmp_path) == {"deep/1/sub/a": "old"}
    with replacing_folder(path, overwrite=True) as new:
        (new / "b").write_text("new")
    assert contents(tmp_path) == {"deep/1/b": "new"}
    assert [p.name for p in path.parent.iterdir()] == ["1"]


def test_the_old_folder_returns_if_the_rename_fails(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "file").write_text("old")
    rename = type(tmp_path).rename

    def fail(path, target):
        if path.name == "new":
            raise OSError("no")
        return rename(path, target)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="no"):
        patch.setattr(type(tmp_path), "rename", fail)
        with replacing_folder(tmp_path / "1", overwrite=True):
            pass
    assert contents(tmp_path) == {"1/file": "old"}
