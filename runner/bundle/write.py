"""Writing a bundle: one archive with all that a device needs to run it, and nothing that it does not say.

    README.txt  run.sh  run.bat
    suite/settings.sh  suite/device.sh       numbers for the scripts; what runs on the device
    suite/batch_runner  suite/lib/*.so       built already; LiteRT
    suite/bundle.json  suite/SHA256SUMS
    suite/batches/0003/manifest, pack        as the runner takes them

Key insight: models and inputs are packed per batch, each once, so a device makes room for one batch at a time, and what
was cut goes on with the next batch.
"""

from __future__ import annotations

import hashlib
import math
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from runner.adb.manifest import BatchCase, BatchLimits, manifest_text, pack, total_seconds
from runner.adb.model_ends import read_ends
from runner.adb.session import Supplies
from runner.bundle.archive import MOST_OUTPUT, MOST_OUTPUTS
from runner.bundle.contents import FORMAT, BundledRun, Contents, batch_folder, read_contents
from runner.bundle.kinds import GPU, Kind
from runner.cache import file_sha256
from runner.errors import BadInput
from runner.host.probe import MODEL
from runner.run import Job

SCRIPTS = Path(__file__).with_name("scripts")
BATCH_RUNS = 64
BATCH_BYTES = 32 << 20
SECONDS_A_RUN = (0.2, 1.0)
"""A guess for phones, of which none was measured: a run over the loopback takes 0.03 s to 0.3 s."""


@dataclass(frozen=True)
class PlannedRun:
    """One run of a bundle. inputs: the key of the plan that made the job's feeds."""

    job: Job
    inputs: str


@dataclass(frozen=True)
class Written:
    """What was written. nbytes: of the archive. unpacked: what goes onto the device.

    room: bytes that it needs beside that. results: bytes of results.zip. minutes: an estimate, in words.
    """

    contents: Contents
    nbytes: int
    unpacked: int
    room: int
    results: int
    minutes: str


def self_test() -> PlannedRun:
    """The first run: 1+4, 2+3, 3+2, 4+1."""
    a = np.array([1, 2, 3, 4], dtype=np.float32)
    job = Job(MODEL.read_bytes(), ((a, a[::-1].copy()),), name="self-test", deadline_s=60.0)
    return PlannedRun(job, "self-test")


