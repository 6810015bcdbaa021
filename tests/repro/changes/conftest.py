"""A subject whose runs can be saved."""

from __future__ import annotations

import pytest

from cases.builder import GraphBuilder
from cases.inputs import StandardFeeds
from cases.tflite.write import write_tflite
from repro.trials.load import open_installed_cpu
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject, model_subject


@pytest.fixture
def subject() -> Subject:
    """y = x + z."""
    g = GraphBuilder()
    g.output(g.add(g.input("x", (1, 4, 8)), g.input("z", (1, 4, 8)), name="y"))
    return model_subject("sum", write_tflite(g.build()), StandardFeeds(0), OwnOps(open_installed_cpu))
