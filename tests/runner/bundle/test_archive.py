"""Results are a stranger's archive: whatever is changed in one is refused by name, and never more than one line."""

from __future__ import annotations

import itertools
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.bundle.answered import AnsweredTarget
from runner.bundle.archive import LIMITS, ResultsArchive
from runner.errors import BadInput, ReproError, TargetUnavailable
from tests.runner.bundle.conftest import changed, sums


def everything(archive: Path) -> list[object]:
    """All that a results archive can say. Raises what reading it raises."""
    with ResultsArchive(archive) as opened, AnsweredTarget(opened) as target:
        assert isinstance(target, AnsweredTarget)
        return [[outputs[0].tolist() for outputs in run.outputs] for run in target.run_many(sums(5))]


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "lost a bit": lambda data: bytes([data[0] ^ 1]) + data[1:] if data else b"x",
    "was cut": lambda data: data[: len(data) // 2] if data else b"x",
    "was emptied": lambda data: b"" if data else b"x",
    "has more behind it": lambda data: data + b"\0",
    "has more in front of it": lambda data: b"\n" + data,
    "is another": lambda data: data[::-1] if data != data[::-1] else data + b"x",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_file_that_is_damaged_is_refused_by_name(damage: str, came_back: Path, tmp_path: Path) -> None:
    for name in names(came_back):

        def hurt(files: dict[str, bytes], name: str = name) -> None:
            files[name] = DAMAGE[damage](files[name])

        # A list of hashes names itself where it is no list, and else the first file that it does not fit.
        refused = r"refused for [\w./]+: " if name == "SHA256SUMS" else f"refused for {name}: its sha256 is"
        with pytest.raises(BadInput, match=refused):
            everything(changed(came_back, tmp_path, hurt, with_sums=False))


def test_files_that_change_places_are_refused_by_name(came_back: Path, tmp_path: Path) -> None:
    outputs = [name for name in names(came_back) if "/out/" in name]
    for one, other in itertools.pairwise(outputs):

        def swap(files: dict[str, bytes], one: str = one, other: str = other) -> None:
            files[one], files[other] = files[other], files[one]

        for with_sums in (False, True):
            with pytest.raises(BadInput, match=rf"refused for ({one}|{other}): "):
                everything(changed(came_back, tmp_path, swap, with_sums=with_sums))


def test_outputs_that_were_changed_with_their_hash_in_the_list_are_refused_by_name(
    came_back: Path, tmp_path: Path
) -> None:
    outputs = [name for name in names(came_back) if "/out/" in name]
    assert len(outputs) == 6
    for name in outputs:

        def flip(files: dict[str, bytes], name: str = name) -> None:
            files[name] = bytes([files[name][0] ^ 1]) + files[name][1:]

        with pytest.raises(BadInput, match=f"refused for {name}: it is not what the runner wrote"):
            everything(changed(came_back, tmp_path, flip))


@pytest.mark.parametrize(
    "name",
    [
        *("../escape", "/absolute", "batches/0001/out/../../x", "batches/0001/out/-1", "batches/0001\\out\\1"),
        *("batches/0001/out/1\n", "batches/00001/results", "batches/٠٠٠١/results", "x" * 60000, "device/", ""),
    ],
)
def test_a_name_that_no_bundle_writes_is_refused(name: str, came_back: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no bundle writes such a file|Duplicate|does not list") as caught:
        everything(changed(came_back, tmp_path, lambda files: files.update({name: b"x"})))
    assert len(str(caught.value)) < 1000
    assert not list(tmp_path.glob("escape*"))


def test_a_file_that_is_missing_is_named(came_back: Path, tmp_path: Path) -> None:
    for name in ("bundle.json", "device", "batches/0001/out/1"):
        with pytest.raises(BadInput, match=f"refused for {name}: "):
            everything(changed(came_back, tmp_path, lambda files, name=name: files.pop(name)))  # type: ignore[misc]


def test_a_file_that_is_there_twice_is_named(came_back: Path, tmp_path: Path) -> None:
    twice = tmp_path / "twice.zip"
    twice.write_bytes(came_back.read_bytes())
    with zipfile.ZipFile(twice, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("device", b"another")
    with pytest.raises(BadInput, match="refused for device: it is there twice"):
        everything(twice)


def test_what_declares_more_than_is_read_is_refused_before_it_is_unpacked(came_back: Path, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("device", b"\0" * (LIMITS["device"] + 1))
    with pytest.raises(BadInput, match="refused for device: it has 65537 bytes, at most 65536 are read"):
        everything(bomb)


Line = dict[str, object]


def _line(change: Callable[[Line], object]) -> Callable[[dict[str, bytes]], None]:
    """Change what is said of run 1."""

    def apply(files: dict[str, bytes]) -> None:
        lines = files["batches/0001/results"].splitlines()
        said = json.loads(lines[0])
        change(said)
        files["batches/0001/results"] = b"\n".join([json.dumps(said).encode(), *lines[1:], b""])

    return apply


def _first_output(field: str, value: object) -> Callable[[Line], None]:
    def apply(said: Line) -> None:
        outputs = said["outputs"]
        assert isinstance(outputs, list)
        outputs[0][field] = value

    return apply


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_first_output("shape", [1 << 40]), "batches/0001/out/1: sum 0 is said to give"),
        (_first_output("shape", [2, 2]), "batches/0001/out/1: sum 0 is said to give"),
        (_first_output("dtype", "float64"), "batches/0001/out/1: sum 0 is said to give"),
        (_first_output("dtype", "object"), "batches/0001/out/1: sum 0 is said to give"),
        (_first_output("dtype", "no type"), "batches/0001/results: the runner does not write"),
        (lambda said: said.update(outputs=[]), "batches/0001/out/1: sum 0 is said to give"),
        (lambda said: said.update(bytes=7), "batches/0001/out/1: it is not what the runner wrote"),
        (lambda said: said.update(id=5), "batches/0001/results: it says 5, which is none of its runs"),
        (lambda said: said.update(id=2), "batches/0001/results: it says 2, which is none of its runs, or twice"),
        (lambda said: said.update(status="fine"), "batches/0001/results: the runner does not write"),
        (lambda said: said.update(stages={"load": float("nan")}), "batches/0001/results: the runner does not write"),
        (lambda said: said.update(event="end"), "batches/0001/results: the runner does not write"),
        (lambda said: said.update(log="x" * (1 << 20)), "batches/0001/results: a line of 10"),
    ],
)
def test_a_line_that_contradicts_the_model_or_the_runner_is_refused_by_name(
    change: Callable[[Line], object], says: str, came_back: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="refused for " + says):
        everything(changed(came_back, tmp_path, _line(change)))


def test_a_line_of_a_hundred_thousand_brackets_is_refused_by_name(came_back: Path, tmp_path: Path) -> None:
    for text in (b"[" * 100_000, b'{"id":' * 100_000, b"1" * 100_000):
        with pytest.raises(BadInput, match=r"refused for batches/0001/results"):
            everything(
                changed(came_back, tmp_path, lambda files, t=text: files.update({"batches/0001/results": t + b"\n"}))  # type: ignore[misc]
            )


def test_what_a_device_says_of_itself_is_short_and_printable(came_back: Path, tmp_path: Path) -> None:
    model = "[ro.product.model]: [../Pi\x00xel\u202e 8a\n" + "é" * 5000 + "]\n[bundle.date]: [2026-1-1]\n"

    def dressed(files: dict[str, bytes]) -> None:
        files["device"] = model.encode()

    with ResultsArchive(changed(came_back, tmp_path, dressed)) as archive:
        target = AnsweredTarget(archive)
    assert target.device["model"].startswith("../Pi?xel? 8a ???")
    assert len(target.device["model"]) == 120
    assert target.measured_on == ""


def test_inputs_that_are_said_to_be_others_are_refused(came_back: Path, tmp_path: Path) -> None:
    def other(files: dict[str, bytes]) -> None:
        said = json.loads(files["bundle.json"])
        said["runs"][1]["feeds"][0][0] = "0" * 64
        files["bundle.json"] = json.dumps(said).encode()

    with pytest.raises(BadInput, match=r"refused for bundle.json: sum 0 has another model or other inputs here"):
        everything(changed(came_back, tmp_path, other))


def test_a_device_that_adds_wrongly_is_not_believed(came_back: Path, tmp_path: Path) -> None:
    def wrong(files: dict[str, bytes]) -> None:
        said = json.loads(files["batches/0000/results"])
        said["status"], said["message"] = "refused", "no OpenCL on this device"
        files["batches/0000/results"] = json.dumps(said).encode() + b"\n"

    with pytest.raises(TargetUnavailable, match="no OpenCL on this device"):
        everything(changed(came_back, tmp_path, wrong))


def test_a_line_that_was_cut_off_is_a_run_that_did_not_end(came_back: Path, tmp_path: Path) -> None:
    def cut(files: dict[str, bytes]) -> None:
        files["batches/0001/results"] = files["batches/0001/results"][:-100]

    with ResultsArchive(changed(came_back, tmp_path, cut)) as archive:
        assert [run.case for run in AnsweredTarget(archive).unanswered] == ["sum 1"]


def test_whatever_is_done_to_an_archive_is_one_line_or_changes_nothing(came_back: Path, tmp_path: Path) -> None:
    data, draw = came_back.read_bytes(), random.Random(0)
    right = everything(came_back)
    refusals: list[str] = []
    for number in range(300):
        broken = bytearray(data)
        if number % 3 == 0:
            broken = broken[: draw.randrange(len(data))]
        for _ in range(draw.randrange(1, 4) if broken else 0):
            broken[draw.randrange(len(broken))] ^= 1 << draw.randrange(8)
        path = tmp_path / "broken.zip"
        path.write_bytes(bytes(broken))
        try:
            assert everything(path) == right
        except ReproError as error:
            refusals.append(str(error))
    assert len(refusals) > 200
    assert all(len(line.splitlines()) == 1 for line in refusals)
