"""Answers of two runs, made up and drawn."""

from __future__ import annotations

from hypothesis import strategies as st

from repro.changes.answer import Answer, Side
from repro.verdicts.verdict import Status


def answer(
    case: str = "f/a", output: int = 0, status: Status = Status.PASS, runtime: str = "2.3.0", **fields: object
) -> Answer:
    known = {"name": f"y{output}", "adapter": "A", "model_sha256": case * 2, "signature": ""}
    if status is Status.FAIL:
        known["signature"] = "stale"
    return Answer(case, output, "fp32", "gpu:a", runtime, status, **{**known, **fields})  # type: ignore[arg-type]


def side(*answers: Answer, source: str = "somewhere") -> Side:
    return Side(source, "answers made up", answers)


_runs = st.one_of(
    st.sampled_from([Status.CRASH, Status.HANG, Status.REFUSED]).map(lambda status: {-1: (status, "")}),
    st.dictionaries(
        st.integers(0, 2),
        st.sampled_from(
            [(Status.PASS, ""), (Status.FAIL, "stale"), (Status.FAIL, "constant"), (Status.INVALID, "")],
        ),
        min_size=1,
    ),
)
sides = st.dictionaries(st.sampled_from(["f/a", "f/b", "g/c"]), _runs, min_size=1).map(
    lambda runs: side(
        *(
            answer(case, output, status, signature=signature)
            for case, outputs in runs.items()
            for output, (status, signature) in outputs.items()
        )
    )
)
"""Sides of one place: runs with outputs, and runs that ended without any."""
