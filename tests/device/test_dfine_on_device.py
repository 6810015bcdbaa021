"""D-FINE's layouts through the gate, on every chosen device: the shipped split passes, the naive one is refused."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from cases.with_torch.convert import has_converter
from models import dfine
from runner.python_child import child_command, child_environment
from tests.device_choice import DEVICES, ChosenDevice

pytestmark = [
    pytest.mark.device,
    pytest.mark.convert,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not has_converter(), reason="writes D-FINE's graphs, which needs torch and litert-torch"),
]
LAYOUTS = Path(dfine.__file__).parent


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = metafunc.config.stash[DEVICES]
    metafunc.parametrize("device", [pytest.param(d, id=d.label) for d in chosen])


def gate(layout: str, device: ChosenDevice) -> tuple[int, list[dict[str, object]]]:
    """Exit code and check objects of `repro gate`, in its own process: it holds several gigabytes."""
    command = child_command("repro", "gate", str(LAYOUTS / layout), "--target", device.name)
    command += ["--size", "160", "--precision", "fp32", "--json"]
    done = subprocess.run(
        command,
        env=child_environment(os.environ),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=850,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_the_shipped_split_passes(device: ChosenDevice) -> None:
    code, checks = gate("shipped.toml", device)
    assert code == 0, [check for check in checks if check.get("status") not in ("PASS", "NOTE")]
    assert len(checks) > 10


def test_the_naive_split_is_refused(device: ChosenDevice) -> None:
    code, checks = gate("naive.toml", device)
    assert code == 1
    assert any("enc_coord" in json.dumps(check) for check in checks)
