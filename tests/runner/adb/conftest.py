"""One private adb server and one loopback device a session; each test starts from a device without faults."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from runner.adb.link import DeviceLink
from runner.adb.loopback.device import LoopbackDevice
from runner.adb.target import AdbTarget
from runner.host.probe import MODEL
from runner.run import Job

PATIENCE_S = 120.0
"""How long a device that will answer, or come back, is awaited: never waited out, however slow the machine."""


@pytest.fixture(scope="session")
def session_device() -> Iterator[LoopbackDevice]:
    # Without a Vulkan driver this is an error and no skip: nothing of what the tests are for would be tested.
    with LoopbackDevice() as device:
        yield device


@pytest.fixture
def device(session_device: LoopbackDevice) -> Iterator[LoopbackDevice]:
    """The loopback device, healthy and known to its server."""
    heal(session_device)
    yield session_device
    heal(session_device)


def heal(device: LoopbackDevice) -> None:
    presentation = device.faults.unauthorized or device.faults.offline or device.faults.shell_v1_only
    device.faults.clear()
    if presentation:
        device.daemon.drop()
    device.connect()
    if not link_to(device).await_back(PATIENCE_S):
        pytest.fail("the loopback device did not come back")


def link_to(device: LoopbackDevice) -> DeviceLink:
    return DeviceLink(device.server.address, device.serial, silence_s=PATIENCE_S)


def target_on(device: LoopbackDevice, **options: object) -> AdbTarget:
    said: list[str] = []
    target = AdbTarget(
        device.serial,
        loopback=device,
        patience_s=PATIENCE_S,
        silence_s=PATIENCE_S,
        say=said.append,
        **options,  # type: ignore[arg-type]
    )
    target.said = said  # type: ignore[attr-defined]
    return target


def sums(count: int, seed: int = 0) -> tuple[list[Job], list[np.ndarray]]:
    """Small jobs (a + b over four floats) with different inputs, and their right answers."""
    draw = np.random.default_rng(seed).standard_normal((count, 2, 4)).astype(np.float32)
    jobs = [
        Job(MODEL.read_bytes(), ((a, b), (b, b), (a, b)), name=f"sum {i}", deadline_s=PATIENCE_S)
        for i, (a, b) in enumerate(draw)
    ]
    return jobs, [a + b for a, b in draw]
