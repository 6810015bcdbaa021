"""The layout of the code, read from its import statements: wings, their floors, and what imports what.

`python -m tests.layout` (`make layout`) prints it; tests/test_layout.py holds it. A wing is a folder of a package (or
one of its flat modules, if it stands alone); its floor is one above the highest wing that it imports. Nothing is
imported to find this out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.source_version import PACKAGES, ROOT, imported_names


@dataclass(frozen=True)
class Import:
    """One import statement's reach: which module imports which."""

    importer: str
    imported: str


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Dotted name -> file, of every module of the four packages."""
    files = (path for package in PACKAGES for path in sorted((root / package).rglob("*.py")))
    return {_dotted(path.relative_to(root)): path for path in files}


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(known: Mapping[str, Path]) -> Iterator[Import]:
    """Every import of one of our modules by another, wherever it stands; one for type checking only does not count."""
    for importer, path in known.items():
        for name in imported_names(path):
            # `from a.b import c` may name the module a.b.c or something in a.b.
            imported = name if name in known else name.rpartition(".")[0]
            if imported in known and imported != importer:
                yield Import(importer, imported)


def wing_of(module: str) -> str:
    """`repro.verdicts.judge` -> `repro.verdicts`; a flat module is a wing of its own."""
    return ".".join(module.split(".")[:2])


def wing_imports(root: Path = ROOT) -> dict[str, set[str]]:
    """Wing -> the wings that it imports. A package's own __init__ is no wing, unless it imports something."""
    known = modules(root)
    reached: dict[str, set[str]] = {wing_of(name): set() for name in known}
    for one in imports(known):
        importer, imported = wing_of(one.importer), wing_of(one.imported)
        if importer != imported:
            reached[importer].add(imported)
    return reached


def circles(reached: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """Groups of wings that reach each other: there should be none."""
    below = {wing: _below(wing, reached) for wing in reached}
    groups = {tuple(sorted(w for w in below[wing] if wing in below[w])) for wing in reached if wing in below[wing]}
    return sorted(groups)


def _below(wing: str, reached: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(reached[wing])
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += reached.get(one, ())
    return seen


def floors(reached: Mapping[str, set[str]]) -> dict[str, int]:
    """Wing -> its floor: 1 where it imports no other, else one above the highest. Raises ValueError for a circle."""
    if circles(reached):
        raise ValueError(f"these wings import each other: {circles(reached)}")
    found: dict[str, int] = {}

    def floor(wing: str) -> int:
        if wing not in found:
            found[wing] = 1 + max((floor(below) for below in reached[wing]), default=0)
        return found[wing]

    for wing in reached:
        floor(wing)
    return found


def picture(package: str, root: Path = ROOT) -> Iterator[str]:
    """One package, highest floor first: its wings, how many modules each has, and which of its siblings it imports."""
    reached = {
        wing: {below for below in belows if below.startswith(f"{package}.")}
        for wing, belows in wing_imports(root).items()
        if wing.startswith(f"{package}.")
    }
    sizes: dict[str, int] = {}
    for name in modules(root):
        sizes[wing_of(name)] = sizes.get(wing_of(name), 0) + 1
    on = floors(reached)
    arrows = sum(map(len, reached.values()))
    yield f"{package}/  {len(reached)} wings on {max(on.values())} floors, {arrows} imports between them, no circle"
    for wing in sorted(reached, key=lambda wing: (-on[wing], wing)):
        short = wing.partition(".")[2]
        place = f"{short}/" if (root / wing.replace(".", "/")).is_dir() else f"{short}.py"
        uses = ", ".join(sorted(below.partition(".")[2] for below in reached[wing]))
        count = f"{sizes[wing]:2d} module{'s' if sizes[wing] > 1 else ' '}"
        yield f"  floor {on[wing]:2d}  {place:<16} {count}" + (f"  uses {uses}" if uses else "")


def main() -> int:
    """Print all packages. Exit 1 if wings import each other."""
    broken = circles(wing_imports())
    if broken:
        print(*(f"circle: {', '.join(group)}" for group in broken), sep="\n")
        return 1
    for package in PACKAGES:
        print(*picture(package), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
