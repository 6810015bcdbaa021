"""The host's targets: a pool of worker processes that turns jobs into Runs and survives every one of them.

Key insight: isolation need not cost a process per job. A worker serves jobs until it dies, and what
a death costs is one job: a job that died in a worker others had used is run once more, alone in a
fresh one, before it is called a crash or a hang, because the fault may have been its predecessors'.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from copy import copy
from dataclasses import replace
from pathlib import Path

from runner.deadline import count_ops, deadline_s
from runner.errors import BadInput, TargetUnavailable
from runner.host.driver import Driver
from runner.host.probe import Probe, probe
from runner.host.worker import WITH_CPU
from runner.host.worker_process import Reply, StartFailed, WorkerProcess, WorkerSpec, last_line
from runner.opencl.refusal import kernel_failure
from runner.run import Fingerprint, Job, Outcome, Precision, Run
from runner.runtimes import Runtime
from runner.target import Target
from runner.webgpu_log import lacks_cause

MAX_MEMORY_BYTES = 8 << 30
BESIDE_CPU = "|cpu"
"""Ends the name of a driver with the cpu beside it. Such a target is made of one that is open, not opened by name."""
SMALL_BYTES = 1_500_000
SMALL_OPS = 32
SWITCH_INTERVAL_S = 0.0005
_NOT_COMPILED = "not compiled: LiteRtCreateCompiledModel"
_STATIC = "Attempting to use a delegate that only supports static-sized tensors"
READ_TOO_EARLY = "LiteRtLockTensorBuffer returned"
"""What LiteRT up to 2.1.6 says where a first run takes longer than it waits, as on a driver that compiles shaders."""


class HostTarget(Target):
    """`cpu`, `cpu:reference`, or one driver of this host, over Vulkan or over OpenCL.

    engine: `cpu`, `reference` or `gpu`. driver: for gpu, which to make visible. workers: how many jobs run at
    once. memory_bytes: resident memory that a worker may use. environment, gpu_options: what is added to the
    driver's own. note: what every result must say beside the driver and the adapter. settings: what else decides a
    result and is in no other name.
    """

    def __init__(
        self,
        name: str,
        engine: str,
        runtime: Runtime,
        *,
        driver: Driver | None = None,
        workers: int = 1,
        memory_bytes: int | None = None,
        module: str = "runner.host.worker",
        environment: Mapping[str, str] | None = None,
        gpu_options: Mapping[str, str | int | bool] | None = None,
        note: str = "",
        settings: str = "",
    ) -> None:
        self.name = name
        self.runtime = runtime
        self.workers = max(1, workers)
        self._engine = engine
        self._driver = driver
        self._note = note
        self._settings = settings
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        base = dict(os.environ)
        if driver:
            base = driver.environment(base, threads)
        options = {**(driver.gpu_options if driver else {}), **(gpu_options or {})}
        spec = WorkerSpec(
            engine=engine,
            runtime=runtime.folder,
            environment={**base, **(environment or {})},
            memory_bytes=memory_bytes or default_memory_bytes(self.workers),
            module=module,
            extra={"gpu_options": options} if options else {},
        )
        self._spec = spec
        quick = driver.quick_environment() if driver else {}
        self._quick_spec = replace(spec, environment={**quick, **spec.environment}) if quick else spec
        self._probed: Probe | None = None
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._closing = False
        self._is_partial = False

    def beside_cpu(self) -> HostTarget:
        """The same driver, compiling for the GPU and the cpu together, as apps do; not yet used, and nothing resident.

        Raises TargetUnavailable where the driver does not work alone, BadInput for a target that is no GPU's.
        """
        if self._driver is None:
            raise BadInput(f"target {self.name} is no GPU's, so that nothing is divided; give --target gpu")
        self._probe()
        other = copy(self)
        other.name, other._is_partial = f"{self.name}{BESIDE_CPU}", True
        other._spec = replace(self._spec, engine=WITH_CPU)
        other._quick_spec = replace(self._quick_spec, engine=WITH_CPU)
        other._lock, other._idle, other._busy = threading.Lock(), [], set()
        return other

    @property
    def identity(self) -> str:  # type: ignore[override]
        """Everything but the job that decides a result, as one stable line."""
        libraries = ",".join(f"{name}={sha[:16]}" for name, sha in sorted(self.runtime.libraries.items()))
        parts = (self.name, self.runtime.version, libraries, self.driver, self.adapter)
        return "|".join((*parts, *filter(None, [self._settings])))

    @property
    def driver(self) -> str:
        """Driver name and version, with the note of a presented name; empty on cpu."""
        return self._noted(self._driver.driver) if self._driver is not None else ""

    def _noted(self, text: str) -> str:
        return f"{text} ({self._note})" if self._note else text

    @property
    def adapter(self) -> str:
        """The adapter's name as the delegate logged it, with the note of a presented name; empty on cpu."""
        return self._noted(self._probe().adapter) if self._driver is not None else ""

    def worker_environment(self, job: Job) -> dict[str, str]:
        """The environment variables under which this job's worker runs: driver, threads, shader compiler."""
        return dict((self._quick_spec if is_small(job) else self._spec).environment)

    @property
    def idle_workers(self) -> list[WorkerProcess]:
        """The workers that wait for a job now."""
        with self._lock:
            return list(self._idle)

    def activate_impl(self) -> None:
        """Check that the target works. Cheap when it was found working before and nothing has changed."""
        self._closing = False
        self._probe()

    def _probe(self) -> Probe:
        if self._probed is None:
            self._probed = probe(self.name, self._spec, self.runtime, self._driver)
        if not self._probed.ok:
            raise TargetUnavailable(self._probed.message)
        return self._probed

    def deactivate_impl(self) -> None:
        self._closing = True
        with self._lock:
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        for worker in busy:
            worker.kill()
        for worker in idle:
            worker.stop()

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        """Runs in the order of the jobs, which are drawn only a few ahead of the consumer: a stream may be endless."""
        self._probe()
        self._closing = False
        ahead = 2 * self.workers + 1
        waiting: deque[Future[Run]] = deque()
        # A thread that has a reply must get the interpreter at once, even while the consumer judges, or its
        # worker stands idle: at the default of 5 ms it would wait longer than a small job takes.
        interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        pool = ThreadPoolExecutor(max_workers=self.workers, thread_name_prefix=f"repro-{self._engine}")
        try:
            for job in jobs:
                self._check(job)
                waiting.append(pool.submit(copy_context().run, self._run_job, job))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            sys.setswitchinterval(interval)
            # Left early (an error, Ctrl-C, a consumer that stopped): what is in flight has no reader.
            unfinished = [future for future in waiting if not future.cancel() and not future.done()]
            if unfinished:
                self.deactivate_impl()
            pool.shutdown(wait=True)

    def _check(self, job: Job) -> None:
        if job.companion is not None and self._driver is None:
            raise BadInput(
                f"target {self.name} runs one model at a time; a second one beside it takes a GPU of this host"
            )
        if job.precision not in (self._driver.precisions if self._driver else (Precision.FP32,)):
            raise BadInput(
                f"target {self.name} computes fp32 only; ask for --precision fp32, or for another gpu target"
            )

    def _run_job(self, job: Job) -> Run:
        deadline = deadline_s(job)
        if self._driver and job.deadline_s is None:
            deadline *= self._driver.patience
        reply, alone = self._attempt(job, deadline)
        died = reply.outcome in (Outcome.CRASH, Outcome.HANG)
        # Our own deadline is a guess in wall time: on a machine that was busy for a moment it may be too short.
        short = reply.outcome is Outcome.HANG and job.deadline_s is None
        if died and (short or not alone) and not self._closing:
            first = reply
            reply, _ = self._attempt(job, 3 * deadline if short else deadline, fresh=True)
            note = f"[{first.outcome} in a first try ({first.message}); run again alone in a new worker]\n"
            reply = replace(reply, log=note + reply.log)
        elif reply.outcome is Outcome.REFUSED and READ_TOO_EARLY in reply.message and not self._closing:
            note = f"[{reply.outcome} in a first try ({reply.message}); run again with its shaders compiled]\n"
            reply, _ = self._attempt(job, deadline)
            reply = replace(reply, log=note + reply.log)
        elif not alone and self._says_nothing(reply) and not self._closing:
            # Some causes are logged once in a process, for a former job of that worker.
            reply, _ = self._attempt(job, deadline, fresh=True)
        elif not alone and lacks_cause(reply.log) and not self._closing:
            # What a kernel of this model is refused for was said to a former job of that worker.
            reply, _ = self._attempt(job, deadline, fresh=True)
        return self._record(job, reply)

    @staticmethod
    def _says_nothing(reply: Reply) -> bool:
        return (
            reply.outcome is Outcome.REFUSED
            and reply.message.startswith(_NOT_COMPILED)
            and (explain_refusal(reply) == reply.message)
        )

    def _attempt(self, job: Job, deadline: float, fresh: bool = False) -> tuple[Reply, bool]:
        """One try: the reply, and whether the worker was fresh."""
        try:
            worker = self._take(self._quick_spec if is_small(job) else self._spec, fresh)
        except StartFailed as error:
            raise TargetUnavailable(f"{self.name} worked before but starts no worker now: {error}") from error
        alone = worker.served == 0
        try:
            return worker.execute(job, deadline), alone
        finally:
            self._give_back(worker)

    def _take(self, spec: WorkerSpec, fresh: bool) -> WorkerProcess:
        """An idle worker of this kind, or a new one. `fresh` replaces an idle one."""
        with self._lock:
            for worker in [w for w in reversed(self._idle) if w.spec is spec]:
                self._idle.remove(worker)
                if worker.alive and not fresh:
                    self._busy.add(worker)
                    return worker
                worker.stop()
                if fresh:
                    break
        worker = WorkerProcess(spec)
        with self._lock:
            self._busy.add(worker)
        return worker

    def _give_back(self, worker: WorkerProcess) -> None:
        with self._lock:
            self._busy.discard(worker)
            if worker.alive and not self._closing:
                self._idle.append(worker)
                return
        worker.stop()

    def _record(self, job: Job, reply: Reply) -> Run:
        outcome, message = reply.outcome, reply.message
        if outcome is Outcome.REFUSED:
            message = explain_refusal(reply)
        elif outcome in (Outcome.CRASH, Outcome.HANG):
            message = f"{message}; its log ends: {last_line(reply.log)}"
        elif (
            self._driver
            and not self._is_partial
            and (why := self._driver.not_resident(reply.log, reply.fully_accelerated))
        ):
            outcome, message = Outcome.NOT_RESIDENT, why
        return Run(
            name=job.name,
            outcome=outcome,
            fingerprint=Fingerprint(
                target=self.name,
                runtime=self.runtime.version,
                libraries=self.runtime.libraries,
                driver=self.driver,
                adapter=self.adapter,
                precision=str(job.precision),
                model_sha256=job.model_sha256,
            ),
            outputs=reply.outputs,
            output_names=reply.names,
            fully_accelerated=reply.fully_accelerated,
            stages=reply.stages,
            log=reply.log,
            message=message,
        )


