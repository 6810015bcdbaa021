"""What is expected of each case on each target, as data, and how a verdict compares with it.

Files live in `findings/expectations/`, and a project's own in a folder of its own: `gpu.toml` holds what the
delegate's own graph code does on every driver; `gpu-opencl.toml`, `gpu-lavapipe.toml` and the like inherit from it and
add what only they do.
The default expectation of every output is PASS. Key insight: an unexpected pass is news as much as
an unexpected failure, and a failure that changed its signature is a different failure.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from packaging.version import InvalidVersion
from pydantic import AfterValidator, Field

from repro.records.folders import expectation_folders
from repro.records.strict import Said, Word, choose
from repro.records.strict_toml import read_toml
from repro.verdicts.verdict import Status, Verdict, is_of_memory
from runner.host.gpu import is_hardware
from runner.host.vulkan import name_key
from runner.opencl.drivers import is_opencl
from runner.run import Precision
from runner.runtime_version import RuntimeVersion
from runner.target import Target

ANY = "any"


def _version(text: str) -> str:
    try:
        RuntimeVersion.parse(text or "0")
    except InvalidVersion:
        raise ValueError(f"'{text}' is no version; write for example '2.3.0', or 'lm-0.18.1'") from None
    return text


def _precision(text: str) -> str:
    if text not in (*Precision, ANY):
        raise ValueError(choose(text, [*Precision, ANY]))
    return text


OutputIndex = Annotated[int, Field(ge=-1, description="the index of an output, or -1 for the run as a whole")]
Runtime = Annotated[str, AfterValidator(_version)]


class Standing(enum.StrEnum):
    """How a verdict compares with its expectation. `is_news` says which make a run exit 1."""

    PASSED = "passed"
    KNOWN = "known"
    FLAKE = "flake"
    NEW_FAILURE = "new failure"
    CHANGED = "changed"
    FIXED = "fixed"
    NO_POWER = "no power"

    @property
    def is_news(self) -> bool:
        return self in (Standing.NEW_FAILURE, Standing.CHANGED, Standing.FIXED, Standing.NO_POWER)


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One line of an expectations file.

    output: index, or -1 for the run as a whole (REFUSED, CRASH, HANG).
    precision: `fp32`, `fp16` or `any`.
    confirmed: runtime version in which this was last seen; empty for a claim nobody here measured.
    origin: `measured` here, or `reported` by somebody else (then a pass refutes nothing upstream
        until a device has run it, and the run says whether it was confirmed).
    workaround: id of the workaround that exists because of it; named when it can go.
    signature: of a FAIL, or `any` where the output reads memory that nothing defined, so that the
        garbage differs from run to run.
    memory: nothing writes the output, and which signature of that kind it has (`is_of_memory`) is decided by what lay
        in its memory, which differs between adapters and settings. Any of them is expected; the verdict says which.
    adapters: words, of which the adapter's name must hold one, as the delegate looks for vendors: `nvidia`,
        `mali-g7`. It is the name that is presented, or else the hardware's own. Without any it holds under every name.
    fixed_in: first runtime in which it is gone; from there on PASS is expected again.
    measured_by, measured_on: who measured it elsewhere and on which day, of what came back in a bundle's results.
    """

    case: Word
    output: OutputIndex
    precision: Annotated[str, AfterValidator(_precision)]
    status: Status
    signature: str = ""
    finding: str = ""
    reason: Said
    link: str = ""
    confirmed: Runtime = ""
    origin: Literal["measured", "reported"] = "measured"
    workaround: str = ""
    fixed_in: Runtime = ""
    memory: bool = False
    adapters: tuple[Word, ...] = ()
    measured_by: str = ""
    measured_on: Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\d)?$", description="a day: 2026-01-31")] = ""

    def __post_init__(self) -> None:
        if self.memory and not is_of_memory(self.signature):
            raise ValueError(f"memory: '{self.signature}' is not what memory decides; leave it out")
        if any(word != word.lower() for word in self.adapters):
            raise ValueError("adapters: the delegate compares in lower case; write the words so")

    def covers(self, target: str) -> bool:
        """Whether it is about the adapter name that the delegate sees on a target."""
        seen = name_key(_adapter_name(target))
        return not self.adapters or any(name_key(word) in seen for word in self.adapters)

    def matches(self, status: str, signature: str) -> bool:
        """Whether it is what was expected."""
        if self.memory and is_of_memory(signature):
            return self.status == status
        return self.status == status and self.signature in (signature, ANY)


