"""The Dockerfile's steps in a chroot of Debian 12, for machines without an engine: `python -m tests.container`.

Needs root and debootstrap. Makes a bare Debian 12 in a folder of its own, does there what each line of the Dockerfile
says (a simulated `docker build`: FROM, COPY, RUN, ENV and WORKDIR, and nothing else is known), then runs the tool there
as a user who is nobody. Where pip and apt look is taken from this machine.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runner.source_version import ROOT

SUITE = "bookworm"
NOBODY = "65534:65534"
_OF_THIS_MACHINE = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf")


def steps(dockerfile: str) -> Iterator[tuple[str, str]]:
    """(instruction, rest) of each line; a line that ends in a backslash goes on in the next."""
    for line in dockerfile.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            instruction, _, rest = line.strip().partition(" ")
            yield instruction.upper(), rest.strip()


class Chroot:
    """A Debian in a folder, in which commands run with an environment of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.environment |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        self.working_directory = "/"

    def make(self) -> None:
        """A bare Debian, with this machine's ways to its package registries."""
        subprocess.run(["debootstrap", "--variant=minbase", SUITE, str(self.folder)], check=True, stdout=sys.stderr)
        for name in _OF_THIS_MACHINE:
            if Path(name).is_file():
                shutil.copyfile(name, self.folder / name[1:])
        for name in _local_links():
            if Path(name).is_dir():
                shutil.copytree(name, self.folder / name[1:], dirs_exist_ok=True)
        # Under a name of its own: the package ca-certificates writes /etc/ssl/certs anew.
        if "PIP_CERT" in self.environment:
            shutil.copyfile(self.environment["PIP_CERT"], self.folder / "etc" / "pip-cert.pem")
            self.environment["PIP_CERT"] = "/etc/pip-cert.pem"
        subprocess.run(["mount", "-t", "proc", "proc", str(self.folder / "proc")], check=True)

    def close(self) -> None:
        """Take off what `make` mounted, so that the folder can be removed."""
        if os.path.ismount(self.folder / "proc"):
            subprocess.run(["umount", str(self.folder / "proc")], check=True)

    def run(self, words: list[str], *, user: str = "0:0", **more: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command inside, in the working directory, as uid:gid."""
        entered = f"cd {shlex.quote(self.working_directory)} && exec {shlex.join(words)}"
        command = ["chroot", f"--userspec={user}", str(self.folder), "/bin/sh", "-c", entered]
        return subprocess.run(command, env={**self.environment, **more}, check=False)


def _local_links() -> list[str]:
    """Folders of packages on this machine that pip is told to look into."""
    told = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, encoding="utf-8", check=True
    )
    words = [*told.stdout.replace("'", " ").replace("\\n", " ").split(), os.environ.get("PIP_FIND_LINKS", "")]
    return [word.removeprefix("file://") for word in words if word.removeprefix("file://").startswith("/")]


def build(root: Chroot, dockerfile: Path) -> None:
    """Do what the Dockerfile says. Raises SystemExit for a step that fails and for an instruction that is not known."""
    for instruction, rest in steps(dockerfile.read_text(encoding="utf-8")):
        print(f"--- {instruction} {rest}", flush=True)
        if instruction == "FROM":
            if not rest.startswith("debian:12"):
                raise SystemExit(f"FROM {rest}: only Debian 12 is made here")
            root.make()
        elif instruction == "COPY":
            source, target = rest.split()
            if source != ".":
                raise SystemExit(f"COPY {rest}: only the whole checkout is known here")
            copy_checkout(root.folder / target.lstrip("/"))
        elif instruction == "RUN":
            if root.run(["/bin/sh", "-c", rest]).returncode:
                raise SystemExit(f"RUN {rest}: failed")
        elif instruction == "ENV":
            for word in shlex.split(rest):
                name, _, value = word.partition("=")
                root.environment[name] = value.replace("$PATH", root.environment["PATH"])
        elif instruction == "WORKDIR":
            root.working_directory = rest
            (root.folder / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif instruction not in ("VOLUME", "ENTRYPOINT", "CMD"):
            raise SystemExit(f"{instruction}: not known here")


def copy_checkout(target: Path) -> None:
    """The files that git knows, and new ones that it does not ignore."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in filter(None, subprocess.run(listed, capture_output=True, check=True).stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def smoke(root: Chroot) -> None:
    """As nobody: the version, the doctor, a check of a finding (really wrong) and of its control, and one CI job."""
    models = "/opt/mali-delegate-repro/findings/add-output-feeds-reduction/models"
    (root.folder / "work").chmod(0o777)
    job = {"REPRO_COMMAND": "check", "REPRO_PATHS": f"{models}/control.tflite", "HOME": "/tmp"}
    expected = [
        (["repro", "--version"], 0),
        (["repro", "doctor"], 0),
        (["repro", "check", f"{models}/minimal.tflite"], 1),
        (["repro", "run", "findings/add-output-*"], 0),
        (["bash", "/opt/mali-delegate-repro/ci/run.sh"], 0),
    ]
    for words, code in expected:
        print(f"--- {shlex.join(words)}", flush=True)
        got = root.run(words, user=NOBODY, **job).returncode
        if got != code:
            raise SystemExit(f"{shlex.join(words)}: exit {got}, where {code} is right")
    for name in ("check.xml", "check.sarif", "check.html"):
        if not (root.folder / "work" / "repro-reports" / name).is_file():
            raise SystemExit(f"the CI job left no {name}")


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if os.geteuid() or not shutil.which("debootstrap"):
        raise SystemExit("needs root and debootstrap (apt-get install debootstrap)")
    with tempfile.TemporaryDirectory(prefix="repro-container-") as folder:
        Path(folder).chmod(0o755)  # apt's own user looks in
        root = Chroot(Path(folder))
        try:
            build(root, ROOT / "Dockerfile")
            smoke(root)
        finally:
            root.close()
    print("the Dockerfile's steps work in a chroot of Debian 12, and so does what they make")


if __name__ == "__main__":
    main()
