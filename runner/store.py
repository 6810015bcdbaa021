"""A Run in a folder: meta.json (canonical, so equal Runs give equal bytes) and arrays.npz. Exact both ways."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from runner.cache import canonical_json, read_json, write_atomically
from runner.errors import BadInput
from runner.run import Fingerprint, Outcome, Run

FORMAT = 1


def save_run(run: Run, folder: Path) -> None:
    """Write `run` into `folder` (made on demand; a former Run there is replaced)."""
    arrays = {f"{k}_{i}": a for k, outputs in enumerate(run.outputs) for i, a in enumerate(outputs)}
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
    write_atomically(folder / "arrays.npz", npz(arrays))
    write_atomically(folder / "meta.json", canonical_json(meta))


def load_run(folder: Path) -> Run:
    """Read back what `save_run` wrote. Raises BadInput for anything else."""
    meta = read_json(folder / "meta.json")
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise BadInput(f"{folder} holds no saved run: meta.json is missing or of another format; save it again")
    try:
        with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
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
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(f"{folder} holds a damaged run ({error}); save it again") from error


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An .npz with fixed time stamps and arrays of any name (`numpy.savez` has arguments called `file` and so on)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asanyarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return buffer.getvalue()


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
