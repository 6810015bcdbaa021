"""Another table of thresholds out of a TOML file, for judging saved runs again.

Apart from the table itself, because judging needs no reader of TOML.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from repro.records.strict import Said, Word
from repro.records.strict_toml import read_toml
from repro.verdicts.thresholds import ENTRIES, Threshold, Thresholds


@dataclass(frozen=True)
class _Entry:
    """A threshold as a file writes it. A limit that nothing ever exceeds is none."""

    value: Annotated[float, Field(gt=0, allow_inf_nan=False, description="a finite number above 0")]
    reason: Said
    since: Word


_Table = Annotated[_Entry | None, Field(description="value, reason and since")]
_Document: type[Any] = dataclasses.make_dataclass("_Document", [(name, _Table, None) for name in ENTRIES], frozen=True)


def load_thresholds(path: Path) -> Thresholds:
    """The default table with the entries of a TOML file in their place.

    The file has one table per entry, `[tensor_rmse_floors]` with `value`, `reason` and `since`. Raises BadInput.
    """
    document = read_toml(path, _Document, f"thresholds '{path}'")
    entries = {
        name: ENTRIES[name] if entry is None else Threshold(entry.value, entry.reason, entry.since)
        for name, entry in vars(document).items()
    }
    return Thresholds(path.stem, entries)
