"""Does this target work here, and which adapter does the delegate see? One tiny model (a + b) tells.

A target that was found working is remembered by everything that could change the answer, so that
starting up costs nothing; a target that was not is asked again each time, since the user may have
just mended it.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from runner.cache import cache_root, read_json_entry, write_json_entry
from runner.host.driver import Driver
from runner.host.worker_process import Reply, StartFailed, WorkerProcess, WorkerSpec, last_line
from runner.opencl.loader import FOLDER_VARIABLES, LOADER_VARIABLES
from runner.presented import ADAPTER_NAME
from runner.run import Job, Outcome
from runner.runtime_version import spoken
from runner.runtimes import Runtime

# ADD of two float32[4] inputs `a` and `b`; its bytes are 312.
MODEL = Path(__file__).parents[1] / "native" / "probe.tflite"
DEADLINE_S = 60.0
FORMAT = "3"  # of what is remembered: raise it when the meaning of a Probe's fields changes
CHANGES_WHAT_IS_SEEN = (
    "VK_INSTANCE_LAYERS",
    ADAPTER_NAME,
    *(name for name in LOADER_VARIABLES if name not in FOLDER_VARIABLES),
)


@dataclass(frozen=True)
class Probe:
    """ok: the model ran and its sum is right. adapter: as Dawn logged it. message: why not, and what to do."""

    ok: bool
    adapter: str
    message: str


def probe(name: str, spec: WorkerSpec, runtime: Runtime, driver: Driver | None) -> Probe:
    """Run the probe model, or recall that it ran with these libraries, driver and layers before."""
    parts = [FORMAT, spec.engine, spec.module, runtime.version, *sorted(runtime.libraries.values())]
    parts += [f"{name}={spec.environment.get(name, '')}" for name in CHANGES_WHAT_IS_SEEN]
    if driver is not None:
        parts.append(driver.stamp)
    memory = cache_root() / "probes" / f"{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:32]}.json"
    known = read_json_entry(memory)
    if isinstance(known, dict) and known.keys() == {field.name for field in fields(Probe)} and known["ok"] is True:
        return Probe(**known)
    found = _ask(name, spec, runtime, driver)
    if found.ok and driver is not None and driver.wrong_device(found.adapter):
        found = Probe(False, found.adapter, f"{name} is {driver.device}, but the delegate chose {found.adapter}")
    if found.ok:
        write_json_entry(memory, asdict(found))
    return found


def _ask(name: str, spec: WorkerSpec, runtime: Runtime, driver: Driver | None) -> Probe:
    if spec.engine == "gpu" and not runtime.has_gpu:
        return Probe(False, "", f"{spoken(runtime.version)} ships no GPU accelerator; use 2.1.3 or later for {name}")
    a = np.array([1, 2, 3, 4], dtype=np.float32)
    job = Job(MODEL.read_bytes(), ((a, a[::-1].copy()),), name="probe")
    try:
        worker = WorkerProcess(spec)
    except StartFailed as error:
        return Probe(False, "", f"{name} cannot start with {spoken(runtime.version)}: {error}; run `repro doctor`")
    try:
        reply = worker.execute(job, DEADLINE_S)
    finally:
        worker.stop()
    log = worker.start_log + reply.log
    adapter = driver.logged_adapter(log) if driver is not None else ""
    if reply.outcome is Outcome.OK and np.array_equal(reply.outputs[0][0], np.full(4, 5, np.float32)):
        why = driver.not_resident(log, reply.fully_accelerated) if driver is not None else ""
        if not why:
            return Probe(True, adapter, "")
    else:
        why = _why(reply, log)
    return Probe(False, adapter, f"{name} does not work here: {why}; run `repro doctor`")


def _why(reply: Reply, log: str) -> str:
    if "No adapters found" in log:
        return "the delegate (Dawn) accepts no adapter of this driver"
    if "GPU accelerator registered" not in log and "Dynamically loaded GPU" not in log and "GPU" in log:
        return "the accelerator library could not be loaded"
    if reply.outcome is Outcome.OK:
        return f"1+4, 2+3, 3+2, 4+1 came out as {reply.outputs[0][0].tolist()}"
    return f"{reply.outcome}, {reply.message}; its log ends: {last_line(log)}"