def is_small(job: Job) -> bool:
    """Whether compiling will cost more than running: a few ops over little data, as most cases are."""
    data = len(job.model) + sum(array.nbytes for array in (job.feeds[0] if job.feeds else ()))
    return data <= SMALL_BYTES and count_ops(job.model) <= SMALL_OPS


def explain_refusal(reply: Reply) -> str:
    """The worker's one line, with what the log says of it: the compiler's words, an unsupported op, the first error."""
    if failed := kernel_failure(reply.log):
        return f"{reply.message}: {failed}"
    lines = [line.strip() for line in reply.log.splitlines()]
    ops = [line for line in lines if ": Not supported op " in line]
    named = [line for line in lines if line.split(":")[0].isupper() and " " not in line.split(":")[0]]
    ops = ops or [line for line in named if line.split(":")[0] not in ("INFO", "VERBOSE", "WARNING", "ERROR")]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    said = ops or errors[:2] or [line.partition(":")[2].strip() for line in lines if _STATIC in line][:1]
    return f"{reply.message}: {'; '.join(dict.fromkeys(said))}" if said else reply.message


def default_memory_bytes(workers: int) -> int:
    """Three quarters of what is available now, shared by the workers, at most 8 GiB each."""
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            return min(MAX_MEMORY_BYTES, int(line.split()[1]) * 1024 * 3 // 4 // workers)
    return MAX_MEMORY_BYTES // workers
