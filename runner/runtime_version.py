"""The version of a runtime as text: LiteRT's own, `2.3.0`, LiteRT-LM's `lm-0.18.1`, or LiteRT.js's `web-2.5.3`.

Key insight: the three are numbered apart, so that one is neither older nor newer than another's.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

LM_PREFIX = "lm-"
WEB_PREFIX = "web-"


class Numbering(enum.Enum):
    """Whose releases a version counts, in the order in which tables show them.

    The value: name, prefix, and how a sentence says that something is of such a runtime, if it is not LiteRT's own.
    """

    LITERT = ("LiteRT", "", "")
    LITERT_LM = ("LiteRT-LM", LM_PREFIX, "over OpenCL")
    LITERT_JS = ("LiteRT.js", WEB_PREFIX, "in a browser")

    @property
    def spoken(self) -> str:
        return self.value[0]

    @property
    def prefix(self) -> str:
        return self.value[1]

    @property
    def where(self) -> str:
        return self.value[2]


def numbering(text: str) -> Numbering:
    """Of what a version's text says, whether or not a number follows."""
    return next((n for n in Numbering if n.prefix and text.startswith(n.prefix)), Numbering.LITERT)


def bare(text: str) -> str:
    """A version without its prefix: `lm-0.18.1` -> `0.18.1`."""
    return text.removeprefix(numbering(text).prefix)


@dataclass(frozen=True)
class RuntimeVersion:
    numbering: Numbering
    number: Version

    @classmethod
    def parse(cls, text: str) -> RuntimeVersion:
        """Raises InvalidVersion."""
        return cls(numbering(text), Version(bare(text)))

    def is_at_least(self, other: RuntimeVersion) -> bool:
        """Of the same numbering, and not older."""
        return self.numbering is other.numbering and self.number >= other.number


def version_order(text: str) -> tuple[int, Version, str]:
    """Sort key: LiteRT's versions by number, then LiteRT-LM's, then LiteRT.js's, then what is no version."""
    try:
        version = RuntimeVersion.parse(text)
    except InvalidVersion:
        return (len(Numbering), Version("0"), text)
    return (list(Numbering).index(version.numbering), version.number, text)


def spoken(text: str) -> str:
    """A version in a sentence: `LiteRT 2.3.0`, `LiteRT-LM 0.18.1`, `LiteRT.js 2.5.3`."""
    return f"{numbering(text).spoken} {bare(text)}"


def is_nightly(text: str) -> bool:
    """Whether it is a development release; not where it is no version."""
    try:
        return RuntimeVersion.parse(text).number.is_devrelease
    except InvalidVersion:
        return False


def is_release(text: str) -> bool:
    """Whether it is a version and no pre-release."""
    try:
        return not RuntimeVersion.parse(text).number.is_prerelease
    except InvalidVersion:
        return False
