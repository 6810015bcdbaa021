"""A Run in a folder: meta.json (canonical, so equal Runs give equal bytes) and arrays.npz. Exact both ways."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, NonNegativeInt, TypeAdapter, ValidationError

from runner import memory
from runner.cache import canonical_json, read_json, write_atomically
from runner.errors import BadInput
from runner.npz import packed_groups, read_arrays, read_headers
from runner.run import Fingerprint, Outcome, Run

FORMAT = 1


@dataclass(frozen=True)
class _Meta:
    """What meta.json holds. outputs: how many there are per feed."""

    format: int
    name: str
    outcome: Outcome
    fingerprint: Fingerprint
    outputs: tuple[NonNegativeInt, ...]
    output_names: tuple[str, ...]
    fully_accelerated: bool | None
    stages: dict[str, float]
    log: str | dict[Literal["utf-16"], str]
    message: str | dict[Literal["utf-16"], str]

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")


_META = TypeAdapter(_Meta)


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
    memory.require_json(folder / "meta.json")
    meta = read_json(folder / "meta.json")
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise BadInput(f"{folder} holds no saved run: meta.json is missing or of another format; save it again")
    try:
        held = _META.validate_json(json.dumps(meta))
        there = len(read_headers(folder / "arrays.npz"))
        if sum(held.outputs) != there:
            raise ValueError(f"arrays.npz holds {there} arrays, and not as many as meta.json says")
        arrays = read_arrays(folder / "arrays.npz")
        return Run(
            name=held.name,
            outcome=held.outcome,
            fingerprint=held.fingerprint,
            outputs=tuple(tuple(arrays[f"{k}_{i}"] for i in range(count)) for k, count in enumerate(held.outputs)),
            output_names=held.output_names,
            fully_accelerated=held.fully_accelerated,
            stages=held.stages,
            log=_unescape(held.log),
            message=_unescape(held.message),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadInput(f"{folder} holds a damaged run (meta.json: {where}: {first['msg']}); save it again") from error
    except (ValueError, KeyError) as error:
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