def write_bundle(
    path: Path,
    kind: Kind,
    supplies: Supplies,
    runs: Iterable[PlannedRun],
    *,
    accelerator: str = GPU,
    inputs: str = "",
    seed: int | None = None,
) -> Written:
    """Write the archive; `runs` are drawn once, a batch at a time. Equal runs and supplies give equal bytes.

    inputs, seed: with which the jobs' feeds were made, where that was not the cases' own.

    Raises BadInput where the file is there already or cannot be written.
    """
    if path.exists():
        raise BadInput(f"{path} is there already; name a new file, or remove it")
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            written = _write(_Suite(archive), kind, supplies, runs, accelerator, inputs, seed)
        nbytes = part.stat().st_size
        part.replace(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return replace(written, nbytes=nbytes)


class _Suite:
    """The archive while it is written: its files' hashes, in order."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.sha256: dict[str, str] = {}
        self.unpacked = 0

    def add(self, name: str, data: bytes, *, is_program: bool = False) -> None:
        """One file; those of the suite are listed with their hash. No time and no owner."""
        member = zipfile.ZipInfo(name)
        member.external_attr = (0o100755 if is_program else 0o100644) << 16
        member.compress_type = zipfile.ZIP_DEFLATED
        self._archive.writestr(member, data)
        self.unpacked += len(data)
        inside = name.removeprefix("suite/")
        if inside != name:
            self.sha256[inside] = hashlib.sha256(data).hexdigest()

    @property
    def sums(self) -> bytes:
        return "".join(f"{sha}  {name}\n" for name, sha in sorted(self.sha256.items())).encode()


def _write(
    suite: _Suite,
    kind: Kind,
    supplies: Supplies,
    runs: Iterable[PlannedRun],
    accelerator: str,
    inputs: str,
    seed: int | None,
) -> Written:
    listed: list[BundledRun] = []
    batches: list[int] = []
    largest = outputs = 0
    for batch in _batches(runs):
        given = [read_ends(run.job.model).output_bytes * len(run.job.feeds) for run in batch]
        outputs += sum(given)
        if max(given) > MOST_OUTPUT or outputs > MOST_OUTPUTS:
            name = batch[given.index(max(given))].job.name
            raise BadInput(
                f"these runs give {megabytes(outputs)} MB or more, {name} alone {megabytes(max(given))} MB; a "
                f"results.zip holds {megabytes(MOST_OUTPUTS)} MB, {megabytes(MOST_OUTPUT)} MB of one run; "
                "choose fewer cases"
            )
        fitted = [BatchCase(len(listed) + at, supplies.fitted(run.job)) for at, run in enumerate(batch)]
        folder = f"suite/{batch_folder(len(batches))}"
        objects: dict[str, bytes] = {}
        for case in fitted:
            objects.update(case.objects())
        manifest = manifest_text(fitted, BatchLimits(total_seconds(fitted)), accelerator)
        packed = pack(objects)
        suite.add(f"{folder}/manifest", manifest.encode())
        suite.add(f"{folder}/pack", packed)
        largest = max(largest, len(packed))
        listed += [_listed(run) for run in batch]
        batches.append(len(batch))
    contents = Contents(
        FORMAT,
        kind.name,
        accelerator,
        supplies.version,
        supplies.sha256,
        file_sha256(supplies.runner),
        supplies.note,
        dict(supplies.options),
        inputs,
        seed,
        tuple(batches),
        tuple(listed),
    )
    read_contents(contents.to_json(), "this bundle")  # what cannot be read back must not be sent out
    room = 2 * largest + 2 * outputs
    least, most = (math.ceil(len(listed) * seconds / 60) for seconds in SECONDS_A_RUN)
    minutes = f"{least} to {most} minutes" if most > 1 else "about a minute"
    for name, source in supplies.libraries.items():
        suite.add(f"suite/lib/{name}", source.read_bytes())
    suite.add("suite/batch_runner", supplies.runner.read_bytes(), is_program=True)
    suite.add("suite/bundle.json", contents.to_json())
    settings = {
        "id": contents.id,
        "kind": kind.name,
        "accelerator": accelerator,
        "runs": len(listed),
        "room_mb": megabytes(room),
        "push_mb": megabytes(suite.unpacked),
        "results_mb": megabytes(outputs),
        "minutes": f"'{minutes}'",
    }
    suite.add("suite/settings.sh", "".join(f"{name}={value}\n" for name, value in settings.items()).encode())
    suite.add("suite/device.sh", _script("device.sh"), is_program=True)
    suite.add("suite/SHA256SUMS", suite.sums)
    suite.add("run.sh", _script("run.sh"), is_program=True)
    suite.add("run.bat", _script("run.bat").replace(b"\n", b"\r\n"))
    readme = _script("README.txt").decode().format(**{**settings, "minutes": minutes}, case_runs=len(listed) - 1)
    suite.add("README.txt", readme.replace("\n", "\r\n").encode())
    return Written(contents, 0, suite.unpacked, room, outputs, minutes)


def megabytes(nbytes: int) -> int:
    """Rounded up."""
    return math.ceil(nbytes / 1e6)


def _script(name: str) -> bytes:
    return (SCRIPTS / name).read_bytes()


def _listed(run: PlannedRun) -> BundledRun:
    job = run.job
    return BundledRun(job.name, job.precision, job.model_sha256, run.inputs, feed_hashes(job))


def feed_hashes(job: Job) -> tuple[tuple[str, ...], ...]:
    """[k][i]: sha256 of input i of feed k, as the runner names it."""
    return tuple(
        tuple(hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest() for array in feed) for feed in job.feeds
    )


def _batches(runs: Iterable[PlannedRun]) -> Iterator[list[PlannedRun]]:
    """The self-test alone, then as many as fit."""
    yield [self_test()]
    batch: list[PlannedRun] = []
    size = 0
    for run in runs:
        batch.append(run)
        size += len(run.job.model) + sum(array.nbytes for feed in run.job.feeds for array in feed)
        if len(batch) == BATCH_RUNS or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
