"""Run by test_real_adbd in a network and mount namespace of its own: Debian's adbd, a real /data/local/tmp.

adbd listens on all interfaces, hence the namespace; the disk that is full and the mount that is noexec are real
here. Prints one JSON object. A device that does not show LITERT_CL in its log must come out NOT_RESIDENT, and this
one does not: the delegate is the host's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from runner.adb.build import host_runner
from runner.adb.loopback.device import device_gpu
from runner.adb.private_server import PrivateServer
from runner.adb.session import Supplies
from runner.adb.target import AdbTarget
from runner.errors import ReproError
from runner.host.gpu import GpuName
from runner.runtimes import installed
from tests.runner.adb.conftest import sums
from tests.runner.adb.test_inert import NASTY

PORT = 5999


def start_adbd(adbd: str) -> subprocess.Popen[bytes]:
    environment = device_gpu(GpuName("")).environment(os.environ)
    environment["ADBD_PORT"] = str(PORT)
    quiet = subprocess.DEVNULL
    return subprocess.Popen([adbd], env=environment, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)


def mount(options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", "/data"], check=True)


def main(adbd: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/data"], check=True)
    Path("/data/local/tmp").mkdir(parents=True)
    daemon = start_adbd(adbd)
    server = PrivateServer()
    result: dict[str, object] = {}
    try:
        address = server.address
        serial = f"127.0.0.1:{PORT}"
        deadline = time.monotonic() + 20
        while "connected" not in address.client().connect(serial, timeout=5) and time.monotonic() < deadline:
            time.sleep(0.2)
        chosen = installed()
        libraries = {name: chosen.folder / name for name in chosen.libraries if name.startswith("libLiteRt")}
        said: list[str] = []

        def target() -> AdbTarget:
            supplies = Supplies(host_runner(), libraries, chosen.version)
            return AdbTarget(serial, server=address, supplies=supplies, patience_s=20, say=said.append)

        jobs, answers = sums(8)
        with target() as open_target:
            link = open_target.stay.link
            result["exit_code"] = link.run(["sh", "-c", "exit 7"]).code
            result["inert"] = all(link.run(["printf", "%s", word]).output == word for word in NASTY)
            runs = []
            for run in open_target.run_many(jobs):
                runs.append(run)
                if len(runs) == 3:
                    daemon.kill()
                    daemon.wait()
                    daemon = start_adbd(adbd)
            result["outcomes"] = sorted({str(run.outcome) for run in runs})
            result["right"] = all(
                np.array_equal(run.outputs[0][0], answer) for run, answer in zip(runs, answers, strict=True)
            )
            stay = Path(open_target.stay.home)
            mount(f"size={shutil.disk_usage('/data').used + 4096}")
            result["full"] = error_of(lambda: list(open_target.run_many(sums(60)[0])))
            mount("size=1g")
        result["cleaned"] = not stay.exists()
        mount("noexec")
        result["noexec"] = error_of(lambda: target().activate())
        result["said"] = said
    finally:
        daemon.kill()
        server.stop()
    print(json.dumps(result))


def error_of(task: object) -> str:
    try:
        task()  # type: ignore[operator]
    except ReproError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home if "REPRO_CACHE" in os.environ else os.environ["HOME"]
        main(sys.argv[1])
