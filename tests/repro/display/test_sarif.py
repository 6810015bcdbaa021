"""SARIF logs are of OASIS's schema, for every rule of the lint and any path of a model, and place files by their
repository."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest

from repro.display.sarif import BASE, repository_root
from repro.display.sarif_of_lint import lint_log
from repro.findings.reader import load, slugs
from repro.hazards.lint import RULES, find_hazards
from repro.hazards.linted import Linted
from tests.repro.display.schemas import require_sarif

MODELS = [(slug, finding.minimal) for slug in slugs() for finding in [load(slug)]]
PATHS = ["m.tflite", "deep/er/m.tflite", "/abs/m.tflite", "with space/ü 100%?#.tflite", "back\\slash", "a:b.tflite"]


def linted(slug: str, model: str, path: str) -> tuple[Path, Linted]:
    return Path(path), Linted(find_hazards(load(slug).graph(model)), path)


def test_the_hazards_of_every_finding_are_of_the_schema():
    results = [linted(slug, model, f"findings/{slug}.tflite") for slug, model in MODELS]
    log = lint_log(results)
    require_sarif(json.loads(json.dumps(log)))
    (run,) = log["runs"]
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == set(RULES)
    assert len(run["results"]) == sum(len(hazards) for _, hazards in results) > 20


@pytest.mark.parametrize("path", PATHS)
def test_any_path_is_a_uri_reference(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    log = lint_log([linted(*MODELS[0], path)])
    require_sarif(log)
    location = log["runs"][0]["artifacts"][0]["location"]
    parts = urlsplit(location["uri"])
    assert location["uri"].isascii()
    assert (parts.scheme, unquote(parts.path)) == ("file" if path.startswith("/") else "", path)
    assert ("uriBaseId" in location) is not path.startswith("/")


@pytest.mark.parametrize("repository", ["checkout", "check out"])
def test_a_file_is_placed_from_the_root_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: str
):
    (tmp_path / repository / ".git").mkdir(parents=True)
    below = tmp_path / repository / "app" / "src"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert repository_root(Path()) == tmp_path / repository
    paths = ["../models/m.tflite", str(tmp_path / repository / "n.tflite"), "../../../outside.tflite"]
    log = lint_log([linted(*MODELS[0], path) for path in paths])
    require_sarif(log)
    (run,) = log["runs"]
    places = [artifact["location"] for artifact in run["artifacts"]]
    assert places[:2] == [{"uri": uri, "uriBaseId": BASE} for uri in ("app/models/m.tflite", "n.tflite")]
    assert places[2] == {"uri": (tmp_path / "outside.tflite").as_uri()}
    assert str(tmp_path / repository) not in json.dumps(log).replace(places[2]["uri"], "")
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert place == {**places[place["index"]], "index": place["index"]}


def test_a_log_without_results_is_of_the_schema():
    require_sarif(lint_log([]))


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
    log = lint_log([linted(slug, model, "m.tflite")])
    spoil(log["runs"][0])
    with pytest.raises(jsonschema.ValidationError):
        require_sarif(log)
