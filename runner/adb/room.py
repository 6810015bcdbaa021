"""What a stay has on the device beside runner and libraries: models, inputs, and a folder for each batch.

Key insight: nothing of a batch is needed once its answers are here, and what a day's hunt leaves would fill a phone. So
what lies there is counted, and removed between two batches when it is much: seldom, since a removal costs as much as
several cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.adb.link import DeviceLink
from runner.adb.native_runner import batch_folder

MOST_LEFT = 64 << 20
"""Bytes of finished batches, and of their models and inputs, that may lie on a device before they are removed."""
_FILES = ("manifest", "pack", "pack.part", "results", "log")


class Room:
    """The folder of one stay on a device, and all in it that the stay put there or had made."""

    def __init__(self, link: DeviceLink, home: str) -> None:
        self._link, self._home = link, home
        self._objects: set[str] = set()
        self._folders: list[str] = []
        self._begun = 0
        self._bytes = 0

    def new_batch(self) -> tuple[int, str]:
        """Number and folder of the next batch, once there is room for it."""
        if self._bytes > MOST_LEFT:
            self._remove_batches()
        number = self._begun
        self._begun += 1
        folder = batch_folder(self._home, number)
        self._folders.append(folder)
        return number, folder

    def lacks(self, objects: Mapping[str, bytes]) -> dict[str, bytes]:
        """Those of the models and inputs, by sha256, that are not on the device yet."""
        return {sha: data for sha, data in objects.items() if sha not in self._objects}

    def took(self, objects: Mapping[str, bytes]) -> None:
        """They are there now."""
        self._objects |= set(objects)
        self._bytes += sum(map(len, objects.values()))

    def left(self, nbytes: int) -> None:
        """A case has left so many bytes of outputs."""
        self._bytes += nbytes

    def distrust(self) -> None:
        """Something there is damaged: every model and input is sent again."""
        self._objects.clear()

    def remove(self) -> None:
        """Remove all of it, and nothing else."""
        self._remove_batches()
        objects = f"{self._home}/objects"
        self._run(["rm", "-f"], [f"{objects}/{name}" for name in ("lock", "log")])
        self._run(["rmdir"], [objects, self._home])

    def _remove_batches(self) -> None:
        self._run(["rm", "-rf"], [f"{folder}/out" for folder in self._folders])
        self._run(["rm", "-f"], [f"{folder}/{name}" for folder in self._folders for name in _FILES])
        self._run(["rmdir"], self._folders)
        self._run(["rm", "-f"], [f"{self._home}/objects/{sha}" for sha in sorted(self._objects)])
        self._folders.clear()
        self._objects.clear()
        self._bytes = 0

    def _run(self, command: Sequence[str], paths: Sequence[str]) -> None:
        for start in range(0, len(paths), 200):
            self._link.run([*command, *paths[start : start + 200]])
