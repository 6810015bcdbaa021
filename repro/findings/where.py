"""Where a claim of a finding holds: in which runtimes, on which targets, in which precisions. Pure.

Key insight: a claim without a range is a claim about every cell, so a bug that a release fixed would
read as a broken claim in every newer runtime. A range says where the bug shows; outside it the claim is
the opposite one, that the model passes, and a failure there breaks the claim as well.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from typing import Annotated

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator

from repro.matrix.record import Cell
from runner.run import Precision
from runner.runtime_version import Numbering, bare, numbering

KINDS = ("gpu", "adb")


@dataclass(frozen=True)
class Range:
    """Where a model shows its bug. An empty field is no limit.

    runtimes: PEP 440 specifier set over LiteRT versions, nightlies included. A nightly 2.4.0.dev20261026 is,
    by PEP 440, neither in `<2.4` nor in `>=2.4`; write `<2.4.0.dev0` or `>=2.4.0.dev0`. litert_lm, litert_js:
    the same over LiteRT-LM's and LiteRT.js's versions, which no limit of LiteRT's holds. targets: shell
    patterns of full target names. precisions: of `fp32`, `fp16`.
    """

    runtimes: str = ""
    targets: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    litert_js: str = ""
    litert_lm: str = ""
    _set: SpecifierSet = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_set", SpecifierSet(self.runtimes, prereleases=True))

    def __bool__(self) -> bool:
        return bool(self.runtimes or self.targets or self.precisions or self.litert_lm or self.litert_js)

    def has_runtime(self, version: str) -> bool:
        """Whether a version is in it; what is not LiteRT's is in an unlimited range, or in one of its own numbering."""
        own = {Numbering.LITERT_LM: self.litert_lm, Numbering.LITERT_JS: self.litert_js}.get(numbering(version), "")
        if own:
            return Version(bare(version)) in SpecifierSet(own)
        try:
            return Version(version) in self._set
        except InvalidVersion:
            return not self.runtimes

    def covers(self, record: Cell) -> bool:
        """Whether the bug is claimed to show in the cell of a matrix record. Never on the cpu: it is the reference."""
        target = record["target"]
        return (
            not target.startswith("cpu")
            and self.has_runtime(record["runtime"])
            and (not self.targets or any(fnmatch.fnmatchcase(target, pattern) for pattern in self.targets))
            and (not self.precisions or record["precision"] in self.precisions)
        )

    def __str__(self) -> str:
        """`LiteRT <2.1.6, on gpu:lavapipe, in fp16`; empty where nothing is limited."""
        said = [f"LiteRT {self.runtimes}"] if self.runtimes else []
        said += [f"LiteRT-LM {self.litert_lm}"] if self.litert_lm else []
        said += [f"LiteRT.js {self.litert_js}"] if self.litert_js else []
        if self.targets:
            said.append(f"on {' or '.join(self.targets)}")
        if self.precisions:
            said.append(f"in {' and '.join(self.precisions)}")
        return ", ".join(said)


EVERYWHERE = Range()


def _specifier(text: str) -> str:
    text = text.strip()
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        raise ValueError(f"'{text}' is no PEP 440 specifier set; write for example '<2.1.6' or '>=2.2,<2.4'") from None
    return text


def _gpu_target(text: str) -> str:
    if text.partition(":")[0].rstrip("*") not in KINDS:
        raise ValueError(f"'{text}' is no GPU target; write for example 'gpu:lavapipe' or 'adb:*'")
    return text


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The keys with which a table of finding.toml says where something shows; None for a key that is not there."""

    runtimes: Annotated[str, AfterValidator(_specifier)] | None = None
    litert_lm: Annotated[str, AfterValidator(_specifier)] | None = None
    litert_js: Annotated[str, AfterValidator(_specifier)] | None = None
    targets: tuple[Annotated[str, AfterValidator(_gpu_target)], ...] | None = None
    precisions: tuple[Precision, ...] | None = None

    @property
    def limited(self) -> bool:
        return bool(self.runtimes or self.targets or self.precisions or self.litert_lm or self.litert_js)

    def range(self, inherited: Range) -> Range:
        """The range that these keys say; what is absent is inherited."""
        return Range(
            inherited.runtimes if self.runtimes is None else self.runtimes,
            inherited.targets if self.targets is None else self.targets,
            inherited.precisions if self.precisions is None else self.precisions,
            inherited.litert_js if self.litert_js is None else self.litert_js,
            inherited.litert_lm if self.litert_lm is None else self.litert_lm,
        )
