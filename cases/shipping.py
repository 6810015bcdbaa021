"""Writes the conversions that go into a wheel: `python -m cases.shipping`, from where `make dist` calls it."""

from __future__ import annotations

from cases import catalogue
from cases.with_torch.convert import made_from, model_bytes
from cases.with_torch.shipped import FOLDER, shipped_path
from runner.cache import write_atomically


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.tflite"):
        path.unlink()
    for case in catalogue.catalogue():
        if case.module is not None:
            write_atomically(shipped_path(case, made_from(case)), model_bytes(case))


if __name__ == "__main__":
    main()
