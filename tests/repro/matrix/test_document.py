"""A matrix is stored once for each model and environment, and read back whole."""

from __future__ import annotations

import json

from hypothesis import given

from repro.matrix.document import from_document, to_document
from repro.records.canonical_json import canonical
from tests.repro.matrix.cells import VERSIONS, matrices, record

FIELDS = ("runtime", "target", "adapter", "driver", "libraries", "device")


def environments(records: list[dict]) -> list[dict]:
    return list({(r["runtime"], r["target"]): {k: r[k] for k in FIELDS} for r in records}.values())


def test_a_stored_matrix_gives_its_records_back():
    records = [record("c", v, "FAIL") for v in VERSIONS] + [record("ok", v, control_of="c") for v in VERSIONS]
    refused = {**record("r", "2.1.3"), "outputs": [{**records[0]["outputs"][0], "output": -1, "verdict": "REFUSED"}]}
    records.append(refused)
    records.append(record("r", "2.2.0"))
    stored = json.loads(canonical(to_document(records, environments(records), [])))
    assert from_document(stored) == records


@given(matrices)
def test_any_matrix_comes_back_through_canonical_json(records: list[dict]):
    stored = json.loads(canonical(to_document(records, environments(records), [])))
    assert from_document(stored) == records


def test_what_passes_is_not_written_out_for_each_cell():
    records = [record("c", v, "FAIL" if v == "2.2.0" else "PASS") for v in VERSIONS]
    cells = to_document(records, environments(records), [])["cells"]
    assert [cell["runtime"] for cell in cells if "bad" in cell] == ["2.2.0"]
    (bad,) = [cell["bad"] for cell in cells if "bad" in cell]
    assert bad == [{"output": 0, "name": "y", "verdict": "FAIL", "signature": "stale"}]


def test_environments_and_those_that_could_not_be_had_are_in_a_fixed_order():
    records = [record("c", v, target=t) for v in VERSIONS for t in ("gpu:b", "gpu:a")]
    gone = [{"runtime": v, "target": "gpu:z", "reason": "not here"} for v in reversed(VERSIONS)]
    document = to_document(records, environments(records), gone)
    places = [(e["target"], e["runtime"]) for e in document["environments"]]
    assert places == sorted(places)
    assert [e["runtime"] for e in document["unavailable"]] == sorted(VERSIONS)
    again = to_document(records, environments(records)[::-1], gone[::-1])
    assert canonical(again) == canonical(document)
