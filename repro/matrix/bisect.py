"""The first runtime in which a verdict changed, found with few runs. Pure: who runs is the caller's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runner.errors import BadInput


@dataclass(frozen=True)
class Bisected:
    """What a bisection found.

    first_changed: oldest version whose verdict differs from the oldest version's; empty where both ends agree.
    last_before: the version just before it. before, after: the two verdicts. tried: version -> verdict.
    """

    first_changed: str
    last_before: str
    before: str
    after: str
    tried: Mapping[str, str]

    @property
    def sentence(self) -> str:
        """One line for people."""
        versions = list(self.tried)
        if not self.first_changed:
            return (
                f"{self.before} in both {versions[0]} and {versions[1]}: nothing to bisect "
                "(a change that came and went between them would not be seen)"
            )
        return (
            f"changed in {self.first_changed}: {self.before} up to {self.last_before}, {self.after} from then on "
            f"({len(self.tried)} runtimes tried)"
        )


def bisect(versions: Sequence[str], verdict_of: Callable[[str], str]) -> Bisected:
    """Find the change between the oldest and the newest of `versions` (in order, oldest first).

    verdict_of: what a version says, for example `PASS` or `FAIL stale`; called once a version. Assumes
    one change; with several it finds one of them. Raises BadInput for fewer than two versions.
    """
    if len(versions) < 2:
        raise BadInput("a bisection needs at least two runtimes; give --runtime twice, or none for all that are known")
    tried: dict[str, str] = {}

    def ask(index: int) -> str:
        version = versions[index]
        if version not in tried:
            tried[version] = verdict_of(version)
        return tried[version]

    low, high = 0, len(versions) - 1
    before, last = ask(low), ask(high)
    if before == last:
        return Bisected("", "", before, last, tried)
    while high - low > 1:
        middle = (low + high) // 2
        if ask(middle) == before:
            low = middle
        else:
            high = middle
    return Bisected(versions[high], versions[low], before, ask(high), tried)
