"""What the findings come from: which of them end with one change upstream, and that change where it is known.

Key insight: findings are told apart by what they do to a model, issues by what mends them. Six fusions that never ask
whether a value is a graph output are six findings and one issue.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from repro.records.folders import finding_folders
from repro.records.strict import FileWord, Said
from repro.records.strict_toml import read_toml
from runner.errors import BadInput

ROOT_CAUSES = "root_causes.toml"


def _only_adds(diff: str) -> str:
    text = diff.strip("\n")
    for line in text.splitlines():
        if not line.startswith(("@@ ", "+")):
            raise ValueError(f"'{line[:40]}' is neither a '@@' nor a '+' line; a patch here only adds lines")
    if not text.startswith("@@ "):
        raise ValueError("begins with no '@@' line; write a diff without context")
    return text


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A suggested change of one file, as a diff without context that only adds lines.

    ends: the findings that it would end. Read against the commit, not compiled.
    """

    repo: Said
    commit: Said
    file: Said
    ends: tuple[FileWord, ...]
    diff: Annotated[str, AfterValidator(_only_adds)]

    @property
    def text(self) -> str:
        """The diff with the file's name, as `git apply --unidiff-zero` takes it."""
        return f"--- a/{self.file}\n+++ b/{self.file}\n{self.diff}\n"


@dataclass(frozen=True, kw_only=True)
class RootCause:
    """One thing to mend upstream, and the findings that end with it."""

    name: FileWord
    title: Said
    summary: Said
    findings: tuple[FileWord, ...]
    patch: tuple[Patch, ...] = ()

    def __post_init__(self) -> None:
        for patch in self.patch:
            for slug in patch.ends:
                if slug not in self.findings:
                    raise ValueError(f"patch of {patch.file}: ends '{slug}', which is not among `findings`; add it")


@dataclass(frozen=True)
class _Document:
    root_cause: tuple[RootCause, ...] = ()


def root_causes(folder: Path | None = None) -> tuple[RootCause, ...]:
    """The root causes of a folder's findings, none where it has no such file; without a folder all of them.

    Raises BadInput for a finding in two of them.
    """
    paths = [place / ROOT_CAUSES for place in (finding_folders() if folder is None else (folder,))]
    documents = [read_toml(path, _Document, f"root causes '{ROOT_CAUSES}'") for path in paths if path.exists()]
    causes = tuple(cause for document in documents for cause in document.root_cause)
    home: dict[str, str] = {}
    for cause in causes:
        for slug in cause.findings:
            if slug in home:
                raise BadInput(f"{ROOT_CAUSES}: '{slug}' is in '{home[slug]}' and in '{cause.name}'; leave it in one")
            home[slug] = cause.name
    return causes


def root_cause_of(slug: str, causes: tuple[RootCause, ...]) -> RootCause | None:
    """The root cause that a finding belongs to; None for one that nobody has put anywhere yet."""
    return next((cause for cause in causes if slug in cause.findings), None)


def patches_of(slug: str, causes: tuple[RootCause, ...]) -> tuple[Patch, ...]:
    """The suggested changes that would end a finding."""
    cause = root_cause_of(slug, causes)
    return tuple(patch for patch in cause.patch if slug in patch.ends) if cause else ()
