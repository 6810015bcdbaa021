"""A conversion that cannot be made ends in one line with exit 3, before a process is started for it."""

from __future__ import annotations

import pytest

from models.detector import DETECTORS, Detector
from models.dfine import convert, weights
from runner.errors import NothingRan
from runner.installation import converter_install


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=lambda detector: detector.name)
def test_without_torch_it_says_what_is_missing_and_how_to_get_it(detector: Detector, monkeypatch: pytest.MonkeyPatch):
    resolved = weights.resolve(of=detector.name)
    monkeypatch.setattr(convert, "_version", lambda package: "absent" if package != "transformers" else "5.0")
    with pytest.raises(NothingRan) as raised:
        convert.convert("shipped_a", 160, resolved)
    assert f"shipped_a of {detector.title} at 160 has to be converted first" in str(raised.value)
    assert "which needs torch, litert-torch; install what lacks" in str(raised.value)
    assert converter_install() in str(raised.value)


def test_each_detector_s_graphs_have_a_folder_of_their_own():
    folders = {convert.folder(160, weights.resolve(of=name)) for name in DETECTORS}
    assert {folder.parent.name for folder in folders} == set(DETECTORS)