@dataclass(frozen=True)
class Flake:
    """An output that sometimes fails: `rate` is the measured share of failing runs, in (0, 1)."""

    case: Word
    output: OutputIndex
    precision: Annotated[str, AfterValidator(_precision)]
    target: Word
    rate: Annotated[float, Field(gt=0, lt=1, description="inside (0, 1)")]
    reason: Said


@dataclass(frozen=True)
class _Entries:
    expect: tuple[Expectation, ...] = ()


@dataclass(frozen=True)
class _Flakes:
    flake: tuple[Flake, ...] = ()


@dataclass(frozen=True)
class Expectations:
    """All expectations that hold on one target, most specific file first."""

    target: str
    entries: Mapping[tuple[str, int, str], Expectation] = field(default_factory=dict)
    flakes: Mapping[tuple[str, int, str], Flake] = field(default_factory=dict)

    def lookup(self, case: str, output: int, precision: str) -> Expectation | None:
        """The expectation of an output, or None where PASS is expected."""
        for key in ((case, output, precision), (case, output, ANY), (case, -1, precision), (case, -1, ANY)):
            if key in self.entries:
                return self.entries[key]
        return None

    def flake(self, case: str, output: int, precision: str) -> Flake | None:
        return self.flakes.get((case, output, precision)) or self.flakes.get((case, output, ANY))


@dataclass(frozen=True)
class Comparison:
    """A verdict beside what was expected of it. `message` is one line, empty where there is no news."""

    standing: Standing
    expected: str
    message: str = ""
    expectation: Expectation | None = None


def expected_text(expectation: Expectation | None) -> str:
    """`PASS`, `FAIL stale`, `FAIL memory`, `REFUSED`: what the `expected` field of `--json` says."""
    if expectation is None:
        return "PASS"
    if expectation.memory:
        return f"{expectation.status} memory"
    return f"{expectation.status} {expectation.signature}".strip()


def compare(
    verdict: Verdict, case: str, precision: str, target: str, runtime: str, expectations: Expectations
) -> Comparison:
    """Compare one verdict with the expectations of its target. Pure.

    Raises nothing. The message of a FIXED names the finding that can be closed and the workaround
    that can go.
    """
    expectation = expectations.lookup(case, verdict.output, precision)
    text = expected_text(expectation)
    where = f"{case} {f'{verdict.where} ' if verdict.output >= 0 else ''}{precision} on {target}"
    flake = expectations.flake(case, verdict.output, precision)
    if flake is not None and verdict.status in (Status.PASS, Status.FAIL):
        return Comparison(Standing.FLAKE, f"flake {flake.rate:.2f}", expectation=expectation)
    if expectation is None:
        if verdict.status is Status.PASS:
            return Comparison(Standing.PASSED, text)
        if verdict.status is Status.INVALID:
            return Comparison(Standing.NO_POWER, text, f"no power to judge: {where}: {verdict.reason}")
        said = f"{verdict.status} {verdict.signature}".strip()
        what = verdict.holds or verdict.reason
        return Comparison(Standing.NEW_FAILURE, text, f"new failure: {where}: {said}: {what}")
    if expectation.matches(verdict.status, verdict.signature):
        return Comparison(Standing.KNOWN, text, expectation=expectation)
    if verdict.status is Status.PASS:
        if expectation.origin == "reported":
            message = f"not confirmed: {where}: reported as {text} ({expectation.link}), passes in {runtime}"
            return Comparison(Standing.FIXED, text, message, expectation)
        what = f"finding {expectation.finding}" if expectation.finding else f"what was expected of it ({text})"
        message = f"fixed in {runtime} on {target}: {where}: {what} can {'be closed' if expectation.finding else 'go'}"
        if expectation.workaround:
            message += f", workaround {expectation.workaround} can go"
        return Comparison(Standing.FIXED, text, message, expectation)
    said = f"{verdict.status} {verdict.signature}".strip()
    message = f"changed: {where}: expected {text}, got {said}: {verdict.holds or verdict.reason}"
    return Comparison(Standing.CHANGED, text, message, expectation)


