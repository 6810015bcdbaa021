"""Records of cells as a matrix measures them, made up."""

from __future__ import annotations

from hypothesis import strategies as st

VERSIONS = ("2.1.3", "2.1.6", "2.2.0", "2.3.0", "2.4.0.dev20261026")


def record(case: str, runtime: str, verdict: str = "PASS", *, control_of: str = "", target: str = "gpu:a") -> dict:
    signature = "stale" if verdict == "FAIL" else ""
    output = {"output": 0, "name": "y", "verdict": verdict, "signature": signature, "holds": "", "reason": ""}
    return {
        "case": case,
        "control_of": control_of,
        "runtime": runtime,
        "target": target,
        "adapter": "A",
        "driver": "D 1",
        "libraries": {"lib.so": "0" * 64},
        "device": {},
        "precision": "fp32",
        "model_sha256": case * 2,
        "fully_accelerated": True,
        "outputs": [output, {**output, "output": 1, "name": "z", "verdict": "PASS", "signature": ""}],
    }


cases = st.sampled_from(["a", "b"])
cells = st.tuples(cases, st.sampled_from(VERSIONS), st.sampled_from(["gpu:a", "gpu:b"]), st.booleans())
"""Case, runtime, target, and whether it is the case's control."""
matrices = st.dictionaries(cells, st.sampled_from(["PASS", "FAIL", "CRASH"]), min_size=1, max_size=30).map(
    lambda verdicts: [
        record(f"{case} twin" if twin else case, runtime, verdict, control_of=case if twin else "", target=target)
        for (case, runtime, target, twin), verdict in verdicts.items()
    ]
)
"""Records of any matrix: whatever fails where it likes."""
