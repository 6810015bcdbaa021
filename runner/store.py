"""A Run in a folder: meta.json (canonical, so equal Runs give equal bytes) and arrays.npz. Exact both ways."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from runner.cache import canonical_json, read_json, write_atomically
from runner.errors import BadInput
from runner.npz import packed_groups, read_arrays
from runner.run import Fingerprint, Outcome, Run

FORMAT = 1


def save_run(run: Run, folder: Path) -> None:
    """Write `run` into `folder` (made on demand; a former Run there is replaced)."""
    meta = {
        "format": FORMAT,
        "name": run.name,
        "outcome": str(run.outcome),
        "fingerprint": dataclasses.asdict(run.fingerprint),
        "outputs": [len(outputs) for outputs in run.outputs],
        "output_names": list(run.output_names),
        "fully_accelerated": run.fully_accelerated,
        "stages": dict(run.stages),
        # A delegate prints whatever bytes it likes; lone surrogates must survive UTF-8.
        "log": _escape(run.log),
        "message": _escape(run.message),
    }
    write_atomically(folder / "arrays.npz", packed_groups(run.outputs))
    write_atomically(folder / "meta.json", canonical_json(meta))


def load_run(folder: Path) -> Run:
    """Read back what `save_run` wrote. Raises BadInput for anything else."""
    meta = read_json(folder / "meta.json")
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise BadInput(f"{folder} holds no saved run: meta.json is missing or of another format; save it again")
    try:
        arrays = read_arrays(folder / "arrays.npz")
        outputs = tuple(tuple(arrays[f"{k}_{i}"] for i in range(count)) for k, count in enumerate(meta["outputs"]))
        return Run(
            name=meta["name"],
            outcome=Outcome(meta["outcome"]),
            fingerprint=Fingerprint(**meta["fingerprint"]),
            outputs=outputs,
            output_names=tuple(meta["output_names"]),
            fully_accelerated=meta["fully_accelerated"],
            stages=meta["stages"],
            log=_unescape(meta["log"]),
            message=_unescape(meta["message"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder} holds a damaged run ({error}); save it again") from error


def _escape(text: str) -> Any:
    try:
        text.encode()
    except UnicodeEncodeError:
        return {"utf-16": text.encode("utf-16-le", "surrogatepass").hex()}
    return text


def _unescape(value: Any) -> str:
    if isinstance(value, dict):
        return bytes.fromhex(value["utf-16"]).decode("utf-16-le", "surrogatepass")
    return str(value)
