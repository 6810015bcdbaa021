"""SARIF logs are of OASIS's schema, for every rule of the lint and any path of a model."""

from __future__ import annotations

import json
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest

from repro.display.sarif import sarif_log
from repro.findings.reader import load, slugs
from repro.hazards.lint import RULES, find_hazards
from tests.repro.display.schemas import require_sarif

MODELS = [(slug, finding.minimal) for slug in slugs() for finding in [load(slug)]]
PATHS = ["m.tflite", "deep/er/m.tflite", "/abs/m.tflite", "with space/ü 100%?#.tflite", "back\\slash", "a:b.tflite"]


def test_the_hazards_of_every_finding_are_of_the_schema():
    results = [(f"findings/{slug}.tflite", find_hazards(load(slug).graph(model))) for slug, model in MODELS]
    log = sarif_log(results, "1.2.3")
    require_sarif(json.loads(json.dumps(log)))
    (run,) = log["runs"]
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == set(RULES)
    assert len(run["results"]) == sum(len(hazards) for _, hazards in results) > 20


@pytest.mark.parametrize("path", PATHS)
def test_any_path_is_a_uri_reference(path: str):
    slug, model = MODELS[0]
    log = sarif_log([(path, find_hazards(load(slug).graph(model)))], "1.2.3")
    require_sarif(log)
    uri = log["runs"][0]["artifacts"][0]["location"]["uri"]
    parts = urlsplit(uri)
    assert uri.isascii()
    assert (parts.scheme, unquote(parts.path)) == ("file" if path.startswith("/") else "", path)


def test_a_log_without_results_is_of_the_schema():
    require_sarif(sarif_log([], "0"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda run: run.pop("tool"),
        lambda run: run["results"][0].pop("message"),
        lambda run: run["results"][0].update(level="terrible"),
        lambda run: run["results"][0].update(colour="red"),
        lambda run: run["results"][0]["locations"][0]["physicalLocation"]["region"].update(startLine=0),
    ],
)
def test_the_schema_refuses_what_a_reader_refuses(spoil):
    slug, model = MODELS[0]
    log = sarif_log([("m.tflite", find_hazards(load(slug).graph(model)))], "1.2.3")
    spoil(log["runs"][0])
    with pytest.raises(jsonschema.ValidationError):
        require_sarif(log)
