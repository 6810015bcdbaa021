"""A finding out of its finding.toml. Whatever does not add up is one line: what is wrong, where, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from cases.findings.model import HEALTHY, Purpose
from cases.graph import Graph
from repro.findings.finding import (
    ABORTS,
    MANIFEST,
    Finding,
    FindingStatus,
    InBrowser,
    Link,
    ModelFile,
    OverOpencl,
    Scope,
    Source,
)
from repro.findings.where import EVERYWHERE, Limits
from repro.records.folders import finding_folders
from repro.records.strict import FileWord, Said, near_one
from repro.records.strict_toml import read_toml
from repro.verdicts.verdict import Status
from runner.encoding import file_name
from runner.errors import BadInput

NO_FINDING = "there is no finding here, neither built in nor of your own; start one with `repro finding new`"

_Indices = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(description="a list of output indices, from 0")]


def _aborts(outcome: str) -> str:
    if outcome != ABORTS:
        raise ValueError(f"'{outcome}' is not {ABORTS}, the only outcome that is no wrong output")
    return outcome


@dataclass(frozen=True, kw_only=True)
class _Model(Limits):
    name: FileWord
    purpose: Purpose
    what: Said
    wrong: _Indices | None = None
    outcome: Annotated[str, AfterValidator(_aborts)] = ""
    over_opencl: OverOpencl = ""
    in_browser: InBrowser = ""
    elsewhere: _Indices = ()

    def __post_init__(self) -> None:
        if self.wrong is None and not self.outcome:
            raise ValueError("wrong: is missing; it is a list of output indices, [] where all are right")
        if self.wrong and self.outcome:
            raise ValueError(f"outcome: a run that ends in {ABORTS} has no outputs; remove `wrong` or `outcome`")
        if self.limited and not (self.wrong or self.outcome):
            raise ValueError("runtimes: a model that passes has no range; write one where `wrong` or `outcome` is")
        if self.elsewhere and not (self.wrong or self.outcome):
            raise ValueError("elsewhere: a model that passes does so everywhere; write it where `wrong` is")
        if self.over_opencl and not (self.wrong or self.outcome):
            raise ValueError("over_opencl: a model that passes does so over OpenCL too; write it where `wrong` is")
        if self.in_browser in ("PASS", ABORTS, Status.FAIL) and not (self.wrong or self.outcome):
            raise ValueError("in_browser: a model that passes does so in a browser too, where it is taken")


@dataclass(frozen=True, kw_only=True)
class Cause:
    """summary: what goes wrong inside. known: how that is known."""

    summary: Said
    known: Said
    source: tuple[Source, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Document(Limits):
    """The keys of finding.toml."""

    title: Said
    status: FindingStatus
    scope: Scope
    claim: Said
    silent: Said = ""
    instead: Said = ""
    rule: Said
    seed: int = 0
    not_claimed: tuple[Said, ...]
    cause: Cause
    model: tuple[_Model, ...] = ()
    upstream: tuple[Link, ...] = ()
    siblings: tuple[FileWord, ...] = ()
    reported: str = ""


def slugs(folder: Path | None = None) -> list[str]:
    """The findings of a folder, by name; without one the built-in ones and those of the project that this runs in."""
    return sorted(_homes(folder))


def load(slug: str, folder: Path | None = None) -> Finding:
    """Read a finding. Raises BadInput for an unknown slug, an unknown key, a missing one, or an empty claim.

    slug: the folder's own name and never a path, because reports are written into a folder of that name.
    folder: see `slugs`.
    """
    homes = _homes(folder)
    if slug != file_name(slug) or slug not in homes:
        near = near_one(Path(slug).name, homes) or "; `repro finding list` shows them all"
        raise BadInput(f"there is no finding '{slug}'{near}")
    path = homes[slug] / MANIFEST
    document = read_toml(path, _Document, f"finding '{slug}'")
    where = document.range(EVERYWHERE)
    finding = Finding(
        path.parent,
        title=document.title,
        status=document.status,
        scope=document.scope,
        claim=document.claim,
        silent=document.silent,
        instead=document.instead,
        where=where,
        rule=document.rule,
        seed=document.seed,
        not_claimed=document.not_claimed,
        cause=document.cause.summary,
        cause_known=document.cause.known,
        sources=document.cause.source,
        # A model that passes has no range; one that shows inherits the finding's, key by key.
        models=tuple(
            ModelFile(
                model.name,
                model.purpose,
                model.what,
                model.wrong or (),
                model.outcome,
                model.range(where) if model.wrong or model.outcome else EVERYWHERE,
                model.over_opencl,
                model.in_browser,
                model.elsewhere,
            )
            for model in document.model
        ),
        upstream=document.upstream,
        siblings=document.siblings,
        reported=document.reported,
    )
    _check(finding)
    return finding


def _homes(folder: Path | None) -> dict[str, Path]:
    """Slug -> the finding's folder. Raises BadInput for two of one name."""
    homes: dict[str, Path] = {}
    for place in finding_folders() if folder is None else (folder,):
        for manifest in sorted(place.glob(f"*/{MANIFEST}")):
            slug = manifest.parent.name
            if slug in homes:
                raise BadInput(f"the finding '{slug}' ({manifest.parent}) is built in already; rename its folder")
            homes[slug] = manifest.parent
    return homes


def showing_models(folder: Path | None = None) -> Iterator[tuple[str, Graph]]:
    """(slug, graph) of every model that shows a finding's bug in its outputs: no control, and none that helps."""
    for slug in slugs(folder):
        finding = load(slug, folder)
        for model in finding.models:
            if model.wrong and finding.model_path(model).exists():
                yield slug, finding.graph(model)


def _check(finding: Finding) -> None:
    for purpose in (Purpose.MINIMAL, Purpose.CONTROL):
        if len(finding.of(purpose)) != 1:
            raise BadInput(f"finding '{finding.slug}': needs exactly one [[model]] with purpose '{purpose}'")
    names = [m.name for m in finding.models]
    if len(set(names)) != len(names):
        raise BadInput(f"finding '{finding.slug}': two models have one name; rename one")
    for model in finding.models:
        healthy = model.purpose in HEALTHY
        host_clean = finding.status is FindingStatus.REPORTED
        if healthy and model.shows:
            raise BadInput(f"finding '{finding.slug}': model '{model.name}' is '{model.purpose}' and yet wrong")
        if not healthy and not model.shows and not host_clean:
            raise BadInput(f"finding '{finding.slug}': model '{model.name}' ('{model.purpose}') names no wrong output")
    if finding.aborts and not finding.instead:
        raise BadInput(f"finding '{finding.slug}': the minimal model ends in {ABORTS}: say in `instead` what happens")
    if not finding.aborts and not finding.silent:
        raise BadInput(f"finding '{finding.slug}': silent: is missing; say why nobody notices")
    if finding.aborts and finding.silent:
        raise BadInput(f"finding '{finding.slug}': silent: a process that ends is noticed; say `instead` what happens")
    if finding.status is FindingStatus.REPORTED and not finding.reported:
        raise BadInput(f"finding '{finding.slug}': status is '{finding.status}': say in `reported` who saw what where")
    if finding.status is FindingStatus.FIXED and not finding.minimal.where.runtimes:
        raise BadInput(
            f"finding '{finding.slug}': status is 'fixed': say in `runtimes` which show it, for example '<2.2'"
        )


def finding_or_none(slug: str) -> Finding | None:
    """The finding of an expectation, or None where no such finding is shipped. Raises BadInput for a damaged one."""
    return load(slug) if slug in slugs() else None
