"""The commands that messages name fit the installation they come from."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from runner import installation

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = ROOT / "pyproject.toml"


@pytest.fixture
def _a_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "checkout", lambda: None)


@pytest.mark.parametrize(("uid", "word"), [(0, "apt-get"), (1000, "sudo")])
def test_only_root_needs_no_sudo(monkeypatch: pytest.MonkeyPatch, uid: int, word: str):
    monkeypatch.setattr("os.geteuid", lambda: uid)
    assert installation.apt_install("x").split()[0] == word


def test_a_checkout_has_its_makefile():
    assert installation.checkout() is not None
    assert installation.install_everything().startswith("make -C ")
    assert installation.opencl_install().startswith("make -C ")


@pytest.mark.usefixtures("_a_wheel")
def test_a_wheel_has_no_makefile_and_its_scripts_are_there():
    drivers = (installation.install_everything(), installation.mesa_install(), installation.opencl_install())
    assert not any("make " in command for command in (*drivers, installation.converter_install()))
    for command in drivers:
        scripts = [word for word in shlex.split(command) if word.endswith(".sh")]
        assert scripts
        assert all(Path(script).is_file() for script in scripts)


@pytest.mark.usefixtures("_a_wheel")
def test_what_a_wheel_installs_to_convert_is_what_the_extra_names():
    command = shlex.split(installation.converter_install())
    assert command[:5] == [sys.executable, "-m", "pip", "install", "-c"]
    wanted = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]["convert"]
    assert [Requirement(word) for word in command[6:]] == [Requirement(line) for line in wanted]


COMMANDS = [name for name in vars(installation) if name.endswith("_install") and not name.startswith("_")]
ARGUMENTS = {"apt_install": ("gcc",), "pip_install": ("pillow",)}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("root", [None, "it's a checkout"])
def test_a_command_to_copy_keeps_whole_a_path_with_spaces_and_quotes(
    monkeypatch: pytest.MonkeyPatch, name: str, root: str | None
):
    python, setup = "/opt/a user's/venv/bin/python", Path("/opt/a user's/venv/setup")
    monkeypatch.setattr(installation, "SETUP", setup)
    monkeypatch.setattr(installation, "checkout", lambda: root and setup.parent / root)
    monkeypatch.setattr(sys, "executable", python)
    monkeypatch.setenv("REPRO_CACHE", "/opt/a user's/cache")
    command = getattr(installation, name)(*ARGUMENTS.get(name, ()))
    paths = [word for word in shlex.split(command) if "/opt" in word]
    assert paths or name == "apt_install"
    assert all(word.startswith("/opt/a user's/") for word in paths)
    assert command.count("user") == len(paths)


@pytest.mark.parametrize("hiding", [(), ("VK_DRIVER_FILES",), ("VK_ICD_FILENAMES", "VK_DRIVER_FILES")])
def test_what_hides_the_drivers_is_named_before_any_is_installed(monkeypatch: pytest.MonkeyPatch, hiding):
    for name in installation.HIDES_DRIVERS:
        monkeypatch.setenv(name, "/nowhere" * (name in hiding))
    told = installation.bring_a_driver()
    assert told.startswith("unset " if hiding else "run: ")
    assert all((name in told) is (name in hiding) for name in installation.HIDES_DRIVERS)


@pytest.mark.parametrize(
    ("urls", "page"),
    [
        ([], ""),
        (["Homepage, https://a.example"], ""),
        (["Documentation, https://docs.example/repro/"], "https://docs.example/repro/rules/add-reduce.html"),
        (
            ["Source, https://a.example", "documentation,https://docs.example"],
            "https://docs.example/rules/add-reduce.html",
        ),
    ],
)
def test_pages_of_the_docs_have_an_address_where_the_release_names_a_site(
    monkeypatch: pytest.MonkeyPatch, urls: list[str], page: str
):
    kept = Message()
    for url in urls:
        kept["Project-URL"] = url
    monkeypatch.setattr(installation.metadata, "metadata", lambda name: kept)
    monkeypatch.setattr(installation, "_documentation_site", installation._documentation_site.__wrapped__)
    assert installation.documentation("rules/add-reduce") == page


def test_no_message_of_a_command_sends_its_reader_to_a_makefile():
    """A wheel has none; the commands of this module know which installation they are for."""
    sources = [*(ROOT / "repro").rglob("*.py"), *(ROOT / "runner").rglob("*.py")]
    goals = re.compile(r"`make (setup|opencl|web|repro)`")
    told = [path.name for path in sources if goals.search(path.read_text(encoding="utf-8"))]
    assert len(sources) > 200
    assert told == []
