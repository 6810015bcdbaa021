"""The list of known downloads: as `sha256sum` writes it, each file once, and read by the shell as by Python."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from runner import known_downloads, runtimes
from runner.errors import TargetUnavailable

SCRIPT = Path(known_downloads.__file__).parent / "setup" / "swiftshader.sh"


def entries() -> list[list[str]]:
    lines = known_downloads.LIST.read_text(encoding="utf-8").splitlines()
    return [line.split("  ") for line in lines if not line.startswith("#")]


def test_each_line_is_a_digest_and_the_name_of_a_file_once():
    assert all(len(entry) == 2 and re.fullmatch("[0-9a-f]{64}", entry[0]) for entry in entries())
    names = [name for _, name in entries()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("version", [v for v in runtimes.KNOWN if v != runtimes.NIGHTLY])
@pytest.mark.parametrize("python", ["cp311", "cp312", "cp313"])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_release_that_is_measured_is_known_for_every_python_that_is_served(
    version: str, python: str, machine: str
):
    name = f"ai_edge_litert-{version}-{python}-{python}-manylinux_2_27_{machine}.whl"
    assert known_downloads.known_sha256(name) is not None


def test_what_is_known_must_agree_and_what_is_not_is_told():
    digest, name = entries()[0]
    said: list[str] = []
    known_downloads.hold_to_known(name, digest, said.append)
    assert said == []
    with pytest.raises(TargetUnavailable, match=f"{'f' * 64}, and {digest} is known"):
        known_downloads.hold_to_known(name, "f" * 64, said.append)
    known_downloads.hold_to_known("another.whl", digest, said.append)
    assert said == [f"another.whl is not known here; its sha256 is {digest}, not checked"]


@pytest.mark.parametrize("known", ["nothing", "this", "another"])
def test_the_driver_that_is_unpacked_is_held_to_the_list_too(tmp_path: Path, known: str):
    """The script with an apt and a dpkg that are not there, and a list of its own."""
    for name in ("swiftshader.sh", "bin"):
        (tmp_path / name).write_bytes(SCRIPT.read_bytes()) if name.endswith("sh") else (tmp_path / name).mkdir()
    package = "chromium-common_1.0_amd64.deb"
    tools = {
        "apt-get": f"printf package > {package}",
        "dpkg-deb": "mkdir -p usr/lib/chromium; echo a > usr/lib/chromium/vk_swiftshader_icd.json;"
        " echo b > usr/lib/chromium/libvk_swiftshader.so; tar -cf - ./usr",
    }
    for name, text in tools.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    digest = hashlib.sha256(b"package").hexdigest()
    line = {"nothing": "", "this": f"{digest}  {package}\n", "another": f"{'0' * 64}  {package}\n"}[known]
    (tmp_path / "downloads.sha256").write_text(f"# known\n{line}", encoding="utf-8")
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", str(tmp_path / "swiftshader.sh"), str(tmp_path / "out")],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    made = (tmp_path / "out" / "libvk_swiftshader.so").exists()
    assert (done.returncode, made) == ((1, False) if known == "another" else (0, True)), done.stderr
    assert ("is not known here; its sha256 is " + digest in done.stderr) == (known == "nothing")
    assert (f"{digest}, and {'0' * 64} is known of it: refused" in done.stderr) == (known == "another")
