"""Jobs as they travel: what is the same is sent once, and is known by the hash of its bytes.

Key insight: a campaign sends the same model again and again (two precisions, five runtimes, another try), and nearly
all of its bytes are models and inputs. So a job is a list of hashes. What is small travels in the parcel, once; what is
large travels by itself, and a worker that has it is not sent it again.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from runner.errors import DeviceFailed
from runner.run import Feed, Job

LARGE_BYTES = 64 << 10
"""From this size on bytes travel by themselves, which costs the scheduler a task of its own: some 10 ms."""


@dataclass(frozen=True)
class PackedJob:
    """A job with hashes in the place of arrays and of the model's bytes. bare: the job without either."""

    bare: Job
    model: str
    feeds: tuple[tuple[str, ...], ...]
    companion: PackedJob | None = None


@dataclass(frozen=True)
class Parcel:
    """Some jobs. small: hash -> bytes. large: hashes of what travels by itself."""

    jobs: tuple[PackedJob, ...]
    small: Mapping[str, bytes]
    large: tuple[str, ...]


def pack(jobs: Sequence[Job]) -> tuple[Parcel, dict[str, bytes]]:
    """The parcel, and what travels beside it: hash -> bytes."""
    found: dict[str, bytes] = {}
    packed = tuple(_packed(job, found) for job in jobs)
    large = {sha: data for sha, data in found.items() if len(data) >= LARGE_BYTES}
    small = {sha: data for sha, data in found.items() if sha not in large}
    return Parcel(packed, small, tuple(large)), large


def unpack(parcel: Parcel, large: Mapping[str, bytes]) -> list[Job]:
    """The jobs again. Raises DeviceFailed where bytes are not those that their hash names."""
    data = {**parcel.small, **large}
    for sha, content in data.items():
        if hashlib.sha256(content).hexdigest() != sha:
            raise DeviceFailed(f"what arrived as {sha[:16]} is something else; run it again")
    return [_unpacked(job, data) for job in parcel.jobs]


def job_bytes(job: Job) -> int:
    """About how many bytes of a job travel."""
    own = len(job.model) + sum(array.nbytes for feed in job.feeds for array in feed)
    return own + (job_bytes(job.companion) if job.companion else 0)


def _packed(job: Job, found: dict[str, bytes]) -> PackedJob:
    bare = replace(job, model=b"", feeds=(), companion=None)
    feeds = tuple(tuple(_keep(_array_bytes(array), found) for array in feed) for feed in job.feeds)
    companion = _packed(job.companion, found) if job.companion else None
    return PackedJob(bare, _keep(job.model, found), feeds, companion)


def _unpacked(packed: PackedJob, data: Mapping[str, bytes]) -> Job:
    feeds: tuple[Feed, ...] = tuple(tuple(_array(data[sha]) for sha in feed) for feed in packed.feeds)
    companion = _unpacked(packed.companion, data) if packed.companion else None
    return replace(packed.bare, model=data[packed.model], feeds=feeds, companion=companion)


def _keep(data: bytes, found: dict[str, bytes]) -> str:
    sha = hashlib.sha256(data).hexdigest()
    found.setdefault(sha, data)
    return sha


def _array_bytes(array: np.ndarray) -> bytes:
    """In numpy's own format: shape and dtype are a part of what is hashed."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
    return file.getvalue()


def _array(data: bytes) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
