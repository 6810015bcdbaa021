"""Build the site: `python -m docs.site OUT`. A link that leads nowhere is an error."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from sphinx.cmd.build import build_main

from docs.site import made, sources

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def build(out: Path) -> int:
    """Write the site into `out`; Sphinx's exit code, which is not 0 for any warning."""
    with tempfile.TemporaryDirectory() as folder:
        pages = Path(folder)
        sources.copy_pages(ROOT, pages)
        made.write_all(pages)
        shutil.copyfile(HERE / "index.md", pages / "index.md")
        words = ["-b", "html", "-W", "--keep-going", "-q", "-n", "-c", str(HERE), str(pages), str(out)]
        return build_main([*words, "-d", str(pages / ".doctrees")])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    code = build(out)
    if code == 0:
        print(f"the site is in {out}; open {out / 'index.html'}")
    sys.exit(code)


if __name__ == "__main__":
    main()