def file_stem(target: str) -> str:
    """`gpu:lavapipe` -> `gpu-lavapipe`; characters that a file name cannot hold become dashes."""
    return "".join(c if c.isalnum() or c in "._" else "-" for c in target).strip("-").lower()


def _adapter_name(target: str) -> str:
    """What decides the delegate's vendor paths on a target, as far as its name says: presented, or the hardware's own.

    Empty for cpu, phones and software drivers.
    """
    plain, _, presented = target.partition("@")
    kind, _, key = plain.partition("+")[0].partition(":")
    if kind != "gpu" or presented:
        return presented
    return key if is_hardware(key) else ""


def _parents(target: str) -> list[str]:
    """Files that apply to a target, general first. A renamed adapter is still its driver, and so is another storage.

    What every driver over OpenCL does stands in `gpu-opencl.toml`; what any does under the name of a family of GPUs,
    presented or its own, in `gpu-named.toml`.
    """
    plain, at, presented = target.partition("@")
    driver = plain.partition("+")[0]
    kind, _, key = driver.partition(":")
    over_opencl = ["gpu-opencl"] if kind == "gpu" and is_opencl(key) else []
    over_opencl += ["gpu-named"] if _adapter_name(target) else []
    named = (driver, f"{driver}{at}{presented}", plain, target)
    return list(dict.fromkeys((file_stem(kind), *over_opencl, *map(file_stem, named))))


def load(target: str, folder: Path | None = None, device_model: str = "", runtime: str = "") -> Expectations:
    """Expectations of a target, for example `gpu:lavapipe`; later, more specific files win.

    folder: only what lies there; else the built-in ones, and over them those of the project that this runs in.

    runtime: LiteRT version that will run; entries with a `fixed_in` up to it no longer apply.

    device_model: a phone's model, for example `Pixel 8a`: `adb-pixel-8a.toml` applies to it.
    Raises BadInput for a file that is not TOML or has an unknown key or a missing field.
    """
    stems = _parents(target)
    if target.startswith("adb"):
        # A serial number names one phone; what is expected belongs to its model.
        stems = ["adb"] + ([file_stem(f"adb-{device_model}")] if device_model else [])
    entries: dict[tuple[str, int, str], Expectation] = {}
    places = expectation_folders() if folder is None else (folder,)
    for path in (place / f"{stem}.toml" for place in places for stem in stems):
        if path.exists():
            for entry in read_entries(path):
                if entry.covers(target):
                    entries[entry.case, entry.output, entry.precision] = entry
    # A more specific file can take back an inherited line by expecting PASS.
    entries = {
        key: entry
        for key, entry in entries.items()
        if entry.status is not Status.PASS and not _is_fixed(entry.fixed_in, runtime)
    }
    every = (flake for place in places for flake in read_flakes(place / "flakes.toml"))
    flakes = {(f.case, f.output, f.precision): f for f in every if f.target in stems}
    return Expectations(target, entries, flakes)


def load_for(target: Target, runtime: str = "") -> Expectations:
    """Expectations of an active target: a phone's by its model, the loopback's by the driver underneath it."""
    name, device_model = kept_under(target)
    return load(name, device_model=device_model, runtime=runtime)


def kept_under(target: Target) -> tuple[str, str]:
    """Under which name the expectations of an active target are kept, and the model of the phone that it is."""
    return getattr(target, "expectations_name", target.name), getattr(target, "device_model", "")


def _is_fixed(fixed_in: str, runtime: str) -> bool:
    if not fixed_in or not runtime:
        return False
    try:
        return RuntimeVersion.parse(runtime).is_at_least(RuntimeVersion.parse(fixed_in))
    except InvalidVersion:
        return False


def read_entries(path: Path) -> tuple[Expectation, ...]:
    """All `[[expect]]` tables of one file. Raises BadInput naming the file, the entry and its case."""
    return read_toml(path, _Entries, path.name).expect


def read_flakes(path: Path) -> tuple[Flake, ...]:
    """All `[[flake]]` tables, or none where the file is absent. Raises BadInput."""
    return read_toml(path, _Flakes, path.name).flake if path.exists() else ()
