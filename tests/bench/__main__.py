"""`make bench`: run every benchmark, print its table, write build/bench.json as {"name": value}.

A ratio is measured side by side in one go, so that a slow or busy machine slows both sides.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
import time
import traceback
from pathlib import Path

import tests.bench


def main(argv: list[str] | None = None) -> int:
    """Exit 0, or 1 if a benchmark could not be measured (the others are still written)."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("only", nargs="*", help="subjects, for example: isolation judge")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"))
    options = parser.parse_args(argv)
    found = sorted(m.name for m in pkgutil.iter_modules(tests.bench.__path__) if m.name.startswith("bench_"))
    chosen = [f"bench_{name}" for name in options.only] or found
    unknown = sorted(set(chosen) - set(found))
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(n.removeprefix('bench_') for n in found)}")
        return 2
    options.out.parent.mkdir(parents=True, exist_ok=True)
    values: dict[str, float] = (
        json.loads(options.out.read_text(encoding="utf-8")) if options.only and options.out.exists() else {}
    )
    failed = []
    for name in chosen:
        print(f"\n== {name.removeprefix('bench_')}", flush=True)
        started = time.monotonic()
        try:
            values |= importlib.import_module(f"tests.bench.{name}").measure()
        except Exception:  # noqa: BLE001 - one benchmark that cannot run must not lose the others' figures
            traceback.print_exc()
            failed.append(name)
        print(f"   ({time.monotonic() - started:.0f} s)", flush=True)
        options.out.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"\n{options.out}:")
    for key, value in sorted(values.items()):
        print(f"  {key:32} {value:.3f}")
    if failed:
        print(f"not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
