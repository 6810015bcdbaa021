"""The version of a runtime as text: LiteRT's own, `2.3.0`, or LiteRT-LM's behind a prefix, `lm-0.18.1`.

Key insight: the two are numbered apart, so that one is neither older nor newer than the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

LM_PREFIX = "lm-"


@dataclass(frozen=True)
class RuntimeVersion:
    """is_lm: of LiteRT-LM."""

    is_lm: bool
    number: Version

    @classmethod
    def parse(cls, text: str) -> RuntimeVersion:
        """Raises InvalidVersion."""
        return cls(text.startswith(LM_PREFIX), Version(text.removeprefix(LM_PREFIX)))

    def is_at_least(self, other: RuntimeVersion) -> bool:
        """Of the same numbering, and not older."""
        return self.is_lm is other.is_lm and self.number >= other.number


def version_order(text: str) -> tuple[int, Version, str]:
    """Sort key: LiteRT's versions by number, then LiteRT-LM's, then what is no version."""
    try:
        version = RuntimeVersion.parse(text)
    except InvalidVersion:
        return (2, Version("0"), text)
    return (int(version.is_lm), version.number, text)


def spoken(text: str) -> str:
    """A version in a sentence: `LiteRT 2.3.0`, `LiteRT-LM 0.18.1`."""
    return f"LiteRT-LM {text.removeprefix(LM_PREFIX)}" if text.startswith(LM_PREFIX) else f"LiteRT {text}"


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
